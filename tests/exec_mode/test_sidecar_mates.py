"""The two sidecars, each for the other: replaced, known, reaped; and one that cannot be replaced (E1, E4, E8)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pdwrap.exec_mode import sidecar_actions, sidecar_start
from pdwrap.exec_mode.sidecar_table import FIRST, SECOND
from pdwrap.lifecycle import ALONE_STEP
from pdwrap.linux import descriptors
from tests.harness import Process, pause_for
from tests.harness.fakes_sidecar import BACKEND, MATE, Drive


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """Make a drive."""
    with monkeypatch.context() as patch:
        yield Drive(patch)


def no_processes() -> int:
    """In the place of fork(2), at the limit of processes."""
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def no_descriptors(_pid: int) -> int:
    """In the place of pidfd_open(2)."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("at", ["fork", "descriptor"])
def test_mate_cannot_be_replaced(drive: Drive, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """E8: one watches alone, says so once, and tries again within a second until there are two."""
    monkeypatch.setattr(sidecar_actions, "_pidfd_of", no_descriptors if at == "descriptor" else lambda _pid: 71)
    monkeypatch.setattr(os, "fork", no_processes)
    tried = []

    def possible() -> None:
        tried.append(drive.sidecar.actions.mate)
        monkeypatch.setattr(sidecar_actions, "_pidfd_of", lambda pid: pid)
        monkeypatch.setattr(os, "fork", lambda: 72)

    drive.run(lambda: {MATE}, lambda: None, lambda: None, possible, drive.die(BACKEND))
    assert tried == [-1]
    assert drive.sidecar.actions.mate == 72
    assert drive.script.waited == [None, *[ALONE_STEP * 1000 + 1] * 3, None]
    assert drive.closed.count(71) == (3 if at == "fork" else 0)
    assert len(drive.said) == 1
    assert "alone" in drive.said[0]


def test_mates_know_each_other(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: neither takes the other for a descendant of the backend; a lost one is forgotten, for its pid is free."""
    me = os.getpid()
    monkeypatch.setattr(sidecar_actions, "_pidfd_of", lambda pid: pid)
    monkeypatch.setattr(os, "fork", lambda: 72)
    assert drive.members.ours == {me}
    drive.sidecar._miss_mate()  # noqa: SLF001 - it has none
    assert drive.members.ours == {me, 72}
    assert drive.state == FIRST
    drive.sidecar._take_mate({72})  # noqa: SLF001 - that it is lost
    assert drive.members.ours == {me}


def test_made_as_a_mate(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """E4: in the child the same object is the second, in a session of its own, and its maker is its mate."""
    sessions = []
    maker = os.getpid()
    monkeypatch.setattr(sidecar_actions, "_pidfd_of", lambda pid: pid)
    monkeypatch.setattr(os, "setsid", lambda: sessions.append(1))

    def fork() -> int:
        monkeypatch.setattr(os, "getpid", lambda: 72)
        return 0

    monkeypatch.setattr(os, "fork", fork)
    drive.sidecar._miss_mate()  # noqa: SLF001 - it has none
    assert (drive.state, drive.sidecar.actions.mate, drive.members.ours) == (SECOND, maker, {maker, 72})
    assert sessions == [1]


def test_lost_mate_is_no_zombie(drive: Drive) -> None:
    """E4: nothing of pdwrap stays behind: a lost mate that is our child is reaped; the first is nobody's child here."""
    mate = os.fork()
    if mate == 0:
        os._exit(0)
    held = Process(mate)
    assert held.is_dead()
    drive.sidecar._take_mate({MATE})  # noqa: SLF001 - that it is lost
    with pytest.raises(ChildProcessError):
        os.waitpid(mate, os.WNOHANG)
    drive.sidecar.actions.mate = MATE
    drive.sidecar._take_mate({MATE})  # noqa: SLF001 - no child any more


def test_waits_for_the_helpers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: while the helper lives, the sidecar is below the backend, and would stop itself with the rest of the tree."""
    told, tell = os.pipe()
    helper = os.fork()
    if helper == 0:
        pause_for(60)
        os._exit(0)
    held = Process(helper)

    def stands(_kept: set[int]) -> None:
        os.write(tell, b"early" if held.alive else b"after")
        os._exit(0)

    pid = os.fork()
    if pid == 0:
        try:
            monkeypatch.setattr(descriptors, "close_all_but", stands)
            nothing: Any = SimpleNamespace(log=SimpleNamespace(leave_stderr=lambda: None))
            sidecar_start.run_sidecar(nothing, nothing, tell, set(), os.pidfd_open(helper))
        finally:
            os._exit(1)
    Process(pid).wait_state("S", "Z")  # it waits, or did not
    held.kill()
    assert held.is_dead()
    assert os.read(told, 5) == b"after"
    for child in (pid, helper):
        os.waitpid(child, 0)
    for end in (told, tell):
        os.close(end)
