"""N1 and N2 in exec mode: threads of the launcher that end or execute a program; the backend is not even touched.

What the launcher does with one thread, or as a whole, is in `test_never_by_mistake`, in both modes.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import Started, Starter

pytestmark = pytest.mark.modes("exec")

ONCE = [signal.SIGTERM, signal.SIGCONT]
LAUNCHERS = pytest.mark.parametrize(
    "launcher", [[], ["threads"], ["thread"]], ids=["alone", "threads", "forked-by-one"]
)
WATCHES = pytest.mark.parametrize(
    "env", [{}, {"PDWRAP_WATCH": "poll", "PDWRAP_INTERVAL": "0.02s"}], ids=["pidfd", "poll"]
)


def seen_of(tree: Started) -> list[str]:
    """What the kernel says of the backend once it waits: masks, threads, and how often it was switched to."""
    tree.backend.wait_state("S")
    status = Path(f"/proc/{tree.backend.pid}/status").read_text(encoding="ascii").splitlines()
    return [line for line in status if not line.startswith(("Rss", "Vm", "SigQ"))]


def assert_untouched(tree: Started, before: list[str]) -> None:
    """No signal, no child, not one context switch; the sidecars live; a visible signal is the first that it gets."""
    tree.assert_alive(0.2)
    assert seen_of(tree) == before
    assert Path(f"/proc/{tree.backend.pid}/task/{tree.backend.pid}/children").read_text(encoding="ascii") == ""
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]


def assert_ends_once(tree: Started) -> None:
    """The launcher, whatever it has become, dies: all are gone, and the backend was asked once."""
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals()[1:] == ONCE


def start_and_order(start: Starter, launcher: Sequence[str], env: dict[str, str], *orders: str) -> None:
    """What the launcher is told to do to itself ends nothing; its death does."""
    tree = start("reporter", "exit=18", launcher=launcher, env=env)
    before = seen_of(tree)
    for order in orders:
        tree.order(order)
    assert_untouched(tree, before)
    assert_ends_once(tree)


@WATCHES
@LAUNCHERS
def test_second_thread_executes(start: Starter, launcher: list[str], env: dict[str, str]) -> None:
    """N2, E1: another thread than the first executes a program: the process lives on with its pid, and so the backend.

    The kernel ends the first thread, and the one that called execve(2) takes its place.
    """
    start_and_order(start, launcher, env, "thread-exec")


@WATCHES
@LAUNCHERS
def test_first_thread_ends(start: Starter, launcher: list[str], env: dict[str, str]) -> None:
    """N1, E1: the first thread ends alone: /proc shows a zombie by the launcher's pid, but the process lives."""
    start_and_order(start, launcher, env, "first-thread-end")


@WATCHES
def test_one_change_after_the_other(start: Starter, env: dict[str, str]) -> None:
    """N1, N2, E1: the first thread ends, the next one executes a program, whose second thread does so again."""
    start_and_order(start, ["threads"], env, "first-thread-end", "thread-exec", "thread-exec")


@pytest.mark.parametrize("order", ["thread-exec", "first-thread-end"])
def test_changes_while_pdwrap_starts(start: Starter, order: str) -> None:
    """N1, N2, E1: before pdwrap's first line runs, and while it looks at its launcher."""
    for _ in range(5):
        tree = start("reporter", "exit=18", launcher=["threads"], settle=False)
        tree.order(order)
        tree.settle()
        assert_untouched(tree, seen_of(tree))
        assert_ends_once(tree)


def test_forks_and_calls_setsid(start: Starter) -> None:
    """N2, E1: the launcher is in another session than the backend by the time that pdwrap looks at it.

    It leads that session, so it may have called setsid() after the fork: it is no adopter for certain.
    """
    for _ in range(5):
        tree = start("reporter", "exit=18", session=False, settle=False)
        tree.order("setsid")
        tree.settle()
        assert_untouched(tree, seen_of(tree))
        assert_ends_once(tree)


@pytest.mark.parametrize("order", ["thread-exec", "first-thread-end"])
def test_changes_while_a_sidecar_is_replaced(start: Starter, order: str) -> None:
    """N1, N2, E4: the mate that is made afterwards watches the same launcher."""
    tree = start("reporter", "exit=18", launcher=["threads"])
    before = seen_of(tree)
    for which in (0, 1):
        lost = tree.sidecars[which]
        if which == 0:
            tree.order(order)
        lost.kill()
        assert lost.is_dead()
    assert_untouched(tree, before)
    assert_ends_once(tree)
