"""pdwrap in a container that its launcher is not in: entered as by `docker exec`, or beside it in one namespace."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness import Running, Starter, children, run
from tests.harness.containers import (
    CONTAINER,
    ENTER,
    OUTSIDE,
    Container,
    Told,
    find,
    inside,
    start_with_lifeline,
    wait_without_zombies,
)

pytestmark = [pytest.mark.usefixtures("root"), pytest.mark.modes("fork", "exec")]

SHORT = {"PDWRAP_GRACE": "0.2s"}
ONCE = [signal.SIGTERM, signal.SIGCONT]
FENCE = signal.SIGUSR1
LIFELINE = ["--lifeline", "5"]
FROM_FIFO = ["sh", "-c", 'exec 5<"$1"; shift; exec "$@"', "sh"]
TO_FIFO = ["sh", "-c", 'exec 5>"$1"; shift; exec "$@"', "sh"]


@pytest.mark.limit
def test_launcher_outside_is_not_watched(start: Starter) -> None:
    """As by `docker exec`: the parent is outside and shows as 0, so its death cannot be seen; signals arrive once."""
    container = Container()
    tree = start("reporter", "exit=15", options=["-v"], pdwrap_via=container.enter, settle=False)
    backend = Told(tree)
    held = find(tree, backend.pid)
    pdwrap = find(tree, inside(children(tree.wrapper.pid)[0]))
    assert tree.stderr == OUTSIDE
    tree.launcher.kill()
    assert tree.launcher.is_dead()
    pdwrap.signal(FENCE)
    backend.got(FENCE)
    assert held.alive
    pdwrap.signal(signal.SIGTERM)
    container.assert_gone_with(tree)
    assert backend.signals() == [FENCE, signal.SIGTERM]


def test_launcher_outside_with_a_lifeline(start: Starter, family: list[str]) -> None:
    """E1, E2: the launcher outside holds the lifeline's other end; with its death all are gone, asked once."""
    container = Container()
    tree = start_with_lifeline(start, "reporter", *family, options=LIFELINE, pdwrap_via=container.enter)
    backend = Told(tree)
    assert find(tree, backend.pid).alive
    tree.launcher.kill()
    container.assert_gone_with(tree)
    assert backend.signals() == ONCE


def test_name_of_a_launcher_outside(pdwrap: list[str]) -> None:
    """T4: who is outside is no ancestor that could be named; nor is PID 1, who did not start what was entered."""
    container = Container()
    for who in ("pytest", "1"):
        outcome = run([*container.enter, *pdwrap, "--parent", who, "--", "echo", "started"])
        assert (outcome.code, outcome.stdout) == (125, b"")
        assert outcome.stderr.startswith(f"pdwrap: --parent {who}: not an ancestor")
        assert outcome.stderr.count("\n") == 1
    container.end()


def test_end_of_the_container(start: Starter, family: list[str]) -> None:
    """E1: PID 1 dies: the kernel ends what was entered, too; nothing of pdwrap stays behind, inside or outside."""
    container = Container()
    tree = start("stubborn", *family, options=["-v"], pdwrap_via=container.enter, settle=False)
    Told(tree)
    container.first.kill()
    tree.assert_gone()
    assert tree.stderr == OUTSIDE


@pytest.mark.parametrize("mounts", ["shared", "own"])
def test_two_containers_and_a_fifo(start: Starter, family: list[str], tmp_path: Path, mounts: str) -> None:
    """E1, E2: a pod that shares its pid namespace: launcher and backend are both entered, and a FIFO connects them.

    It is in a folder that both have. The launcher writes nothing: it holds the end for writing, and dies with it.
    """
    container = Container()
    fifo = tmp_path / "lifeline"
    os.mkfifo(fifo)
    own = ["unshare", "--mount"] if mounts == "own" else []
    first = Running([*container.enter, *own, *TO_FIFO, str(fifo), "sleep", "120"])
    via = [*container.enter, *own, *FROM_FIFO, str(fifo)]
    tree = start("reporter", *family, options=LIFELINE, pdwrap_via=via, env=SHORT, settle=False)
    backend = Told(tree)
    (launcher,) = children(first.pid)
    os.kill(launcher, signal.SIGKILL)
    first.wait()
    container.assert_gone_with(tree)
    assert backend.signals() == ONCE


def test_ended_in_a_container_whose_pid_1_is_pdwrap(start: Starter, pdwrap: list[str]) -> None:
    """T5: what an entered pdwrap leaves falls to the one that is PID 1: reaped, and the container goes on."""
    start.pdwrap, start.mode = [each for each in start.pdwrap if each != "--exec"], "fork"
    first = start("reporter", "exit=15", pdwrap_via=CONTAINER, settle=False)
    backend = Told(first)
    held = find(first, 1)
    theirs, ours = os.pipe()
    second = Running([*ENTER, str(held.pid), *pdwrap, *LIFELINE, "--grace", "0", "--", "sleep", "120"], fds={5: theirs})
    os.close(theirs)
    os.close(ours)
    second.wait()
    wait_without_zombies(held.pid)
    held.signal(FENCE)
    backend.got(FENCE)
    held.signal(signal.SIGTERM)
    first.assert_gone()
    assert backend.signals() == [FENCE, signal.SIGTERM]
