"""The system calls on one folder, by descriptor: a folder that is renamed meanwhile stays the one that was opened.

Nothing is ever written in place: a file gets its content under a name of its own, is flushed, and is renamed, which
is atomic (rename(2)). After a crash, also of the machine, each name leads to the old file or to the new one.

Names are other people's: what is there is looked at first, opened without waiting (a FIFO) and without following a
link unless that is meant, looked at again by its descriptor, and read up to a limit. What is made is never set-uid,
set-gid or sticky, and never to be written by a group or by all.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time

from pdwrap.localai import owner
from pdwrap.localai.errors import FlushError, Locked, Trouble, shown
from pdwrap.localai.files import File, copy_content, make_alike, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: What link(2) says where there are no hard links, no more, or not for this user (fs.protected_hardlinks).
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)
#: One of us holds a lock for milliseconds; anybody who may read a folder can hold it for ever.
LOCK_PATIENCE = 3.0
_LOCK_PAUSE = 0.02
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Folder:
    """What can be done in a folder that is held open.

    Attributes:
        fd: the descriptor.
        status: what fstat(2) says of it.
        lockable: whether its lock could be had so far.

    """

    def __init__(self, fd: int) -> None:
        """Take over a descriptor."""
        self.fd = fd
        self.status = os.fstat(fd)
        self.lockable = True

    def __enter__(self) -> "Folder":  # noqa: PYI034 - Self is of Python 3.11
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it, and of its lock."""
        os.close(self.fd)

    def writers(self, entry: os.stat_result | None = None) -> set[int]:
        """List who can put something else in the place of an entry, or put something there at all; root aside."""
        return owner.writers(self.status, entry, self.fd)

    def enter(self, name: str) -> "Folder":
        """Open a folder in it, never a link to one."""
        return Folder(os.open(name, _FLAGS | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd))

    def lock(self, patience: float = LOCK_PATIENCE) -> None:
        """Lock it against others of us, who wait the same way.

        Raises:
            Locked: somebody else has, and does not let go.

        """
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    self.lockable = False
                    raise Locked(f"somebody else has locked it for {patience:g} s: left as it is") from None
                time.sleep(_LOCK_PAUSE)
            except OSError:
                return  # a file system without locks: two of us at once are then the user's business
            else:
                return

    def unlock(self) -> None:
        """Let others of us go on."""
        with contextlib.suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def folders(self) -> list[str]:
        """List the folders in it, links to folders aside."""
        with os.scandir(self.fd) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def look(self, name: str, *, follow: bool = False) -> os.stat_result | None:
        """Give what stat(2) says, or lstat(2); None where there is nothing."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=follow)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    @contextlib.contextmanager
    def reading(self, name: str, *, follow: bool = False) -> "Iterator[File]":
        """Open a regular file.

        Raises:
            Trouble: it is none.
            OSError: it cannot be opened.

        """
        seen = self.look(name, follow=follow)
        if seen is None:
            raise Trouble(f"{shown(name)} is {'a broken link' if self.look(name) else 'gone'}")
        if not stat.S_ISREG(seen.st_mode):  # not opened at all: to open a device may be to start it
            raise Trouble(f"{shown(name)} is no regular file")
        fd = os.open(name, _FLAGS | (0 if follow else os.O_NOFOLLOW), dir_fd=self.fd)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise Trouble(f"{shown(name)} is no regular file")
            yield File(fd, status)
        finally:
            os.close(fd)

    def target(self, name: str) -> str:
        """Read where a symbolic link leads."""
        return os.readlink(name, dir_fd=self.fd)

    def write(self, name: str, content: bytes, like: File | None = None) -> None:
        """Put a file at a name, whatever is there; as much as is safe of the mode, group, ACL and times of `like`."""
        aside = self._aside(name)
        try:
            fd = self._create(aside)
            try:
                write_all(fd, content)
                if like is None:
                    os.fchmod(fd, 0o644)
                else:
                    make_alike(fd, like, script=True)
                os.fsync(fd)
            finally:
                os.close(fd)
            self.rename(aside, name)
        except FlushError:
            raise
        except BaseException:
            self._forget(aside)
            raise

    def keep(self, name: str, other: str, source: File) -> None:
        """Give what is at a name a second name, whatever is there; where links are not to be had, a copy of it.

        Args:
            name: what is there now.
            other: its second name.
            source: the file, as it was looked at: what is copied is that one, whatever the name leads to by now.

        """
        aside = self._aside(other)
        try:
            try:
                os.link(name, aside, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._copy(name, aside, source)
            self.rename(aside, other)
        except FlushError:
            raise
        except BaseException:
            self._forget(aside)
            raise

    def rename(self, name: str, other: str) -> None:
        """Rename, replacing what is there, and wait until it is on disk.

        Raises:
            FlushError: it was renamed.
            OSError: it was not.

        """
        os.rename(name, other, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        self._flush()

    def remove(self, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=self.fd)
        self._flush()

    def clear(self, *names: str) -> None:
        """Remove what a crash left aside of these names."""
        for name in names:
            if self.look(_aside_of(name)):
                with contextlib.suppress(FlushError):
                    self.remove(_aside_of(name))

    def _aside(self, name: str) -> str:
        self.clear(name)
        return _aside_of(name)

    def _forget(self, aside: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(aside, dir_fd=self.fd)

    def _flush(self) -> None:
        try:
            os.fsync(self.fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EBADF):  # a file system that cannot flush a folder
                raise FlushError(error.errno, error.strerror) from None

    def _create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=self.fd)

    def _copy(self, name: str, aside: str, source: File) -> None:
        seen = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        if stat.S_ISLNK(seen.st_mode):
            os.symlink(os.readlink(name, dir_fd=self.fd), aside, dir_fd=self.fd)
            times = (seen.st_atime_ns, seen.st_mtime_ns)
            os.utime(aside, ns=times, dir_fd=self.fd, follow_symlinks=False)
            return
        fd = self._create(aside)
        try:
            copy_content(source, fd)
            make_alike(fd, source)
            os.fsync(fd)
        finally:
            os.close(fd)


def _aside_of(name: str) -> str:
    return f".{name}.pdwrap-new"
