"""Backends that turn against pdwrap with all that the kernel lets them: what holds, and what cannot.

Each has a helper in a session of its own, which must go too.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness import HERE, PYTHON, Process, Started, Starter, role

CHAINS = 4
HOSTILE = HERE.parent / "chaos" / "hostile.py"
SHORT = {"PDWRAP_GRACE": "0.2s"}
both = pytest.mark.modes("fork", "exec")


@pytest.fixture
def hostile(start: Starter, tmp_path: Path) -> Hostile:
    """Starts one."""
    return Hostile(start, tmp_path)


class Hostile:
    """Starts a hostile backend, and has it do its deed."""

    def __init__(self, start: Starter, place: Path) -> None:
        """*place* is a folder of the test's own."""
        self._start = start
        self._targets = place / "targets"

    def __call__(self, deed: str) -> Started:
        """Start it; nothing is done yet."""
        argv = [*PYTHON, str(HOSTILE), deed, str(self._targets)]
        return self._start(argv=argv, ready=True, env=SHORT)

    def act(self, tree: Started, *targets: Process, done: bool = True) -> None:
        """Let it do its deed to these; unless it dies of it, wait until it is *done*."""
        self._targets.write_text(" ".join(str(each.pid) for each in targets), encoding="ascii")
        tree.backend.signal(signal.SIGUSR1)
        if done:
            tree.voice.next("done")


@pytest.mark.parametrize("which", [0, 1])
def test_kills_a_supervisor(hostile: Hostile, which: int) -> None:
    """E4, fork mode: the other one ends the tree, though the launcher lives."""
    tree = hostile("kill")
    hostile.act(tree, tree.supervisors[which], done=False)
    tree.assert_tree_gone()
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("exec")
@pytest.mark.parametrize("which", [0, 1])
def test_kills_a_sidecar(hostile: Hostile, which: int) -> None:
    """E4, exec mode: it is replaced, and the launcher's death ends the tree."""
    tree = hostile("kill")
    lost = tree.sidecars[which]
    hostile.act(tree, lost)
    assert lost.is_dead()
    assert len(tree.sidecars) == 2
    tree.launcher.kill()
    tree.assert_gone()


@both
@pytest.mark.parametrize("which", [0, 1])
def test_stops_a_supervisor(hostile: Hostile, which: int) -> None:
    """E4: the other one ends the tree when the launcher dies, and the stopped one goes as well."""
    tree = hostile("stop")
    hostile.act(tree, tree.supervisors[which])
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.limit
@pytest.mark.modes("exec")
def test_stops_both_sidecars(hostile: Hostile) -> None:
    """Exec mode: nobody is there to act until one of them goes on."""
    tree = hostile("stop")
    both_of_them = tree.sidecars
    hostile.act(tree, *both_of_them)
    for each in both_of_them:
        each.wait_stopped()
    tree.launcher.kill()
    assert tree.launcher.is_dead()
    assert tree.voice.quiet_for(0.3)
    assert tree.backend.alive
    both_of_them[0].signal(signal.SIGCONT)
    tree.assert_gone()


@both
def test_clears_its_parent_death_signal(hostile: Hostile) -> None:
    """E6: that is one of several mechanisms."""
    tree = hostile("clear")
    hostile.act(tree)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.limit
def test_clears_its_parent_death_signal_and_kills_both(hostile: Hostile) -> None:
    """All of pdwrap's processes killed at once, in fork mode: nobody is left who could end it."""
    tree = hostile("clear_and_kill")
    supervisors = tree.supervisors
    hostile.act(tree, *supervisors)
    for each in supervisors:
        assert each.is_dead()
    tree.launcher.kill()
    assert tree.launcher.is_dead()
    assert tree.voice.quiet_for(0.3)
    assert tree.backend.alive
    for each in tree.members:
        each.kill()
    tree.assert_gone()


@pytest.mark.limit
@pytest.mark.modes("exec")
def test_clears_its_parent_death_signal_and_kills_both_in_exec_mode(hostile: Hostile) -> None:
    """Exec mode: the kernel kills it when both are lost, by their pipe; what it has started stays."""
    tree = hostile("clear_and_kill")
    helper = next(each for each in tree.members if each.pid != tree.backend.pid)
    hostile.act(tree, *tree.sidecars, done=False)
    assert tree.backend.is_dead()
    tree.launcher.kill()
    assert tree.launcher.is_dead()
    assert not helper.is_dead(0.3)
    helper.kill()
    tree.assert_gone()


@both
@pytest.mark.parametrize("which", [0, 1])
def test_traces_a_supervisor(hostile: Hostile, which: int) -> None:
    """E4: who is held by a tracer counts as stopped; it goes on when that tracer, the backend, is killed."""
    tree = hostile("seize")
    hostile.act(tree, tree.supervisors[which])
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.limit
@pytest.mark.modes("exec")
def test_breeds_in_exec_mode(hostile: Hostile) -> None:
    """Exec mode: each of a chain has detached itself by the time that anybody looks; they stay, and are beside it."""
    tree = hostile("breed")
    hostile.act(tree, done=False)
    chains = [int(tree.voice.next("chain")[0]) for _ in range(CHAINS)]
    tree.launcher.kill()
    assert tree.backend.is_dead()
    for session in chains:
        os.killpg(session, signal.SIGKILL)  # raises where nobody is left of it
    tree.assert_gone()


def test_breeds(hostile: Hostile) -> None:
    """E2, fork mode: chains of processes, each alive for less than a millisecond."""
    tree = hostile("breed")
    hostile.act(tree)
    tree.launcher.kill()
    tree.assert_gone()


def test_clones_a_sibling(hostile: Hostile) -> None:
    """E2, fork mode: clone(CLONE_PARENT) makes a child of the inner supervisor's, and that ends its children."""
    tree = hostile("clone_sibling")
    hostile.act(tree)
    tree.voice.next("ready", "helper")
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.limit
@pytest.mark.modes("exec")
def test_clones_a_sibling_in_exec_mode(hostile: Hostile) -> None:
    """Exec mode: it is a child of the launcher's from the start, and no descendant of the backend's."""
    tree = hostile("clone_sibling")
    hostile.act(tree)
    sibling = tree.hold(int(tree.voice.next("ready", "helper")[0]))
    tree.launcher.kill()
    assert tree.backend.is_dead()
    if sibling.alive:
        sibling.kill()
    tree.assert_gone()


@both
def test_makes_namespaces(hostile: Hostile, root: None) -> None:
    """E2: an init of its own, in a pid namespace below ours, with a mount namespace."""
    tree = hostile("namespaces")
    hostile.act(tree)
    for _ in range(2):
        tree.voice.next("ready", "helper")
    tree.launcher.kill()
    tree.assert_gone()


@both
def test_changes_its_uid(hostile: Hostile, root: None) -> None:
    """E6: it is not the user any more that pdwrap runs as."""
    tree = hostile("change_uid")
    hostile.act(tree)
    tree.voice.next("ready", "helper")
    tree.launcher.kill()
    tree.assert_gone()


@both
def test_floods_with_signals(hostile: Hostile) -> None:
    """T2, E1: a hundred thousand signals to pdwrap's processes; they watch as before."""
    tree = hostile("flood")
    hostile.act(tree, *tree.supervisors)
    tree.launcher.kill()
    tree.assert_gone()


def test_five_in_each_other(start: Starter, pdwrap: list[str]) -> None:
    """E1, E3, fork mode: pdwrap in pdwrap in pdwrap: the backend is asked once, and all of them go."""
    tree = start(
        argv=[*[*pdwrap, "--"] * 4, *role("reporter", "exit=15", "child=setsid:stubborn")], ready=True, env=SHORT
    )
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals().count(signal.SIGTERM) == 1


@pytest.mark.modes("exec")
def test_five_in_each_other_in_exec_mode(start: Starter, pdwrap: list[str]) -> None:
    """E1, exec mode: ten sidecars around one process; all of them go."""
    tree = start(
        argv=[*[*pdwrap, "--"] * 4, *role("reporter", "exit=15", "child=setsid:stubborn")], ready=True, env=SHORT
    )
    tree.launcher.kill()
    tree.assert_gone()
