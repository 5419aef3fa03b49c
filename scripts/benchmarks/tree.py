"""A flat tree of sleepers below one backend: how long until no process of it is left, not even a zombie."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from .prepare import Tools
from .processes import launched, reap_all
from .results import Column, Row, Section, interleave, milliseconds

BASELINE = "cgroup.kill"
GRACE_DEFAULT = "pdwrap"
GRACE_ZERO = "pdwrap --grace 0"
EXEC = "pdwrap --exec"
INTO_GROUP = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def find_root() -> Path | None:
    """Find where cgroup v2 is mounted (proc(5), /proc/mounts)."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        return next((Path(line.split()[1]) for line in mounts if line.split()[2] == "cgroup2"), None)


@contextlib.contextmanager
def group() -> Iterator[Path | None]:
    """Make a cgroup below our own; None where that is not possible."""
    root = find_root()
    with open("/proc/self/cgroup", encoding="utf-8") as lines:
        own = next((line.strip().partition("::")[2] for line in lines if line.startswith("0::")), None)
    if root is None or own is None:
        yield None
        return
    place = root / own.lstrip("/") / f"pdwrap-bench-{os.getpid()}"
    try:
        place.mkdir()
    except OSError:
        yield None
        return
    try:
        yield place if (place / "cgroup.kill").exists() and os.access(place / "cgroup.procs", os.W_OK) else None
    finally:
        place.rmdir()


def once(command: list[str], killer: Path | None) -> float:
    """Start the tree, end it by its launcher's SIGKILL or by `killer`; the seconds until all of it has been reaped."""
    with launched(command) as (launcher, _):
        time.sleep(0.1)
        before = time.perf_counter()
        if killer:
            (killer / "cgroup.kill").write_text("1", encoding="ascii")
        else:
            os.kill(launcher, signal.SIGKILL)
        # Its launcher is our child, and so becomes whatever of it is orphaned: no child left, nothing left.
        reap_all()
        return time.perf_counter() - before


def measure(tools: Tools, samples: int, size: int) -> Section:
    """Take turns."""
    backend = [*tools.roles, "tree", str(size)]
    launch = [*tools.roles, "launch", "1"]
    commands = {
        GRACE_DEFAULT: [*launch, tools.pdwrap, "--", *backend],
        GRACE_ZERO: [*launch, tools.pdwrap, "--grace", "0", "--", *backend],
        EXEC: [*launch, tools.pdwrap, "--exec", "--", *backend],
    }
    notes = []
    with group() as place:
        if place:
            commands = {BASELINE: ["sh", "-c", INTO_GROUP, str(place), *launch, *backend], **commands}
        else:
            notes.append(f"{BASELINE} left out: no cgroup v2 that we may make a group in")
        taken: dict[str, list[float]] = {name: [] for name in commands}
        interleave(
            list(commands),
            samples,
            lambda name: taken[name].append(once(commands[name], place if name == BASELINE else None)),
            lambda name, turn: True,
        )
    return Section(
        "tree",
        f"A flat tree of {size} sleepers, until none is left, zombies included",
        [Column("gone", "all gone", "ms")],
        [Row(name, {"gone": milliseconds(values)}) for name, values in taken.items()],
        BASELINE,
        notes=tuple(notes),
    )
