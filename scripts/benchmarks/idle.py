"""How often the wrappers of a backend run while nothing happens."""

from __future__ import annotations

import contextlib
import os
import time

from .candidates import Candidate
from .prepare import Tools
from .processes import below, launched, sweep, switches, wrappers
from .results import Column, Row, Section

SETTLE = 0.5


def measure(tools: Tools, present: list[Candidate], samples: int, seconds: float) -> Section:
    """Start `samples` of each, all at once, and count the context switches of their wrappers in the same seconds."""
    field = [candidate for candidate in present if candidate.prefix]
    theirs: dict[str, list[set[int]]] = {candidate.name: [] for candidate in field}
    with contextlib.ExitStack() as running:
        running.callback(sweep)
        for _ in range(samples):
            for candidate in field:
                older = below(os.getpid())
                launcher, backends = running.enter_context(launched(candidate.launch(tools, ["idle"])))
                time.sleep(0.02)  # a throw-away helper of the start is not among them
                theirs[candidate.name].append(wrappers(launcher, backends, older))
        time.sleep(SETTLE)
        before = {name: [switches(pids) for pids in sets] for name, sets in theirs.items()}
        time.sleep(seconds)
        after = {name: [switches(pids) for pids in sets] for name, sets in theirs.items()}
    rows = []
    for name, sets in theirs.items():
        counts = [float(late - early) for early, late in zip(before[name], after[name], strict=True)]
        rows.append(Row(name, {"switches": counts, "most": [max(counts)]}, "" if any(sets) else "no process"))
    return Section(
        "idle",
        f"Idle: context switches of the wrappers of one backend in {seconds:g} s",
        [Column("switches", "switches", ""), Column("most", "most", "")],
        rows,
    )
