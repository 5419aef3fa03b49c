"""E4 in exec mode: whichever sidecar is lost or stopped, the backend notices nothing, and ends with its launcher."""

from __future__ import annotations

import os
import random
import signal

import pytest

from tests.harness import READY, Process, Started, Starter, children, pause_for, shell, watchers

pytestmark = pytest.mark.modes("exec")

TERM, CONT = signal.SIGTERM, signal.SIGCONT
SHORT = {"PDWRAP_GRACE": "0.2s"}
LONG = {"PDWRAP_GRACE": "100s"}


def assert_ended_once(tree: Started) -> None:
    """All are gone, and the backend was asked once."""
    tree.assert_gone()
    assert [each for each in tree.signals() if each != CONT] == [TERM], tree.stderr


def assert_undisturbed(tree: Started) -> None:
    """A visible signal is the first that the backend gets."""
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]


@pytest.mark.parametrize("which", ["first", "second", "either"])
def test_killed_one_after_the_other(start: Starter, which: str) -> None:
    """E4: two dozen sidecars are killed, each as soon as there are two; each is replaced, the backend untouched."""
    tree = start("catcher", "exit=15", env=LONG)
    choose = random.Random(31)
    for _ in range(24):
        place = {"first": 0, "second": 1}.get(which, choose.randrange(2))
        lost = tree.sidecars[place]
        lost.kill()
        assert lost.is_dead()
    again = tree.sidecars
    assert all(each.alive for each in again)
    assert tree.signals() == []
    assert tree.stderr == ""
    tree.launcher.kill()
    assert_ended_once(tree)


@pytest.mark.parametrize("which", [0, 1])
def test_stopped(start: Starter, which: int) -> None:
    """E4: a sidecar is stopped, and then the launcher dies; nothing of pdwrap stays behind either."""
    for _ in range(4):
        tree = start("reporter", "child=setsid:stubborn", env=SHORT)
        stopped = tree.sidecars[which]
        stopped.signal(signal.SIGSTOP)
        stopped.wait_stopped()
        tree.launcher.kill()
        assert_ended_once(tree)


@pytest.mark.parametrize("which", [0, 1])
def test_lost_during_the_grace(start: Starter, which: int) -> None:
    """E4: the ending has begun, and a sidecar is lost: the other goes on with it, without a second SIGTERM."""
    for _ in range(4):
        tree = start("reporter", "child=setsid:stubborn", env=SHORT)
        lost = tree.sidecars[which]
        tree.launcher.kill()
        tree.got(TERM)
        lost.kill()
        assert_ended_once(tree)


@pytest.mark.parametrize("which", [0, 1])
def test_stopped_during_the_grace(start: Starter, which: int) -> None:
    """E4, E7: a sidecar is stopped while the tree is being ended: late, but ended."""
    tree = start("reporter", "child=setsid:stubborn", env=SHORT)
    stopped = tree.sidecars[which]
    tree.launcher.kill()
    tree.got(TERM)
    stopped.signal(signal.SIGSTOP)
    assert_ended_once(tree)


def at_a_moment(tree: Started, lost: Process, moment: float) -> None:
    """A sidecar is lost, and the launcher, `moment` seconds one after the other; negative: the launcher first."""
    first, then = (lost, tree.launcher) if moment >= 0 else (tree.launcher, lost)
    first.kill()
    pause_for(abs(moment))
    then.kill()


def test_signals_meant_for_the_backend(start: Starter) -> None:
    """E4: SIGKILL to the backend's whole group, or to each of its session, reaches no sidecar; they end with it."""
    for launcher in (["group"], ["session"], []):
        tree = start("plain", launcher=launcher)
        first, second = tree.sidecars
        group, session = os.getpgid(tree.backend.pid), os.getsid(tree.backend.pid)
        for sidecar in (first, second):
            assert os.getpgid(sidecar.pid) != group
            assert os.getsid(sidecar.pid) != session
        os.killpg(group, signal.SIGKILL)
        tree.assert_gone()


def test_signals_to_a_sidecar(start: Starter) -> None:
    """E4: what else is sent to the sidecars is nothing to them, nor to the backend."""
    tree = start("reporter", "exit=15", env=LONG)
    for sidecar in tree.sidecars:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGTSTP):
            sidecar.signal(number)
    assert_undisturbed(tree)
    assert len(watchers(tree.backend.pid)) == 2
    tree.launcher.kill()
    tree.assert_gone()


def lose_both(tree: Started) -> None:
    """Both sidecars are killed at the same instant: neither runs between the two signals."""
    both = tree.sidecars
    for each in both:
        each.signal(signal.SIGSTOP)
    for each in both:
        each.wait_stopped()
    for each in both:
        each.kill()
    for each in both:
        assert each.is_dead()


@pytest.mark.parametrize("name", ["plain", "stubborn"])
def test_both_lost_at_the_same_instant(start: Starter, name: str) -> None:
    """E4: nobody is left to see the launcher die: the kernel kills the backend at once; the launcher sees that."""
    for _ in range(8):
        tree = start(name, launcher=("threads",))
        lose_both(tree)
        assert tree.status() == signal.SIGKILL
        tree.assert_tree_gone()
        tree.assert_gone()


@pytest.mark.usefixtures("root")
def test_both_lost_after_the_backend_changed_its_uid(start: Starter) -> None:
    """E4, E6: what changes its uid clears a parent-death signal (prctl(2)); this way holds."""
    tree = start("plain", via=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    lose_both(tree)
    assert tree.status() == signal.SIGKILL
    tree.assert_gone()


@pytest.mark.limit
def test_both_lost_with_a_tree(start: Starter) -> None:
    """Limit: the backend alone: what it started is left."""
    tree = start("plain", "child=plain")
    child = tree.hold(children(tree.backend.pid)[0])
    lose_both(tree)
    assert tree.backend.is_dead()
    tree.launcher.kill()
    assert tree.launcher.is_dead()
    assert child.alive
    child.kill()
    tree.assert_gone()


def test_two_from_the_first_moment(start: Starter) -> None:
    """E4: at the backend's first line there are two; one is lost there and then: what has been forked is ended, too."""
    script = f"setsid sleep 60 & sleep 60 & {READY}; wait"
    for each in range(20):
        tree = start(argv=shell(script), ready=True, env=SHORT)
        there = watchers(tree.backend.pid)
        assert len(there) == 2
        lost = tree.hold(there[each % 2])
        lost.kill()
        assert lost.is_dead()
        assert tree.backend.alive
        tree.launcher.kill()
        tree.assert_gone()
        assert "3 processes ended" in tree.stderr


@pytest.mark.slow
def test_lost_at_once(start: Starter) -> None:
    """E4: the only sidecar is killed about when it gets a mate: there are two again, or the backend ends with it."""
    choose = random.Random(5)
    for _ in range(40):
        tree = start("plain", settle=False, env=SHORT)
        pid = tree.wrapper.pid
        while not (there := watchers(pid)) and tree.wrapper.alive:
            pass
        try:
            first = tree.hold(there[0])
        except (IndexError, ProcessLookupError):  # the helper that forked it
            pass
        else:
            pause_for(choose.uniform(0, 0.008))
            first.kill()
            assert first.is_dead()
        while not tree.wrapper.is_dead(0.005) and len(watchers(pid)) < 2:
            pass
        tree.launcher.kill()
        tree.assert_gone()
