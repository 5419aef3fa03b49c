"""A sidecar's decisions on a clock of the test's own: who acts, what is looked at, when (E2, E3, E4, E7)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pdwrap.exec_mode import start as exec_mode
from pdwrap.exec_mode.sidecar_pipes import REPORT_ANNOUNCED, REPORT_FINISHED, REPORT_KILLING
from pdwrap.lifecycle import KILL_TIME, LAST, PATIENCE, STALL_TIME
from pdwrap.options import Settings
from tests.harness.fakes import FakeLauncher, FakeLog
from tests.harness.fakes_sidecar import BACKEND, CONT, GRACE, KILL, MATE, TERM, WORKER, Drive, at_once, expect


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """Make a drive."""
    with monkeypatch.context() as patch:
        yield Drive(patch)


# -- the first ------------------------------------------------------------------------------------------------------


def test_ends_what_is_left_of_both(drive: Drive) -> None:
    """E2: the backend's end is seen before the launcher's, and it was the later one: what it left is ended."""
    drive.members.add(WORKER)
    drive.run(at_once(drive.launcher.die, drive.die(BACKEND)), drive.die(WORKER))
    assert drive.sent == [(BACKEND, "asked"), (BACKEND, CONT), (WORKER, TERM), (WORKER, CONT), (MATE, KILL)]
    assert drive.pipes.finished


def test_leaves_what_a_backend_leaves(drive: Drive) -> None:
    """E5 is no promise of this mode: while the launcher lives, the backend's end is the end of the sidecars."""
    drive.members.add(WORKER)
    drive.run(drive.die(BACKEND))
    assert drive.sent == []


def test_kills_again_what_lives_on(drive: Drive) -> None:
    """E1, E7: who could not be killed at first (a set-uid program that becomes its user's own again) is, later."""
    drive.members.add(WORKER)
    drive.run(
        drive.die(0),
        drive.later(GRACE),
        drive.later(STALL_TIME - 0.01),
        at_once(lambda: expect((WORKER, KILL) not in drive.sent), drive.later(0.02)),
        at_once(
            lambda: expect(drive.sent.count((WORKER, KILL)) == 1), drive.die(BACKEND), drive.later(STALL_TIME + 0.01)
        ),
        at_once(lambda: expect(drive.sent.count((WORKER, KILL)) == 2), drive.die(WORKER)),
    )
    assert drive.sent.count((BACKEND, KILL)) == 1
    assert drive.members.kills == 1


def test_tells_the_mate_whom_it_holds(drive: Drive) -> None:
    """E4: at once, and as the first thing: the mate's own listing may come when the backend is gone."""
    drive.members.add(WORKER)

    def told() -> set[int]:
        assert drive.pipes.passed == [(BACKEND, 1, False), (WORKER, 1, False)]
        return set()

    drive.run(drive.die(0), at_once(told, drive.die(BACKEND, WORKER)))


def test_lists_during_the_grace(drive: Drive) -> None:
    """E2: what is forked during the grace is held as soon as it is seen, and the mate is told of it."""
    drive.run(drive.die(0), drive.find(WORKER), drive.die(BACKEND), drive.die(WORKER))
    assert drive.pipes.passed.count((WORKER, 1, False)) >= 1
    assert (WORKER, TERM) in drive.sent
    # Once before the first signal, then in each round; by groups as soon as the backend is gone.
    looked = [where for where in drive.members.looked if where != "numbers"]
    assert looked[:5] == ["below", "below", "below", "below", "groups"]


def test_what_was_found_dead_may_have_forked(drive: Drive) -> None:
    """E2: nobody known is left alive, but something new was found in this very round: look once more."""

    def orphan() -> None:
        drive.members.grouped = True  # found, and dead already

    drive.members.add(WORKER)
    drive.run(drive.die(0, BACKEND), at_once(drive.die(WORKER), orphan), lambda: None)
    assert len(drive.script.waited) == 3
    assert drive.pipes.finished


def test_kills_when_the_grace_is_over(drive: Drive) -> None:
    """E3, E7: KILL at the deadline, not before; what does not die of it is named, and it is over."""
    drive.run(
        drive.die(0),
        drive.later(GRACE - 0.001),
        at_once(lambda: expect(drive.members.kills == 0), drive.later(0.001)),
        at_once(lambda: expect(drive.members.kills == 1), drive.later(KILL_TIME - 0.001)),
        at_once(lambda: expect(not drive.pipes.finished), drive.later(0.001)),
    )
    assert [line.partition(":")[0] for line in drive.log.said] == ["ending", "survivors", "done"]


def test_half_of_the_grace(drive: Drive) -> None:
    """E3: half way through the grace what the backend keeps the signal from is asked, once."""
    drive.run(
        drive.die(0),
        drive.later(GRACE / 2 - 0.001),
        at_once(lambda: expect(drive.members.asked_below == []), drive.later(0.001)),
        at_once(lambda: expect(drive.members.asked_below == [TERM]), drive.later(0.1)),
        drive.die(BACKEND),
    )
    assert drive.members.asked_below == [TERM]


def test_kills_again_what_it_finds(drive: Drive) -> None:
    """E2: what appears while all are being killed is killed, too."""
    drive.run(
        drive.die(0),
        drive.later(GRACE),
        drive.find(WORKER),
        at_once(lambda: expect(drive.members.kills == 2), drive.die(BACKEND, WORKER)),
    )


# -- the second -----------------------------------------------------------------------------------------------------


def test_vouches_and_sends_nothing(drive: Drive) -> None:
    """E3: SIGCONT to the first, again and again, for it may be stopped at any moment; to nobody else, anything."""

    def finished() -> set[int]:
        drive.pipes.to_hear.append(REPORT_FINISHED)
        return {MATE}

    drive.run(drive.die(0), drive.find(WORKER), drive.die(BACKEND), drive.later(1), finished, second=True)
    assert set(drive.sent) == {(MATE, CONT)}
    assert len(drive.sent) >= 4
    assert drive.pipes.passed == []  # it would read its own words back, and the first's would have no room
    assert drive.log.said == []


def test_hears_whom_the_first_holds(drive: Drive) -> None:
    """E4: at once: the first can be lost at any moment."""
    drive.pipes.passed.append((62, 1, False))

    def heard() -> set[int]:
        assert (62, 1, False) in drive.members.adopted
        drive.pipes.to_hear.append(REPORT_FINISHED)
        return {MATE}

    drive.run(drive.die(0), heard, second=True)


def test_first_is_late(drive: Drive) -> None:
    """E4, E7: a second after the grace it is killed, and its work is done."""
    drive.run(
        drive.die(0),
        drive.later(GRACE + PATIENCE - 0.001),
        at_once(lambda: expect((MATE, KILL) not in drive.sent), drive.later(0.001)),
        at_once(lambda: expect(drive.members.kills == 1), drive.die(MATE)),
        drive.die(BACKEND),
        second=True,
    )
    assert drive.sent.count((MATE, KILL)) == 1
    assert not any(number == "asked" for _pid, number in drive.sent)


def test_first_kills(drive: Drive) -> None:
    """E4, E7: it says that it does, and gets the time that killing may take, and a little more; then all is over."""
    drive.pipes.asked = True

    def kills() -> None:
        drive.pipes.to_hear += [REPORT_ANNOUNCED, REPORT_KILLING]
        drive.clock.advance(GRACE)

    late = KILL_TIME + PATIENCE - LAST
    drive.run(
        drive.die(0),
        kills,
        drive.later(late - 0.001),
        at_once(lambda: expect((MATE, KILL) not in drive.sent and drive.members.kills == 0), drive.later(0.001)),
        at_once(lambda: expect(drive.members.kills == 1), drive.die(MATE), drive.later(LAST)),
        second=True,
    )
    assert drive.sent.count((MATE, KILL)) == 1
    assert [line.partition(":")[0] for line in drive.log.said] == ["survivors", "done"]  # the first had told the rest


def test_first_has_ended_the_tree_and_does_not_exit(drive: Drive) -> None:
    """E3, E4: stopped before its last words, it is continued; late all the same, it is ended. Nobody else is."""

    def ended() -> None:
        drive.pipes.to_hear += [REPORT_ANNOUNCED, REPORT_FINISHED]

    drive.run(
        drive.die(0),
        drive.die(BACKEND),
        ended,
        at_once(lambda: expect(drive.sent[-1] == (MATE, CONT)), drive.later(GRACE + PATIENCE)),
        second=True,
    )
    assert drive.sent[-1] == (MATE, KILL)
    assert drive.members.kills == 0
    assert drive.log.said == []


def test_asks_nobody_whom_the_first_asked(drive: Drive) -> None:
    """E3: what the first had asked when it was lost is not asked again, what it had not is."""
    drive.members.add(WORKER)
    drive.members.add(WORKER + 1)

    def lost() -> set[int]:
        drive.pipes.asked = True
        drive.pipes.to_hear.append(REPORT_ANNOUNCED)
        drive.pipes.passed.append((WORKER, 1, True))
        return {MATE}

    drive.run(drive.die(0), drive.die(BACKEND), lost, drive.die(WORKER, WORKER + 1), second=True)
    assert (WORKER, TERM) not in drive.sent
    assert (WORKER + 1, TERM) in drive.sent
    assert [line.partition(":")[0] for line in drive.log.said] == ["done"]


@pytest.mark.parametrize("asked", [False, True])
def test_first_is_lost(drive: Drive, asked: bool) -> None:  # noqa: FBT001 - pytest's form
    """E3, E4: lost before it asked, the second asks; lost afterwards, it asks nobody again."""

    def lost() -> set[int]:
        drive.pipes.asked = asked
        return {MATE}

    drive.run(drive.die(0), lost, drive.die(BACKEND), second=True)
    to_backend = [number for pid, number in drive.sent if pid == BACKEND]
    assert to_backend == [*["asked"] * (not asked), CONT]
    assert drive.pipes.finished


def test_first_is_lost_after_the_backend(drive: Drive) -> None:
    """E4: the backend's end came while the second vouched: its leftovers are asked, within the same grace."""

    def lost() -> set[int]:
        drive.pipes.asked = True
        drive.pipes.passed.append((62, 1, False))
        return {MATE}

    drive.members.add(WORKER)
    drive.run(
        drive.die(0),
        drive.die(BACKEND),
        lost,
        at_once(lambda: expect((WORKER, TERM) in drive.sent and drive.members.kills == 0), drive.die(WORKER)),
        second=True,
    )
    assert (62, 1, False) in drive.members.adopted


# -- before there is one --------------------------------------------------------------------------------------------


class Ended(BaseException):
    """The process would have ended now."""


@pytest.mark.parametrize("dead", [False, True])
def test_launcher_dies_while_the_sidecar_starts(
    monkeypatch: pytest.MonkeyPatch,
    dead: bool,  # noqa: FBT001 - pytest's form
) -> None:
    """E1: it is looked at once more when the sidecar stands: nothing is started for a launcher that is dead."""
    launcher = FakeLauncher()
    done: list[str] = []

    def start_sidecar(*_: object) -> None:
        done.append("sidecar")
        launcher.dead = dead

    def become(*_: object) -> None:
        done.append("backend")
        raise Ended

    def end(status: int) -> None:
        done.append(f"exit {status}")
        raise Ended

    monkeypatch.setattr(exec_mode, "_start_sidecar", start_sidecar)
    monkeypatch.setattr(exec_mode, "become", become)
    monkeypatch.setattr(os, "_exit", end)
    watch: Any = launcher
    inherited: Any = None
    with pytest.raises(Ended):
        exec_mode.run(Settings(), ["true"], watch, inherited, FakeLog())
    assert done == ["sidecar", "exit 125" if dead else "backend"]
