"""pidfd_open(2) and pidfd_send_signal(2): a process that is held cannot be confused with another (N3).

| call                      | since     | ways, in this order                                              |
|---------------------------|-----------|------------------------------------------------------------------|
| pidfd_send_signal         | 5.1       | `signal.pidfd_send_signal`, else libc's `syscall` through ctypes |
| pidfd_open                | 5.3       | `os.pidfd_open`, else the same                                   |

A refusal of the kernel's ("not here") is told apart from a lack of descriptors ("not now").
"""

import errno
import os
import sys
from select import POLLIN, poll

from pdwrap.linux import procfs, signals

SYS_PIDFD_SEND_SIGNAL = 424  # the same on every architecture, as all calls since 5.1 (syscalls(2))
SYS_PIDFD_OPEN = 434

#: What an old kernel (ENOSYS), a seccomp profile (EPERM, sometimes EACCES) or a kernel without the option says.
#: Running out of descriptors or memory is "not now" and no reason to do without (EMFILE, ENFILE, ENOMEM).
REFUSALS = frozenset((errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP))


def pidfd_open(pid: int) -> int | None:
    """Open a pidfd of process `pid`, close-on-exec; None where the kernel refuses such descriptors.

    Raises:
        ProcessLookupError: there is no such process.
        OSError: not now (out of descriptors).

    """
    try:
        if hasattr(os, "pidfd_open"):
            return os.pidfd_open(pid)
        return call_kernel(SYS_PIDFD_OPEN, pid, 0)
    except OSError as error:
        if error.errno in REFUSALS:
            return None
        raise


def pidfd_send_signal(descriptor: int, number: int) -> None:
    """Send a signal by pidfd: to that process or, when it has been reaped, to nobody (N3).

    Raises:
        ProcessLookupError: it is gone.
        PermissionError: it may not be signalled by us.

    """
    if hasattr(signals.api, "pidfd_send_signal"):
        signals.api.pidfd_send_signal(descriptor, number)
    else:
        call_kernel(SYS_PIDFD_SEND_SIGNAL, descriptor, number, None, 0)


def hold_child_of(pid: int, parent: int) -> int | None:
    """Open a pidfd of `pid` if it is a child of `parent` then; None where it is not, or cannot be held.

    The caller sees to it that `parent` still means who it meant (`has_ended`): only then is this a child of that one.
    """
    try:
        descriptor = pidfd_open(pid)
    except OSError:  # gone; or we have run out of descriptors
        return None
    if descriptor is not None and procfs.parent(pid) != parent:
        os.close(descriptor)
        return None
    return descriptor


def has_ended(descriptor: int) -> bool:
    """Tell whether the process of a pidfd has ended; a zombie has."""
    waiting = poll()
    waiting.register(descriptor, POLLIN)
    return bool(waiting.poll(0))


def call_kernel(number: int, *arguments: int | None) -> int:
    """CPython offers a call only where its build's headers had it; conda's 3.11 lacks both (measured)."""
    if "_pdwrap" in sys.builtin_module_names:  # the one file has no ctypes, but this
        import _pdwrap

        return int(_pdwrap.syscall(number, *arguments))
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        result = int(libc.syscall(number, *arguments))
    except (ImportError, AttributeError) as missing:
        raise OSError(errno.ENOSYS, "no way to make a system call") from missing
    if result < 0:
        failure = ctypes.get_errno()
        raise OSError(failure, os.strerror(failure))
    return result
