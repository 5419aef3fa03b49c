"""The cgroup v1 freezer: what is frozen does not die of SIGKILL before it is thawed, as if stuck in a driver."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .processes import Process
from .started import Started


class Freezer:
    """A group of the freezer."""

    def __init__(self, path: Path) -> None:
        """*path* is the group's folder."""
        self.path = path
        self.frozen: list[Process] = []

    def freeze(self, process: Process) -> None:
        """Freeze one process."""
        self.frozen.append(process)
        (self.path / "cgroup.procs").write_text(str(process.pid))
        (self.path / "freezer.state").write_text("FROZEN")
        while (self.path / "freezer.state").read_text().strip() != "FROZEN":
            os.sched_yield()

    def thaw(self) -> None:
        """Let go of all."""
        (self.path / "freezer.state").write_text("THAWED")


@contextmanager
def mounted_freezer(folder: Path) -> Iterator[Freezer]:
    """A freezer, mounted in *folder* where the system has none mounted; thawed and gone afterwards."""
    top = Path("/sys/fs/cgroup/freezer")
    mounted = False
    if not (top / "cgroup.procs").exists():
        top = folder / "freezer"
        top.mkdir()
        mount = ["mount", "-t", "cgroup", "-o", "freezer", "none", str(top)]
        mounted = subprocess.run(mount, check=False).returncode == 0
        if not mounted:
            pytest.skip("no cgroup v1 freezer here")
    group = Freezer(top / f"pdwrap-test-{os.getpid()}")
    group.path.mkdir()
    yield group
    group.thaw()
    for process in group.frozen:
        process.kill()
        assert process.is_dead()
    while True:  # the group is busy until the last of its processes has been released
        try:
            group.path.rmdir()
        except OSError:
            os.sched_yield()
        else:
            break
    if mounted:
        subprocess.run(["umount", str(top)], check=True)


def named(tree: Started) -> set[int]:
    """The pids that pdwrap says are still there."""
    lines = [
        each
        for each in tree.stderr.splitlines()
        if each.startswith("pdwrap: still there 3s after SIGKILL, pdwrap leaves: ")
    ]
    assert len(lines) == 1, tree.stderr
    return {int(pid) for pid in re.findall(r"\(pid (\d+)\)", lines[0])}
