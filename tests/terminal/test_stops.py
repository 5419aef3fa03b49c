"""T3: a stopped backend shows as stopped, and goes on, also where no terminal is concerned."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import Started, Starter, stat

CONT, STOP, FENCE = int(signal.SIGCONT), int(signal.SIGSTOP), int(signal.SIGRTMAX)
STOPS = [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU]


def stopped(tree: Started) -> int:
    """Wait until the launcher sees pdwrap stop; give the signal. That it went on before may be seen, too."""
    while os.WIFCONTINUED(raw := tree.status()):
        pass
    assert os.WIFSTOPPED(raw), f"ended instead: {raw}; stderr: {tree.stderr!r}"
    return os.WSTOPSIG(raw)


def fence(tree: Started) -> list[int]:
    """Send FENCE through pdwrap; give all signals that the backend got before it."""
    before = tree.signals().count(FENCE)
    tree.wrapper.signal(FENCE)
    while tree.signals().count(FENCE) == before:
        tree.got(FENCE)
    return [number for number in tree.signals() if number != FENCE]


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
@pytest.mark.parametrize("receiver", ["backend", "wrapper"])
@pytest.mark.parametrize("continued", ["wrapper", "backend"])
def test_stopped_shows_as_stopped(start: Starter, number: signal.Signals, receiver: str, continued: str) -> None:
    """T3: waitpid(2) on pdwrap sees the stop, by the same signal; SIGCONT to either continues both."""
    if receiver == "wrapper" and number == signal.SIGSTOP:
        receiver = "backend"  # the one stop signal that cannot be forwarded: nobody can catch it
    tree = start("catcher", "exit=15", launcher=["group"])
    getattr(tree, receiver).signal(number)
    assert stopped(tree) == number
    assert stat(tree.backend.pid)[0] == stat(tree.wrapper.pid)[0] == "T"
    getattr(tree, continued).signal(CONT)
    assert os.WIFCONTINUED(tree.status())
    tree.got(CONT)
    assert fence(tree) == [CONT]
    tree.wrapper.signal(signal.SIGTERM)
    assert tree.status() == 0
    tree.assert_gone()


def test_stops_again_at_once(start: Starter) -> None:
    """T3: a backend that is stopped right after it was continued is never stopped while pdwrap looks alive.

    pdwrap is seen to go on in between: else its old stop would be taken for the new one, and a SIGCONT sent on that
    could become one with the inner supervisor's (signal(7): a second one of a pending signal is not kept).
    """
    tree = start("catcher", "exit=15", launcher=["group"])
    for times in range(150):
        tree.backend.signal(STOPS[times % 2])
        tree.backend.wait_stopped()
        tree.wrapper.wait_stopped()
        (tree.backend if times % 3 else tree.wrapper).signal(CONT)
        tree.got(CONT)
        tree.wrapper.wait_state("S", "R")
    assert fence(tree).count(CONT) >= 150
    tree.wrapper.signal(signal.SIGTERM)
    while os.WIFCONTINUED(raw := tree.status()) or os.WIFSTOPPED(raw):
        pass
    assert raw == 0
    tree.assert_gone()


def test_continued_before_it_stops(start: Starter) -> None:
    """T2, T3: stop and continue sent in one go, through pdwrap: whichever wins, both run or both are stopped."""
    tree = start("catcher", "exit=15", launcher=["group"])
    for _ in range(50):
        tree.wrapper.signal(signal.SIGTSTP)
        tree.wrapper.signal(CONT)  # discards a SIGTSTP that is still pending (signal(7)), else continues
        fence(tree)
    tree.wrapper.signal(signal.SIGTERM)
    while os.WIFCONTINUED(raw := tree.status()) or os.WIFSTOPPED(raw):
        pass
    assert raw == 0
    tree.assert_gone()


def test_orphaned_group_does_not_stop(start: Starter) -> None:
    """T2: where nobody could continue the job, SIGTSTP does nothing (setpgid(2)): as without pdwrap."""
    tree = start("catcher", "exit=15")
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        tree.wrapper.signal(number)
        tree.backend.signal(number)
    assert fence(tree) == []
    assert "T" not in stat(tree.backend.pid)[0] + stat(tree.wrapper.pid)[0]
    tree.wrapper.signal(signal.SIGTERM)
    assert tree.status() == 0
    tree.assert_gone()


def test_killed_while_stopped(start: Starter) -> None:
    """T3: a stopped backend that is killed is seen as killed."""
    tree = start("catcher", launcher=["group"])
    tree.backend.signal(STOP)
    assert stopped(tree) == STOP
    tree.backend.kill()
    while os.WIFCONTINUED(raw := tree.status()):
        pass
    assert raw == signal.SIGKILL
    tree.assert_gone()
