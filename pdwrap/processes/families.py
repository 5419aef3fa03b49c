"""Which processes are pdwrap's own, and which of them belong together.

A process of pdwrap is known by its program (`program`). Those of one run have one command line, and stand so:

    fork mode    outer -- inner -- the backend (pdwrap itself, until its exec)
                       `- waker, while the outer is stopped with the backend
    exec mode    init, or the nearest subreaper -- sidecar -- its mate

Both are a process and its child. The inner supervisor leads a process group of its own; the sidecars are in that of the
helper that forked them. What a run was told, its own options, has the last word. A pdwrap that another one executes in
place of the backend may have the same command line: from a child that has such a child itself the next run begins.
"""

from pdwrap.linux import others
from pdwrap.processes.program import RUNS, SHOWS, Told, own_words
from pdwrap.processes.table import Table

#: Which variables mean something to it.
VARIABLES = "PDWRAP_", "LOCALAI_"


class Family:
    """The processes of one run of pdwrap.

    Attributes:
        top: the outer supervisor, the first sidecar, or a pdwrap that has just been started or is alone.
        second: the inner supervisor, or the second sidecar; 0 where there is none.
        rest: the waker.
        held: what is to become the backend, and has not been executed; 0 where there is none.
        told: what it was told.

    """

    __slots__ = ("held", "rest", "second", "told", "top")

    def __init__(self, top: int, told: Told) -> None:
        self.top = top
        self.second = 0
        self.rest: list[int] = []
        self.held = 0
        self.told = told

    @property
    def own(self) -> "list[int]":
        """All of them."""
        return [pid for pid in (self.top, self.second, *self.rest) if pid]


def find_families(table: Table, but: int) -> "list[Family]":
    """Find every run of pdwrap.

    Args:
        table: the processes.
        but: the process that asks, which is none.

    """
    ours: dict[int, tuple[str, ...]] = {}
    for pid in table.stats:
        words = own_words(table.words(pid)) if pid != but and table.is_alive(pid) else None
        if words:
            ours[pid] = words
    found: list[Family] = []
    taken: set[int] = set()
    for pid in sorted(ours, key=lambda each: len(table.above(each))):
        if pid not in taken:
            family = _begin(table, ours, pid)
            taken.update((*family.own, family.held))
            beside = bool(family.second or table.children(pid))
            if family.told.purpose == RUNS or (beside and family.told.purpose != SHOWS):
                found.append(family)
    return found


def _begin(table: Table, ours: "dict[int, tuple[str, ...]]", top: int) -> Family:
    family = Family(top, Told(ours[top], others.environment(top, VARIABLES)))
    alike = _children_alike(table, ours, top)
    if alike:
        family.second, *rest = alike
        family.rest = [pid for pid in rest if not table.children(pid)]
        # One that is just forked, and maybe the throw-away leader of its group, which was forked before it.
        forked = [pid for pid in _children_alike(table, ours, family.second) if not table.children(pid)]
        family.held = forked[-1] if forked else 0
    return family


def _children_alike(table: Table, ours: "dict[int, tuple[str, ...]]", pid: int) -> "list[int]":
    return [child for child in table.children(pid) if ours.get(child) == ours[pid]]
