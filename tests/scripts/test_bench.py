"""scripts/bench: it runs, tells every figure, and leaves nothing behind. What the figures are is no test's business."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT, children, clean_environment, wait_until

BENCH = ROOT / "scripts" / "bench"
PEERS = {"setpriv", "tini", "dumb-init", "bwrap"}
ONE_FILES = {"one file", "one file --exec"}  # where scripts/build-standalone could build it
EVERYWHERE = {"pdwrap", "pdwrap --exec", "bare exec", "2 s poll"}
METRICS = {
    "memory": {"pss", "private", "count", "backend"},
    "start": {"start"},
    "parts": {"start"},
    "end": {"gone", "port"},
    "idle": {"switches", "most"},
    "crowd6": {"ready", "pss", "gone"},
    "crowd12": {"ready", "pss", "gone"},
    "tree": {"gone"},
    "doctor": {"doctor"},
}
OWN = {
    "memory": {"bare python -I"},
    "parts": {"python -I -S", "python -I", "python -I, our modules", "pdwrap", "bare exec"},
    "start": {"python -I: fork, exec, wait", "python -I: exec", "pdwrap, leading a group", "pdwrap --grace 3s"},
    "tree": {"pdwrap", "pdwrap --grace 0", "pdwrap --exec"},
    "doctor": {"pdwrap --doctor"},
}
TARGETS = ["memory"] * 2 + ["start"] * 3 + ["end"] * 2 + ["idle"] * 2 + ["tree"] * 2 + ["doctor"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def bench(*arguments: str, path: str | None = None) -> dict[str, Any]:
    """Run it in its quick way; the JSON object that it prints."""
    environment = clean_environment({"PATH": path} if path else None)
    done = subprocess.run(
        [BENCH, "--quick", "--json", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def rows(told: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Which figures there are: measure, candidate, metric."""
    return {(row["measure"], row["candidate"], row["metric"]) for row in told["rows"]}


def expected(measure: str, candidates: set[str]) -> set[tuple[str, str, str]]:
    """Which figures there must be of one measure."""
    there = OWN[measure] if measure in {"tree", "parts", "doctor"} else candidates | OWN.get(measure, set())
    if measure in {"memory", "idle"}:
        there = there - {"bare exec"}  # without a prefix there is nothing to measure
    return {(measure, candidate, metric) for candidate in there for metric in METRICS[measure]}


def test_every_figure_of_every_candidate_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All measures of all that is installed here; the rest is named; targets have a verdict; no file stays.

    And who does not end the backend is told so.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    told = bench()
    left_out = set(told["left_out"])
    assert left_out <= PEERS | ONE_FILES
    there = (PEERS | ONE_FILES | EVERYWHERE) - left_out
    wanted = set().union(*(expected(measure, there) for measure in METRICS))
    with_cgroups = {("tree", "cgroup.kill", "gone")}
    if any("cgroup.kill left out" in note for note in told["notes"]):
        with_cgroups = set()
    assert rows(told) == wanted | with_cgroups
    for row in told["rows"]:
        assert row["samples"] or row["note"], row
    assert [target["what"].split()[0].rstrip(":") for target in told["targets"]] == TARGETS
    for target in told["targets"]:
        may_lack = target["what"].startswith("tree") and not with_cgroups
        may_lack |= target["what"].startswith("end") and "setpriv" in left_out
        assert target["value"] is not None or may_lack, target
    notes = {row["candidate"]: row["note"] for row in told["rows"] if row["measure"] == "end"}
    assert notes["bare exec"] == "stays 3/3"
    assert notes["pdwrap"] == ""
    assert not os.listdir(tmp_path)


def test_without_peers_and_compiler(tmp_path: Path) -> None:
    """What is not installed is left out by name, and Python plays the launcher and the backends."""
    for name in ("sh", "sleep", "true", "grep", "wc", "mkfifo", "rm"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    told = bench("--only", "memory", "--only", "end", "--only", "tree", path=str(tmp_path))
    left_out = {name: why for name, why in told["left_out"].items() if name not in ONE_FILES}
    assert left_out == dict.fromkeys(PEERS, "not installed")
    assert told["machine"]["roles"] == "Python (no gcc)"
    assert rows(told) >= expected("end", EVERYWHERE) | expected("memory", EVERYWHERE) | expected("tree", EVERYWHERE)


def test_the_tables_fit_a_terminal_of_100_columns() -> None:
    """No line is longer, none is cut."""
    done = subprocess.run([BENCH, "--quick", "--only", "start", "--only", "memory"], capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert "Targets" in done.stdout.decode()
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("measure", ["memory", "end", "idle"])
def test_interrupted_it_leaves_nothing(measure: str, tmp_path: Path) -> None:
    """SIGTERM in the middle of a measure: all is ended (what is left would fall to this process), no file stays."""
    environment = clean_environment({"TMPDIR": str(tmp_path)})
    command = [str(BENCH), "--only", measure, "--samples", "1000"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line == f"bench: {measure} ...\n".encode():
                break
        wait_until(lambda: children(running.pid), lambda: "it starts nothing")
        running.send_signal(signal.SIGTERM)
        said = running.stderr.read().decode()
        assert running.wait() == 128 + signal.SIGTERM, said
    assert not os.listdir(tmp_path)
