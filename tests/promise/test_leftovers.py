"""E5: the backend exits by itself and leaves processes behind: `--leftovers end`, `wait` and `leave`."""

from __future__ import annotations

import signal

import pytest

from tests.harness import FAMILY, Process, Started, Starter

SHORT = {"PDWRAP_GRACE": "0.2s"}
LONG = {"PDWRAP_GRACE": "100s"}


def test_leftovers_are_ended(start: Starter) -> None:
    """E5: a daemon, and relatives of all kinds, are ended; then the caller sees the backend's status."""
    for _ in range(3):
        tree = start("daemon", "code=4", *FAMILY, env=SHORT, settle=False)
        assert tree.status() == 4 << 8
        tree.assert_tree_gone()
        assert tree.launcher.alive
        tree.assert_gone()


def test_leftovers_are_asked_first(start: Starter) -> None:
    """E5, E3: each gets SIGTERM and SIGCONT once, and may end in its own time."""
    tree = start("daemon", "child=double:reporter[exit=18]", "child=reporter[exit=18]", env=LONG, settle=False)
    assert tree.status() == 0
    tree.assert_gone()
    pids = {words[0] for words in tree.voice.all("ready", "reporter")}
    assert len(pids) == 2
    for pid in pids:
        assert tree.voice.all("got", pid) == [["15"], ["18"]]


def test_leftovers_after_a_killed_backend(start: Starter) -> None:
    """E5: a backend that is killed by a signal leaves its workers; they are ended, and its death is mirrored."""
    tree = start("plain", *FAMILY, env=SHORT)
    tree.backend.kill()
    assert tree.status() == signal.SIGKILL
    tree.assert_gone()


def test_caller_waits_until_all_are_gone(start: Starter) -> None:
    """E5: pdwrap is the last to exit: when the caller sees the status, nothing is left."""
    for _ in range(5):
        tree = start("daemon", *FAMILY, env={"PDWRAP_GRACE": "0.05s"}, settle=False)
        tree.status()
        assert tree.voice.ended(0)
        tree.assert_gone()


def test_leftovers_that_fork_on(start: Starter) -> None:
    """E5, E2: what is left forks without end."""
    tree = start("daemon", "child=double:runner", "child=breeder", env=SHORT, settle=False)
    assert tree.status() == 0
    tree.assert_gone()


@pytest.mark.parametrize("how", ["option", "variable"])
def test_leave(start: Starter, how: str) -> None:
    """`--leftovers leave`: pdwrap exits with the backend, and what is left lives on, unsignalled."""
    options, env = (["--leftovers", "leave"], SHORT) if how == "option" else ([], {"PDWRAP_LEFTOVERS": "leave"})
    tree = start("daemon", "code=5", "child=setsid:reporter", options=options, env=env, settle=False)
    assert tree.status() == 5 << 8
    left = tree.hold(int(tree.voice.next("ready", "reporter")[0]))
    left.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1, left)
    assert tree.signals(left) == [signal.SIGUSR1]
    left.kill()
    tree.assert_gone()


def test_leave_ends_all_on_the_launchers_death(start: Starter) -> None:
    """E1: `leave` is about a backend that exits by itself; the launcher's death still ends everything."""
    tree = start("plain", *FAMILY, options=["--leftovers", "leave"], env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()


def start_daemon(start: Starter, *arguments: str) -> tuple[Started, Process]:
    """A backend with `--leftovers wait` that has started its children and exited; and the first of them."""
    tree = start("daemon", "on=15", *arguments, options=["--leftovers", "wait", "--grace", "0.2"])
    left = tree.hold(int(tree.voice.all("ready", "reporter")[0][0]))
    tree.backend.signal(signal.SIGTERM)
    tree.backend.wait_reaped()
    return tree, left


def test_wait(start: Starter) -> None:
    """T2, T3: `--leftovers wait`: pdwrap stays, forwards to what is left, and gives the backend's status in the end."""
    tree, left = start_daemon(start, "code=6", "child=double:reporter[exit=15]")
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1, left)
    assert tree.wrapper.alive
    tree.order(f"signal {signal.SIGTERM}")
    assert tree.status() == 6 << 8
    tree.assert_gone()
    assert tree.signals(left) == [signal.SIGUSR1, signal.SIGTERM]


def test_wait_and_the_launcher_dies(start: Starter) -> None:
    """E1: while pdwrap waits for the leftovers, the launcher's death ends them."""
    tree, left = start_daemon(start, "child=double:reporter", "child=stubborn")
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1, left)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals(left) == [signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT]


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_wait_and_a_supervisor_is_lost(start: Starter, who: str) -> None:
    """E4: as above, with a supervisor lost."""
    tree, _left = start_daemon(start, "child=double:reporter", "child=setsid:stubborn")
    {"outer": tree.wrapper, "inner": tree.inner}[who].kill()
    tree.assert_gone()
