"""Many backends under one launcher."""

from __future__ import annotations

import os
import signal
import time

from .candidates import BARE, Candidate
from .prepare import Tools
from .processes import PATIENCE, Deaths, launched, memory, wrappers
from .results import Column, Row, Section, interleave, milliseconds

SETTLE = 0.3


def once(tools: Tools, candidate: Candidate, count: int, into: dict[str, list[float]]) -> None:
    """Start `count` at once; SIGKILL the launcher; wait for every process, wrappers included."""
    before = time.perf_counter()
    with launched(candidate.launch(tools, ["idle"], count), count) as (launcher, backends):
        into["ready"].append(time.perf_counter() - before)
        time.sleep(SETTLE)
        own = wrappers(launcher, backends)
        into["pss"].append(memory(own)[0] / 1024)
        if not candidate.ends:
            return
        deaths = Deaths(own | {backend.pid for backend in backends})
        try:
            before = time.perf_counter()
            os.kill(launcher, signal.SIGKILL)
            if deaths.wait(PATIENCE):
                into["gone"].append(time.perf_counter() - before)
        finally:
            deaths.close()


def measure(tools: Tools, present: list[Candidate], samples: int, count: int) -> Section:
    """Take turns."""
    taken: dict[str, dict[str, list[float]]] = {one.name: {"ready": [], "pss": [], "gone": []} for one in present}
    interleave(
        present,
        samples,
        lambda one: once(tools, one, count, taken[one.name]),
        lambda one, turn: turn == 0 or not one.slow,
    )
    rows = [
        Row(
            name,
            {"ready": milliseconds(got["ready"]), "pss": got["pss"], "gone": milliseconds(got["gone"]) or None},
            "" if got["gone"] else "stay",
        )
        for name, got in taken.items()
    ]
    return Section(
        f"crowd{count}",
        f"{count} backends under one launcher",
        [Column("ready", "all started", "ms"), Column("pss", "proportional", "MiB"), Column("gone", "all gone", "ms")],
        rows,
        BARE,
    )
