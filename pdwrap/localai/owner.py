"""Who may change what: root works in a folder as the folder's owner, and where others can write, not at all.

Root's rights in a folder of somebody else are what an attack wants: a link, or a file swapped between two of our calls,
makes root read, own or change what that user may not. With the owner's effective user id (credentials(7)) nothing that
is done there is more than its owner could do alone, whatever changes meanwhile. A crash in between ends the process,
and its ids with it.
"""

import contextlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = 0
#: Everybody, among user ids.
ANYBODY = -1
#: The group of whoever has none (Debian's nogroup): no file of anybody's is meant for it.
_NO_GROUP = 65534
_ACL = "system.posix_acl_access"


@contextlib.contextmanager
def acting_for(folder: os.stat_result) -> "Iterator[None]":
    """Work with the ids of a folder's owner, where we are root and the owner is not.

    Raises:
        PermissionError: root may not become another here (no CAP_SETUID).

    """
    if os.geteuid() != ROOT or folder.st_uid == ROOT:
        yield
        return
    before = os.getegid(), os.getgroups()
    group, groups = _groups_of(folder.st_uid)
    try:
        os.setgroups(groups)
        os.setegid(group)
        os.seteuid(folder.st_uid)
        yield
    finally:
        os.seteuid(ROOT)
        os.setegid(before[0])
        os.setgroups(before[1])


def writers(folder: os.stat_result, entry: os.stat_result | None = None, fd: int = -1) -> set[int]:
    """List who can put something else in the place of an entry of a folder, root aside.

    Args:
        folder: what stat(2) says of it.
        entry: of the entry; None: who can put something there at all.
        fd: the folder, held open; -1: a group's right to write is anybody's.

    """
    found = {folder.st_uid}
    if folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        if folder.st_mode & stat.S_ISVTX and entry is not None:
            found.add(entry.st_uid)  # sticky: an entry is its owner's to rename and remove (unlink(2))
        elif folder.st_mode & stat.S_IWOTH:
            found.add(ANYBODY)
        else:
            found.add(_only_member(folder.st_gid, fd))
    return found - {ROOT}


def _only_member(group: int, fd: int) -> int:
    """Give the user whose private group it is (many systems let each user's files be written by it), or ANYBODY."""
    if group == ROOT:
        return ROOT
    try:
        import grp
        import pwd

        entry, user = grp.getgrgid(group), pwd.getpwnam(grp.getgrgid(group).gr_name)
        private = user.pw_gid == group and set(entry.gr_mem) <= {user.pw_name}
        # With an ACL these bits are its mask: others than the group may have the right (acl(5)).
        if private and fd >= 0 and _ACL not in os.listxattr(f"/proc/self/fd/{fd}"):
            return user.pw_uid
    except (ImportError, KeyError, OSError):
        pass
    return ANYBODY


def _groups_of(user: int) -> tuple[int, list[int]]:
    """Give a user's own group, and all of them; none that means anything where the system does not know the user."""
    try:
        import pwd

        entry = pwd.getpwuid(user)
        return entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (ImportError, KeyError):
        return _NO_GROUP, []
