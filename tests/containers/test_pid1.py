"""T5: as PID 1 of a pid namespace, as in a container without an init: forwards, reaps every zombie, ends."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.harness import Started, Starter, children, run
from tests.harness.containers import CONTAINER, ORPHANS, wait_without_zombies

pytestmark = pytest.mark.usefixtures("root")

SHORT = {"PDWRAP_GRACE": "0.2s"}


def settle_inside(tree: Started) -> int:
    """Wait until the backend of a tree in a namespace is ready; give the pid of its outer supervisor out here."""
    tree.voice.next("ready", "backend")
    (outer,) = children(tree.wrapper.pid)
    assert_first(outer)
    return tree.hold(outer).pid


def assert_first(pid: int) -> None:
    """*pid* is PID 1 of its namespace."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        line = next(each for each in status if each.startswith("NSpid:"))
    assert line.split()[-1] == "1", line


def test_term(start: Starter) -> None:
    """T5: SIGTERM to PID 1, as `docker stop` sends it, reaches the backend; pdwrap ends as it does."""
    tree = start("reporter", "exit=15", "code=3", pdwrap_via=CONTAINER, settle=False)
    outer = settle_inside(tree)
    os.kill(outer, signal.SIGTERM)
    assert tree.status() == 3 << 8
    tree.assert_gone()
    assert [words[1] for words in tree.voice.all("got")] == ["15"]


def test_every_catchable_signal(start: Starter) -> None:
    """T5: PID 1 has no default dispositions; what is sent arrives all the same."""
    tree = start("reporter", pdwrap_via=CONTAINER, settle=False)
    outer = settle_inside(tree)
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN]
    for number in numbers:
        os.kill(outer, number)
        tree.voice.next("got")
    assert [int(words[1]) for words in tree.voice.all("got")] == numbers
    os.kill(outer, signal.SIGKILL)
    tree.assert_gone()


def test_death_by_a_signal(pdwrap: list[str]) -> None:
    """T3: PID 1 cannot die of a signal of its own; it exits with 128 + the number."""
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT):
        outcome = run([*CONTAINER, *pdwrap, "--", "sh", "-c", f"kill -{int(number)} $$"])
        assert outcome.code == 128 + number


def test_hundred_orphans(pdwrap: list[str]) -> None:
    """T5: a hundred orphans are reaped while the backend runs, and no zombie stays."""
    outcome = run([*CONTAINER, *pdwrap, "--", sys.executable, "-ISc", ORPHANS])
    assert (outcome.stdout, outcome.code) == (b"clean\n", 7), outcome


def test_what_enters_the_container(start: Starter) -> None:
    """T5: what `docker exec` starts has its parent outside; what it leaves behind falls to PID 1, and is reaped."""
    tree = start("plain", pdwrap_via=CONTAINER, settle=False)
    outer = settle_inside(tree)
    for _ in range(10):
        entered = run(["nsenter", "-t", str(outer), "-p", "-m", "--", "sh", "-c", "sleep 0.05 & (true &); exit 3"])
        assert entered.code == 3
    wait_without_zombies(outer)
    os.kill(outer, signal.SIGTERM)
    tree.assert_gone()


def test_backend_ends_and_something_entered(start: Starter) -> None:
    """T5, E5: the backend exits; what was left by an entrant is ended with the container, nothing hangs."""
    tree = start("plain", pdwrap_via=CONTAINER, env=SHORT, settle=False)
    outer = settle_inside(tree)
    run(["nsenter", "-t", str(outer), "-p", "-m", "--", "sh", "-c", "sleep 60 & true"])
    os.kill(outer, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(tree.status()) == 128 + signal.SIGTERM
    tree.assert_gone()


def test_inner_lost_as_pid_1(start: Starter) -> None:
    """E4: the inner supervisor is lost in a container: PID 1 ends the tree, and the container with it."""
    tree = start("stubborn", "child=setsid:stubborn", pdwrap_via=CONTAINER, env=SHORT, settle=False)
    outer = settle_inside(tree)
    (inner,) = children(outer)
    os.kill(inner, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(tree.status()) == 128 + signal.SIGKILL
    tree.assert_gone()


def test_below_a_container_s_shell(start: Starter) -> None:
    """E1: below the shell that is PID 1 there is nothing to watch: the container ends with it; signals still arrive."""
    via = [*CONTAINER, "sh", "-c", '"$@"; exit $?', "sh"]
    tree = start("reporter", "exit=15", "code=2", pdwrap_via=via, settle=False)
    tree.voice.next("ready", "backend")
    (shell_pid,) = children(tree.wrapper.pid)
    (outer,) = children(shell_pid)
    os.kill(outer, signal.SIGTERM)
    assert tree.status() == 2 << 8
    tree.assert_gone()
