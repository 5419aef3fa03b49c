"""The runs of pdwrap: backend, tree, whose death counts, how that is watched.

Nothing of it is written down anywhere; it is read from the process table, and from the pidfds that pdwrap holds: the
kernel tells of whom (proc(5), fdinfo: `Pid`, -1 where that one is gone). A supervisor holds the members of the chain. A
sidecar holds these, the backend and its mate, and while it ends the tree that, too. What is polled is in the memory of
pdwrap alone, and another user's descriptors may not be read: then it is not known, and said to be so.
"""

from pdwrap.linux import others, procfs
from pdwrap.processes.families import Family, find_families
from pdwrap.processes.table import Table

STARTING = "starting"
RUNNING = "running"
ENDING = "ending"
#: How a launcher is watched, in a word each.
PIDFD = "pidfd"
SIGNAL = "signal"
POLLING = "polling"
LIFELINE = "lifeline"


class Run:
    """One pdwrap and its backend.

    Attributes:
        own: the processes of pdwrap's own, the outer supervisor or the first sidecar first.
        mode: `fork` or `exec`; None where it cannot be told.
        state: `starting`, `running` or `ending`.
        backend: its pid; None where there is none (yet, or any more), or it cannot be told.
        name: what to call it.
        tree: backend and descendants.
        chain: whose death counts, nearest first, living ones; the last is the launcher proper. None where it cannot be
            told; empty where nobody's does, or whose did has died.
        starter: who has pdwrap, or the backend, as its child; 0 where nobody that can be seen.
        watched_by: how, words as above; None where it cannot be told.
        interval: seconds between two looks, where it is polled; None where it is not, or cannot be told.
        lifeline: its descriptor in pdwrap; None is none.
        command: the backend's command line, as pdwrap was told.

    """

    __slots__ = (
        "backend",
        "chain",
        "command",
        "interval",
        "lifeline",
        "mode",
        "name",
        "own",
        "starter",
        "state",
        "tree",
        "watched_by",
    )

    def __init__(self, table: Table, family: Family) -> None:
        told = family.told
        self.own = family.own
        self.command = told.command
        self.mode: str | None = told.mode or _mode_by_place(table, family)
        self.state = RUNNING
        self.backend: int | None = None
        self.tree: list[int] = []
        self.chain: list[int] | None = None
        held = others.pidfds(family.top)
        if self.mode == "exec" and _is_sidecar(table, family, held):
            self._read_sidecars(table, family, held)
        else:
            self._read_supervisors(table, family, held)
        self.starter = self._find_starter(table, family)
        self.watched_by: list[str] | None = None
        self.interval: float | None = None
        self.lifeline: int | None = None
        self._read_watch(family, held)
        self.name = self._name(table, family)

    def _read_supervisors(self, table: Table, family: Family, held: "set[int] | None") -> None:
        """Fork mode; and whatever has only begun."""
        above = table.above(family.top)
        if held is not None:
            self.chain = [pid for pid in above if pid in held and table.is_alive(pid)]
        inner = family.second or family.top
        children = [pid for pid in table.children(inner) if pid not in (*self.own, family.held) and table.is_alive(pid)]
        if family.held and not children:
            self.state, self.backend, self.tree = STARTING, family.held, [family.held]
            return
        if not children:
            self.state = STARTING
            return
        session = table.stats[family.top].session
        # The oldest: it was forked before it could leave an orphan; one that has left its session is a daemon.
        self.backend = min(
            children, key=lambda pid: (table.stats[pid].session != session, table.stats[pid].started, pid)
        )
        self.tree = [pid for child in children for pid in (child, *table.below(child))]
        if family.second:
            self._add_orphans_of_outer(table, family)
        if not family.second or _has_lost_one(table, held):
            self.state = ENDING  # a supervisor or the launcher is gone

    def _add_orphans_of_outer(self, table: Table, family: Family) -> None:
        born = table.stats[family.second].started
        for child in table.children(family.top):
            if child not in self.own and table.stats[child].started > born:  # older ones it had before it was pdwrap
                self.tree += [child, *table.below(child)]

    def _read_sidecars(self, table: Table, family: Family, held: "set[int] | None") -> None:
        if held is None:
            return
        others_held = [pid for pid in held if pid in table.stats and pid not in self.own]
        living = [pid for pid in others_held if table.is_alive(pid)]
        above = {pid: set(table.above(pid)) for pid in living}
        gone = _has_lost_one(table, held)
        if not gone:
            # All that it holds is the backend and ancestors of it.
            self.backend = max(living, key=lambda pid: len(above[pid]), default=None)
        else:
            self.state = ENDING
            # It holds the tree as well, which was started when the sidecar stood already.
            born = table.stats[family.top].started
            older = [pid for pid in living if table.stats[pid].started <= born] or living
            self.backend = max(
                older,
                key=lambda pid: (_is_called_so(table, pid, self.command), table.stats[pid].started, pid),
                default=None,
            )
        if self.backend is not None:
            self.chain = [pid for pid in table.above(self.backend) if pid in living]
            self.tree = [self.backend, *table.below(self.backend)]
            if gone:
                self.tree += [pid for pid in living if pid not in (*self.tree, *table.above(self.backend))]

    def _find_starter(self, table: Table, family: Family) -> int:
        known = self.backend if self.mode == "exec" and self.backend is not None else family.top
        seen = table.stats.get(known)
        return seen.parent if seen is not None and seen.parent in table.stats else 0

    def _read_watch(self, family: Family, held: "set[int] | None") -> None:
        settings = family.told.settings
        if settings is None or held is None:
            return
        self.watched_by = []
        if settings.watch == "off" or settings.parent == 0:
            self.chain = []
        elif self.chain or self.state == ENDING:
            self.watched_by.append(PIDFD)
        elif settings.watch == "auto" and settings.parent is None and self._is_below_nobody(family):
            self.chain = []
        elif self.state == RUNNING:
            self.watched_by.append(POLLING)
            self.interval = settings.interval
            self.chain = None
        nearest = self.chain[0] if self.chain else 0
        direct = settings.parent is None or nearest == self.starter
        if self.watched_by and self.mode == "fork" and settings.watch == "auto" and direct:
            self.watched_by.insert(1, SIGNAL)
        if settings.lifeline is not None and procfs.open_file(self.own[-1], settings.lifeline):
            self.lifeline = settings.lifeline
            self.watched_by.append(LIFELINE)

    def _is_below_nobody(self, family: Family) -> bool:
        """Tell whether its parent is PID 1 of its own pid namespace, or outside of that."""
        inside = others.pids_inside(family.top if self.mode == "fork" else self.backend or family.top)
        above = others.pids_inside(self.starter) if self.starter else []
        return len(above) < len(inside) or above[len(inside) - 1] == 1

    def _name(self, table: Table, family: Family) -> str:
        settings = family.told.settings
        if settings is not None and settings.name:
            return settings.name
        if self.backend is not None and self.backend != family.held:
            return table.name(self.backend)
        return self.command[0].rpartition("/")[2] if self.command else "?"


def find_runs(table: Table, but: int) -> "list[Run]":
    """Find every run of pdwrap, by the backend's pid.

    Args:
        table: the processes.
        but: the process that asks, which is none.

    """
    runs = [Run(table, family) for family in find_families(table, but)]
    begun = {run.own[0]: run for run in runs if run.state == STARTING and run.backend is None}
    # Exec mode, before the exec: pdwrap itself stands beside sidecars that hold it already.
    for run in runs:
        held = begun.get(run.backend or 0)
        if held is not None and held.command == run.command:
            run.state = STARTING
            run.name = held.name
            runs = [each for each in runs if each is not held]
    return sorted(runs, key=lambda run: run.backend or run.own[0])


def _mode_by_place(table: Table, family: Family) -> str | None:
    """Tell the mode by the process groups; None where there is but one process."""
    if not family.second:
        return None
    return "fork" if table.stats[family.second].group == family.second else "exec"


def _is_sidecar(table: Table, family: Family, held: "set[int] | None") -> bool:
    """Tell whether `top` watches over another process; not so before it has forked who does."""
    if held is None:
        return bool(family.second) and not table.children(family.second)
    ancestors = table.above(family.top)
    return any(pid in table.stats and pid not in (*ancestors, *family.own) for pid in held)


def _has_lost_one(table: Table, held: "set[int] | None") -> bool:
    """Tell whether somebody that is held has died."""
    return held is not None and any(pid < 0 or (pid in table.stats and not table.is_alive(pid)) for pid in held)


def _is_called_so(table: Table, pid: int, command: "list[str]") -> bool:
    return bool(command) and table.words(pid)[-len(command) :] == tuple(command)
