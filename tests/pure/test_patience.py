"""The harness's own patience: as long as it says on an idle machine, longer on a busy one, and never without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, Patience, clean_environment, is_readable, patience, wait_until


class Clock:
    """In the place of the module `time`."""

    now = 100.0

    def monotonic(self) -> float:
        """Give the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of the test's own, on a machine with two processors."""
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    return clock


def load(monkeypatch: pytest.MonkeyPatch, processes: float) -> None:
    """So many processes want to run."""
    monkeypatch.setattr(os, "getloadavg", lambda: (processes, 0.0, 0.0))


@pytest.mark.parametrize(("processes", "lasts"), [(0.0, 20.0), (2.0, 20.0), (3.0, 30.0), (30.0, 300.0)])
def test_lasts(monkeypatch: pytest.MonkeyPatch, clock: Clock, processes: float, lasts: float) -> None:
    """It is over after its time, and that is longer where each process gets less than a processor."""
    load(monkeypatch, processes)
    waits = Patience(20.0)
    assert waits.left() == lasts
    clock.now += lasts - 1
    assert waits.left() == 1
    clock.now += 2
    assert waits.left() == 0


def test_the_load_rises(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """It is stretched by what the load is now, not by what it was at its beginning."""
    load(monkeypatch, 0.0)
    waits = Patience(20.0)
    clock.now += 20
    load(monkeypatch, 6.0)
    assert waits.left() == 40


def test_wait_until(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """It ends when what it waits for holds, and fails when it never does."""
    load(monkeypatch, 4.0)
    wait_until(lambda: clock.now > 130, lambda: "too early", 20.0, pause=1.0)
    with pytest.raises(AssertionError, match="never"):
        wait_until(lambda: False, lambda: "never", 20.0, pause=1.0)
    assert clock.now > 170


def test_is_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look alone does not wait; data and end-of-file are seen; so is their absence."""
    load(monkeypatch, 0.0)
    reads, writes = os.pipe()
    assert not is_readable(reads, 0)
    assert not is_readable(reads, 0.01)
    os.write(writes, b"!")
    assert is_readable(reads, 0)
    os.read(reads, 1)
    os.close(writes)
    assert is_readable(reads)
    os.close(reads)


def test_the_watchdog(tmp_path: Path) -> None:
    """A test that hangs is ended, also where a busy machine gives it more than its time; another one is not."""
    (tmp_path / "test_it.py").write_text(
        "import os, time\n"
        "def test_slow():\n"
        "    os.getloadavg = lambda: (1000.0 * os.cpu_count(), 0.0, 0.0)\n"
        "    time.sleep(0.4)\n"
        "    os.getloadavg = lambda: (0.0, 0.0, 0.0)\n"
        "def test_hanging():\n"
        "    time.sleep(1000)\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.watchdog", "-p", "no:cacheprovider", "--timeout=0.2"]
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "Timeout (>0.2s by pytest-timeout, stretched by the load)" in done.stdout
