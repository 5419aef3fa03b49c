"""Who the launcher is, whether it had gone before we looked, and whether it is gone now.

E1, N1, N2; docs/facts.md, 6 and 7.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pdwrap import ancestry
from pdwrap.ancestry import is_adopted
from pdwrap.exit_status import Refusal
from pdwrap.launcher import Launcher
from pdwrap.linux import pidfd, prctl, procfs
from pdwrap.options import Settings
from tests.harness import Process

US = 100  # our session, where we do not lead it

#: Our session, whether we lead it, parent, its session; and whether the parent is certain to have adopted us.
SESSIONS = {
    "same session": (US, False, 50, US, False),
    "same session as PID 1 (a container)": (US, False, 1, US, False),
    "PID 1 in another session": (US, False, 1, 1, True),
    "PID 1 in another session that it does not lead": (US, False, 1, 0, True),
    "no session leader in another session": (US, False, 50, 60, True),
    "a session leader in another session: it may have called setsid after the fork": (US, False, 50, 50, False),
    "we lead ours: whatever the parent is": (US, True, 50, 60, False),
    "we lead ours: PID 1": (US, True, 1, 1, False),
    "we lead ours: the parent is gone": (US, True, 50, None, False),
    "the parent is gone": (US, False, 50, None, True),
    "an outer pid namespace": (US, False, 0, None, False),
    "an outer pid namespace, and we lead": (US, True, 0, None, False),
}


@pytest.mark.parametrize(("session", "leads", "parent", "its_session", "adopted"), SESSIONS.values(), ids=SESSIONS)
def test_adopted(
    session: int,
    leads: bool,  # noqa: FBT001 - a column of the table
    parent: int,
    its_session: int | None,
    adopted: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """E1: what is certain by docs/facts.md, 7, and what is not."""
    assert is_adopted(session, child_leads=leads, parent=parent, parent_session=its_session) is adopted


@pytest.fixture
def child() -> Iterator[Callable[[], int]]:
    """Start children that wait; they end when the test does."""
    started = []

    def start() -> int:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", "print('ready', flush=True); import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        started.append(process)
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end(pid: int, *, reap: bool) -> None:
    """Kill a child, see it dead, and reap it or leave a zombie."""
    process = Process(pid)
    process.kill()
    assert process.is_dead()
    process.close()
    if reap:
        os.waitpid(pid, 0)


@pytest.mark.parametrize("reap", [True, False], ids=["reaped", "zombie"])
@pytest.mark.parametrize("by", ["pidfd", "proc"])
def test_gone(child: Callable[[], int], by: str, reap: bool) -> None:  # noqa: FBT001 - both ways
    """E1: a launcher that is no parent of ours is gone when it has died, reaped or not; by pidfd and by /proc."""
    pid = child()
    descriptor = pidfd.pidfd_open(pid) if by == "pidfd" else None
    launcher = Launcher(pid, direct=False, descriptor=descriptor, interval=None if descriptor else 2.0)
    assert launcher.people() == [(pid, procfs.name(pid))]
    assert not launcher.is_dead(os.getpid())
    assert not launcher.is_dead()
    end(pid, reap=reap)
    assert launcher.is_dead(os.getpid())
    assert launcher.is_dead()
    if descriptor is not None:
        os.close(descriptor)


def test_a_reused_pid_is_gone(child: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """N3: where only the number is the same, the launcher is gone."""
    pid = child()
    launcher = Launcher(pid, direct=False, descriptor=None, interval=2.0)
    seen = procfs.stat(pid)
    assert seen
    seen.started += 1
    monkeypatch.setattr(procfs, "stat", lambda _pid: seen)
    assert launcher.is_dead(os.getpid())


def test_threads_of_a_dead_leader_are_no_death(child: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """N1, N2: the launcher's main thread has ended, another goes on."""
    pid = child()
    launcher = Launcher(pid, direct=False, descriptor=None, interval=2.0)
    seen = procfs.stat(pid)
    assert seen
    seen.state, seen.threads = "Z", 2
    monkeypatch.setattr(procfs, "stat", lambda _pid: seen)
    assert not launcher.is_dead(os.getpid())


def test_the_outer_asks_for_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: a direct launcher is the outer's parent, and gone as soon as that is another one."""
    parent = os.getppid()
    launcher = Launcher(parent, direct=True, descriptor=None, interval=2.0)
    assert not launcher.is_dead(os.getpid())
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert launcher.is_dead(os.getpid())


def test_the_outer_believes_its_parent_before_the_pidfd(
    child: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """E1: it needs no system call more than that; a pidfd that says nothing yet does not hide the death."""
    pid = child()
    descriptor = pidfd.pidfd_open(pid)
    assert descriptor is not None
    launcher = Launcher(pid, direct=True, descriptor=descriptor, interval=None)
    monkeypatch.setattr(os, "getppid", lambda: pid)
    assert not launcher.is_dead(os.getpid())
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert launcher.is_dead(os.getpid())
    os.close(descriptor)


def test_the_inner_asks_for_the_outers_parent(child: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: the inner's parent is not the launcher; it asks /proc for the outer's."""
    outer, launcher_pid = child(), child()
    launcher = Launcher(launcher_pid, direct=True, descriptor=None, interval=2.0)
    monkeypatch.setattr(os, "getppid", lambda: outer)
    parents = {outer: launcher_pid}
    monkeypatch.setattr(procfs, "parent", lambda pid: parents[pid])
    assert not launcher.is_dead(outer)
    parents[outer] = 1
    assert launcher.is_dead(outer)


def test_the_inner_without_the_outer(child: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """E4: when the outer is lost its parent says nothing any more: the launcher itself is looked at."""
    outer, launcher_pid = child(), child()
    launcher = Launcher(launcher_pid, direct=True, descriptor=None, interval=2.0)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert not launcher.is_dead(outer)
    end(launcher_pid, reap=False)
    assert launcher.is_dead(outer)


def test_no_launcher_is_never_gone() -> None:
    """With the watch off nothing dies."""
    nobody = Launcher(0, direct=False, descriptor=None, interval=None)
    assert not nobody.is_dead(os.getpid())
    assert not nobody.is_dead()
    assert nobody.mechanisms == ""


def test_mechanisms_are_named() -> None:
    """E6: what is in force can be said."""
    launcher = Launcher(os.getpid(), direct=True, descriptor=None, interval=0.25)
    assert launcher.mechanisms == "polling every 0.25s"
    launcher.hinted = True
    assert launcher.mechanisms == "parent-death signal and polling every 0.25s"
    launcher = Launcher(os.getpid(), direct=True, descriptor=9, interval=None)
    assert launcher.mechanisms == "pidfd"


def settings(**changes: object) -> Settings:
    """Make settings that differ from the defaults by `changes`."""
    made = Settings()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_find_off() -> None:
    """With `--watch off` nobody is looked for."""
    assert ancestry.find_launcher(settings(watch="off", parent="nobody"), 12345, hint=False).pid == 0


def test_find_refuses_another_parent() -> None:
    """E1: the parent has changed since pdwrap's first line."""
    with pytest.raises(Refusal, match=r"the launcher \(pid 12345\) died while pdwrap started: nothing was started"):
        ancestry.find_launcher(settings(), 12345, hint=False)


def test_find_refuses_an_adopter(monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: who is certain to have adopted us is not watched in place of the launcher."""
    monkeypatch.setattr(ancestry, "is_adopted", lambda *_place, **_places: True)
    with pytest.raises(Refusal, match="died before pdwrap could look at it"):
        ancestry.find_launcher(settings(), os.getppid(), hint=False)


@pytest.mark.parametrize("parent", [0, 1])
def test_find_does_not_watch_init(monkeypatch: pytest.MonkeyPatch, parent: int) -> None:
    """A container's init, or an outer pid namespace: what is ours ends with it anyway."""
    monkeypatch.setattr(os, "getppid", lambda: parent)
    monkeypatch.setattr(os, "getsid", lambda _pid: US)
    assert ancestry.find_launcher(settings(), parent, hint=False).pid == 0


def test_find_polls_where_pidfd_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """E6: the interval counts only where the kernel cannot tell."""
    monkeypatch.setattr(pidfd, "pidfd_open", lambda _pid: None)
    launcher = ancestry.find_launcher(settings(parent=os.getppid(), interval=0.5), os.getppid(), hint=False)
    assert (launcher.descriptors, launcher.interval, launcher.direct) == ([], 0.5, True)


def test_find_polls_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--watch poll` asks neither for a pidfd nor for the parent-death signal."""

    def refuse(*_arguments: object) -> int:
        raise AssertionError

    monkeypatch.setattr(pidfd, "pidfd_open", refuse)
    monkeypatch.setattr(prctl, "set_parent_death_signal", refuse)
    launcher = ancestry.find_launcher(settings(watch="poll", parent=os.getppid()), os.getppid(), hint=True)
    assert (launcher.descriptors, launcher.interval, launcher.hinted) == ([], 2.0, False)


def test_find_without_the_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """E6: a refused parent-death signal is one mechanism less."""

    def refuse(_number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(prctl, "set_parent_death_signal", refuse)
    launcher = ancestry.find_launcher(settings(parent=os.getppid()), os.getppid(), hint=True)
    assert (launcher.hinted, launcher.interval) == (False, None)
    (descriptor,) = launcher.descriptors
    os.close(descriptor)


def test_find_a_stranger(child: Callable[[], int]) -> None:
    """T4: `--parent` of who is no ancestor is refused, and names those who are."""
    for stranger in (child(), "no-such-name", 4194304):
        with pytest.raises(Refusal, match=rf"--parent {stranger}: not an ancestor .* \({os.getppid()}\)"):
            ancestry.find_launcher(settings(parent=stranger), os.getppid(), hint=False)
