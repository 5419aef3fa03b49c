"""E4 while the backend is stopped, and with it the outer supervisor: somebody else must be awake."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.harness import FAMILY, Running, Started, Starter, Voice, children, role, run
from tests.harness.faulty import Faulty, Place, place

SHORT = {"PDWRAP_GRACE": "0.2s"}
#: Steps of the outer's start, once the kernel has been asked to tell of the launcher's death.
STARTS = [
    place("fork_mode.children.adopt_orphans"),
    place("fork_mode.placement.Placement.__init__"),
    place("fork_mode.start._be_outer"),
    place("fork_mode.outer_loop.Outer.run"),
    place("fork_mode.outer_loop.Outer._tell_threads_apart"),
]
STOPS = [signal.SIGSTOP, signal.SIGTSTP]


def marked(tree: Started) -> None:
    """Wait until the outer tells a thread's end from a SIGCONT that was sent: it has a second thread then."""
    while len(os.listdir(f"/proc/{tree.wrapper.pid}/task")) < 2:
        os.sched_yield()


def stop(tree: Started, by: int) -> None:
    """Stop the backend, and see that pdwrap has stopped as well."""
    tree.backend.signal(by)
    tree.backend.wait_stopped()
    tree.wrapper.wait_stopped()


@pytest.mark.parametrize("by", STOPS)
def test_inner_killed(start: Starter, by: int) -> None:
    """E4: the inner is lost while the outer is stopped: the tree is gone, and nothing of pdwrap stays."""
    tree = start("plain", *FAMILY, launcher=["group"], env=SHORT)
    inner = tree.inner
    stop(tree, by)
    inner.kill()
    tree.assert_gone()


@pytest.mark.parametrize("by", STOPS)
def test_inner_stopped_and_the_launcher_dies(start: Starter, by: int) -> None:
    """E4: both supervisors are stopped when the launcher dies."""
    tree = start("plain", *FAMILY, launcher=["group"], env=SHORT)
    inner = tree.inner
    stop(tree, by)
    inner.signal(signal.SIGSTOP)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.parametrize("by", STOPS)
def test_launcher_dies(start: Starter, by: int) -> None:
    """E1, E3: a stopped job ends with its launcher like any other."""
    tree = start("plain", *FAMILY, launcher=["group"], env=SHORT)
    stop(tree, by)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.parametrize("first", ["outer", "inner"])
@pytest.mark.parametrize("dies", ["launcher", "outer", "inner"])
@pytest.mark.parametrize("launcher", [["group"], ["session"], []])
def test_both_stopped(start: Starter, first: str, dies: str, launcher: list[str]) -> None:
    """E4: both supervisors are stopped, in either order, and somebody dies: nothing stays."""
    tree = start("plain", *FAMILY, launcher=launcher, env=SHORT)
    marked(tree)
    outer, inner = tree.wrapper, tree.inner
    for each in (outer, inner) if first == "outer" else (inner, outer):
        each.signal(signal.SIGSTOP)
        if each is outer or first == "outer":
            each.wait_stopped()
    {"launcher": tree.launcher, "outer": outer, "inner": inner}[dies].kill()
    tree.assert_tree_gone()
    tree.assert_gone()


@pytest.mark.parametrize("where", STARTS)
def test_outer_stopped_while_it_starts(faulty: Faulty, where: Place) -> None:
    """E4: the outer is stopped before, or just after, there is an inner; then the launcher dies: nothing stays."""
    for launcher in (["group"], ["session", "threads"]):
        tree = faulty.strike("pdwrap", signal.SIGSTOP, "before", where)(launcher=launcher, env=SHORT, settle=False)
        tree.wrapper.wait_stopped()
        tree.launcher.kill()
        tree.assert_gone()


def test_outer_stopped_and_the_backend_exits(start: Starter) -> None:
    """E4, T3: the backend ends by itself while the outer is stopped: pdwrap goes on, gives its status, and is gone."""
    tree = start("reporter", "exit=15", "code=3", launcher=["group"])
    tree.wrapper.signal(signal.SIGSTOP)
    tree.wrapper.wait_stopped()
    assert os.WIFSTOPPED(tree.status())
    tree.backend.signal(signal.SIGTERM)
    while os.WIFCONTINUED(raw := tree.status()):
        pass
    assert os.waitstatus_to_exitcode(raw) == 3
    tree.assert_gone()


@pytest.mark.parametrize("by", STOPS)
def test_thread_ends_while_stopped(start: Starter, by: int) -> None:
    """N1, T2: the launcher's thread that is pdwrap's parent ends while the job is stopped: it stays stopped.

    The launcher sees it go on, and stop again.
    """
    tree = start("catcher", "exit=15", launcher=["group", "thread"])
    marked(tree)
    stop(tree, by)
    assert os.WIFSTOPPED(tree.status())
    tree.order("thread-end")
    while not os.WIFSTOPPED(raw := tree.status()):
        assert os.WIFCONTINUED(raw)
    assert os.WSTOPSIG(raw) == by
    tree.wrapper.wait_stopped()
    tree.backend.wait_stopped()
    assert tree.signals() == []
    tree.order(f"signal {signal.SIGCONT}")
    tree.got(signal.SIGCONT)
    tree.wrapper.signal(signal.SIGTERM)
    tree.got(signal.SIGTERM)
    tree.assert_gone()


@pytest.mark.parametrize("what", ["thread-end", "thread-exec", "exec"])
def test_thread_ends_while_it_runs(start: Starter, what: str) -> None:
    """N1, N2, T2: what the kernel sends for a thread's end reaches nobody; the launcher's own SIGCONT does."""
    tree = start("reporter", "exit=15", launcher=["group", "thread"] if what == "thread-end" else ["group"])
    marked(tree)
    for _ in range(3):
        if what != "thread-end" or _ == 0:
            tree.order(what)
        tree.order(f"signal {signal.SIGUSR1}")
        tree.got(signal.SIGUSR1)  # a fence
    assert tree.signals() == [signal.SIGUSR1] * 3
    tree.order(f"signal {signal.SIGCONT}")
    tree.got(signal.SIGCONT)
    assert tree.signals() == [signal.SIGUSR1] * 3 + [signal.SIGCONT]
    tree.launcher.kill()
    tree.assert_gone()


def test_a_waker_is_killed(start: Starter) -> None:
    """E4, N1: who stands by for a stopped job is killed: the job stays stopped, and another stands by."""
    tree = start("plain", *FAMILY, launcher=["group"], env=SHORT)
    stop(tree, signal.SIGTSTP)
    before = {tree.inner.pid}
    for _ in range(5):
        while not (new := set(children(tree.wrapper.pid)) - before):
            os.sched_yield()
        (by,) = (tree.hold(pid) for pid in new)
        before.add(by.pid)
        tree.wrapper.wait_stopped()
        by.kill()
    tree.backend.wait_stopped()
    tree.launcher.kill()
    tree.assert_gone()


def test_who_stands_by_is_stopped(start: Starter) -> None:
    """E4: the process that stands by for a stopped outer is stopped itself, then the launcher dies: nothing stays."""
    tree = start("plain", *FAMILY, launcher=["group"], env=SHORT)
    stop(tree, signal.SIGTSTP)
    (by,) = (tree.hold(pid) for pid in children(tree.wrapper.pid) if pid != tree.inner.pid)
    by.signal(signal.SIGSTOP)
    by.wait_stopped()
    tree.launcher.kill()
    tree.assert_gone()


def test_nobody_stands_by_afterwards(start: Starter) -> None:
    """E4: who watched in the stopped outer's place is gone when that goes on."""
    tree = start("catcher", "exit=15", launcher=["group"])
    for _ in range(20):
        stop(tree, signal.SIGTSTP)
        tree.wrapper.signal(signal.SIGCONT)
        tree.got(signal.SIGCONT)
        tree.wrapper.wait_state("S", "R")
    tree.wrapper.signal(signal.SIGTERM)
    while os.WIFCONTINUED(raw := tree.status()) or os.WIFSTOPPED(raw):
        pass
    assert raw == 0
    tree.assert_gone()


@pytest.mark.parametrize("number", [32, 33])
def test_signals_that_libc_keeps_for_itself(pdwrap: list[str], number: int) -> None:
    """T3: death by a signal that nobody can set an action for is mirrored like any other."""
    done = run([*pdwrap, "--", "sh", "-c", f"kill -{number} $$"])
    assert done.raw == number


@pytest.mark.parametrize("watch", [{}, {"PDWRAP_WATCH": "poll", "PDWRAP_INTERVAL": "1ms"}], ids=["auto", "poll"])
def test_outer_stopped_and_continued(start: Starter, watch: dict[str, str]) -> None:
    """N1, T2: the outer is stopped until its next look is overdue: it goes on, and ends nothing.

    CPython's sigtimedwait gives garbage then; taken for a signal it was an internal error, or sent to the backend.
    """
    tree = start("reporter", *FAMILY, env={**SHORT, **watch})
    for _ in range(8):
        tree.wrapper.signal(signal.SIGSTOP)
        tree.wrapper.wait_stopped()
        tree.wrapper.signal(signal.SIGCONT)
        tree.order(f"signal {signal.SIGUSR1}")
        tree.got(signal.SIGUSR1)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.stderr.count("\n") <= 2
    assert set(tree.signals()) <= {signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT}


def test_a_stranger_with_the_wakers_pid(start: Starter, root: None) -> None:
    """T2, N3: a process that has the number of one that stood by once sends a signal: the backend gets it.

    In a pid namespace of its own, where the next pid can be chosen (/proc/sys/kernel/ns_last_pid).
    """
    script = """
import os, signal, sys, time
def below(pid):
    return [int(each) for each in open(f"/proc/{pid}/task/{pid}/children").read().split()]
def until(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.001)
def stopped():
    return open(f"/proc/{outer}/stat").read().rpartition(")")[2].split()[0] == "T"
outer = os.fork()
if outer == 0:
    os.setpgid(0, 0)
    os.execv(sys.argv[1], sys.argv[1:])
sys.stdin.readline()
(inner,) = below(outer)
(backend,) = below(inner)
os.kill(backend, signal.SIGSTOP)
until(stopped)
(waker,) = set(below(outer)) - {inner}
os.kill(outer, signal.SIGCONT)
until(lambda: not os.path.exists(f"/proc/{waker}"))
open("/proc/sys/kernel/ns_last_pid", "w").write(str(waker - 1))
stranger = os.fork()
if stranger == 0:
    os.kill(outer, signal.SIGUSR1)
    os._exit(0)
os.waitpid(stranger, 0)
os.write(9, b"same %d\\n" % (stranger == waker))
sys.stdin.readline()
os.kill(outer, signal.SIGTERM)
os.waitpid(outer, 0)
"""
    reads, writes = os.pipe()
    inside = [*start.pdwrap, "--", *role("reporter", "exit=15")]
    world = Running(
        ["unshare", "-pf", "--mount-proc", sys.executable, "-ISc", script, *inside],
        fds={0: reads, 9: (voice := Voice()).writes},
    )
    os.close(reads)
    voice.give_away()
    backend = voice.next("ready", "backend")[0]  # its pid in that namespace
    os.write(writes, b"stop\n")
    assert voice.next("same") == ["1"]
    if not voice.all("got", backend, str(int(signal.SIGUSR1))):  # else the stranger was the faster one
        voice.next("got", backend, str(int(signal.SIGUSR1)))
    os.write(writes, b"end\n")
    os.close(writes)
    assert voice.ended(), world.stderr
    assert world.wait().code == 0
    voice.close()
