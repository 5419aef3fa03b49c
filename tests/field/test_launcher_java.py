"""Java as launcher: ProcessBuilder (foreign/Launcher.java), which starts by a helper and reaps in a thread."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.harness import role
from tests.harness.foreign import FENCE, PROGRAMS, SHORT, TERM, Foreign, reporter

pytestmark = pytest.mark.modes("fork", "exec")
OPENS = ["sh", "-c", 'exec "$@" 9>/proc/$PPID/fd/9', "sh"]
"""The tree pipe, which Java does not hand on."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The launcher, compiled; with the least that a JVM starts."""
    folder = tmp_path_factory.mktemp("java")
    subprocess.run(["javac", "-d", str(folder), str(PROGRAMS / "Launcher.java")], check=True)
    return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", str(folder), "Launcher"]


Launch = Callable[..., Foreign]


@pytest.fixture
def launch(program: list[str], pdwrap: list[str], mode: str) -> Launch:
    """Starts the launcher with a backend."""

    def start(how: str, *backend: str) -> Foreign:
        tree = Foreign(mode, [*program, how, *OPENS, *pdwrap, "--", *backend], env=SHORT)
        tree.settle()
        return tree

    return start


def test_killed(launch: Launch, family: list[str]) -> None:
    """E1, E2: gone with a SIGKILLed JVM."""
    with launch("plain", *reporter(*family)) as tree:
        assert tree.outer.pid == int(tree.says.next("started")[0])
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@pytest.mark.parametrize("order", ["exit", "halt", "throw", f"signal {TERM}"])
def test_ends_otherwise(launch: Launch, order: str) -> None:
    """E1: it exits with its hooks or without, by an exception, or by SIGTERM; the child is nobody's business there."""
    with launch("plain", *reporter()) as tree:
        if order.startswith("signal"):
            tree.program.signal(TERM)
        else:
            tree.tell(order)
            tree.tell_no_more()
        tree.assert_asked_once_and_gone()


def test_thread_ends(launch: Launch, family: list[str]) -> None:
    """N1: the thread that started pdwrap has ended; the JVM, and its reaper's thread, live."""
    with launch("thread", *reporter(*family)) as tree:
        tree.says.next("thread-gone")
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


def test_destroy(launch: Launch) -> None:
    """T2, T3: `Process.destroy()` is one SIGTERM for the backend, whose status `waitFor()` gives."""
    with launch("plain", *role("reporter", f"exit={FENCE}", "code=3")) as tree:
        tree.tell("destroy")
        tree.got(TERM)
        tree.outer.signal(FENCE)
        assert tree.says.next("ended") == ["3"]
        tree.tell_no_more()
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]


def test_destroy_forcibly(launch: Launch, mode: str) -> None:
    """E4: `destroyForcibly()` kills pdwrap: its tree is ended at once; in exec mode the backend is what it kills."""
    with launch("plain", *role("reporter", *(["child=stubborn"] if mode == "fork" else []))) as tree:
        tree.tell("kill")
        assert tree.says.next("ended") == ["137"]
        tree.tell_no_more()
        tree.assert_gone()
        assert tree.signals() == []
