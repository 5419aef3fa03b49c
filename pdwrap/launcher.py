"""The launcher, once it has been found (`ancestry`): whether it is gone.

By default it is a chain of processes: our parent, and who started that, for as long as it only waits. The death of any
of them counts. `--parent` names one process, and nothing else counts.

Mechanisms, of which one at least must hold:

| mechanism            | tells                          | fails                                              |
|----------------------|--------------------------------|----------------------------------------------------|
| pidfd                | the process is dead, at once   | old kernel, seccomp profile                        |
| parent-death signal  | look again (a hint)            | the launcher changed its uid (kernel/signal.c)     |
| polling              | the same, within the interval  | never, where `getppid()` or /proc can be read      |
"""

import os

from pdwrap.linux import pidfd, procfs

GONE = "the launcher (pid {}) died while pdwrap started: nothing was started"


class Link:
    """One process whose death counts.

    Args:
        pid: its number.
        descriptor: a pidfd of it, or None.

    Attributes:
        name: its name when it was found.

    """

    __slots__ = ("_started", "descriptor", "name", "pid")

    def __init__(self, pid: int, descriptor: int | None) -> None:
        seen = procfs.stat(pid) if pid else None
        self.pid = pid
        self.name = seen.name if seen else "?" if pid else ""
        self._started = seen.started if seen else None
        self.descriptor = descriptor

    def is_dead(self) -> bool:
        """Tell whether it is dead, for certain."""
        if self.descriptor is not None:
            return pidfd.has_ended(self.descriptor)
        seen = procfs.stat(self.pid)
        if seen is None or self._started is None:
            return not _exists(self.pid)  # hidden from us (hidepid, proc(5)), or gone
        return not seen.alive or seen.started != self._started


class Launcher:
    """The launcher, seen from both supervisors, or from a sidecar.

    Args:
        pid: the nearest member; 0 where none is watched.
        direct: it is the outer supervisor's parent, so that `getppid()` and the parent-death signal speak of it.
        descriptor: a pidfd of it, or None.
        interval: seconds between two looks; None where the kernel wakes us.

    Attributes:
        members: all whose death counts, nearest first. The last one is the launcher proper, it starts the others.
        hinted: the kernel signals the outer supervisor when our parent thread ends (`prctl`).
        why_not: why nobody is watched, or nobody farther, for a person.

    """

    __slots__ = ("_dead", "direct", "hinted", "interval", "members", "why_not")

    def __init__(self, pid: int, *, direct: bool, descriptor: int | None, interval: float | None) -> None:
        self.members = [Link(pid, descriptor)]
        self.direct = direct
        self.interval = interval
        self.hinted = False
        self.why_not = ""
        self._dead: Link | None = None

    @property
    def pid(self) -> int:
        """The nearest member; 0 where none is watched."""
        return self.members[0].pid

    @property
    def descriptors(self) -> "list[int]":
        """The members' pidfds, as far as there are any."""
        return [member.descriptor for member in self.members if member.descriptor is not None]

    def is_dead(self, outer: int = -1) -> bool:
        """Tell whether a member is dead, for certain.

        Args:
            outer: the pid of the outer supervisor, whose parent a direct launcher is; either supervisor may ask.
                Where there is none (a sidecar asks), -1.

        """
        if not self.pid:
            return False
        nearest, *farther = self.members
        if self.direct and outer == os.getpid():
            # Changes when the process has died, not when one of its threads has (measured; getppid(2)). Farther
            # members are the inner's business: no pidfd sends the signal that the outer waits for.
            dead = [nearest] if os.getppid() != nearest.pid else []
        elif nearest.descriptor is None and self.direct and os.getppid() == outer:
            # 0: /proc cannot be read; the outer will tell us
            dead = [nearest] if procfs.parent(outer) not in (nearest.pid, 0) else _dead_of(farther)
        else:
            dead = _dead_of(self.members)
        if dead and self._dead is None:
            self._dead = dead[0]
        return bool(dead)

    def note_death_of_nearest(self) -> None:
        """Take the outer's word that its parent has died: a pidfd says so some microseconds later."""
        if self._dead is None:
            self._dead = self.members[0]

    def people(self) -> "list[tuple[int, str]]":
        """Name who died, else the launcher proper, and then the others, nearest first; for the messages."""
        first = self._dead or self.members[-1]
        return [(member.pid, member.name) for member in (first, *(each for each in self.members if each is not first))]

    @property
    def mechanisms(self) -> str:
        """Name what is in force, for a person; empty where no launcher is watched."""
        ways = [
            "pidfd" if self.descriptors else "",
            "parent-death signal" if self.hinted else "",
            f"polling every {self.interval:g}s" if self.interval is not None else "",
        ]
        return " and ".join(way for way in ways if way)


def _dead_of(members: "list[Link]") -> "list[Link]":
    return [member for member in members if member.is_dead()]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
