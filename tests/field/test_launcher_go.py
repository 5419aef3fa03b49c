"""Go as launcher, in the manner of LocalAI's process manager (launchers/launcher.go)."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pdwrap.localai import command
from tests.harness import PYTHON, role
from tests.harness.foreign import FENCE, PROGRAMS, TERM, Foreign, reporter
from tests.harness.spawn import HERE

from .service import free_port

BOTH = pytest.mark.modes("fork", "exec")
WRAPPINGS = pytest.mark.parametrize("wrapping", ["pdwrap-localai", "line"])
RUN = """#!/bin/bash
set -e
CURDIR=$(dirname "$(realpath "$0")")
cd "$CURDIR"
[ "$1" = --addr ]
exec {wrapper} {backend} port="${{2##*:}}"
"""
"""A backend's `run.sh`, which as LocalAI's does finds its folder by `$0`, and gets the address that it listens at."""

LOOKS = ["sh", "-c", '[ -e /proc/$$/fd/0 ] && at=open || at=closed; echo zero $at >&9; exec "$@"', "sh"]
"""Says whether descriptor 0 is open, before the backend takes it for something of its own."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The launcher, built without modules and without what the user has set for Go."""
    folder = tmp_path_factory.mktemp("go")
    binary = folder / "launcher"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    settings = {
        "GO111MODULE": "off",
        "GOCACHE": str(folder / "cache"),
        "GOENV": "off",
        "GOFLAGS": "",
        "GOPATH": str(folder / "path"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    source = str(PROGRAMS / "launcher.go")
    subprocess.run(["go", "build", "-o", str(binary), source], env={**kept, **settings}, check=True)
    return str(binary)


Launch = Callable[..., Foreign]


@pytest.fixture
def launch(program: str, pdwrap: Sequence[str], mode: str, tmp_path: Path) -> Launch:
    """Starts the launcher with a backend of these roles, wrapped in one way or the other."""

    def start(backend: Sequence[str], *options: str, wrapping: str = "line", grace: str = "0.5s") -> Foreign:
        folder, state = tmp_path / "back ends" / "größe", tmp_path / "state"
        folder.mkdir(parents=True)
        state.mkdir()
        wrapper = shlex.join([*pdwrap, "--grace", grace, "--"]) if wrapping == "line" else ""
        (folder / "run.sh").write_text(RUN.format(wrapper=wrapper, backend=shlex.join(backend)))
        (folder / "run.sh").chmod(0o755)
        if wrapping == "pdwrap-localai":
            assert command.main([str(folder), "--", f"--{mode}", "--grace", grace]) == 0
        argv = [program, *options, str(folder), f"127.0.0.1:{free_port()}", str(state)]
        return Foreign(mode, argv, log=state / "stderr")

    return start


@BOTH
@WRAPPINGS
def test_killed(launch: Launch, mode: str, family: list[str], wrapping: str) -> None:
    """E1, E2, T1, T6: gone with a SIGKILLed launcher; descriptor 0 was closed; in exec mode the pid is its."""
    with launch([*LOOKS, *reporter(*family)], wrapping=wrapping) as tree:
        tree.settle()
        assert tree.voice.all("zero") == [["closed"]]
        assert tree.outer.pid == int(tree.says.next("started")[0])
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("order", ["exit", "panic", f"signal {TERM}", f"signal {int(signal.SIGQUIT)}"])
def test_ends_otherwise(launch: Launch, mode: str, order: str) -> None:
    """E1: the launcher exits without its teardown, panics, or dies of a signal in Go's own way."""
    with launch(reporter()) as tree:
        tree.settle()
        word, _, number = order.partition(" ")
        if number:
            tree.program.signal(int(number))
        else:
            tree.tell(word)
        tree.assert_asked_once_and_gone()


@BOTH
@WRAPPINGS
def test_thread_ends(launch: Launch, mode: str, wrapping: str) -> None:
    """N1: the goroutine that started the backend returned locked to its thread, which has ended; the process lives."""
    with launch(reporter(), "-locked", wrapping=wrapping) as tree:
        tree.says.next("thread-gone")
        tree.settle()
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@WRAPPINGS
def test_stop(launch: Launch, mode: str, wrapping: str) -> None:
    """T2: its stop is SIGTERM to the group: one for the backend, and the launcher sees it gone."""
    with launch(role("reporter", f"exit={FENCE}"), wrapping=wrapping) as tree:
        tree.settle()
        tree.tell("stop")
        tree.got(TERM)
        tree.outer.signal(FENCE)
        tree.says.next("stopped")
        tree.tell("exit")
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]


@BOTH
def test_teardown(launch: Launch, mode: str) -> None:
    """E1, T2: it stops its backend when it is asked to end, and exits: one SIGTERM in all."""
    with launch(role("reporter", f"exit={FENCE}"), "-teardown") as tree:
        tree.settle()
        tree.program.signal(TERM)
        tree.got(TERM)
        tree.outer.signal(FENCE)
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]


@BOTH
def test_killed_while_it_stops(launch: Launch, mode: str) -> None:
    """E1, E3: it is killed while it waits for the backend: the deadline starts, and in fork mode no second SIGTERM."""
    with launch(role("reporter", "child=stubborn"), "-teardown") as tree:
        tree.settle()
        tree.program.signal(TERM)
        tree.got(TERM)
        tree.program.kill()
        tree.assert_gone()
        assert tree.heard().count(TERM) == (1 if mode == "fork" else 2)


@BOTH
@WRAPPINGS
def test_group_is_killed_and_the_next_started(launch: Launch, mode: str, wrapping: str) -> None:
    """E4: what ignores SIGTERM is killed with its group; the next backend can have the port at once."""
    backend = [*PYTHON, str(HERE / "roles.py"), "stubborn", "child=listener"]
    with launch(backend, "-grace", "0.3s", wrapping=wrapping) as tree:
        tree.settle()
        tree.tell("stop")
        tree.says.next("killed")
        tree.tell("start")
        second = tree.hold(int(tree.voice.next("ready", "backend")[0]))
        assert second.alive
        tree.program.kill()
        tree.assert_gone()
