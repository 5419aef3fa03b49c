"""scripts/bench --plot: pictures of a run's own figures. matplotlib comes with the field."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STARTS = {"python -I -S": 9.0, "python -I": 11.5, "python -I, our modules": 14.0, "pdwrap": 19.25, "bare exec": 1.25}
PORTS = {"pdwrap": 2.5, "bare exec": None, "setpriv": 0.9, "2 s poll": 1957.8}


def run(**changes: object) -> dict[str, Any]:
    """Give what a run of scripts/bench --json would print, as far as it is drawn."""
    rows: list[tuple[str, str, str, float | None]] = [("parts", name, "start", value) for name, value in STARTS.items()]
    rows += [("end", name, "port", value) for name, value in PORTS.items()]
    keys = ("measure", "candidate", "metric", "median")
    machine = {"kernel": "6.1.0", "cpus": 2, "load": 0.3, "python": "3.11.2"}
    told = [{**dict(zip(keys, row, strict=True)), "note": "" if row[3] else "stays 3/3"} for row in rows]
    return {"machine": machine, "rows": told, **changes}


def draw(folder: Path, told: object) -> subprocess.CompletedProcess[str]:
    """Have it drawn."""
    file = folder / "run.json"
    file.write_text(json.dumps(told), encoding="utf-8")
    command = [sys.executable, "-I", "-B", str(ROOT / "scripts" / "benchmarks"), "--plot"]
    return subprocess.run([*command, str(folder / "made"), str(file)], capture_output=True, text=True, check=False)


def test_pictures_say_what_was_measured(tmp_path: Path) -> None:
    """A picture for each measure of the run; in it each candidate, its figure and the machine; twice the same bytes."""
    drawn = draw(tmp_path, run())
    assert drawn.returncode == 0, drawn.stderr
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "made").iterdir()}
    assert set(made) == {"end.svg", "parts.svg"}
    assert set(drawn.stdout.split()) == {str(tmp_path / "made" / name) for name in made}
    words = {name: " ".join(ET.fromstring(text).itertext()) for name, text in made.items()}  # noqa: S314 - our own
    for name in ("pdwrap", "no wrapper", "setpriv", "LocalAI's poll (2 s)", "2.50 ms", "1,958 ms", "stays 3/3"):
        assert name in words["end.svg"]
    for step in ("the interpreter: 7.8 ms", "its module site: 2.5 ms", "pdwrap's modules: 2.5 ms", "the end: 5.2 ms"):
        assert step in words["parts.svg"]
    for text in words.values():
        assert "Linux 6.1.0, 2 cores, load 0.3, Python 3.11.2" in text
    assert draw(tmp_path, run()).returncode == 0
    assert made == {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "made").iterdir()}


@pytest.mark.parametrize("told", [[], {}, run(rows=[]), run(machine={}), 1])
def test_what_is_no_run(tmp_path: Path, told: object) -> None:
    """One line says so."""
    drawn = draw(tmp_path, told)
    assert drawn.returncode == 1
    assert drawn.stderr.startswith("bench: ")
    assert drawn.stderr.count("\n") == 1
    assert not (tmp_path / "made").exists()
