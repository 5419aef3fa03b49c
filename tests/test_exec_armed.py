"""`--arm`: the kernel's parent-death signal on the backend, for the case that both sidecars are lost at once."""

from __future__ import annotations

import os
import signal

import pytest

from .harness import PYTHON, Starter, Tree, children, describe, sweep

pytestmark = pytest.mark.modes("exec")

TERM, CONT = signal.SIGTERM, signal.SIGCONT
SHORT = {"PDWRAP_GRACE": "0.2s", "PDWRAP_ARM": "yes"}
LONG = {"PDWRAP_GRACE": "100s", "PDWRAP_ARM": "yes"}
MIDDLE = ["sh", "-c", 'export PDWRAP_PARENT=$PPID; "$@"; true', "sh"]

TELLS = """
import ctypes, os, signal
number = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(number), 0, 0, 0)
os.write(9, b"ready backend %d\\narmed %d\\n" % (os.getpid(), number.value))
while True:
    signal.pause()
"""
"""A backend that says which signal the kernel will send it (PR_GET_PDEATHSIG)."""


def armed(tree: Tree) -> int:
    """What the backend says."""
    return int(tree.voice.next("armed")[0])


@pytest.mark.parametrize(
    ("env", "launcher", "expected"),
    [
        pytest.param({}, (), 0, id="not asked for"),
        pytest.param({"PDWRAP_ARM": "no"}, (), 0, id="no"),
        pytest.param({"PDWRAP_ARM": "yes"}, (), TERM, id="one thread"),
        pytest.param({"PDWRAP_ARM": "yes", "PDWRAP_SIGNAL": "INT"}, (), signal.SIGINT, id="its signal"),
        pytest.param({"PDWRAP_ARM": "yes", "PDWRAP_GRACE": "0"}, (), signal.SIGKILL, id="without a grace"),
        pytest.param({"PDWRAP_ARM": "yes"}, ("threads",), 0, id="threads"),
        pytest.param({"PDWRAP_ARM": "yes"}, ("thread",), 0, id="forked from a thread"),
    ],
)
def test_where_it_is_armed(start: Starter, env: dict[str, str], launcher: tuple[str, ...], expected: int) -> None:
    """Only where it is asked for, and the launcher has one thread at that moment."""
    tree = start(argv=[*PYTHON, "-c", TELLS], ready=True, env=env, launcher=launcher)
    assert armed(tree) == expected
    tree.launcher.kill()
    tree.assert_gone()


def test_by_option(start: Starter) -> None:
    """As an option; `-v` says that it is in force."""
    tree = start(argv=[*PYTHON, "-c", TELLS], ready=True, options=["--arm", "-v"])
    assert armed(tree) == TERM
    assert " by pidfd and parent-death signal\n" in tree.stderr
    tree.launcher.kill()
    tree.assert_gone()


def test_not_for_another_ancestor(start: Starter) -> None:
    """The kernel tells of the parent alone; with `--parent` farther up, the sidecars alone protect the backend."""
    tree = start(argv=[*PYTHON, "-c", TELLS], ready=True, env=SHORT, pdwrap_via=MIDDLE)
    assert armed(tree) == 0
    tree.launcher.kill()
    tree.assert_gone()


def test_not_with_a_lifeline(start: Starter) -> None:
    """E3: its end-of-file comes before the kernel's signal, and the backend would be asked twice."""
    reads, writes = os.pipe()
    tree = start("reporter", env=LONG, options=["--lifeline", "5"], fds={5: reads, 6: writes}, launcher=("close=6",))
    os.close(reads)
    os.close(writes)
    tree.launcher.kill()
    tree.got(TERM)
    tree.got(CONT)
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [TERM, CONT, signal.SIGUSR1]
    tree.backend.kill()
    tree.assert_gone()


def lose_both(tree: Tree) -> None:
    """Both sidecars are killed at the same instant: neither runs between the two signals."""
    both = tree.sidecars
    for each in both:
        each.signal(signal.SIGSTOP)
    for each in both:
        each.wait_stopped()
    for each in both:
        each.kill()
    for each in both:
        assert each.gone()


def test_both_sidecars_lost(start: Starter) -> None:
    """E4: the backend itself still ends with its launcher."""
    for _ in range(5):
        tree = start(env=SHORT)
        lose_both(tree)
        assert tree.backend.alive
        tree.launcher.kill()
        tree.assert_gone()


@pytest.mark.limit
def test_both_sidecars_lost_with_a_tree(start: Starter) -> None:
    """The backend alone: what it started is left."""
    tree = start("plain", "child=plain", env=SHORT)
    child = tree.hold(children(tree.backend.pid)[0])
    lose_both(tree)
    tree.launcher.kill()
    assert tree.backend.gone()
    assert child.alive, describe(child.pid)
    sweep()


@pytest.mark.slow
def test_asked_once(start: Starter) -> None:
    """E3: the kernel's signal is the first one; the sidecars add none."""
    for _ in range(40):
        tree = start("reporter", "exit=10", env=LONG)
        tree.launcher.kill()
        tree.got(TERM)
        tree.got(CONT)
        tree.backend.signal(signal.SIGUSR1)  # a fence: all that was sent before
        tree.assert_gone()
        assert tree.signals() == [TERM, CONT, signal.SIGUSR1]


def test_tree_of_a_backend_that_takes_its_time(start: Starter, family: list[str]) -> None:
    """E2: where the backend does not die of the signal at once, its tree is listed and ended."""
    tree = start("reporter", *family, env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [TERM, CONT]


@pytest.mark.usefixtures("root")
def test_backend_that_changed_its_uid(start: Starter) -> None:
    """E6: that cleared the kernel's signal (prctl(2)); a sidecar sends it."""
    tree = start("reporter", via=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [TERM, CONT]


@pytest.mark.parametrize("order", ["setsid", "exec"])
def test_launcher_that_changes(start: Starter, order: str) -> None:
    """N2: the launcher leaves its session, or executes another program: it lives, and so does the backend."""
    tree = start("reporter", env=SHORT, session=order != "setsid")  # a session leader may not call it
    tree.order(order)
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]
    tree.launcher.kill()
    tree.assert_gone()


def test_thread_that_launched_it_ends(start: Starter) -> None:
    """N1: not armed, so nothing happens."""
    tree = start("reporter", env=SHORT, launcher=("thread",))
    tree.order("thread-end")
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]
    tree.launcher.kill()
    tree.assert_gone()
