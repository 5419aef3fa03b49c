"""The exit statuses that pdwrap itself makes up, and the one exception that leads to them (T4).

Everything else that a caller sees is the backend's own status, mirrored. The numbers are those of env(1), nohup(1)
and timeout(1), so that scripts which know them need to learn nothing.
"""

import errno

#: The answer to a question: `--list PID|NAME`, `--doctor`.
YES = 0
NO = 1
OWN_FAILURE = 125
CANNOT_EXECUTE = 126
NOT_FOUND = 127

#: A limit has been reached, or the machine has no more: the errors that end when one is raised, or something freed.
LIMITS = frozenset((errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM))


class Refusal(Exception):  # noqa: N818 - not an error of pdwrap's: pdwrap declines, and says why
    """pdwrap does not start, or cannot go on.

    Args:
        message: one line for stderr: what, and what to do about it.
        status: the exit status, 125 unless the command itself was at fault.

    """

    def __init__(self, message: str, status: int = OWN_FAILURE) -> None:
        super().__init__(message)
        self.status = status


def not_started(what: str, error: OSError, otherwise: str = "") -> Refusal:
    """Say that the system refused something before the backend was started, and what helps against that.

    Args:
        what: what could not be done.
        error: why.
        otherwise: what helps where no limit is the cause.

    """
    where = f": {error.filename}" if error.filename else ""
    hint = "raise that limit, or free some" if error.errno in LIMITS else otherwise
    return Refusal(f"{what} ({error.strerror or error}{where}): nothing was started{f'; {hint}' if hint else ''}")


def of_exec_failure(error: int) -> int:
    """Give the exit status for an `execve` that failed with errno `error`, as env(1) does."""
    return NOT_FOUND if error == errno.ENOENT else CANNOT_EXECUTE
