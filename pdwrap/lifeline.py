"""The lifeline: a descriptor whose other end the launcher alone holds; its end-of-file counts as the launcher's death.

For launchers that no pid can name: in another pid namespace, behind ssh. Its data is the backend's, and never read.
"""

import os
import stat
from select import POLLHUP, poll

from pdwrap.exit_status import Refusal
from pdwrap.linux import descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.options import Settings


def is_closed(descriptor: int | None) -> bool:
    """Tell whether the lifeline's other end is closed. Looks for the hang-up alone: data is not ours to read."""
    if descriptor is None:
        return False
    waiting = poll()
    waiting.register(descriptor, descriptors.HANG_UP | POLLHUP)
    return bool(waiting.poll(0))


def check(settings: "Settings") -> None:
    """See that the lifeline can tell something, and has not told it already. It counts with the watch off, too.

    The variable reaches every pdwrap below the one that it was meant for, the descriptor mostly does not: where it
    cannot be one, and a pdwrap above has it, it is none.

    Raises:
        Refusal: it is closed, or nothing whose other end could be seen to close.

    """
    if settings.lifeline is None:
        return
    try:
        _see_that_it_can_tell(settings, settings.lifeline)
    except Refusal:
        from pdwrap import nested

        variable = settings.explicit.get("lifeline", "--lifeline")
        if variable.startswith("--") or not nested.is_below_another_with(variable, str(settings.lifeline)):
            raise
        settings.lifeline = None
        del settings.explicit["lifeline"]


def _see_that_it_can_tell(settings: "Settings", descriptor: int) -> None:
    given = f"{settings.explicit.get('lifeline', '--lifeline')} {descriptor}"
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        raise Refusal(f"{given}: not an open descriptor: let the launcher hand it on") from None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
        raise Refusal(f"{given}: not a pipe, socket or terminal: its other end cannot be seen to close")
    if stat.S_ISFIFO(mode) and _is_read_write(descriptor):
        raise Refusal(f"{given}: open for reading and writing: with that end open here, it never closes")
    if stat.S_ISSOCK(mode) and not _is_connected_stream(descriptor):
        raise Refusal(f"{given}: not a connected stream socket: its other end cannot be seen to close")
    if is_closed(descriptor):
        raise Refusal(f"{given}: closed already: nothing was started")


def _is_read_write(descriptor: int) -> bool:
    import fcntl  # only where there is a lifeline

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def _is_connected_stream(descriptor: int) -> bool:
    import socket

    with socket.socket(fileno=os.dup(descriptor)) as end:
        kinds = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
        return end.type in kinds and not end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
