"""Bun as launcher: its child_process, by the program that is Node's too (foreign/launcher.js); from npm."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness import role
from tests.harness.foreign import FENCE, PROGRAMS, SHORT, TERM, Foreign, reporter

pytestmark = pytest.mark.modes("fork", "exec")
BUN = str(Path(sys.prefix) / "npm" / "node_modules" / ".bin" / "bun")


def bun(mode: str, how: str, *command: str) -> Foreign:
    """Below child_process."""
    tree = Foreign(mode, [BUN, str(PROGRAMS / "launcher.js"), how, *command], env=SHORT)
    tree.settle()
    return tree


@pytest.mark.parametrize("how", ["plain", "detached"])
def test_killed(pdwrap: list[str], mode: str, family: list[str], how: str) -> None:
    """E1, E2: gone with a SIGKILLed Bun."""
    with bun(mode, how, *pdwrap, "--", *reporter(*family)) as tree:
        assert tree.outer.pid == int(tree.says.next("started")[0])
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@pytest.mark.parametrize("order", ["exit", "throw"])
def test_ends_otherwise(pdwrap: list[str], mode: str, order: str) -> None:
    """E1: Bun exits, or dies of an exception that nobody catches, and leaves its child."""
    with bun(mode, "plain", *pdwrap, "--", *reporter()) as tree:
        tree.tell(order)
        tree.assert_asked_once_and_gone()


def test_worker_ends(pdwrap: list[str], mode: str) -> None:
    """N1: a worker started pdwrap, and its thread has ended; the process lives."""
    with bun(mode, "worker", *pdwrap, "--", *reporter()) as tree:
        tree.says.next("thread-gone")
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@pytest.mark.parametrize(("how", "order"), [("plain", "kill"), ("detached", "group")])
def test_stop(pdwrap: list[str], mode: str, how: str, order: str) -> None:
    """T2, T3: `child.kill()`, or SIGTERM to a detached child's group: one for the backend, whose status Bun sees."""
    with bun(mode, how, *pdwrap, "--", *role("reporter", f"exit={FENCE}", "code=3")) as tree:
        tree.tell(order)
        tree.got(TERM)
        tree.outer.signal(FENCE)
        assert tree.says.next("ended") == ["3"]
        tree.tell("exit")
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]
