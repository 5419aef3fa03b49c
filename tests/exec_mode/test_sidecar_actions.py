"""What a sidecar does to the tree, on a clock of the test's own: deadlines, what is found, what cannot die."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from pdwrap.exec_mode import sidecar_actions
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.lifecycle import KILL_TIME, PATIENCE, LauncherDied
from pdwrap.linux import procfs
from pdwrap.options import Settings
from tests.harness.fakes import Clock, FakeLauncher, FakeLog
from tests.harness.fakes_sidecar import FakeMembers, FakeSidecarPipes

BACKEND, WORKER = 60, 61
TERM, KILL, CONT = 15, 9, 18
GRACE = 5.0
NOW = LauncherDied()


class Drive:
    """A tree in nobody's hands but the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.launcher, self.log = Clock(), FakeLauncher(), FakeLog()
        self.members = FakeMembers(BACKEND)
        monkeypatch.setattr(sidecar_actions, "poll", lambda: self)
        monkeypatch.setattr(procfs, "name", lambda _pid: "server")
        watch: Any = self.launcher
        members: Any = self.members
        settings = Settings()
        settings.grace = GRACE
        self.actions = SidecarActions(settings, watch, members, self.log, self.clock)
        self.pipes = FakeSidecarPipes(self.members)
        pipes: Any = self.pipes
        self.actions.pipes = pipes

    def poll(self, milliseconds: int) -> None:
        """In the place of the wait between two rounds."""
        self.clock.advance(milliseconds / 1000)


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Make a drive."""
    return Drive(monkeypatch)


def test_grace_runs_from_the_listing(drive: Drive) -> None:
    """E3, E7: one deadline for all, from the launcher's death on, whatever time the first signal took."""
    drive.actions.list_tree()
    drive.clock.advance(1)
    drive.actions.set_deadline(NOW)
    assert drive.actions.deadline == 1000.0 + GRACE


def test_second_steps_in_later(drive: Drive) -> None:
    """E4, E7: a second after the grace, and no sooner."""
    drive.actions.list_tree()
    drive.actions.allow_grace(NOW)
    assert drive.actions.deadline == 1000.0 + GRACE + PATIENCE


def test_killing_is_bounded(drive: Drive) -> None:
    """E7: what cannot die is waited for so long after the KILL."""
    drive.clock.advance(7)
    drive.actions.set_kill_deadline(NOW)
    assert drive.actions.deadline == 1007.0 + KILL_TIME


def test_first_signal_is_the_marks_business(drive: Drive) -> None:
    """E3: the first pipe sends it, once; a SIGCONT after it, and no leftover signal to the backend later."""
    drive.actions.first_signal(NOW)
    drive.members.add(WORKER)
    drive.actions.ask_leftovers(NOW)
    assert drive.members.sent == [(BACKEND, "asked"), (BACKEND, CONT), (WORKER, TERM), (WORKER, CONT)]


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("by_group", [False, True])
def test_finds_more(drive: Drive, below: bool, grouped: bool, by_group: bool) -> None:  # noqa: FBT001 - pytest's form
    """E2: in either way, and both are tried; by groups only when the backend can have no more children."""
    drive.members.below, drive.members.grouped = below, grouped
    assert drive.actions.find_more(by_group=by_group) == (below or (grouped and by_group))
    assert drive.members.looked == ["numbers", "below", *["groups"] * by_group]


def errors(*raised: BaseException | None) -> Callable[[], None]:
    """One for each call; None is none."""
    left = list(raised)

    def step() -> None:
        if left and (error := left.pop(0)):
            raise error

    return step


def test_kills_without_a_table(drive: Drive) -> None:
    """E8: it goes on after errors, until nothing is left, and names nobody."""
    no_memory = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    fail = errors(no_memory, MemoryError(), None)

    def kill() -> None:
        fail()
        drive.members.alive.clear()

    drive.members.on_kill = kill
    drive.actions.kill_until_empty()
    assert drive.members.kills == 3
    assert drive.log.said == []


@pytest.mark.parametrize("error", [None, MemoryError()])
def test_killing_without_a_table_is_bounded(drive: Drive, error: BaseException | None) -> None:
    """E7, E8: what cannot die is named."""
    drive.members.on_kill = errors(*[error] * 10_000)
    drive.actions.kill_until_empty()
    assert KILL_TIME <= drive.clock.now - 1000.0 < KILL_TIME + 0.1
    assert drive.log.said == [f"survivors: still there 3s after SIGKILL, pdwrap leaves: server (pid {BACKEND})"]


def test_says_how_many(drive: Drive) -> None:
    """E7: those that live on are not counted as ended; one who began nothing says nothing."""
    drive.actions.report_done(NOW)
    assert drive.pipes.finished
    assert drive.log.said == []
    drive.actions.note_beginning(NOW)
    drive.members.add(WORKER)
    drive.members.alive.remove(BACKEND)
    drive.clock.advance(2)
    drive.actions.report_done(NOW)
    assert drive.log.said == ["done: done: 1 process ended in 2.000s"]
