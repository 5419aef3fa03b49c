"""The outer supervisor's decisions on a clock of the test's own: when it steps in, and as what it ends (E4, E7, T3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from pdwrap import lifecycle
from pdwrap.fork_mode import outer_actions, outer_loop, pipes
from pdwrap.fork_mode.job_control import Job
from pdwrap.linux import procfs
from pdwrap.options import Settings
from tests.harness.fakes import Clock, FakeLauncher, FakeLog, FakeTree, Script, Step, together

KILL = 9
INNER, BACKEND, WORKER = 50, 60, 61
KILLED, FAILED = 9, 125 << 8


class Mirrored(BaseException):
    """The process would have ended now."""


class Drive:
    """An outer supervisor whose kernel is the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.launcher, self.log, self.script = Clock(), FakeLauncher(), FakeLog(), Script()
        self.tree = FakeTree(self.clock, INNER)
        self.as_what: list[object] = []
        down, up = os.pipe(), os.pipe()
        self.ends = [*down, *up]
        self.commands, self.reports = pipes.Reader(down[0]), pipes.Writer(up[1])
        watch: Any = self.launcher
        tree: Any = self.tree
        actions = outer_actions.OuterActions(
            Settings(),
            watch,
            INNER,
            pipes.Writer(down[1]),
            tree,
            self.log,
            Job(shared_group=False),
            self.end_as,
            self.clock,
        )
        self.outer = outer_loop.Outer(actions, pipes.Reader(up[0]))
        monkeypatch.setattr(self.outer, "_wait", self.wait)
        self.starved = 0.0
        monkeypatch.setattr(procfs, "time_kept_waiting", lambda _pid: self.starved)

    def end_as(self, raw: int, _success: frozenset[int]) -> NoReturn:
        """In the place of the process's end."""
        self.as_what.append(raw)
        raise Mirrored

    def wait(self) -> None:
        """In the place of sigwaitinfo(2): the next thing happens."""
        self.script.wait(None if self.outer.actions.deadline is None else self.outer.actions.deadline - self.clock.now)

    def run(self, *steps: Step) -> object:
        """Let the backend be released, and run the loop to its end; give as what it ended."""
        self.reports.send(pipes.REPORT_BACKEND, BACKEND)
        self.script.steps = list(steps)
        with pytest.raises(Mirrored):
            self.outer.run()
        assert not self.script.steps, "the loop ended early"
        return self.as_what[0]

    def report(self, *words: object) -> Step:
        """Make a step in which the inner reports something."""
        return lambda: self.reports.send(*words)

    def end(self, pid: int, raw: int, *orphans: int) -> Step:
        """Make a step in which a child ends."""
        return lambda: self.tree.end(pid, raw, *orphans)

    def later(self, seconds: float) -> Step:
        """Make a step in which only time goes by."""
        return lambda: self.clock.advance(seconds)

    def close(self) -> None:
        """Close all pipes."""
        for end in self.ends:
            os.close(end)


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """Make a drive."""
    made = Drive(monkeypatch)
    yield made
    made.close()


@pytest.mark.parametrize("raw", [0, 3 << 8, 15, 139])
def test_a_normal_end_is_mirrored(drive: Drive, raw: int) -> None:
    """T3: the report says it all, whether it is read before or after the inner's end."""
    d = drive
    assert d.run(together(d.report(pipes.REPORT_DONE, raw), d.end(INNER, 0))) == raw
    assert d.tree.sent == []
    assert d.log.said == []


def test_it_tells_of_the_launchers_death_once(drive: Drive) -> None:
    """E1: the inner may have no other way to see it; the outer sends no signal of its own."""
    d = drive
    d.run(
        d.launcher.die,
        d.report(pipes.REPORT_ENDING, 1005.0),
        together(d.later(4), d.report(pipes.REPORT_DONE, 15), d.end(INNER, 0)),
    )
    assert d.commands.receive() == [[pipes.COMMAND_LAUNCHER_GONE]]
    assert d.tree.sent == []


def test_the_inner_is_lost(drive: Drive) -> None:
    """E4: what falls to the outer is killed, wave by wave; it ends as a killed backend."""
    d = drive
    assert d.run(d.end(INNER, KILLED, BACKEND), d.end(BACKEND, 9, WORKER), d.end(WORKER, 9)) == KILLED
    assert [(pid, number) for pid, number, _at in d.tree.sent] == [(BACKEND, KILL), (WORKER, KILL)]
    assert d.log.said[0] == "ending: a supervisor was lost: ending server (pid 60) with SIGKILL"
    assert d.log.said[1].startswith("done: ")


def test_a_backend_that_the_outer_reaped_is_mirrored(drive: Drive) -> None:
    """T3: where the backend fell to the outer its own status is known."""
    d = drive
    assert d.run(d.end(INNER, KILLED, BACKEND), d.end(BACKEND, 3 << 8)) == 3 << 8


def test_the_inner_failed(drive: Drive) -> None:
    """E8, T4: an inner that gave up says so by its status; it is ours when nobody knows the backend's."""
    d = drive
    assert d.run(d.end(INNER, FAILED, WORKER), d.end(WORKER, 9)) == FAILED


@pytest.mark.parametrize("orphan", [BACKEND, WORKER])
def test_a_late_inner_is_killed_and_its_work_done(drive: Drive, orphan: int) -> None:
    """E4, E6: a second after the grace; what falls to the outer then is killed, also where nothing else has ended.

    The parent-death signal may have been refused or cleared, so nothing but the outer ends what is left.
    """
    d = drive
    d.run(d.launcher.die, d.later(5.9), d.later(0.1), d.end(INNER, KILLED, orphan), d.end(orphan, 9))
    assert [(pid, number) for pid, number, _at in d.tree.sent if pid == orphan] == [(orphan, KILL)]
    assert {at for pid, _number, at in d.tree.sent if pid == INNER} == {6.0}


def test_a_starved_inner_is_waited_for(drive: Drive) -> None:
    """E7: an inner that had no processor is given that time again, and no more; then its work is done."""
    d = drive

    def starve() -> None:
        d.clock.advance(6)
        d.starved = 1.5

    def not_killed() -> None:
        assert not d.tree.sent
        d.clock.advance(1.5)

    d.run(d.launcher.die, starve, not_killed, d.end(INNER, KILLED, BACKEND), d.end(BACKEND, 9))
    assert {at for pid, _number, at in d.tree.sent if pid == INNER} == {7.5}


def test_a_machine_without_a_processor_is_not_waited_for_for_ever(drive: Drive) -> None:
    """E7: what is put off is bounded in all."""
    d = drive

    def starve() -> None:
        d.clock.advance(8)
        d.starved += 8

    d.run(d.launcher.die, starve, starve, starve, d.end(INNER, KILLED))
    assert {at for pid, _number, at in d.tree.sent if pid == INNER} == {24.0}


def test_an_ending_that_is_reported_sets_the_deadline(drive: Drive) -> None:
    """E4: the outer sees neither a lifeline nor a sweep: the report says until when the inner has time."""
    d = drive
    d.run(
        d.report(pipes.REPORT_ENDING, 1002.0),
        d.report(pipes.REPORT_KILLING),
        together(d.report(pipes.REPORT_DONE, 9), d.end(INNER, 0)),
    )
    assert d.script.waited == [None, 3.0, 3.5]


def test_killing_that_takes_too_long(drive: Drive) -> None:
    """E7: four seconds after the inner began to kill, whatever is left is named, and pdwrap exits."""
    d = drive
    d.run(
        d.launcher.die,
        d.report(pipes.REPORT_ENDING, 1005.0),
        d.report(pipes.REPORT_KILLING),
        d.later(3.5),
        d.later(0.5),
    )
    assert (INNER, KILL, 3.5) in d.tree.sent
    assert any(said.startswith("survivors: ") for said in d.log.said)


def test_its_own_killing_is_bounded(drive: Drive) -> None:
    """E7: three seconds after its own KILL the outer names what is left, and exits."""
    d = drive
    d.run(d.end(INNER, KILLED, BACKEND), d.later(2.9), d.later(0.1))
    assert any(said.startswith("survivors: ") for said in d.log.said)


def test_lost_before_the_backend_was_released(drive: Drive) -> None:
    """T4: nothing was started: a failure of pdwrap's own."""
    d = drive
    d.script.steps = [d.end(INNER, FAILED)]
    with pytest.raises(Mirrored):
        d.outer.run()
    assert d.as_what == [FAILED]
    assert d.outer.life.state == lifecycle.DONE
