"""Limits of exec mode, as the documentation names them: each is shown here, or in the file of its subject.

`test_reach`: detached before, leftovers, a signal of the launcher's own, ended sidecars as zombies.
`test_lost_sidecars`: both lost, and a tree. `test_start_signals`: SIGINT before the first line.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.harness import PYTHON, Running, Starter, Voice, children, parent_of, role

pytestmark = pytest.mark.modes("exec")

SHORT = {"PDWRAP_GRACE": "0.2s"}

#: Makes its process a subreaper, which outlives exec (prctl(2)), and executes its arguments.
AS_SUBREAPER = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
BECOMES_SUBREAPER = [*PYTHON, "-c", AS_SUBREAPER]
#: Forks on SIGTERM, and exits: the child is in a session that nobody of the tree led before.
LEAVES_ON_TERM = """
import ctypes, os, platform, signal, time
clone, CLONE_PARENT = {"x86_64": 56, "aarch64": 220}[platform.machine()], 0x8000
def end(*_):
    done, did = os.pipe()
    # A child of our parent's (clone(2)): a double fork's first child may be listed while it is ours.
    if ctypes.CDLL(None).syscall(clone, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        os.write(did, b"!")
        os.write(9, b"ready helper %d\\n" % os.getpid())
        time.sleep(60)
    os.read(done, 1)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(9, b"ready backend %d\\n" % os.getpid())
while True:
    signal.pause()
"""
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.mark.parametrize("which", [0, 1])
def test_backend_becomes_a_subreaper(start: Starter, which: int) -> None:
    """T6: a backend that becomes a subreaper gets no sidecar as a child, neither now nor when one is replaced."""
    tree = start("stubborn", "child=setsid:stubborn", via=BECOMES_SUBREAPER, env=SHORT)
    below = children(tree.backend.pid)
    assert len(below) == 1
    lost = tree.sidecars[which]
    lost.kill()
    assert lost.is_dead()
    first, second = tree.sidecars
    assert parent_of(first.pid) == os.getpid()
    assert parent_of(second.pid) == first.pid
    assert children(tree.backend.pid) == below
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.limit
def test_started_as_a_subreaper(start: Starter) -> None:
    """Limit (T6): where pdwrap is started as a subreaper, the sidecars are the backend's children."""
    tree = start("plain", pdwrap_via=BECOMES_SUBREAPER, env=SHORT)
    first, second = tree.sidecars
    assert children(tree.backend.pid) == [first.pid]
    tree.launcher.kill()
    tree.assert_gone()
    assert second.is_dead()


@pytest.mark.parametrize("name", ["plain", "stubborn"])
def test_ended_as_a_subreaper(start: Starter, name: str) -> None:
    """E1, E2: a sidecar below the backend does not take itself for one of its tree."""
    tree = start(name, "child=setsid:stubborn", pdwrap_via=BECOMES_SUBREAPER, env=SHORT)
    assert len(tree.sidecars) == 2
    tree.launcher.kill()
    tree.assert_gone()
    assert "2 processes ended" in tree.stderr


@pytest.mark.limit
def test_left_the_groups_in_the_last_instant(start: Starter) -> None:
    """Limit (E2): what the backend forks on its signal and detaches in a session of its own is out of reach."""
    tree = start(argv=[sys.executable, "-ISc", LEAVES_ON_TERM], ready=True, env=SHORT)
    sidecars = tree.sidecars
    tree.launcher.kill()
    helper = tree.hold(int(tree.voice.next("ready", "helper")[0]))
    assert all(each.is_dead() for each in sidecars)
    assert helper.alive
    helper.kill()
    tree.assert_gone()


@pytest.mark.limit
def test_as_pid_1(pdwrap: list[str], root: None) -> None:
    """Limit (T5): as PID 1 of a container, whose launcher cannot be seen, it is a plain exec: no sidecar."""
    reads, writes = os.pipe()
    voice = Voice()
    world = Running(
        [*CONTAINER, *pdwrap, "--", *role("plain")], fds={0: reads, 9: voice.writes}, env={"PATH": os.environ["PATH"]}
    )
    os.close(reads)
    voice.give_away()
    assert voice.next("ready", "backend") == ["1"]
    (backend,) = children(world.pid)
    assert children(backend) == []
    world.process.kill()
    assert voice.ended()
    world.wait()
    os.close(writes)
    voice.close()


def test_as_pid_1_with_a_lifeline(pdwrap: list[str], root: None) -> None:
    """E6: PID 1 cannot be killed from its own namespace (pid_namespaces(7)), by no sidecar: refused, with one line."""
    reads, writes = os.pipe()
    options = ["--lifeline", "0", "--grace", "0.1s"]
    outcome = Running([*CONTAINER, *pdwrap, *options, "--", "sleep", "5"], fds={0: reads}).wait()
    os.close(reads)
    os.close(writes)
    assert outcome.code == 125
    assert outcome.stderr.startswith("pdwrap: ")
    assert outcome.stderr.count("\n") == 1
