"""Rust as launcher (foreign/launcher.rs): threads that end, panics, programs that replace themselves."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.harness import role
from tests.harness.foreign import PROGRAMS, SHORT, TERM, Foreign, reporter

pytestmark = pytest.mark.modes("fork", "exec")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The launcher, built without cargo."""
    binary = tmp_path_factory.mktemp("rust") / "launcher"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUSTFLAGS", "CARGO"))}
    command = ["rustc", "--edition", "2021", "-o", str(binary), str(PROGRAMS / "launcher.rs")]
    subprocess.run(command, env=kept, check=True)
    return str(binary)


Launch = Callable[..., Foreign]


@pytest.fixture
def launch(program: str, pdwrap: list[str], mode: str) -> Launch:
    """Starts the launcher with a backend."""

    def start(how: str, *backend: str) -> Foreign:
        tree = Foreign(mode, [program, how, *pdwrap, "--", *backend], env=SHORT)
        tree.settle()
        return tree

    return start


@pytest.mark.parametrize("how", ["plain", "group"])
def test_killed(launch: Launch, family: list[str], how: str) -> None:
    """E1, E2: gone with a SIGKILLed launcher."""
    with launch(how, *reporter(*family)) as tree:
        assert tree.outer.pid == int(tree.says.next("started")[0])
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@pytest.mark.parametrize("order", ["exit", "panic", "abort", f"signal {int(signal.SIGTERM)}"])
def test_ends_otherwise(launch: Launch, order: str) -> None:
    """E1: it exits, panics, aborts, or dies of a signal."""
    with launch("plain", *reporter()) as tree:
        word, _, number = order.partition(" ")
        if number:
            tree.program.signal(int(number))
        else:
            tree.tell(word)
        tree.assert_asked_once_and_gone()


def test_thread_ends(launch: Launch, family: list[str]) -> None:
    """N1: the thread that started pdwrap has ended, as an idle thread of a pool does; the process lives."""
    with launch("thread", *reporter(*family)) as tree:
        tree.says.next("thread-gone")
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@pytest.mark.parametrize("how", ["plain", "thread"])
@pytest.mark.parametrize("order", ["exec", "exec-thread"])
def test_launcher_executes_another_program(launch: Launch, how: str, order: str) -> None:
    """N1, E1: it is the same process under another name: nothing; whose death then counts."""
    with launch(how, *reporter()) as tree:
        tree.tell(order)
        tree.says.next("replaced")
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


def test_group_is_signalled(launch: Launch, mode: str) -> None:
    """T2: SIGTERM to the group that it made is one SIGTERM for the backend."""
    with launch("group", *reporter()) as tree:
        tree.tell(f"group {TERM}")
        tree.says.next("done")
        tree.fence()
        assert tree.heard() == [TERM]
        tree.program.kill()
        tree.assert_gone()
        assert tree.heard().count(TERM) == (1 if mode == "fork" else 2)  # exec mode does not see what came before


def test_child_is_killed(launch: Launch, mode: str) -> None:
    """E4: `Child::kill` kills pdwrap: its tree is ended at once; in exec mode the backend is what it kills."""
    with launch("plain", *role("reporter", *(["child=stubborn"] if mode == "fork" else []))) as tree:
        tree.tell("kill")
        tree.says.next("ended")
        tree.tell_no_more()
        tree.assert_gone()
        assert tree.signals() == []
