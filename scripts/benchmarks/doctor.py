"""How long `pdwrap --doctor` takes, all of it: the probes, the chain, and a live proof in both modes."""

from __future__ import annotations

import subprocess
import time

from .prepare import Tools
from .processes import GaveUp, environment
from .results import Column, Row, Section

DOCTOR = "pdwrap --doctor"


def measure(tools: Tools, samples: int) -> Section:
    """Take samples one after the other; each that does not find all well is none.

    Raises:
        GaveUp: a promise does not hold on this machine.

    """
    taken = []
    for _ in range(samples + 1):  # the first fills the caches
        before = time.monotonic()
        done = subprocess.run(
            [tools.pdwrap, "--doctor"], capture_output=True, text=True, env=environment(), check=False
        )
        taken.append((time.monotonic() - before) * 1e3)
        if done.returncode:
            raise GaveUp(f"pdwrap --doctor: {(done.stdout.splitlines() or [done.stderr])[-1]}")
    return Section(
        "doctor",
        "The doctor: from its start to its end",
        [Column("doctor", "all of it", "ms")],
        [Row(DOCTOR, {"doctor": taken[1:]})],
    )
