"""Descriptors that a wrapper must not disturb: the standard ones, and whatever the launcher handed on."""

import os
import sys
from select import POLLRDHUP

from pdwrap.linux import prctl, procfs

#: For poll(2): the other end has been closed, or shut down for writing. Unlike POLLIN it says nothing of data, which is
#: not ours to read (poll(2), since Linux 2.6.17).
HANG_UP = POLLRDHUP


def hold_standard() -> None:
    """Fill what the launcher closed of descriptors 0, 1 and 2, so that none of ours lands there.

    Close-on-exec: the backend finds closed what the launcher closed. `/` opens everywhere, also without /dev.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the lowest free one: this one


def close_all_but(kept: "set[int]") -> None:
    """Close every descriptor but `kept`: what a supervisor holds open it keeps alive (a port, a pipe's end)."""
    kept = kept | procfs.held()
    for entry in procfs.entries(f"{procfs.ROOT}/self/fd"):
        descriptor = int(entry)
        if descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass  # the one that listed the folder


def open_again(descriptor: int, flags: int) -> int:
    """Open the file behind a descriptor once more, close-on-exec: a description of our own, with flags of our own.

    Raises:
        OSError: it may not be opened (another user's terminal, after a change of uid), or no descriptor is left.

    """
    return os.open(f"{procfs.ROOT}/self/fd/{descriptor}", flags | os.O_CLOEXEC)


RLIMIT_NOFILE = 7  # include/uapi/asm-generic/resource.h


def raise_limit() -> None:
    """Raise our own soft limit of descriptors to the hard one; where that cannot be done it stays as it is.

    By libc where `prctl` goes that way: in a forked process the module `resource` costs 0.3 MB of its own (measured).
    """
    try:
        if not prctl.libc_is_at_hand():
            import resource

            _soft, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
        else:
            limits = procfs.read(f"{procfs.ROOT}/self/limits").partition(b"Max open files")[2].split()
            hard = int(limits[1]).to_bytes(8, sys.byteorder)  # `unlimited` is none that the kernel gives (fs.nr_open)
            prctl.libc_function("setrlimit")(RLIMIT_NOFILE, hard + hard)
    except (ImportError, OSError, ValueError, IndexError):
        pass
