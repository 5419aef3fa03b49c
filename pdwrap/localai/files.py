"""One file that is held open: reading it up to a limit, copying it, and making another like it."""

import errno
import os
import stat

from pdwrap.localai.errors import Trouble

#: More than any wrapper, and than most scripts.
_BEGINNING = 1 << 18
#: More than any metadata or record of ours.
_MOST = 1 << 20
_PART = 1 << 20
#: All that what is made here may have: never set-uid, set-gid or sticky, nor to be written by a group or by all.
SAFE_MODE = 0o755
_ACL = "system.posix_acl_access"


class File:
    """A regular file that is held open to be read.

    Attributes:
        fd: the descriptor.
        status: what fstat(2) says of it.

    """

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self.fd = fd
        self.status = status

    def beginning(self) -> bytes:
        """Read the beginning, which is all of a script; an external backend may be a large program."""
        return os.pread(self.fd, _BEGINNING, 0)

    def whole(self) -> bytes:
        """Read all of a small file.

        Raises:
            Trouble: it is not small.

        """
        content = os.pread(self.fd, _MOST + 1, 0)
        if len(content) > _MOST:
            raise Trouble("is larger than a mebibyte")
        return content


def write_all(fd: int, content: bytes) -> None:
    """Write all of it, whatever the kernel takes at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def copy_content(source: File, fd: int) -> None:
    """Write what a file held when it was looked at, and its attributes, into another."""
    at = 0
    while at < source.status.st_size and (part := os.pread(source.fd, _PART, at)):
        write_all(fd, part)
        at += len(part)
    for key in _attributes(source.fd):
        if key != _ACL:
            os.setxattr(fd, key, os.getxattr(source.fd, key))


def same_content(one: File, two: File) -> bool:
    """Tell whether two files of one size held the same when they were looked at."""
    at = 0
    while at < one.status.st_size:
        part = os.pread(one.fd, _PART, at)
        if not part or part != os.pread(two.fd, _PART, at):
            return False
        at += len(part)
    return True


def make_alike(fd: int, like: File, *, script: bool = False) -> None:
    """Give a file of ours the group, ACL, mode and times of another, as far as that is safe.

    Its owner is who makes it. Where the group cannot be had, the new one gets no more than all have. Where there is an
    ACL, the bits of the group are its mask (acl(5)), which without the ACL would become the group's own rights.

    Args:
        fd: what was made, open for writing.
        like: what it is to be like.
        script: who may run it may read it, too.

    """
    mode = stat.S_IMODE(like.status.st_mode) & SAFE_MODE
    if os.fstat(fd).st_gid != like.status.st_gid:
        try:
            os.fchown(fd, -1, like.status.st_gid)
        except OSError:
            mode = mode & ~0o070 | (mode & 0o007) << 3
    if _ACL in _attributes(like.fd):
        os.setxattr(fd, _ACL, os.getxattr(like.fd, _ACL))
    elif _ACL in _attributes(fd):
        os.removexattr(fd, _ACL)  # from the folder's default ACL
    if script:
        mode |= (mode & 0o111) << 2
    os.fchmod(fd, mode)
    os.utime(fd, ns=(like.status.st_atime_ns, like.status.st_mtime_ns))


def _attributes(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return []
        raise
