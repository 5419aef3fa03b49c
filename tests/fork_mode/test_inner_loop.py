"""The inner supervisor's decisions on a clock of the test's own (E2, E3, E4, E5, E7, T2)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pdwrap.fork_mode import inner_actions, inner_loop, pipes
from pdwrap.fork_mode.inner_table import Released
from pdwrap.linux import signals
from pdwrap.options import Settings
from tests.harness.fakes import Clock, FakeLauncher, FakeLog, FakeTree, Script, Step, together

TERM, CONT, KILL, USR1, CHLD, HUP = 15, 18, 9, 10, 17, 1
OUTER, BACKEND, WORKER, ORPHAN = 50, 60, 61, 62


def without_effect() -> SimpleNamespace:
    """Stand in for `_signal` so that nothing of the test process is changed."""
    calls = ("signal", "set_wakeup_fd", "pthread_sigmask")
    return SimpleNamespace(**{**vars(signals.api), **dict.fromkeys(calls, lambda *_arguments, **_options: None)})


class Drive:
    """An inner supervisor whose kernel is the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
        settings = Settings()
        for name, value in changes.items():
            setattr(settings, name, value)
        self.clock, self.launcher, self.log, self.script = Clock(), FakeLauncher(), FakeLog(), Script()
        self.tree = FakeTree(self.clock, BACKEND)
        down, up = os.pipe(), os.pipe()
        self.ends = [*down, *up]
        self.outer_end = down[1]
        self.commands, self.reports = pipes.Writer(down[1]), pipes.Reader(up[0])
        monkeypatch.setattr(signals, "api", without_effect())
        monkeypatch.setattr(os, "getppid", lambda: OUTER)
        watch: Any = self.launcher
        tree: Any = self.tree
        made = inner_actions.InnerActions(settings, watch, OUTER, pipes.Writer(up[1]), self.log, tree, self.clock)
        made.backend = BACKEND
        self.inner = inner_loop.Inner(made, watch, pipes.Reader(down[0]), down[0])
        monkeypatch.setattr(self.inner, "_hold_only", lambda *ends: self.ends.extend(ends))
        itself: Any = self
        self.inner.waiting = itself

    def poll(self, patience: int | None) -> list[tuple[int, int]]:
        """In the place of poll(2): the next thing happens."""
        self.script.wait(patience)
        return [(self.inner.commands.descriptor, 1)]

    def unregister(self, _descriptor: int) -> None:
        """Nothing is waited for in truth."""

    def run(self, *steps: Step) -> None:
        """Release the backend, and run the loop to its end."""
        self.inner.life.feed(Released())
        self.script.steps = list(steps)
        self.inner.run()
        assert not self.script.steps, "the loop ended early"

    def lose_outer(self) -> None:
        """Close the outer's end of the command pipe."""
        os.close(self.outer_end)
        self.ends.remove(self.outer_end)

    def end(self, pid: int, raw: int = 0, *orphans: int) -> Step:
        """Make a step in which a child ends."""
        return lambda: self.tree.end(pid, raw, *orphans)

    def forward(self, number: int) -> Step:
        """Make a step in which the outer forwards a signal."""
        return lambda: self.commands.send(pipes.COMMAND_FORWARD, number, number, "-")

    def later(self, seconds: float) -> Step:
        """Make a step in which only time goes by."""
        return lambda: self.clock.advance(seconds)

    @property
    def sent(self) -> list[tuple[int, int, float]]:
        """What was sent below; what was sent to the outer is not of interest."""
        return [(pid, number, at) for pid, number, at in self.tree.sent if pid != OUTER]

    def close(self) -> None:
        """Close all pipes."""
        for end in self.ends:
            os.close(end)


Make = Callable[..., Drive]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make drives with settings."""
    made: list[Drive] = []

    def make(**changes: object) -> Drive:
        made.append(Drive(monkeypatch, **changes))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_launchers_death(drive: Make) -> None:
    """E3: first signal and SIGCONT at once, to the backend alone; its leftovers when it has exited; then the end."""
    d = drive()
    d.run(d.launcher.die, together(d.later(1), d.end(BACKEND, 0, WORKER)), d.later(1), d.end(WORKER))
    assert d.sent == [(BACKEND, TERM, 0.0), (BACKEND, CONT, 0.0), (WORKER, TERM, 1.0), (WORKER, CONT, 1.0)]
    assert d.reports.receive() == [["ending", "1005.0"], ["done", "0"]]
    assert d.script.waited[0] is None, "no wake-ups while nothing happens"
    assert d.log.said == [
        "ending: launcher launcher (pid 41) died: ending server (pid 60) with SIGTERM, grace 5s",
        "done: done: 2 processes ended in 2.000s",
    ]


def test_one_deadline_for_all(drive: Make) -> None:
    """E3, E7: SIGKILL after the grace, counted from the first signal; three seconds later it gives up, and says so."""
    d = drive(grace=2.0)
    d.run(
        d.launcher.die,
        together(d.later(1.5), d.end(BACKEND, 15, WORKER)),
        d.later(0.5),
        together(d.later(1), d.end(WORKER, 9, ORPHAN)),
        d.later(1.9),
        d.later(0.1),
    )
    assert [(pid, at) for pid, number, at in d.sent if number == KILL] == [(WORKER, 2.0), (ORPHAN, 3.0)]
    assert d.reports.receive() == [["ending", "1002.0"], ["killing"], ["done", "15"]]
    assert d.log.said[1].startswith("survivors: still there 3s after SIGKILL, pdwrap leaves: ")
    assert [round((each or 0) / 1000, 1) for each in d.script.waited[1:]] == [1.0, 0.5, 0.2, 0.2, 0.1]


def test_never_a_second_terminating_signal(drive: Make) -> None:
    """E3: a forwarded SIGTERM is the first signal; the death then only starts the deadline, and continues."""
    d = drive()
    d.run(d.forward(TERM), d.launcher.die, d.later(5), d.end(BACKEND, 9))
    assert d.sent == [(BACKEND, TERM, 0.0), (BACKEND, CONT, 0.0), (BACKEND, KILL, 5.0)]


def test_a_groups_signal_is_one(drive: Make) -> None:
    """E3: what killed the launcher was sent to us, too, and is no second signal; who sends another one means it."""
    d = drive()
    d.run(d.launcher.die, d.forward(TERM), d.forward(USR1), d.forward(TERM), d.end(BACKEND))
    assert d.sent == [(BACKEND, TERM, 0.0), (BACKEND, CONT, 0.0), (BACKEND, USR1, 0.0), (BACKEND, TERM, 0.0)]


def test_half_of_the_grace(drive: Make) -> None:
    """E3: half way through the grace what the backend keeps the signal from is asked, once; not what it has left."""
    d = drive()
    d.run(d.launcher.die, d.later(2.4), d.later(0.1), d.later(1), d.end(BACKEND))
    assert d.tree.asked_below == [(BACKEND, TERM, 2.5)]
    assert [round(wait or 0) for wait in d.script.waited[1:4]] == [2501, 101, 2501]
    d = drive()
    d.run(d.launcher.die, together(d.later(1), d.end(BACKEND, 0, WORKER)), d.later(2), d.end(WORKER))
    assert d.tree.asked_below == []


def test_the_signal_of_the_option_counts_as_well(drive: Make) -> None:
    """E3: so is the one of `--signal`; any other is none."""
    d = drive(signal=USR1)
    d.run(d.forward(USR1), d.launcher.die, d.end(BACKEND))
    assert d.sent == [(BACKEND, USR1, 0.0), (BACKEND, CONT, 0.0)]
    d = drive()
    d.run(d.forward(USR1), d.launcher.die, d.end(BACKEND))
    assert d.sent == [(BACKEND, USR1, 0.0), (BACKEND, TERM, 0.0), (BACKEND, CONT, 0.0)]


def test_a_signal_that_came_before_the_release(drive: Make) -> None:
    """T2: what the outer forwarded while the backend was still held reaches it when it is let go."""
    d = drive()
    d.commands.send(pipes.COMMAND_FORWARD, TERM, TERM, "-")
    d.inner.look_once_more()  # the last step before the release
    d.run(d.end(BACKEND, 15))
    assert d.sent == [(BACKEND, TERM, 0.0)]


def test_the_outer_is_lost_while_the_launcher_lives(drive: Make) -> None:
    """E4: the caller wants it gone: SIGKILL at once."""
    d = drive()
    d.run(d.lose_outer, d.end(BACKEND, 9))
    assert d.sent == [(BACKEND, KILL, 0.0)]
    assert d.log.said[0].startswith("ending: the outer supervisor was lost: ending server (pid 60) with SIGKILL")


def test_the_outer_is_lost_with_its_launcher(drive: Make) -> None:
    """E4: nobody waits: the grace stands."""
    d = drive()
    d.run(together(d.launcher.die, d.lose_outer), d.end(BACKEND))
    assert d.sent == [(BACKEND, TERM, 0.0), (BACKEND, CONT, 0.0)]


def test_the_outer_tells_of_the_death(drive: Make) -> None:
    """E1: the launcher was its parent; the inner may have no other way to see it."""
    d = drive()
    d.run(lambda: d.commands.send(pipes.COMMAND_LAUNCHER_GONE), d.end(BACKEND))
    assert d.sent == [(BACKEND, TERM, 0.0), (BACKEND, CONT, 0.0)]


def test_leftovers_are_ended(drive: Make) -> None:
    """E5: what a backend leaves that exits by itself has the grace as well; pdwrap gives the backend's status."""
    d = drive()
    d.run(d.end(BACKEND, 3 << 8, WORKER), d.later(5), d.end(WORKER, 9))
    assert d.sent == [(WORKER, TERM, 0.0), (WORKER, CONT, 0.0), (WORKER, KILL, 5.0)]
    assert d.reports.receive()[-1] == ["done", str(3 << 8)]
    assert "exited and left 1 process behind" in d.log.said[0]


def test_leftovers_are_left(drive: Make) -> None:
    """E5: `leave` looks no further."""
    d = drive(leftovers="leave")
    d.run(d.end(BACKEND, 0, WORKER))
    assert d.sent == []
    assert d.reports.receive() == [["done", "0"]]
    assert d.log.said == []


def test_leftovers_are_waited_for(drive: Make) -> None:
    """E5, E1: `wait` forwards to them, and the launcher's death ends them: that is what is said of it."""
    d = drive(leftovers="wait")
    d.run(d.end(BACKEND, 0, WORKER), d.forward(USR1), d.later(60), d.launcher.die, d.end(WORKER, 15))
    assert d.sent == [(WORKER, USR1, 0.0), (WORKER, TERM, 60.0), (WORKER, CONT, 60.0)]
    assert d.log.said[0] == "ending: launcher launcher (pid 41) died: ending server (pid 60) with SIGTERM, grace 5s"


def test_without_a_grace(drive: Make) -> None:
    """E3: `--grace 0` kills at once."""
    d = drive(grace=0.0)
    d.run(d.launcher.die, d.end(BACKEND, 9, ORPHAN), d.end(ORPHAN, 9))
    assert d.sent == [(BACKEND, KILL, 0.0), (ORPHAN, KILL, 0.0)]


def test_polling_stops_when_the_ending_begins(drive: Make) -> None:
    """E6: where only looking helps, it looks at the interval; once the tree is being ended, the deadline counts."""
    d = drive()
    d.launcher.interval = 0.25
    d.run(d.later(0.25), d.launcher.die, d.end(BACKEND))
    assert [(each or 0) // 10 for each in d.script.waited] == [25, 25, 250]  # half of the grace


def test_a_backend_that_ends_by_itself(drive: Make) -> None:
    """T3: nothing is said and nobody signalled; the raw status goes up."""
    d = drive()
    d.run(d.end(BACKEND, 139))
    assert d.sent == []
    assert d.log.said == []
    assert d.reports.receive() == [["done", "139"]]
    assert (OUTER, CHLD) in [(pid, number) for pid, number, _at in d.tree.sent], "a report pokes the outer"


def test_a_stop_that_takes_too_long(drive: Make) -> None:
    """`--stop-grace`: from a forwarded SIGTERM on the tree has that long, though the launcher lives."""
    d = drive(stop_grace=2.0)
    d.run(
        d.forward(TERM),
        d.later(1.5),
        d.forward(TERM),  # asked again: the deadline is not put off
        d.later(0.4),
        d.later(0.2),
        d.end(BACKEND, KILL),
    )
    assert d.sent == [(BACKEND, TERM, 0.0), (BACKEND, TERM, 1.5), (BACKEND, KILL, pytest.approx(2.1))]


def test_a_stop_is_for_ever_without_it(drive: Make) -> None:
    """Without it a launcher that asks and waits, waits."""
    d = drive()
    d.run(d.forward(TERM), d.later(1e6), d.end(BACKEND))
    assert d.sent == [(BACKEND, TERM, 0.0)]


@pytest.mark.parametrize(("stop", "killed"), [(3.0, 3.0), (60.0, 6.0)])
def test_the_earlier_deadline_counts(drive: Make, stop: float, killed: float) -> None:
    """E3: the launcher dies after it asked: its death starts the grace, and puts off nothing."""
    d = drive(stop_grace=stop, grace=5.0)
    d.run(
        d.forward(TERM),
        d.later(1.0),
        d.launcher.die,
        d.later(killed - 1.0),
        d.end(BACKEND, KILL),
    )
    assert d.sent[0] == (BACKEND, TERM, 0.0)
    assert d.sent[-1] == (BACKEND, KILL, killed)
    assert [number for _pid, number, _at in d.sent].count(TERM) == 1


def test_leftovers_have_the_same_deadline(drive: Make) -> None:
    """What a backend that was asked to end leaves behind has what is left of the time, not a grace of its own."""
    d = drive(stop_grace=3.0, grace=60.0)
    d.run(d.forward(TERM), d.later(1.0), d.end(BACKEND, 0, WORKER), d.later(2.0), d.end(WORKER, KILL))
    assert (WORKER, KILL, 3.0) in d.sent


def test_leftovers_that_are_waited_for_have_it_as_well(drive: Make) -> None:
    """`--leftovers wait`: the deadline is the tree's, whoever of it is left."""
    d = drive(stop_grace=3.0, leftovers="wait")
    d.run(d.forward(TERM), d.later(1.0), d.end(BACKEND, 0, WORKER), d.later(2.0), d.end(WORKER, KILL))
    assert (WORKER, KILL, 3.0) in d.sent


def test_another_signal_starts_no_deadline(drive: Make) -> None:
    """A reload, a Ctrl-C: nothing that asks to end by SIGTERM or `--signal`."""
    d = drive(stop_grace=1.0)
    d.run(d.forward(HUP), d.later(100.0), d.end(BACKEND))
    assert d.sent == [(BACKEND, HUP, 0.0)]
