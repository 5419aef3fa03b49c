"""E3, E4 in exec mode: one sidecar is lost, at random or at the very step: exactly one first signal, never two or none.

And what is meant for the backend, and hits its whole group or session, takes no sidecar with it.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.harness import Process, Started, Starter, children, pause_for, role, wait_for_sidecars
from tests.harness.faulty import Faulty, Place, place
from tests.harness.pty_session import terminal

pytestmark = pytest.mark.modes("exec")

TERM, CONT, KILL, STOP, HUP = signal.SIGTERM, signal.SIGCONT, signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP
GRACE = {"PDWRAP_GRACE": "1s"}
LONG = {"PDWRAP_GRACE": "100s"}
LOSSES = pytest.mark.parametrize("number", [KILL, STOP], ids=["killed", "stopped"])


def assert_asked_once(tree: Started) -> None:
    """All are gone, the sidecars too, and the backend was asked once."""
    tree.assert_gone()
    assert [each for each in tree.signals() if each != CONT] == [TERM], tree.stderr


def lose(tree: Started, lost: Process, number: int, moment: float) -> None:
    """A sidecar is lost and the launcher dies, so many seconds one after the other; negative: the launcher first."""
    if moment < 0:
        tree.launcher.kill()
    else:
        lost.signal(number)
    pause_for(abs(moment))
    if moment < 0:
        lost.signal(number)
    else:
        tree.launcher.kill()


@pytest.mark.slow
@LOSSES
@pytest.mark.parametrize("which", [0, 1], ids=["first", "second"])
def test_lost_at_random(start: Starter, which: int, number: int) -> None:
    """E3, E4: at 56 moments around the launcher's death, half of them within a millisecond after it."""
    choose = random.Random(100 * which + number)
    for _ in range(7):
        rounds = []
        for _tree in range(8):
            tree = start("reporter", "exit=15", env=LONG if number == KILL else GRACE)
            moment = choose.choice([choose.uniform(-0.001, 0), choose.uniform(-0.006, 0.006)])
            rounds.append((tree, tree.sidecars[which], moment))
        for tree, lost, moment in rounds:
            lose(tree, lost, number, moment)
        for tree, lost, moment in rounds:
            assert tree.voice.ended(), tree.stderr
            if moment < 0:
                lost.signal(CONT)  # stopped when all was over: nobody was left to continue it
        for tree, _lost, _moment in rounds:
            assert_asked_once(tree)
        start.close()


#: What the first does between seeing the launcher's death and having asked; and what the second does meanwhile.
FIRSTS_STEPS = [
    ("after", place("exec_mode.sidecar_loop.Sidecar._wait")),
    ("before", place("exec_mode.sidecar_actions.SidecarActions.list_tree")),
    ("after", place("exec_mode.sidecar_actions.SidecarActions.list_tree")),
    ("before", place("exec_mode.sidecar_actions.SidecarActions.first_signal")),
    ("before", place("exec_mode.sidecar_pipes.SidecarPipes.ask")),
    ("after", place("exec_mode.sidecar_pipes.SidecarPipes.ask")),
    ("before", place("exec_mode.member.Member.send")),  # SIGCONT, after the first signal
    ("after", place("exec_mode.member.Member.send")),
    ("after", place("exec_mode.sidecar_actions.SidecarActions.note_beginning")),
    ("before", place("exec_mode.sidecar_actions.SidecarActions.announce")),
    ("after", place("exec_mode.sidecar_actions.SidecarActions.announce")),
]
LATER_STEPS = [
    ("before", place("exec_mode.sidecar_actions.SidecarActions.ask_leftovers")),
    ("before", place("exec_mode.sidecar_pipes.SidecarPipes.say")),
    ("after", place("exec_mode.sidecar_pipes.SidecarPipes.say")),
    ("after", place("exec_mode.sidecar_actions.SidecarActions.report_done")),
]
SECONDS_STEPS = [
    ("before", place("exec_mode.sidecar_actions.SidecarActions.continue_mate")),
    ("after", place("exec_mode.sidecar_actions.SidecarActions.continue_mate")),
    ("before", place("exec_mode.sidecar_actions.SidecarActions.allow_grace")),
]


@pytest.mark.parametrize("at", [*FIRSTS_STEPS, *LATER_STEPS], ids="-".join)
def test_killed_at_each_step(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E3, E4: who gets there first is killed there."""
    for _ in range(3):
        tree = faulty.strike("self", KILL, *at)("reporter", "exit=15", "child=setsid:reporter[exit=15]", env=LONG)
        assert len(tree.sidecars) == 2
        tree.launcher.kill()
        assert_asked_once(tree)
    faulty.assert_reached()


@pytest.mark.parametrize(
    "at",
    [
        ("after", place("exec_mode.sidecar_actions.SidecarActions.announce")),
        ("before", place("exec_mode.sidecar_actions.SidecarActions.ask_leftovers")),
        ("after", place("exec_mode.sidecar_actions.SidecarActions.ask_leftovers")),
        ("before", place("exec_mode.sidecar_actions.SidecarActions.report_killing")),
        ("after", place("exec_mode.sidecar_actions.SidecarActions.report_killing")),
        ("before", place("exec_mode.sidecar_actions.SidecarActions.kill")),
        ("after", place("exec_mode.sidecar_actions.SidecarActions.kill")),
        ("before", place("exec_mode.sidecar_actions.SidecarActions.report_done")),
        ("after", place("exec_mode.sidecar_actions.SidecarActions.report_done")),
    ],
    ids="-".join,
)
@LOSSES
def test_asks_and_tells_once(faulty: Faulty, at: tuple[str, Place], number: int) -> None:
    """E3, E4: the first is lost in the midst of it: a leftover is asked once, and people are told once."""
    env = {"PDWRAP_GRACE": "0.5s"}
    tree = faulty.strike("self", number, *at)("reporter", "exit=15", "child=setsid:reporter", env=env)
    child = tree.hold(int(tree.voice.all("ready", "reporter")[0][0]))
    assert len(tree.sidecars) == 2
    tree.launcher.kill()
    assert_asked_once(tree)
    faulty.assert_reached()
    assert [each for each in tree.signals(child) if each != CONT] == [TERM], tree.stderr
    assert tree.stderr.count(": ending ") == 1, tree.stderr
    assert tree.stderr.count(": done: ") <= 1, tree.stderr


def test_second_stopped_again_and_again(start: Starter) -> None:
    """E4: it is stopped whenever it may run, to the very end of the first: it does not stay behind."""
    for _ in range(5):
        tree = start("stubborn", env={"PDWRAP_GRACE": "0.1s"})
        first, second = tree.sidecars
        tree.launcher.kill()
        while first.alive:
            second.signal(STOP)
        second.signal(STOP)
        tree.assert_gone()


@pytest.mark.parametrize("at", SECONDS_STEPS, ids="-".join)
def test_second_killed_at_each_step(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E3, E4: the second is killed there. The backend stays until then: else the second may see nothing but its end."""
    for number in range(3):
        tree = faulty.strike("self", KILL, *at)("reporter", "exit=10", "child=setsid:reporter[exit=15]", env=LONG)
        assert len(tree.sidecars) == 2
        tree.launcher.kill()
        faulty.wait_reached(number)
        tree.got(TERM)
        tree.backend.signal(signal.SIGUSR1)
        tree.assert_gone()
        assert [each for each in tree.signals() if each != CONT] == [TERM, signal.SIGUSR1], tree.stderr


@pytest.mark.parametrize("at", FIRSTS_STEPS, ids="-".join)
def test_stopped_at_each_step(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E3, E4: who gets there first is stopped there: it is continued, or late and replaced, and asks once."""
    tree = faulty.strike("self", STOP, *at)("reporter", "exit=15", "child=setsid:reporter[exit=15]", env=GRACE)
    assert len(tree.sidecars) == 2
    tree.launcher.kill()
    assert_asked_once(tree)
    faulty.assert_reached()


def test_killed_in_the_grace_when_the_other_came_late(start: Starter) -> None:
    """E2, E4: the backend was gone before the second could list its tree; what the first knew is not lost with it."""
    tree = start("plain", "child=setsid:stubborn", env=GRACE)
    first, second = tree.sidecars
    second.signal(STOP)  # until the first is gone, as if it had been slow to wake up
    second.wait_stopped()
    tree.launcher.kill()
    assert tree.backend.is_dead()
    first.kill()
    assert first.is_dead()
    second.signal(CONT)
    tree.assert_gone()


@pytest.mark.parametrize("name", ["reporter", "catcher"])
def test_kills_one_after_the_other(start: Starter, name: str) -> None:
    """E4: in a loop of 20 kills the backend is not even switched to: no signal, no child, the same status."""
    tree = start(name, "exit=15", env=LONG)
    tree.backend.wait_state("S")
    before = status_of(tree.backend.pid)
    choose = random.Random(20)
    lost = []
    for _ in range(20):
        lost.append(choose.choice(tree.sidecars))
        lost[-1].kill()
        assert lost[-1].is_dead()
    assert len({each.pid for each in [*lost, *tree.sidecars]}) == 22
    assert status_of(tree.backend.pid) == before
    assert children(tree.backend.pid) == []
    assert tree.stderr == ""
    tree.launcher.kill()
    assert_asked_once(tree)


def status_of(pid: int) -> list[str]:
    """/proc/PID/status, what others do to the machine left out: memory that it takes back, signals of the same user."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return [line for line in lines if not line.startswith(("Rss", "Vm", "SigQ"))]


@pytest.mark.parametrize("number", [TERM, KILL, HUP])
@pytest.mark.parametrize("launcher", ["group", "session"])
def test_signal_to_the_backends_group(start: Starter, launcher: str, number: int) -> None:
    """E4: the whole group gets a signal: the sidecars survive it, and end when the backend has."""
    tree = start("reporter", f"exit={number}", "child=plain", launcher=[launcher], env=LONG)
    first, second = tree.sidecars
    worker = tree.hold(children(tree.backend.pid)[0])
    if number != KILL:  # SIGUSR1 first, to the group: nobody but the backend speaks of it, and all live on
        os.killpg(tree.backend.pid, signal.SIGURG)
        tree.got(signal.SIGURG)
        assert first.alive
        assert second.alive
    os.killpg(tree.backend.pid, number)
    assert tree.backend.is_dead()
    assert first.is_dead()
    assert second.is_dead()
    worker.kill()
    tree.assert_gone()
    assert tree.stderr == ""


@pytest.mark.parametrize("number", [TERM, KILL, HUP])
def test_signal_to_everybody_in_the_session(start: Starter, number: int) -> None:
    """E4: everybody in the session of the backend and its launcher gets a signal: the sidecars are in none of them."""
    for _ in range(5):
        tree = start("stubborn", "child=group:stubborn", env={"PDWRAP_GRACE": "0.2s"})
        first, second = tree.sidecars
        session = os.getsid(tree.backend.pid)
        for pid in everybody_in(session):
            os.kill(pid, number)
        assert tree.launcher.is_dead()  # which does not ignore it
        tree.assert_gone()
        assert not first.alive
        assert not second.alive


def everybody_in(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.getsid(int(entry)) == session:
                found.append(int(entry))
        except ProcessLookupError:
            pass
    return found


def test_hang_up_of_the_backends_terminal(pdwrap: list[str]) -> None:
    """E4: the terminal of the backend's session hangs up: the sidecars survive it, and end with the backend."""
    with terminal([*pdwrap, "--grace", "100s", "--", *role("reporter", "exit=10")]) as session:
        backend = session.leader
        assert session.hear("ready", "backend") == [str(backend.pid)]
        sidecars = [Process(each) for each in wait_for_sidecars(backend.pid)]
        session.hang_up()
        session.hear("got", str(backend.pid), str(int(HUP)))
        assert all(each.alive for each in sidecars)
        assert wait_for_sidecars(backend.pid) == [each.pid for each in sidecars]
        backend.signal(signal.SIGUSR1)
        assert session.status() == 0
        assert all(each.is_dead() for each in sidecars)
        session.assert_gone()
