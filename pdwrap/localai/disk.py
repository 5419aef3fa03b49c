"""The system calls on one folder, by descriptor: a folder that is renamed meanwhile stays the one that was opened.

Nothing is ever written in place: a file gets its content under a name of its own, is flushed, and is renamed, which
is atomic (rename(2)). After a crash, also of the machine, each name leads to the old file or to the new one.
"""

import contextlib
import errno
import fcntl
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: What link(2) says where there are no hard links, no more, or not for this user (fs.protected_hardlinks).
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)


#: More than any wrapper, and than most scripts.
_BEGINNING = 1 << 18


@contextlib.contextmanager
def opened(path: str) -> "Iterator[Folder]":
    """Hold a folder open, and locked against others of us."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: two of us at once are then the user's business
        yield Folder(fd)
    finally:
        os.close(fd)


class Folder:
    """What can be done in a folder that is held open."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def look(self, name: str, *, follow: bool = False) -> os.stat_result | None:
        """Give what stat(2) says, or lstat(2); None where there is nothing."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=follow)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    def read(self, name: str, *, whole: bool = False) -> bytes:
        """Read a file's beginning, which is all of a script; an external backend may be a large program."""
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._fd)
        try:
            return _read(fd) if whole else os.read(fd, _BEGINNING)
        finally:
            os.close(fd)

    def target(self, name: str) -> str:
        """Read where a symbolic link leads."""
        return os.readlink(name, dir_fd=self._fd)

    def write(self, name: str, content: bytes, like: os.stat_result | None = None) -> None:
        """Put a file at a name, whatever is there; with the mode, owner and times of `like`."""
        aside = self._aside(name)
        try:
            self._create(aside, content, like)
            self.rename(aside, name)
        except BaseException:
            self._forget(aside)
            raise

    def keep(self, name: str, other: str) -> None:
        """Give what is at a name a second name, whatever is there; where links are not to be had, a copy of it."""
        aside = self._aside(other)
        try:
            try:
                os.link(name, aside, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._copy(name, aside)
            self.rename(aside, other)
        except BaseException:
            self._forget(aside)
            raise

    def rename(self, name: str, other: str) -> None:
        """Rename, replacing what is there, and wait until it is on disk."""
        os.rename(name, other, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        self._flush()

    def remove(self, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=self._fd)
        self._flush()

    def clear(self, *names: str) -> None:
        """Remove what a crash left aside of these names."""
        for name in names:
            if self.look(_aside_of(name)):
                self.remove(_aside_of(name))

    def _aside(self, name: str) -> str:
        self.clear(name)
        return _aside_of(name)

    def _forget(self, aside: str) -> None:
        try:
            os.unlink(aside, dir_fd=self._fd)
        except OSError:
            pass

    def _flush(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EBADF):  # a file system that cannot flush a folder
                raise

    def _create(
        self, name: str, content: bytes, like: os.stat_result | None, attributes: dict[str, bytes] | None = None
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o644 if like is None else 0o600, dir_fd=self._fd)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            if like is not None:
                made = os.fstat(fd)
                if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
                    os.fchown(fd, like.st_uid, like.st_gid)
                for key, value in (attributes or {}).items():
                    os.setxattr(fd, key, value)
                os.fchmod(fd, stat.S_IMODE(like.st_mode))  # after chown(2), which clears set-uid
                os.utime(fd, ns=(like.st_atime_ns, like.st_mtime_ns))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _copy(self, name: str, aside: str) -> None:
        like = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        if stat.S_ISLNK(like.st_mode):
            os.symlink(os.readlink(name, dir_fd=self._fd), aside, dir_fd=self._fd)
            os.chown(aside, like.st_uid, like.st_gid, dir_fd=self._fd, follow_symlinks=False)
            times = (like.st_atime_ns, like.st_mtime_ns)
            os.utime(aside, ns=times, dir_fd=self._fd, follow_symlinks=False)
            return
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._fd)
        try:
            self._create(aside, _read(fd), like, _attributes(fd))
        finally:
            os.close(fd)


def _aside_of(name: str) -> str:
    return f".{name}.pdwrap-new"


def _read(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _attributes(fd: int) -> dict[str, bytes]:
    try:
        return {key: os.getxattr(fd, key) for key in os.listxattr(fd)}
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return {}
        raise
