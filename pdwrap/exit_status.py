"""The exit statuses that pdwrap itself makes up, and the one exception that leads to them (T4).

Everything else that a caller sees is the backend's own status, mirrored. The numbers are those of env(1), nohup(1)
and timeout(1), so that scripts which know them need to learn nothing.
"""

import errno

OWN_FAILURE = 125
CANNOT_EXECUTE = 126
NOT_FOUND = 127


class Refusal(Exception):  # noqa: N818 - not an error of pdwrap's: pdwrap declines, and says why
    """pdwrap does not start, or cannot go on.

    Args:
        message: one line for stderr: what, and what to do about it.
        status: the exit status, 125 unless the command itself was at fault.

    """

    def __init__(self, message: str, status: int = OWN_FAILURE) -> None:
        super().__init__(message)
        self.status = status


def of_exec_failure(error: int) -> int:
    """Give the exit status for an `execve` that failed with errno `error`, as env(1) does."""
    return NOT_FOUND if error == errno.ENOENT else CANNOT_EXECUTE
