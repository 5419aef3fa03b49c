"""prctl(2) and pidfd_open(2): the calls that hold a tree together, each by whatever way this Python has to it.

| call                      | since     | ways, in this order                                        |
|---------------------------|-----------|------------------------------------------------------------|
| PR_SET_PDEATHSIG          | 2.1.57    | python-prctl's C half, else libc's `prctl` through `_ctypes` |
| PR_SET_CHILD_SUBREAPER    | 3.4       | the same                                                   |
| pidfd_send_signal         | 5.1       | `signal.pidfd_send_signal`, else libc's `syscall` through ctypes |
| pidfd_open                | 5.3       | `os.pidfd_open`, else the same                             |

`import prctl` and `import ctypes` cost 1 and 2 to 4 ms of a start of 12; the C modules below them 0.4 each. The
callers get an OSError where the kernel, or a seccomp filter, says no: nothing here falls back to doing nothing.
"""

import errno
import os

from pdwrap import procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
SYS_PIDFD_SEND_SIGNAL = 424  # the same on every architecture, as all calls since 5.1 (syscalls(2))
SYS_PIDFD_OPEN = 434

#: What an old kernel (ENOSYS), a seccomp profile (EPERM, sometimes EACCES) or a kernel without the option says.
#: Running out of descriptors or memory is "not now" and no reason to do without (EMFILE, ENFILE, ENOMEM).
REFUSALS = frozenset((errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP))


def _python_prctl() -> "Callable[[int, int], object]":
    import _prctl  # type: ignore[import-not-found,unused-ignore]

    def call(option: int, value: int) -> object:
        return _prctl.prctl(option, value)  # raises OSError by itself

    return call


def _libc_prctl() -> "Callable[[int, int], object]":
    import _ctypes

    address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type,attr-defined,unused-ignore]

    def call(option: int, value: int) -> object:
        # prctl is variadic: unused arguments must be zero (prctl(2)).
        if _ctypes.call_function(address, (option, value, 0, 0, 0)):  # type: ignore[attr-defined,unused-ignore]
            raise OSError(errno.EPERM, "prctl was refused")
        return None

    return call


def _no_prctl() -> "Callable[[int, int], object]":
    def call(_option: int, _value: int) -> object:
        raise OSError(errno.ENOSYS, "this system has no prctl")

    return call


def _find_prctl() -> "tuple[str, Callable[[int, int], object]]":
    for way, find in (("python-prctl", _python_prctl), ("ctypes", _libc_prctl)):
        try:
            return way, find()
        except (ImportError, AttributeError, OSError):
            continue
    return "none", _no_prctl()


#: `python-prctl`, `ctypes` or `none` (not Linux).
PRCTL_WAY, _prctl_call = _find_prctl()


def set_parent_death_signal(number: int) -> None:
    """Ask for signal `number` when the thread that is our parent ends (PR_SET_PDEATHSIG).

    Follows the thread, not the process; cleared by fork and by executing a set-uid file (prctl(2)).

    Raises:
        OSError: refused.

    """
    _prctl_call(PR_SET_PDEATHSIG, number)


def become_subreaper() -> None:
    """Make every orphaned descendant our child (PR_SET_CHILD_SUBREAPER). Not inherited by fork.

    Raises:
        OSError: refused.

    """
    _prctl_call(PR_SET_CHILD_SUBREAPER, 1)


def forbid_core() -> None:
    """Keep this process from writing a core file (PR_SET_DUMPABLE), also where cores are piped to a program.

    Raises:
        OSError: refused.

    """
    _prctl_call(PR_SET_DUMPABLE, 0)


def pidfd_open(pid: int) -> int | None:
    """Open a pidfd of process `pid`, close-on-exec; None where the kernel refuses such descriptors.

    Raises:
        ProcessLookupError: there is no such process.
        OSError: not now (out of descriptors).

    """
    try:
        if hasattr(os, "pidfd_open"):
            return os.pidfd_open(pid)
        return _syscall(SYS_PIDFD_OPEN, pid, 0)
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
        _syscall(SYS_PIDFD_SEND_SIGNAL, descriptor, number, None, 0)


def signal_child_of(pid: int, parent: int, number: int) -> bool:
    """Send a signal to `pid` if it is a child of `parent`; tell whether it is.

    Nothing is sent where the kernel refuses pidfds: without one, the number could become another's in between.

    """
    try:
        descriptor = pidfd_open(pid)
    except ProcessLookupError:
        return False
    if descriptor is None:
        return procfs.parent(pid) == parent
    try:
        if procfs.parent(pid) != parent:
            return False
        pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(descriptor)
    return True


def _syscall(number: int, *arguments: int | None) -> int:
    """CPython offers a call only where its build's headers had it; conda's 3.11 lacks both (measured)."""
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
