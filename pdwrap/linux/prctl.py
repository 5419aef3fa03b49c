"""prctl(2): the calls that hold a tree together, by whatever way this Python has to it.

| call                      | since     | ways, in this order                                          |
|---------------------------|-----------|--------------------------------------------------------------|
| PR_SET_PDEATHSIG          | 2.1.57    | python-prctl's C half, else libc's `prctl` through `_ctypes` |
| PR_SET_CHILD_SUBREAPER    | 3.4       | the same                                                     |

`import prctl` and `import ctypes` cost 1 and 2 to 4 ms of a start of 12; the C modules below them 0.4 each. The
one file (scripts/build-standalone) has neither, but a module of its own, `_pdwrap`. The callers get an OSError where
the kernel, or a seccomp filter, says no: nothing here falls back to doing nothing.
"""

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


def _own_prctl() -> "Callable[[int, int], object]":
    if "_pdwrap" not in sys.builtin_module_names:  # searching for it would cost every start
        raise ImportError
    import _pdwrap

    return _pdwrap.prctl  # type: ignore[no-any-return]


def _python_prctl() -> "Callable[[int, int], object]":
    import _prctl  # type: ignore[import-not-found,unused-ignore]

    def call(option: int, value: int) -> object:
        return _prctl.prctl(option, value)  # raises OSError by itself

    return call


#: Where the numbers of fcntl(2) and setrlimit(2) are those of include/uapi/asm-generic; mips and its like have others.
GENERIC = ("x86_64", "aarch64")


def libc_is_at_hand() -> bool:
    """Tell whether libc is called for prctl already, and takes the usual numbers: a module is one import more."""
    return sys.modules.get("_ctypes") is not None and os.uname().machine in GENERIC


def libc_function(name: str) -> "Callable[..., int]":
    """Give a function of libc's that takes ints, or pointers to bytes, and gives an int.

    Raises:
        ImportError: this Python has no ctypes.
        OSError: libc has no such function.

    """
    import _ctypes

    address = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # type: ignore[arg-type,attr-defined,unused-ignore]

    def call(*arguments: "int | bytes") -> int:
        return int(_ctypes.call_function(address, arguments))  # type: ignore[attr-defined,unused-ignore]

    return call


def _libc_prctl() -> "Callable[[int, int], object]":
    libc = libc_function("prctl")

    def call(option: int, value: int) -> object:
        # prctl is variadic: unused arguments must be zero (prctl(2)).
        if libc(option, value, 0, 0, 0):
            raise OSError(errno.EPERM, "prctl was refused")
        return None

    return call


def _no_prctl() -> "Callable[[int, int], object]":
    def call(_option: int, _value: int) -> object:
        raise OSError(errno.ENOSYS, "this system has no prctl")

    return call


def _find_prctl() -> "tuple[str, Callable[[int, int], object]]":
    for way, find in (("itself", _own_prctl), ("python-prctl", _python_prctl), ("ctypes", _libc_prctl)):
        try:
            return way, find()
        except (ImportError, AttributeError, OSError):
            continue
    return "none", _no_prctl()


#: `itself` (the one file), `python-prctl`, `ctypes` or `none` (not Linux; a Python without ctypes, as Debian's
#: python3-minimal).
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
