"""All processes that can be seen, at one moment: who is whose child, who is called what.

Processes come and go while it is read: who is gone meanwhile is not in it, and nobody is signalled by what it says.
"""

import os

from pdwrap.linux import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.linux.procfs import Stat

KERNEL_NAME = 15  # characters that the kernel keeps of a name (TASK_COMM_LEN, proc(5))


class Table:
    """The process table; what is dear is read when it is asked for, once."""

    __slots__ = ("_children", "_words", "stats")

    def __init__(self) -> None:
        self.stats: dict[int, Stat] = {}
        self._children: dict[int, list[int]] = {}
        self._words: dict[int, tuple[str, ...]] = {}
        for pid in procfs.all_processes():
            seen = procfs.stat(pid)
            if seen is not None:
                self.stats[pid] = seen
                self._children.setdefault(seen.parent, []).append(pid)

    def words(self, pid: int) -> "tuple[str, ...]":
        """Give the command line of `pid`."""
        if pid not in self._words:
            self._words[pid] = procfs.words(pid)
        return self._words[pid]

    def children(self, pid: int) -> "list[int]":
        """List the children of `pid`, the oldest first."""
        return sorted(self._children.get(pid, ()), key=lambda child: (self.stats[child].started, child))

    def below(self, pid: int) -> "list[int]":
        """List all descendants of `pid`."""
        found: list[int] = []
        todo = [pid]
        while todo:
            children = self._children.get(todo.pop(), [])
            found += children
            todo += children
        return found

    def above(self, pid: int) -> "list[int]":
        """List the ancestors of `pid`, nearest first."""
        found: list[int] = []
        seen = self.stats.get(pid)
        while seen is not None and seen.parent in self.stats and seen.parent not in found:
            found.append(seen.parent)
            seen = self.stats[seen.parent]
        return found

    def is_alive(self, pid: int) -> bool:
        """Tell whether `pid` was there, and no zombie."""
        seen = self.stats.get(pid)
        return seen is not None and seen.alive

    def name(self, pid: int) -> str:
        """Give the name of `pid`: the kernel's, whole where it has cut it off; `?` where there is no such process."""
        seen = self.stats.get(pid)
        if seen is None:
            return "?"
        if len(seen.name.encode()) < KERNEL_NAME:
            return seen.name
        program = os.path.basename((self.words(pid) or ("",))[0])
        return program if program.startswith(seen.name) else seen.name

    def called(self, pid: int, wanted: str) -> bool:
        """Tell whether `pid` has this name, by the kernel or by its program's file."""
        return wanted in (self.stats[pid].name, self.name(pid), os.path.basename((self.words(pid) or ("",))[0]))
