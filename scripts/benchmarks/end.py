"""How long a backend outlives its launcher, and how long its port is taken."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from .candidates import SETPRIV, Candidate
from .prepare import Tools
from .processes import Deaths, GaveUp, launched
from .results import Column, Row, Section, interleave, milliseconds

SETTLE = 0.05
"""Seconds between "ready" and the launcher's end: every supervisor waits by then."""
WITHIN = 5.0
CLAIMED_NOT = 0.25
"""Seconds given to those that do not claim to end the backend."""
FEWER = 4
"""How many times fewer samples of what takes seconds."""


def bindable(port: int, deadline: float) -> float:
    """Bind the port, again and again if need be; the moment when it could be."""
    while True:
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if time.perf_counter() > deadline:
                    raise GaveUp(f"port {port} is taken though the backend is gone") from error
            else:
                return time.perf_counter()
        time.sleep(0.0001)


def once(tools: Tools, candidate: Candidate) -> tuple[float, float] | None:
    """SIGKILL one launcher: seconds until its backend is gone, and until the port is free. None: it stays."""
    with launched(candidate.launch(tools, ["listen"])) as (launcher, (backend,)):
        deaths = Deaths([backend.pid])
        try:
            time.sleep(SETTLE)
            before = time.perf_counter()
            os.kill(launcher, signal.SIGKILL)
            gone = deaths.wait(WITHIN if candidate.ends else CLAIMED_NOT)
            after = time.perf_counter()
            return (after - before, bindable(backend.port, before + WITHIN) - before) if gone else None
        finally:
            deaths.close()


def measure(tools: Tools, present: list[Candidate], samples: int) -> Section:
    """Take turns."""
    taken: dict[str, list[tuple[float, float] | None]] = {candidate.name: [] for candidate in present}

    def wanted(candidate: Candidate, turn: int) -> bool:
        return turn < (-(-samples // FEWER) if candidate.slow else samples if candidate.ends else 3)

    interleave(present, samples, lambda one: taken[one.name].append(once(tools, one)), wanted)
    rows = []
    for name, results in taken.items():
        pairs = [pair for pair in results if pair is not None]
        stayed = len(results) - len(pairs)
        if stayed:
            rows.append(Row(name, {"gone": None, "port": None}, f"stays {stayed}/{len(results)}"))
        else:
            gone, port = ([pair[part] for pair in pairs] for part in (0, 1))
            rows.append(Row(name, {"gone": milliseconds(gone), "port": milliseconds(port)}))
    return Section(
        "end",
        "End: from the launcher's SIGKILL until",
        [Column("gone", "backend gone", "ms"), Column("port", "port free", "ms")],
        rows,
        SETPRIV,
        "difference",
    )
