"""E1, E4 in exec mode: a signal, or the launcher's death, while pdwrap starts: nothing left, no traceback, one line."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from pdwrap.linux import procfs
from tests.harness import LIMIT, Started, Starter, pause_for, watchers
from tests.harness.faulty import Faulty, Place, place

pytestmark = pytest.mark.modes("exec")

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
EACH_SIGNAL = pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
SHORT = {"PDWRAP_GRACE": "1s"}
SLEEP = ["sleep", "60"]

#: What pdwrap does between its first line and the exec, in order; and in the process that becomes a sidecar.
STEPS = [
    place("options.read"),
    place("linux.descriptors.hold_standard"),
    place("inherited.Inherited.__init__"),
    place("ancestry.find_launcher"),
    place("messages.Log.watch"),
    place("exec_mode.start._start_sidecar"),
    place("linux.procfs.open_children"),
    place("linux.pidfd.pidfd_open"),
    place("exec_mode.members.Members.__init__"),
    place("backend.become"),
    place("inherited.Inherited.restore"),
]
CLOSE_ALL = place("linux.descriptors.close_all_but")
SIDECARS_STEPS = [
    place("exec_mode.sidecar_start.run_sidecar"),
    CLOSE_ALL,
    place("exec_mode.sidecar_pipes.SidecarPipes.__init__"),
    place("exec_mode.sidecar_loop.Sidecar.__init__"),
]
SIDECARS_LATER_STEPS = [
    place("exec_mode.sidecar_loop.Sidecar.run"),
    place("exec_mode.sidecar_actions.SidecarActions.make_mate"),
    place("exec_mode.sidecar_loop.Sidecar._wait"),
]
NEVER_RETURN = [
    place("exec_mode.sidecar_start.run_sidecar"),
    place("backend.become"),
    place("exec_mode.sidecar_loop.Sidecar.run"),
    place("exec_mode.sidecar_loop.Sidecar._wait"),
]
PLACES = [
    (when, where)
    for where in [*STEPS, *SIDECARS_STEPS, *SIDECARS_LATER_STEPS]
    for when in ("before", "after")
    if when == "before" or where not in NEVER_RETURN
]


def assert_died_of(tree: Started, number: int) -> None:
    """It has died of the signal, and said nothing: nothing has been ended, and it was told to go."""
    assert os.waitstatus_to_exitcode(tree.status()) == -number, tree.stderr
    tree.assert_tree_gone()
    assert tree.stderr == ""


def assert_few_words(tree: Started) -> None:
    """No traceback, and one line at most that says why nothing was started or what was ended."""
    assert "Traceback" not in tree.stderr
    lines = [line for line in tree.stderr.splitlines() if "pdwrap: done: " not in line]  # the ending's second
    assert len(lines) <= 1, tree.stderr
    assert all(line.startswith("pdwrap: ") for line in lines), tree.stderr


@pytest.mark.parametrize("at", PLACES, ids="-".join)
def test_signal_at_each_step(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E1, E4: pdwrap gets a signal at a step of its start, or of its sidecar's."""
    trees = [(faulty.strike("pdwrap", number, *at)(argv=SLEEP, settle=False), number) for number in SIGNALS]
    for tree, number in trees:
        assert_died_of(tree, number)
    for tree, _number in trees:
        tree.dismiss()
    for tree, _number in trees:
        tree.assert_gone()
    faulty.assert_reached()


@pytest.mark.parametrize("at", PLACES, ids="-".join)
def test_launcher_dies_at_each_step(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E1: the launcher dies at each step: nothing was started, or the backend is ended."""
    tree = faulty.strike("launcher", signal.SIGKILL, *at)(argv=SLEEP, settle=False, env=SHORT)
    tree.assert_gone()
    faulty.assert_reached()
    assert_few_words(tree)


@pytest.mark.slow
@pytest.mark.parametrize("number", [each for each in SIGNALS if each != signal.SIGINT], ids=lambda each: each.name)
def test_signal_at_random(start: Starter, number: signal.Signals) -> None:
    """E1, E4: at 48 moments from the fork on."""
    choose = random.Random(int(number))
    for _ in range(6):
        trees = [start(argv=SLEEP, settle=False) for _ in range(8)]
        for tree in trees:
            wrapper = tree.wrapper
            pause_for(choose.uniform(0, 0.03))
            wrapper.signal(number)
        for tree in trees:
            assert_died_of(tree, number)
        for tree in trees:
            tree.dismiss()  # all of them: while one lives, its launcher is what a tree has left to us
        for tree in trees:
            tree.assert_gone()
        start.close()


@pytest.mark.slow
@pytest.mark.limit
def test_interrupted_at_random(start: Starter) -> None:
    """Limit: SIGINT before pdwrap's first line is Python's (a traceback, or lost); nothing is left all the same."""
    choose = random.Random(2)
    for _ in range(6):
        trees = [start(argv=SLEEP, settle=False) for _ in range(8)]
        for tree in trees:
            wrapper = tree.wrapper
            pause_for(choose.uniform(0, 0.03))
            wrapper.signal(signal.SIGINT)
        for tree in trees:
            if not tree.wrapper.is_dead(2):
                tree.wrapper.kill()  # it came between Python's handler and the return to the default, and is lost
            tree.status()
            tree.assert_tree_gone()
            assert "internal error" not in tree.stderr
        for tree in trees:
            tree.dismiss()
        for tree in trees:
            tree.assert_gone()
        start.close()


@pytest.mark.slow
@EACH_SIGNAL
def test_signal_once_there_is_a_sidecar(start: Starter, number: signal.Signals) -> None:
    """E1, E4: at 40 moments between the fork of the sidecar and the exec, or just after it."""
    choose = random.Random(int(number) + 100)
    for _ in range(40):
        tree = start(argv=SLEEP, settle=False)
        wrapper = tree.wrapper
        for _look in range(100_000):
            if watchers(wrapper.pid):
                break
        pause_for(choose.choice([0, choose.uniform(0, 0.004)]))
        wrapper.signal(number)
        assert_died_of(tree, number)
        tree.assert_gone()


@pytest.mark.slow
def test_launcher_dies_once_there_is_a_sidecar(start: Starter) -> None:
    """E1: at 40 moments between the fork of the sidecar and the exec, or just after it."""
    choose = random.Random(7)
    for _ in range(40):
        tree = start(argv=SLEEP, settle=False, env=SHORT)
        wrapper = tree.wrapper
        for _look in range(100_000):
            if watchers(wrapper.pid):
                break
        pause_for(choose.choice([0, choose.uniform(0, 0.004)]))
        tree.launcher.kill()
        tree.assert_gone()
        assert_few_words(tree)


#: Before the sidecar stands: who gets there stops itself. The first four are the helper's, around its fork.
STOPS_BEFORE_IT_STANDS = [
    ("before", place("exec_mode.start._be_helper")),
    ("before", place("exec_mode.start.continue_when_closed")),
    ("after", place("exec_mode.start.continue_when_closed")),
    ("after", place("exec_mode.start._fork_sidecar")),
    ("before", place("exec_mode.sidecar_start.run_sidecar")),
    ("before", CLOSE_ALL),
    ("before", place("exec_mode.sidecar_pipes.SidecarPipes.__init__")),
    ("after", place("exec_mode.sidecar_loop.Sidecar.__init__")),
    ("before", place("exec_mode.sidecar_start._see_to_room")),
    ("before", place("exec_mode.sidecar_actions.SidecarActions.make_mate")),
    ("before", place("exec_mode.sidecar_start._say_that_it_stands")),
]


def wait_stopped() -> None:
    """Look until somebody below us is stopped: the note that a fault has happened comes before the signal."""
    deadline = time.monotonic() + LIMIT
    while not any((seen := procfs.stat(pid)) and seen.state == "T" for pid in procfs.descendants(os.getpid())):
        assert time.monotonic() < deadline
        pause_for(0.001)


@pytest.mark.parametrize("at", STOPS_BEFORE_IT_STANDS, ids="-".join)
def test_stopped_before_it_stands(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E4: somebody stops helper or sidecar, and the launcher dies: pdwrap waits for nobody, and nothing stays."""
    tree = faulty.strike("self", signal.SIGSTOP, *at)(argv=SLEEP, settle=False)
    wait_stopped()
    faulty.assert_reached()
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.parametrize("at", STOPS_BEFORE_IT_STANDS[2:], ids="-".join)
def test_stopped_before_it_stands_and_pdwrap_killed(faulty: Faulty, at: tuple[str, Place]) -> None:
    """E4: the caller kills pdwrap instead, which can kill nobody any more: the kernel continues who was stopped."""
    tree = faulty.strike("self", signal.SIGSTOP, *at)(argv=SLEEP, settle=False)
    wait_stopped()
    faulty.assert_reached()
    tree.wrapper.kill()
    tree.assert_gone()
