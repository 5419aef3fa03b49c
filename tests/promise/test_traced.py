"""A tracer holds a process of the tree, or of pdwrap: a zombie that nobody else reaps hides nothing (E2, E4, E7)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import pytest

from tests.harness import Process, Starter

PTRACE_SEIZE, WALL = 0x4206, 0x40000000
SHORT = {"PDWRAP_GRACE": "0.2s"}


class Tracer:
    """A process of its own that traces others, and reaps none of them until it is let go."""

    def __init__(self) -> None:
        orders, self._write = os.pipe()
        self._read, answers = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._write)  # with it open, the end of the orders would never come
                libc = ctypes.CDLL(None, use_errno=True)
                while order := os.read(orders, 32):
                    failed = libc.ptrace(PTRACE_SEIZE, int(order), None, None)
                    os.write(answers, b"n" if failed else b"y")
            finally:
                os._exit(0)
        os.close(orders)
        os.close(answers)

    def seize(self, process: Process) -> None:
        """Trace a process; it runs on."""
        os.write(self._write, str(process.pid).encode())
        assert os.read(self._read, 1) == b"y"

    def let_go(self) -> None:
        """End the tracer: what it traced is its parent's again."""
        if self._write >= 0:
            os.close(self._write)
            os.close(self._read)
            os.waitpid(self._pid, 0)
            self._write = -1


@pytest.fixture
def tracer(root: None) -> Iterator[Tracer]:
    """Make a tracer."""
    made = Tracer()
    # The write end of the orders must not be inherited by what the test starts: descriptors are close-on-exec.
    yield made
    made.let_go()


@pytest.mark.modes("fork", "exec")
def test_backend_traced(start: Starter, tracer: Tracer, family: list[str]) -> None:
    """E2: the backend dies, and its tracer does not reap it: all below it is ended all the same."""
    tree = start("plain", *family, env=SHORT)
    below = [each for each in tree.members if each.pid != tree.backend.pid]
    tracer.seize(tree.backend)
    tree.launcher.kill()
    for each in below:
        assert each.is_dead(), f"still there: {each!r}; stderr: {tree.stderr!r}"
    assert "still there" not in tree.stderr
    tracer.let_go()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_child_traced(start: Starter, tracer: Tracer) -> None:
    """E2: a child of the backend's is traced, and has a child of its own in another session."""
    tree = start("plain", "child=plain[child=setsid:stubborn]", env=SHORT)
    child, grandchild = sorted(
        (each for each in tree.members if each.pid != tree.backend.pid), key=lambda each: each.pid
    )
    tracer.seize(child)
    tree.launcher.kill()
    assert grandchild.is_dead(), f"still there: {grandchild!r}; stderr: {tree.stderr!r}"
    tracer.let_go()
    tree.assert_gone()


def test_inner_traced(start: Starter, tracer: Tracer, family: list[str]) -> None:
    """E4: the inner is traced, killed, and not reaped: the outer ends the tree."""
    tree = start("plain", *family, env=SHORT)
    below = tree.members
    tracer.seize(tree.inner)
    tree.inner.kill()
    for each in below:
        assert each.is_dead(), f"still there: {each!r}; stderr: {tree.stderr!r}"
    tracer.let_go()
    tree.assert_gone()
