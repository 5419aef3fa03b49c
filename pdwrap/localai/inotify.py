"""inotify(7): the kernel tells what appears in a folder. Two calls, through ctypes.

The well-kept packages for it, watchdog and inotify_simple, make the same two calls through ctypes (so neither works in
a program without it), and bring threads or nothing else that is needed here. Without ctypes, or where the kernel has
no instance left, `open_one` raises, and who follows looks around by the clock instead.
"""

import errno
import os
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MODIFY_DONE = 0x8  # IN_CLOSE_WRITE
MOVED_TO = 0x80
CREATE = 0x100
DELETE_SELF = 0x400
MOVE_SELF = 0x800
OVERFLOW = 0x4000
IGNORED = 0x8000
_ONLY_FOLDERS = 0x1000000
#: To what is watched already: without it, the new mask replaces the old one.
_ADD_TO_MASK = 0x20000000
_HEAD = struct.Struct("iIII")
_MOST = 1 << 16


class Event(NamedTuple):
    """What happened.

    Attributes:
        watch: the number of the watch; -1 for OVERFLOW.
        mask: what, as bits.
        name: of what, in the folder that is watched; empty for the folder itself.

    """

    watch: int
    mask: int
    name: str


class Inotify:
    """An instance, and the calls on it."""

    def __init__(self) -> None:
        """Ask the kernel for one.

        Raises:
            OSError: there is none, or no way to make the call.

        """
        self._start, self._add = _find_calls()
        self.fd = self._start(os.O_NONBLOCK | os.O_CLOEXEC)

    def add(self, fd: int, mask: int) -> int:
        """Watch the folder that `fd` holds, and give the number of the watch: the same one if it is watched already.

        Raises:
            OSError: not allowed, or none left (fs.inotify.max_user_watches).

        """
        place = f"/proc/self/fd/{fd}".encode("ascii")
        return self._add(self.fd, place, mask | _ONLY_FOLDERS | _ADD_TO_MASK)

    def events(self) -> list[Event]:
        """Read what has happened since; nothing if nothing has."""
        try:
            data = os.read(self.fd, _MOST)
        except BlockingIOError:
            return []
        found, at = [], 0
        while at < len(data):
            watch, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            found.append(Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
            at += length
        return found

    def close(self) -> None:
        """Give it back."""
        os.close(self.fd)


def _find_calls() -> "tuple[Callable[[int], int], Callable[[int, bytes, int], int]]":
    """Find inotify_init1(2) and inotify_add_watch(2), that raise an OSError where the kernel says no."""
    if "_pdwrap" in sys.builtin_module_names:  # the one file has no ctypes, but this
        import _pdwrap

        return _pdwrap.inotify_init1, _pdwrap.inotify_add_watch
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        start, add = libc.inotify_init1, libc.inotify_add_watch
    except (ImportError, AttributeError):
        raise OSError(errno.ENOSYS, "no way to call inotify") from None

    def checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return int(result)

    return lambda flags: checked(start(flags)), lambda fd, place, mask: checked(add(fd, place, mask))
