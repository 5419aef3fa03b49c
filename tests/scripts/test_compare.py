"""scripts/compare and scripts/load: they run, and tell yes from no. What the figures are is no test's business."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT, clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def told(*command: str) -> dict[str, Any]:
    """Run one of them; the JSON object that it prints."""
    done = subprocess.run(
        [ROOT / "scripts" / command[0], "--json", *command[1:]],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    whole: dict[str, Any] = json.loads(done.stdout)
    return whole


def only(*names: str) -> list[str]:
    """Write who is to be compared."""
    return [word for name in names for word in ("--only", name)]


def test_the_same_question_is_answered_by_each() -> None:
    """A thread of the launcher's ends: a healthy backend is killed by the kernel's signal, and by nobody else."""
    found = told(
        "compare",
        "--times",
        "2",
        "--question",
        "thread ends|its child",
        *only("pdwrap", "pdwrap --exec", "setpriv", "none"),
    )
    assert found["left_out"] == {}
    answers = {(row["question"].split()[1], row["peer"]): (row["yes"], row["no"]) for row in found["rows"]}
    assert answers == {
        ("child", "pdwrap"): (2, 0),
        ("child", "pdwrap --exec"): (2, 0),
        ("child", "setpriv"): (0, 2),
        ("child", "none"): (0, 2),
        ("launcher's", "pdwrap"): (2, 0),
        ("launcher's", "pdwrap --exec"): (2, 0),
        ("launcher's", "setpriv"): (0, 2),
        ("launcher's", "none"): (2, 0),
    }


def test_what_is_there_at_a_terminal() -> None:
    """Keys are typed: Ctrl-C ends the script around the backend, but not under tini."""
    found = told("compare", "--times", "1", "--question", "Ctrl-C", *only("pdwrap", "tini", "none"))
    assert {row["peer"]: row["yes"] for row in found["rows"]} == {"pdwrap": 1, "tini": 0, "none": 1}


def test_nobody_of_that_name() -> None:
    """A name that is nobody's is said so."""
    command: list[str | Path] = [ROOT / "scripts" / "compare", "--only", "nosuch"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "compare: --only: nobody is called nosuch\n")


def test_load() -> None:
    """Few of everything: all figures are told, nothing survives, and nothing wakes up while nothing happens."""
    words = ["--backends", "3", "--processes", "30", "--tree", "20", "--idle", "0.2"]
    found = told("load", *words)
    values = {(row["mode"], row["figure"]): row["values"] for row in found["rows"]}
    assert len(values) == 2 * 12
    for mode in ("fork", "exec"):
        assert values[mode, "processes"] == [2]
        for left in ("left", "big left", "tree left"):
            assert values[mode, left] == [0]
