"""A supervisor's children: taken in bounded portions (E3), killed with the groups that are the tree's own (E2, N3)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from pdwrap.fork_mode import children
from pdwrap.fork_mode.children import Tree
from tests.harness import Process, kill_what_is_left, stat
from tests.harness.forked import in_child


def forked(act: Callable[[], None] = signal.pause) -> int:
    """A child that does *act* and exits."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return pid


def in_tree(act: Callable[[Tree], bool]) -> bool:
    """Run *act* with the tree of a process in a session of its own, which then kills what it left."""

    def alone() -> bool:
        os.setsid()
        below = Tree()
        try:
            return act(below)
        finally:
            for pid in below.children():
                os.kill(pid, signal.SIGKILL)

    passed = in_child(alone)
    kill_what_is_left()  # what its children left has fallen to us
    return passed


def test_reaps_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """E3: a tree that never stops changing does not keep its supervisor from the clock; nothing is lost."""
    monkeypatch.setattr(children, "MOST_AT_ONCE", 2)

    def act(below: Tree) -> bool:
        pids = [forked(lambda: None) for _ in range(5)]
        for pid in pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        portions = []
        while True:
            portions.append((len(below.reap()), below.more))
            if not below.more:
                break
        return portions == [(2, True), (2, True), (1, False)] and below.reaped == 5

    assert in_tree(act)


def forked_pair(*, session: bool) -> tuple[int, int]:
    """A child that leads a group (a session), and a child of that, in it; both stand."""
    told, tell = os.pipe()

    def lead() -> None:
        if session:
            os.setsid()
        else:
            os.setpgid(0, 0)
        member = forked()
        os.write(tell, member.to_bytes(4, "little"))
        signal.pause()

    leader = forked(lead)
    os.close(tell)
    member = int.from_bytes(os.read(told, 4), "little")
    os.close(told)
    return leader, member


def test_kill_takes_a_session_of_the_trees_own() -> None:
    """E2: one SIGKILL to a group in a session that the tree made reaches what a chain of forks has there."""

    def act(below: Tree) -> bool:
        leader, member = forked_pair(session=True)
        os.kill(leader, signal.SIGSTOP)  # it does not pass its end on; only the group's signal ends the member
        below.kill()
        return Process(member).is_dead()

    assert in_tree(act)


def test_kill_takes_the_group_made_for_the_backend() -> None:
    """E2: so does one to the group that pdwrap made."""

    def act(below: Tree) -> bool:
        leader, member = forked_pair(session=False)
        below.own_group = leader
        below.kill()
        return Process(member).is_dead()

    assert in_tree(act)


def test_kill_spares_a_group_that_may_be_others() -> None:
    """N3: a group of the launcher's session may have other members: its child alone is killed."""

    def act(below: Tree) -> bool:
        leader, member = forked_pair(session=False)
        member_held = Process(member)
        below.kill()
        os.waitpid(leader, 0)
        member_held.signal(signal.SIGSTOP)  # a fence: SIGKILL, were there one, would come first
        member_held.wait_state("T", "Z")
        spared = stat(member)[0] == "T"
        member_held.kill()
        return spared

    assert in_tree(act)
