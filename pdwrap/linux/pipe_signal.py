"""A signal that the kernel itself sends when something happens to a pipe (fcntl(2): O_ASYNC, F_SETOWN, F_SETSIG).

Pipes do so since 2.6. The kernel keeps the process that is to get it, not its number (fs/fcntl.c), so nobody else is
ever signalled (N3); and it may signal whom the process that asked may (the credentials at F_SETOWN count).
"""

import errno
import os
import sys
from select import poll

from pdwrap.linux import prctl, signals

# include/uapi/asm-generic/fcntl.h
F_GETFL, F_SETFL, F_SETOWN, F_SETSIG = 3, 4, 8, 10
NAMES = {F_GETFL: "F_GETFL", F_SETFL: "F_SETFL", F_SETOWN: "F_SETOWN", F_SETSIG: "F_SETSIG"}


def die_when_closed(descriptor: int) -> None:
    """Have the kernel kill this process when the other end of this pipe is closed, though it may be stopped."""
    if own(descriptor, os.getpid(), signals.SIGKILL):
        set_async(descriptor, on=True)  # else one that is stopped stays, until it is continued


def continue_when_closed(descriptor: int, whom: int) -> bool:
    """Have the kernel continue a stopped process when the other end of this pipe is closed; tell whether it will.

    Our end is the write end, and nobody may ever read from the other: each read would send it, too (fs/pipe.c,
    pipe_read; seen here).

    Args:
        descriptor: our end.
        whom: the process; -N is each of process group N.

    """
    return own(descriptor, whom, signals.SIGCONT) and set_async(descriptor, on=True)


def other_end_is_closed(descriptor: int) -> bool:
    """Tell whether nobody holds the other end of this pipe any more. Our end is the write end."""
    waiting = poll()
    waiting.register(descriptor, 0)  # POLLERR is always told
    return bool(waiting.poll(0))


def disarm(descriptor: int) -> bool:
    """Have the kernel send nothing more for this end of a pipe, whichever process writes; tell whether it will not."""
    return set_async(descriptor, on=False)


def own(descriptor: int, pid: int, number: int) -> bool:
    """Say who is to get which signal for this end of a pipe (-N: process group N); tell whether the kernel takes it."""
    try:
        _fcntl(descriptor, F_SETSIG, number)
        _fcntl(descriptor, F_SETOWN, pid)
    except (ImportError, OSError):
        return False
    return True


def set_async(descriptor: int, *, on: bool) -> bool:
    """Switch the signals of this end of a pipe on or off; tell whether that was done."""
    try:
        flags = _fcntl(descriptor, F_GETFL, 0)
        _fcntl(descriptor, F_SETFL, flags | os.O_ASYNC if on else flags & ~os.O_ASYNC)
    except (ImportError, OSError):
        return False
    return True


def _fcntl(descriptor: int, command: int, argument: int) -> int:
    """Call fcntl(2): by libc where `prctl` goes that way already, since the module `fcntl` costs half a millisecond.

    Raises:
        ImportError: there is no way to it.
        OSError: refused.

    """
    if "_pdwrap" in sys.builtin_module_names:  # the one file
        import _pdwrap

        return int(_pdwrap.fcntl(descriptor, command, argument))
    if not prctl.libc_is_at_hand():
        import fcntl

        return fcntl.fcntl(descriptor, getattr(fcntl, NAMES[command]), argument)
    result = prctl.libc_function("fcntl")(descriptor, command, argument)
    if result < 0:
        raise OSError(errno.EINVAL, "fcntl was refused")
    return result
