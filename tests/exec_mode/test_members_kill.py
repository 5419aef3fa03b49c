"""A tree seen from beside it, at its worst: it forks while it is killed, and we are out of descriptors (E2, E8)."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from pdwrap.exec_mode.member import Member
from pdwrap.exec_mode.members import Members
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.linux import pidfd, procfs
from pdwrap.options import Settings
from tests.exec_mode.test_members import known, led, tree
from tests.harness import Process
from tests.harness.fakes import FakeLog

__all__ = ["tree"]  # a fixture


def fail_to_open(error: int) -> Callable[[int], int | None]:
    """In the place of pidfd_open(2)."""

    def fail(_pid: int) -> int | None:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
def test_out_of_descriptors(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """E2, E8: it is known by its number and start time then, signalled, and not when the number is another's."""
    members, child = tree
    monkeypatch.setattr(pidfd, "pidfd_open", fail_to_open(error))
    assert members.refresh()
    member = known(members)[child]
    assert member.descriptor is None
    assert member.alive()
    reused = Member(child, None, member.started - 1)
    reused.send(signal.SIGKILL)
    assert not reused.alive()
    assert member.alive()
    member.send(signal.SIGKILL)
    assert Process(child).is_dead()
    assert not member.alive()


def test_no_memory_is_an_error(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: what is no lack of descriptors is not passed over."""
    members, _child = tree
    monkeypatch.setattr(pidfd, "pidfd_open", fail_to_open(errno.ENOMEM))
    with pytest.raises(OSError, match=os.strerror(errno.ENOMEM)):
        members.refresh()


def test_stops_lists_and_kills(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E2: nobody is listed before all are seen to be stopped, and none killed before nothing new was found."""
    members, child = tree
    members.refresh()
    done: list[object] = []
    send, children_of, find = Member.send, procfs.children_of, Members.find_by_group
    looks = iter([False] * 5)

    def sent(member: Member, number: int) -> None:
        done.append(signal.Signals(number).name)
        send(member, number)

    def cannot_fork(_pid: int) -> bool:
        done.append("look")
        return next(looks, True)

    def listed(pid: int) -> list[int]:
        done.append("list")
        return children_of(pid)

    def found(self: Members, *, stopping: bool) -> bool:
        done.append("groups")
        return find(self, stopping=stopping)

    monkeypatch.setattr(Member, "send", sent)
    monkeypatch.setattr(procfs, "cannot_fork", cannot_fork)
    monkeypatch.setattr(procfs, "children_of", listed)
    monkeypatch.setattr(Members, "find_by_group", found)
    members.kill()
    assert done == [*["SIGSTOP"] * 2, *["look"] * 7, *["list"] * 2, "groups", *["SIGKILL"] * 2]
    assert Process(child).is_dead()


def test_an_error_leaves_nobody_stopped(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: what is known is killed, whatever goes wrong while more is looked for."""
    members, child = tree
    members.refresh()
    monkeypatch.setattr(procfs, "cannot_fork", lambda _pid: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        members.kill()
    assert Process(child).is_dead()
    assert not members.backend.alive() or Process(members.backend.pid).is_dead()


def test_what_is_found_while_killing_is_stopped(tree: tuple[Members, int]) -> None:
    """E2: so that it forks nothing that would be missed."""
    members, child = tree
    assert members.refresh(stopping=True)
    Process(child).wait_stopped()


def test_what_is_left_in_a_group_is_stopped(tree: tuple[Members, int]) -> None:
    """E2: orphaned before it could be listed, in a group that one of the tree led."""
    members, _child = tree
    leader, orphan = led(members)
    os.kill(leader, signal.SIGKILL)
    assert Process(leader).is_dead()
    assert members.find_by_group(stopping=True)
    assert orphan in known(members)
    Process(orphan).wait_stopped()
    assert not members.find_by_group()


def test_kills_those_below_first(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E2: a stopped group whose last parent outside of it ends gets SIGHUP and SIGCONT from the kernel (setpgid(2))."""
    members, child = tree
    killed: list[int] = []
    send = Member.send

    def sent(member: Member, number: int) -> None:
        if number == signal.SIGKILL:
            killed.append(member.pid)
        send(member, number)

    monkeypatch.setattr(Member, "send", sent)
    members.kill()
    assert killed == [child, members.backend.pid]


def test_out_of_files_for_a_moment(tree: tuple[Members, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: what was never listed is ended, too, by a sidecar that has failed for want of files (ENFILE)."""
    members, child = tree
    read, lacks = procfs.read, iter([True] * 3)

    def out_of_files(path: str) -> bytes:
        if next(lacks, False):
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
        return read(path)

    monkeypatch.setattr(procfs, "read", out_of_files)
    unused: Any = None
    SidecarActions(Settings(), unused, members, FakeLog()).kill_until_empty()
    assert child in known(members)
    assert Process(child).is_dead()
