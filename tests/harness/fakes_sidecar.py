"""Stand-ins for what a sidecar works on, so that its loop and its actions run without a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from pdwrap import messages
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exec_mode.sidecar_loop import Sidecar
from pdwrap.exec_mode.sidecar_pipes import REPORT_FINISHED
from pdwrap.exec_mode.sidecar_table import FIRST, SECOND
from pdwrap.linux import pidfd, procfs
from pdwrap.options import Settings

from .fakes import Clock, FakeLauncher, FakeLog, Script, Step

BACKEND, WORKER, MATE = 60, 61, 70
TERM, KILL, CONT = 15, 9, 18
GRACE = 5.0

Sent = list[tuple[int, "int | str"]]


class FakeMember:
    """In the place of `member.Member`; its descriptor is its pid."""

    def __init__(self, members: FakeMembers, pid: int) -> None:
        self.members = members
        self.pid = pid
        self.started = 1
        self.descriptor: int | None = pid
        self.asked = False

    def alive(self) -> bool:
        """Tell whether the test has not ended it."""
        return self.pid in self.members.alive

    def send(self, number: int) -> None:
        """Note a signal."""
        self.members.sent.append((self.pid, number))


class FakeMembers:
    """In the place of `members.Members`.

    Attributes:
        alive: the pids of those that have not ended.
        sent: what was sent to whom, in order.
        below: what the next listing says; `grouped`: what the next look at the groups says.
        looked: in which ways it was looked for more.
        adopted: whom the mate passed on.
        on_kill: what happens when all are killed.

    """

    def __init__(self, backend: int) -> None:
        self.alive = [backend]
        self.sent: Sent = []
        self.backend = FakeMember(self, backend)
        self._all = [self.backend]
        self.ours: set[int] = set()
        self.below = self.grouped = False
        self.looked: list[str] = []
        self.adopted: list[tuple[int, int, bool]] = []
        self.asked_below: list[int] = []
        self.kills = 0
        self.on_kill: Callable[[], None] = lambda: None

    def add(self, pid: int) -> None:
        """Let another one be known."""
        self._all.append(FakeMember(self, pid))
        self.alive.append(pid)

    def refresh(self) -> bool:
        """List; what is new is new once."""
        self.looked.append("below")
        found, self.below = self.below, False
        return found

    def forget_free_numbers(self) -> None:
        """Nothing to forget: numbers are not reused here."""
        self.looked.append("numbers")

    def find_by_group(self) -> bool:
        """Look at the groups."""
        self.looked.append("groups")
        found, self.grouped = self.grouped, False
        return found

    def news(self) -> list[tuple[int, int, bool]]:
        """Give what is to be passed on: all of them, each time."""
        return [(member.pid, member.started, member.asked) for member in self._all]

    def take_over_list(self, known: list[tuple[int, int, bool]]) -> None:
        """Note whom the mate held, and asked."""
        self.adopted += known
        asked = [pid for pid, _started, asked in known if asked]
        for member in self._all:
            member.asked |= member.pid in asked

    def ask(self, number: int, note: Callable[[list[tuple[int, int, bool]]], None]) -> None:
        """Ask each that was not asked."""
        for member in self._all:
            if not member.asked and member.alive():
                member.asked = True
                note([(member.pid, member.started, True)])
                member.send(number)
                member.send(18)

    def ask_below(self, number: int, note: Callable[[list[tuple[int, int, bool]]], None]) -> None:
        """Note that what the backend keeps is asked; `note` hears of none."""
        note([])
        self.asked_below.append(number)

    def freeze(self) -> None:
        """Stop and list all."""

    def kill(self) -> None:
        """Kill all."""
        self.kills += 1
        self.on_kill()

    def living(self) -> list[FakeMember]:
        """List who has not ended."""
        return [member for member in self._all if member.alive()]

    @property
    def count(self) -> int:
        """How many there have been."""
        return len(self._all)


class FakeSidecarPipes:
    """In the place of `sidecar_pipes.SidecarPipes`.

    Attributes:
        asked: the first signal has been sent.
        reports: what the mate was told; `heard`: what it has told us; `to_hear`: what it is about to.
        passed: whom the mate was told of, or is to hear of.

    """

    def __init__(self, members: FakeMembers) -> None:
        self._members = members
        self.asked = False
        self.reports: list[bytes] = []
        self.heard: set[bytes] = set()
        self.to_hear: list[bytes] = []
        self.passed: list[tuple[int, int, bool]] = []

    def ask(self) -> None:
        """Send the first signal."""
        self.asked = True
        self._members.sent.append((self._members.backend.pid, "asked"))

    @property
    def finished(self) -> bool:
        """Tell whether the mate was told that the tree has been ended."""
        return REPORT_FINISHED in self.reports

    def say(self, what: bytes) -> None:
        """Note a report."""
        self.reports.append(what)

    def hear(self) -> list[bytes]:
        """Give what the mate is to have said."""
        new, self.to_hear = self.to_hear, []
        self.heard.update(new)
        return new

    def pass_on(self, members: list[tuple[int, int, bool]]) -> None:
        """Note whom the mate is told of."""
        self.passed += members

    def passed_on(self) -> list[tuple[int, int, bool]]:
        """Give that."""
        return self.passed

    def has_asked(self) -> bool:
        """Tell whether the first signal has been sent."""
        return self.asked


class Drive:
    """A sidecar whose kernel is the test. A step returns the descriptors that are ready: here, the pids of the dead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.launcher, self.log, self.script = Clock(), FakeLauncher(), FakeLog(), Script()
        self.members = FakeMembers(BACKEND)
        self.pipes = FakeSidecarPipes(self.members)
        self.said: list[str] = []
        self.closed: list[int] = []
        monkeypatch.setattr(procfs, "name", lambda _pid: "server")
        monkeypatch.setattr(messages, "complain", self.said.append)
        monkeypatch.setattr(pidfd, "pidfd_send_signal", lambda *sent: self.sent.append(sent))
        monkeypatch.setattr(os, "close", self.closed.append)
        settings = Settings()
        settings.grace = GRACE
        watch: Any = self.launcher
        members: Any = self.members
        pipes: Any = self.pipes
        actions = SidecarActions(settings, watch, members, self.log, self.clock)
        actions.pipes = pipes
        actions.mate = MATE
        self.sidecar = Sidecar(actions, watch)
        monkeypatch.setattr(self.sidecar, "_wait", self.wait)

    @property
    def sent(self) -> list[tuple[int, int | str]]:
        """What was sent to whom."""
        return self.members.sent

    @property
    def state(self) -> str:
        """Where it is."""
        return self.sidecar.life.state

    def wait(self) -> object:
        """In the place of poll(2)."""
        return self.script.wait(self.sidecar._patience()) or set()  # noqa: SLF001 - how long it would wait

    def run(self, *steps: Step, second: bool = False) -> None:
        """Run the loop to its end."""
        self.sidecar.life.state = SECOND if second else FIRST
        self.script.steps = list(steps)
        self.sidecar.run()
        assert not self.script.steps, "the loop ended early"

    def die(self, *pids: int) -> Step:
        """Make a step in which these end; 0 is the launcher."""

        def ends() -> set[int]:
            if 0 in pids:
                self.launcher.die()
            self.members.alive[:] = [pid for pid in self.members.alive if pid not in pids]
            return set(pids)

        return ends

    def later(self, seconds: float) -> Step:
        """Make a step in which only time goes by."""
        return lambda: self.clock.advance(seconds)

    def find(self, pid: int) -> Step:
        """Make a step in which a process is to be found; it is alive."""

        def appear() -> None:
            self.members.below = True
            self.members.add(pid)

        return appear


def at_once(*steps: Step) -> Step:
    """Make one step of several, in which all is ready that is ready in any."""

    def all_of_them() -> set[int]:
        ready: set[int] = set()
        for step in steps:
            found = step()
            ready |= found if isinstance(found, set) else set()
        return ready

    return all_of_them


def expect(holds: object) -> None:
    """Assert, as an expression."""
    assert holds
