"""A tree seen from beside it: nobody else's processes are taken for its own (N3)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from pdwrap.exec_mode.member import Member
from pdwrap.exec_mode.members import Members
from pdwrap.linux import pidfd, procfs
from tests.harness import Process, kill_what_is_left


def family(first: Callable[[], None] = lambda: None) -> tuple[int, int]:
    """A process, which does something *first*, and its child; both wait."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            first()
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
    held = pidfd.pidfd_open(backend)
    assert held is not None
    yield Members(backend, held), child
    kill_what_is_left()


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
    assert held.is_dead()
    stranger, its_child = family()
    known(members)[child].pid = stranger  # reused
    assert not members.refresh()
    assert its_child not in known(members)


def test_what_the_mate_held_is_gone(tree: tuple[Members, int]) -> None:
    """N3: the mate passes on pid and start time; another process of that number is not taken."""
    members, child = tree
    stranger, _its_child = family()
    members.take_over_list([(stranger, 1, True)])
    assert set(known(members)) == {members.backend.pid}
    members.refresh()
    assert members.news() == [(each.pid, each.started, False) for each in known(members).values()]
    assert members.news() == []
    assert child in known(members)


def test_takes_over_what_the_mate_held(tree: tuple[Members, int]) -> None:
    """E4: what the mate had listed is held too, though it is below the backend no more."""
    members, child = tree
    members.refresh()
    (_backend, listed) = members.news()
    other = Members(members.backend.pid, members.backend.descriptor or -1)
    other.take_over_list([listed])
    assert child in known(other)


def test_sidecars_are_none_of_the_tree(tree: tuple[Members, int]) -> None:
    """E1: below a backend that was a subreaper when it was started, the sidecars are its children."""
    members, child = tree
    members.ours = {child}
    assert not members.refresh()


def led(members: Members, *, younger: bool = True) -> tuple[int, int]:
    """A process in a group and session that a member led; its parent has gone. And that member."""
    leader, child = family(os.setsid)
    seen, child_seen = procfs.stat(leader), procfs.stat(child)
    assert seen is not None
    assert child_seen is not None
    members._led[leader] = seen.started  # noqa: SLF001 - as if it had been one of the tree
    members._since = child_seen.started + (0 if younger else 1)  # noqa: SLF001 - when the backend began
    return leader, child


def test_what_is_older_than_the_backend_is_a_strangers(tree: tuple[Members, int]) -> None:
    """N3: the rest of a pipeline is in the backend's group, and was there before it."""
    members, _child = tree
    led(members, younger=False)
    assert not members.find_by_group()
    assert len(known(members)) == 1


def test_number_of_a_led_group_is_a_strangers(tree: tuple[Members, int]) -> None:
    """N3: pids wrap: another process leads a group of the number that a member's group had."""
    members, _child = tree
    leader, _its_child = led(members)
    members._led[leader] -= 1  # noqa: SLF001 - the member was another, started before
    assert not members.find_by_group()
    assert len(known(members)) == 1


def test_number_of_an_empty_group_is_free(tree: tuple[Members, int]) -> None:
    """N3: pids wrap: a group and session that nobody is in any more; a stranger's daemon may get its number."""
    members, _child = tree
    leader, its_child = led(members)
    members.refresh()
    assert leader in members._led  # noqa: SLF001 - whose group would be ended
    held = Process(its_child)
    os.kill(leader, signal.SIGKILL)
    os.waitpid(leader, 0)
    members.forget_free_numbers()
    assert leader in members._led  # noqa: SLF001 - the group is there
    held.kill()
    assert held.is_dead()
    os.waitpid(its_child, 0)  # it fell to us
    members.forget_free_numbers()
    assert leader not in members._led  # noqa: SLF001


def descriptors() -> int:
    """How many this process has."""
    return len(os.listdir("/proc/self/fd"))


def test_a_strangers_child_is_none_of_ours(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """N3: a child that ended when it had been listed: its number is now that of another's child."""
    members, _child = tree
    _stranger, its_child = family()
    monkeypatch.setattr(procfs, "children_of", lambda pid: [its_child] if pid == members.backend.pid else [])
    before = descriptors()
    assert not members.refresh()
    assert len(known(members)) == 1
    assert descriptors() == before


def test_another_when_it_was_opened(tree: tuple[Members, int]) -> None:
    """N3: its number was reused between the look at it and its pidfd: by the start time it is another."""
    members, child = tree
    before = procfs.stat(child)
    assert before is not None
    before.started -= 1
    had = descriptors()
    assert members._open(child, members.backend.pid, before) is None  # noqa: SLF001 - the step in question
    assert members._open(child, members.backend.pid, None) is None  # noqa: SLF001
    assert descriptors() == had
