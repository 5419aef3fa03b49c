"""E1 on a real backend, as scripts/demo shows it: llama.cpp's engine in a server that somebody else wrote."""

from __future__ import annotations

import json
import os
import platform
import signal
from typing import Any

import pytest

from tests.harness import ROOT, Outcome, Running, clean_environment, run

DEMO = str(ROOT / "scripts" / "demo")
WITHIN = 280.0
"""The first run makes a virtual environment; pytest's own limit is above this."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="cyllama has wheels for x86-64 alone"),
]


def demo(*options: str, command: str | None = None) -> Outcome:
    """Run it, with *command* in pdwrap's place."""
    extra = {} if command is None else {"PDWRAP_TEST_COMMAND": command}
    return run([DEMO, *options], env=clean_environment(extra), within=WITHIN)


def seen(outcome: Outcome) -> dict[str, Any]:
    """What it reports."""
    report: dict[str, Any] = json.loads(outcome.stdout)
    return report


def test_backend_ends_with_its_launcher() -> None:
    """E1: without pdwrap the orphan lives and holds its port; with pdwrap it is gone and the port free."""
    outcome = demo("--json")
    assert outcome.code == 0, outcome.stderr
    report = seen(outcome)

    without = report["without"]
    assert without["answer"]
    assert without["backend_alive"]
    assert without["backend_answers"]
    assert without["memory_bytes_after"] > 0
    assert without["port_error"] == "Address already in use"
    assert without["port_free_ms"] is None
    assert without["survivors"] == [without["backend_pid"]]

    wrapped = report["with"]
    assert wrapped["answer"]
    assert len(wrapped["pdwrap_pids"]) == 2
    assert not wrapped["backend_alive"]
    assert wrapped["memory_bytes_after"] == 0
    assert wrapped["port_error"] == ""
    assert wrapped["port_free_ms"] is not None
    assert wrapped["survivors"] == []
    assert [" died: ending cyllama (pid " in line for line in wrapped["messages"]] == [True, False]


def test_demo_is_not_blind() -> None:
    """With a prefix that does nothing in pdwrap's place, the demo says that the promise was not kept."""
    outcome = demo("--json", command="env")
    assert outcome.code == 1, outcome.stderr
    report = seen(outcome)
    assert report["shown"]
    assert not report["kept"]
    assert report["with"]["survivors"] == [report["with"]["backend_pid"]]


def test_demo_on_a_screen() -> None:
    """Without a terminal it is plain text, and it fits 80 columns."""
    outcome = demo()
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.decode("utf-8").splitlines()
    assert lines[-1] == "Nothing survived the launcher, and nothing else had to change."
    assert all(line.isprintable() and len(line) <= 80 for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["1. Without", "orphan", "2. With", "answered"])
def test_interrupted_demo_leaves_nothing(moment: str, number: int) -> None:
    """Whatever it is doing when it is interrupted, the demo ends all that it started."""
    told, tell = os.pipe()
    running = Running([DEMO], fds={1: tell}, env=clean_environment())
    os.close(tell)
    with os.fdopen(told, encoding="utf-8") as screen:
        assert any(moment in line for line in screen), running.stderr
        running.process.signal(number)
        assert running.wait().code == 128 + number
