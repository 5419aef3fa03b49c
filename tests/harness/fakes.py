"""Stand-ins for the kernel, so that a supervisor's loop runs on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable

from pdwrap import messages
from pdwrap.options import Settings

Step = Callable[[], object]


def together(*steps: Step) -> Step:
    """Make one step of several."""

    def all_of_them() -> None:
        for step in steps:
            step()

    return all_of_them


class Clock:
    """In the place of time.monotonic(): it moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds


class Script:
    """What happens, one step for each time that a loop waits; a loop that waits once more than that has failed.

    Attributes:
        waited: how long the loop was willing to wait, each time; None is for ever.

    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.waited: list[float | None] = []

    def wait(self, patience: float | None) -> object:
        """Let the next thing happen."""
        self.waited.append(patience)
        assert self.steps, "the loop waits though nothing more is to come"
        return self.steps.pop(0)()


class FakeTree:
    """In the place of `children.Tree`.

    Attributes:
        alive: the children, zombies excluded; those that have ended are in `ended` until they are reaped.
        sent: what was sent to whom: pid, signal, time.

    """

    def __init__(self, clock: Clock, *alive: int) -> None:
        self.clock = clock
        self.alive = list(alive)
        self.ended: list[tuple[int, int]] = []
        self.sent: list[tuple[int, int, float]] = []
        self.asked: set[int] = set()
        self.killed: set[int] = set()
        self.asked_below: list[tuple[int, int, float]] = []
        self.reaped = 0
        self.more = False
        self.descriptor = -1

    def send(self, pid: int, number: int) -> None:
        """Note a signal."""
        self.sent.append((pid, number, self.clock.now - 1000.0))

    def end(self, pid: int, raw: int, *orphans: int) -> None:
        """Let a child end; its own children become ours."""
        self.alive.remove(pid)
        self.alive += orphans
        self.ended.append((pid, raw))

    def children(self) -> list[int]:
        """List the children."""
        return [*self.alive, *(pid for pid, _raw in self.ended)]

    def reap(self) -> list[tuple[int, int]]:
        """Take what has ended."""
        ended, self.ended = self.ended, []
        self.reaped += len(ended)
        return ended

    def signal(self, number: int, *, ends: bool) -> None:
        """Send to all."""
        for pid in self.children():
            self.send(pid, number)
            self.asked |= {pid} if ends else set()

    def ask(self, number: int) -> None:
        """Send to who has had none, and SIGCONT."""
        for pid in self.children():
            if pid not in self.asked:
                self.asked.add(pid)
                self.send(pid, number)
                self.send(pid, 18)

    def ask_below(self, backend: int, number: int) -> None:
        """Note whose keep is asked."""
        self.asked_below.append((backend, number, self.clock.now - 1000.0))

    def kill(self) -> None:
        """Kill who has not been killed."""
        for pid in self.children():
            if pid not in self.killed:
                self.killed.add(pid)
                self.send(pid, 9)

    def count(self, most: int) -> int:
        """Count who has not ended."""
        return len(self.alive) if len(self.alive) <= most else 0

    def count_lasting(self) -> int:
        """Count who has not ended, and is not being killed."""
        return len([pid for pid in self.alive if pid not in self.killed])

    def living(self) -> list[int]:
        """List who has not ended."""
        return list(self.alive)


class FakeLauncher:
    """In the place of `launcher.Launcher`: a launcher that dies when the test says so."""

    def __init__(self) -> None:
        self.pid = 41
        self.descriptors: list[int] = []
        self.interval: float | None = None
        self.hinted = False
        self.dead = False

    def is_dead(self, _outer: int = -1) -> bool:
        """Tell whether it is dead."""
        return self.dead

    def people(self) -> list[tuple[int, str]]:
        """Name it."""
        return [(self.pid, "launcher")]

    def note_death_of_nearest(self) -> None:
        """Nothing to do: there is one alone."""

    def die(self) -> None:
        """Die."""
        self.dead = True


class FakeLog(messages.Log):
    """In the place of `messages.Log`: keeps what is said."""

    __slots__ = ("said",)

    def __init__(self) -> None:
        super().__init__(Settings(), "server")
        self.said: list[str] = []

    def _say(self, event: str, text: str, fields: dict[str, object], verbosity: int = 0) -> None:
        del fields, verbosity
        self.said.append(f"{event}: {text}")
