"""The file that `--log-file` names: lines are appended to it, each with the time and whose it is.

It is opened before anything is started, so before any process of pdwrap changes its directory. Each line is one write
to a description with O_APPEND: lines of many backends do not mix (write(2); a network file system may not hold that).
A disk that is full, a file that has been removed, a file-size limit: the line is lost, and nothing else happens.
"""

import os

from pdwrap.exit_status import not_started
from pdwrap.stderr import STDERR, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MODE = 0o666  # less the umask, as a shell's `>>` does


class LogFile:
    """An open log file.

    Args:
        path: where it is; made if it is not there.
        where: the option or the variable that named it.
        make: makes a line of an event, its text and its fields.

    Attributes:
        alone: it has taken the place of descriptor 2, so that nothing goes to stderr any more.

    Raises:
        Refusal: it cannot be opened. Nothing has been started.

    """

    __slots__ = ("_descriptor", "_make", "alone")

    def __init__(self, path: str, where: str, make: "Callable[[str, str, dict[str, object]], str]") -> None:
        self._make = make
        self.alone = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
        try:
            # O_NONBLOCK: a FIFO without a reader is an error, and a full one takes no line; a file knows no difference.
            self._descriptor = os.open(path, flags | os.O_NONBLOCK, MODE)
        except OSError as error:
            raise not_started(f"{where}: cannot open the log file", error) from None

    def write(self, event: str, text: str, fields: "dict[str, object]") -> None:
        """Append one line."""
        try:
            os.write(self._descriptor, one_line(self._make(event, text, fields)))
        except OSError:
            pass  # full, too long (RLIMIT_FSIZE), gone: the ending matters more

    def take_place_of_stderr(self) -> None:
        """Be descriptor 2 of this process from now on, so that nothing of ours can land there."""
        os.dup2(self._descriptor, STDERR, inheritable=False)
        os.close(self._descriptor)
        self._descriptor = STDERR
        self.alone = True
