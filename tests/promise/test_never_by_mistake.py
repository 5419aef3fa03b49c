"""N1 to N3: what the launcher does short of dying ends nothing, and no stranger is ever signalled."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import pytest

from tests.harness import READY, Running, Started, Starter, Voice, denied, shell

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
POLLED = {"PDWRAP_INTERVAL": "0.05s", "PDWRAP_WATCH": "poll"}
WATCHES = pytest.mark.parametrize("env", [{}, POLLED], ids=["auto", "poll"])


def assert_undisturbed(tree: Started) -> None:
    """Nothing is sent for a second; what is sent then arrives as the first and only signal."""
    tree.assert_alive(1)
    tree.wrapper.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]


@pytest.mark.modes("fork", "exec")
@WATCHES
def test_thread_exits(start: Starter, env: dict[str, str]) -> None:
    """N1, E1: the thread that forked pdwrap exits: nothing happens; the later death of the process counts."""
    tree = start("reporter", launcher=["thread"], env={**env, "PDWRAP_GRACE": "0.2s"})
    tree.order("thread-end")
    assert_undisturbed(tree)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_thread_exits_at_once(start: Starter) -> None:
    """N1: the thread is gone before pdwrap's first line runs, so its parent thread is another from the start."""
    for _ in range(5):
        tree = start("reporter", launcher=["thread"], env={"PDWRAP_GRACE": "0.2s"}, settle=False)
        tree.order("thread-end")
        tree.settle()
        tree.wrapper.signal(signal.SIGUSR1)
        tree.got(signal.SIGUSR1)
        assert tree.signals() == [signal.SIGUSR1]
        tree.launcher.kill()
        tree.assert_gone()


@pytest.mark.modes("fork", "exec")
@WATCHES
def test_launcher_changes(start: Starter, env: dict[str, str]) -> None:
    """N2: the launcher calls setsid, executes another program, changes its uid: it is still the same process."""
    tree = start("reporter", session=False, env={**env, "PDWRAP_GRACE": "0.2s"})
    tree.order("setsid")
    tree.order("exec")
    if os.geteuid() == 0:
        tree.order("setuid 65534")
    assert_undisturbed(tree)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_launcher_executes_with_threads(start: Starter) -> None:
    """N2: an exec ends all other threads, the one that forked us among them."""
    tree = start("reporter", launcher=["threads", "thread"], env={"PDWRAP_GRACE": "0.2s"})
    tree.order("exec")
    assert_undisturbed(tree)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_launcher_stopped(start: Starter) -> None:
    """N2: a stopped launcher is slow, not dead."""
    tree = start("reporter", env={"PDWRAP_GRACE": "0.2s"})
    tree.launcher.signal(signal.SIGSTOP)
    tree.launcher.wait_stopped()
    assert_undisturbed(tree)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_launcher_traced(start: Starter) -> None:
    """N2: a debugger attaches to the launcher, and leaves it again."""
    libc = ctypes.CDLL(None, use_errno=True)
    tree = start("reporter", env={"PDWRAP_GRACE": "0.2s"})
    assert libc.ptrace(PTRACE_ATTACH, tree.launcher.pid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(tree.launcher.pid, 0)
    assert_undisturbed(tree)
    libc.ptrace(PTRACE_DETACH, tree.launcher.pid, None, None)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_parent_death_signal_by_hand(start: Starter) -> None:
    """N2: SIGCHLD from anybody, the signal that we have the kernel send, makes us look again, and no more."""
    tree = start("reporter", env={"PDWRAP_GRACE": "0.2s"})
    for each in tree.supervisors:
        each.signal(signal.SIGCHLD)
    assert_undisturbed(tree)
    tree.launcher.kill()
    tree.assert_gone()


def test_stranger_with_the_launchers_pid(start: Starter, root: None) -> None:
    """N3, E1: polling, a farther launcher dies and a stranger gets its pid: its death is seen, the stranger untouched.

    In a pid namespace of its own, where the next pid can be chosen (/proc/sys/kernel/ns_last_pid).
    """
    script = """
import os, subprocess, sys, time
launcher = os.fork()
if launcher == 0:                                     # launcher -> shell in the middle -> pdwrap
    os.execv("/bin/sh", ["sh", "-c", '"$@"; :', "sh", *[a.replace("LAUNCHER", str(os.getpid())) for a in sys.argv[1:]]])
sys.stdin.readline()
os.kill(launcher, 9)
os.waitpid(launcher, 0)
open("/proc/sys/kernel/ns_last_pid", "w").write(str(launcher - 1))
stranger = os.fork()
if stranger == 0:
    time.sleep(60)
    os._exit(0)
os.write(9, b"same %d\\n" % (stranger == launcher))
backend = sys.stdin.readline().strip()
while os.path.exists(f"/proc/{backend}"):             # as PID 1 we are whom the orphans of the dead fall to
    time.sleep(0.01)
assert os.waitpid(stranger, os.WNOHANG) == (0, 0)
os.write(9, b"unharmed\\n")
os.kill(stranger, 9)
os.waitpid(stranger, 0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""
    reads, writes = os.pipe()
    options = ["--parent", "LAUNCHER", "--watch", "poll", "--interval", "0.05", "--grace", "0.2"]
    inside = [*denied("ENOSYS", "pidfd_open", "pidfd_send_signal"), *start.pdwrap, *options, "--"]
    backend = shell(f"{READY}; exec sleep 60")
    world = Running(
        ["unshare", "-pf", "--mount-proc", sys.executable, "-ISc", script, *inside, *backend],
        fds={0: reads, 9: (voice := Voice()).writes},
    )
    os.close(reads)
    voice.give_away()
    backend_there = voice.next("ready", "backend")[0]  # its pid in that namespace
    os.write(writes, b"kill\n")
    assert voice.next("same") == ["1"]
    os.write(writes, f"{backend_there}\n".encode())
    os.close(writes)
    voice.next("unharmed")
    assert voice.ended(), world.stderr
    assert world.wait().code == 0
    voice.close()
