"""What keeps a backend from being wrapped, in the words that a person reads; and names as one line."""

import errno
import os


class Trouble(Exception):  # noqa: N818 - it is not always an error: a backend may be left alone on purpose
    """One line: what is the matter, and what to do."""


class Locked(Trouble):
    """Somebody else holds the folder's lock: the one trouble that passes by itself."""


class FlushError(OSError):
    """The change was made, and can be seen; the disk did not say that it would outlast a crash of the machine."""


def shown(path: str) -> str:
    """Make a name that stays on its line: what cannot be printed is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode("ascii")
        for letter in path
    )


def from_error(error: OSError) -> Trouble:
    """Say why the system refused, and whether something was changed."""
    reason = error.strerror or str(error)
    if isinstance(error, FlushError):
        return Trouble(f"done, but perhaps not to outlast a crash of the machine ({reason}): do it again")
    if error.errno == errno.EROFS:
        reason = "the file system is read-only: remount it, or wrap where the image is built"
    elif error.errno in (errno.EACCES, errno.EPERM):
        reason = f"{os.strerror(error.errno)}: run this as the owner of the folder and its files, or as root"
    return Trouble(f"{reason}; nothing was changed")
