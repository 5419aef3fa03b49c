"""A tree seen from beside it: nobody else's processes are taken for its own (N3)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pdwrap import kernel
from pdwrap.member import Member
from pdwrap.members import Members

from .harness import Process, sweep


def family() -> tuple[int, int]:
    """A process and its child; both wait."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child = os.fork()
            if child:
                os.write(tell, child.to_bytes(4, "little"))
            signal.pause()
        finally:
            os._exit(0)
    os.close(tell)
    child = int.from_bytes(os.read(told, 4), "little")
    os.close(told)
    return pid, child


@pytest.fixture
def tree() -> Iterator[tuple[Members, int]]:
    """A backend and its child, not listed yet."""
    backend, child = family()
    held = kernel.pidfd_open(backend)
    assert held is not None
    yield Members(backend, held), child
    sweep()


def known(members: Members) -> dict[int, Member]:
    """Whom it knows."""
    return members._members  # noqa: SLF001 - whom it would signal


def test_finds_what_is_below(tree: tuple[Members, int]) -> None:
    """E2: a child of the backend; and says so once."""
    members, child = tree
    assert members.refresh()
    assert set(known(members)) == {members.backend.pid, child}
    assert not members.refresh()


def test_number_of_a_dead_member_is_a_strangers(tree: tuple[Members, int]) -> None:
    """N3: pids wrap: a stranger has the number of a member that has ended, and children. They are not the tree's."""
    members, child = tree
    members.refresh()
    held = Process(child)
    held.kill()
    assert held.gone()
    stranger, its_child = family()
    known(members)[child].pid = stranger  # reused
    assert not members.refresh()
    assert its_child not in known(members)


def test_what_the_mate_held_is_gone(tree: tuple[Members, int]) -> None:
    """N3: the mate passes on pid and start time; another process of that number is not taken."""
    members, child = tree
    stranger, _its_child = family()
    members.adopt([(stranger, 1)])
    assert set(known(members)) == {members.backend.pid}
    members.refresh()
    assert members.news() == [(each.pid, each.started) for each in known(members).values()]
    assert members.news() == []
    assert child in known(members)


def test_takes_over_what_the_mate_held(tree: tuple[Members, int]) -> None:
    """E4: what the mate had listed is held too, though it is below the backend no more."""
    members, child = tree
    members.refresh()
    (_backend, listed) = members.news()
    other = Members(members.backend.pid, members.backend.descriptor or -1)
    other.adopt([listed])
    assert child in known(other)


def test_sidecars_are_none_of_the_tree(tree: tuple[Members, int]) -> None:
    """E1: below a backend that was a subreaper when it was started, the sidecars are its children."""
    members, child = tree
    members.ours = {child}
    assert not members.refresh()
