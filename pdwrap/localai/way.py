"""The way to a folder, link by link as the kernel goes it, and who else can lead it elsewhere.

Each folder on the way is opened by the one before it, without following links, and held: so what was looked at is what
was gone through. A link is read, and its text walked the same way. `..` is the folder that we came from.
"""

import errno
import os
import stat

from pdwrap.localai import owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: As many as the kernel follows (path_resolution(7)).
_MOST_LINKS = 40


class Way:
    """The folders from the root to where a path leads, each held open.

    Attributes:
        path: where it leads, with no link in it.
        writers: who can lead it elsewhere: a user's id, or `owner.ANYBODY`, and the folder in which they can.

    """

    def __init__(self) -> None:
        self._held = [(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), "")]
        self.writers: dict[int, str] = {}

    def __enter__(self) -> "Way":  # noqa: PYI034 - Self is of Python 3.11
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.pop()[0])

    @property
    def path(self) -> str:
        """Where it leads, absolute."""
        return "/".join(name for _, name in self._held) or "/"

    @property
    def name(self) -> str:
        """The last folder's name; empty for the root."""
        return self._held[-1][1]

    @property
    def fd(self) -> int:
        """The last folder, opened as a place only (O_PATH)."""
        return self._held[-1][0]

    def up(self) -> None:
        """Go back to the folder before."""
        if len(self._held) > 1:
            os.close(self._held.pop()[0])

    def go(self, path: str, passing: "Callable[[int, str], None] | None" = None) -> None:
        """Go to a folder.

        Args:
            path: absolute, or below the working directory.
            passing: called before a name is looked up, with the folder and the name.

        Raises:
            NotADirectoryError: it leads to something else.
            OSError: it leads nowhere.

        """
        if not path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        todo = [*reversed(path.split("/")), *([] if path.startswith("/") else reversed(os.getcwd().split("/")))]
        links = 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                self.up()
                continue
            if passing:
                passing(self.fd, name)
            link = self._enter(name)
            if link is not None:
                links += 1
                if links > _MOST_LINKS or not link:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if link.startswith("/"):
                    while len(self._held) > 1:
                        self.up()
                todo += reversed(link.split("/"))

    def _enter(self, name: str) -> str | None:
        """Go one step; or give where a link of that name leads."""
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            status = os.fstat(fd)
            for who in owner.writers(os.fstat(self.fd), status, self.fd):
                self.writers.setdefault(who, self.path)
            if stat.S_ISLNK(status.st_mode):
                return os.readlink("", dir_fd=fd)
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            self._held.append((fd, name))
            fd = -1
        finally:
            if fd >= 0:
                os.close(fd)
        return None
