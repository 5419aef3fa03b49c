"""Which TCP ports processes listen on, whatever network namespace they are in.

A process's sockets are links in its fd folder, with an inode each; /proc/PID/net/tcp lists those of its network
namespace (proc(5)). `psutil` reads the list of the caller's own namespace alone.
"""

import os

from pdwrap.linux import procfs

SOCKET = "socket:["
LISTEN = b"0A"  # TCP_LISTEN, include/net/tcp_states.h
TABLES = "tcp", "tcp6"


class Ports:
    """Looks ports up; each namespace's list is read once.

    Args:
        none: nothing is kept for longer than one look at all processes.

    """

    __slots__ = ("_listening",)

    def __init__(self) -> None:
        self._listening: dict[str, dict[str, int]] = {}

    def of(self, pid: int) -> "set[int] | None":
        """Give the ports that `pid` listens on; None where its descriptors may not be seen."""
        folder = f"{procfs.ROOT}/{pid}/fd"
        try:
            links = [_link(f"{folder}/{entry}") for entry in procfs.entries(folder)]
        except PermissionError:
            return None
        except OSError:
            return set()  # gone
        inodes = [link[len(SOCKET) : -1] for link in links if link.startswith(SOCKET)]
        if not inodes:
            return set()
        listening = self._of_namespace(pid)
        return {listening[inode] for inode in inodes if inode in listening}

    def _of_namespace(self, pid: int) -> "dict[str, int]":
        namespace = _link(f"{procfs.ROOT}/{pid}/ns/net")
        known = self._listening.get(namespace)
        if known is None:
            known = {}
            for table in TABLES:
                known.update(_read(f"{procfs.ROOT}/{pid}/net/{table}"))
            if namespace:
                self._listening[namespace] = known
        return known


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _read(path: str) -> "dict[str, int]":
    try:
        rows = [line.split() for line in procfs.read(path).splitlines()[1:]]
    except OSError:
        return {}
    return {row[9].decode(): int(row[1].rpartition(b":")[2], 16) for row in rows if len(row) > 9 and row[3] == LISTEN}  # noqa: PLR2004
