"""What a tree uses: memory, and the ports that it listens on.

Memory is the proportional set size (PSS): a page that several processes share counts once, in parts. Where that may not
be read of all of a tree (another user's, ptrace(2)), it is the resident set size (RSS) of all, in which it counts once
for each.
"""

import psutil

from pdwrap.linux.sockets import Ports


class Usage:
    """What the processes of a tree use together.

    Args:
        pids: the tree.
        ports: who looks ports up.

    Attributes:
        memory: bytes; None where nothing could be read.
        memory_kind: `pss` or `rss`.
        ports: those that could be read.
        hidden: how many processes' ports could not.

    """

    __slots__ = ("hidden", "memory", "memory_kind", "ports")

    def __init__(self, pids: "list[int]", ports: Ports) -> None:
        self.memory, self.memory_kind = _memory(pids)
        self.ports: set[int] = set()
        self.hidden = 0
        for pid in pids:
            found = ports.of(pid)
            if found is None:
                self.hidden += 1
            else:
                self.ports |= found


def _memory(pids: "list[int]") -> "tuple[int | None, str]":
    shares = [_share(pid) for pid in pids]
    if None not in shares:
        return (sum(share for share in shares if share) if pids else None), "pss"
    sizes = [size for size in map(_size, pids) if size is not None]
    return (sum(sizes) if sizes else None), "rss"


def _share(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):  # a kernel without smaps has no such field
        return None
    except psutil.Error:
        return 0  # gone, or a zombie


def _size(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.AccessDenied:
        return None
    except psutil.Error:
        return 0
