"""How long a prefix takes to run a command that does nothing: `PREFIX true`, from fork to reaped."""

from __future__ import annotations

import os
import time

from .candidates import EXEC_MODE, ONE_FILE, ONE_FILE_EXEC, PDWRAP, PDWRAP_EXEC, Candidate
from .prepare import Tools
from .processes import GaveUp, start, sweep
from .results import Column, Row, Section, interleave, milliseconds

BASELINE = "python -I: fork, exec, wait"
EXEC_BASELINE = "python -I: exec"
WITH_OPTION = "pdwrap --grace 3s"
OWN_GROUP = "pdwrap, leading a group"
PROGRAM = """
import os
pid = os.fork()
if pid == 0:
    os.execvp("true", ["true"])
os.waitpid(pid, 0)
"""
EXEC_PROGRAM = """
import os
os.execvp("true", ["true"])
"""


def once(candidate: Candidate, group: int) -> float:
    """Run it once; the seconds it took."""
    before = time.perf_counter()
    pid = start(candidate.command("true"), group=group)
    _, status = os.waitpid(pid, 0)
    after = time.perf_counter()
    if status:
        raise GaveUp(f"{candidate.name}: wait status {status} instead of 0")
    return after - before


def measure(tools: Tools, present: list[Candidate], samples: int) -> Section:
    """Take turns; the first round, which fills the caches, does not count.

    A plain launcher starts its children in its own group, as is measured here: an idle role leads one that all
    join. A shell at a terminal, and LocalAI, let each lead a group of its own: that is a row of its own for pdwrap,
    because it needs no throw-away process to lead a group for the backend then.
    """
    field = [
        Candidate(BASELINE, (tools.python, "-I", "-c", PROGRAM)),
        Candidate(EXEC_BASELINE, (*EXEC_MODE, tools.python, "-I", "-c", EXEC_PROGRAM)),
        *present,
        Candidate(OWN_GROUP, (tools.pdwrap, "--")),
        Candidate(WITH_OPTION, (tools.pdwrap, "--grace", "3s", "--")),
    ]
    taken: dict[str, list[float]] = {candidate.name: [] for candidate in field}
    leader = start([*tools.roles, "idle"])
    try:
        interleave(
            field,
            samples + 1,
            lambda one: taken[one.name].append(once(one, 0 if one.name == OWN_GROUP else leader)),
            lambda one, turn: True,
        )
    finally:
        sweep()
    order = [BASELINE, PDWRAP, ONE_FILE, OWN_GROUP, WITH_OPTION, EXEC_BASELINE, PDWRAP_EXEC, ONE_FILE_EXEC]
    names = [name for name in order if name in taken] + [name for name in taken if name not in order]
    return Section(
        "start",
        "Start: `PREFIX true`, from fork to reaped",
        [Column("start", "start to end", "ms")],
        [Row(name, {"start": milliseconds(taken[name][1:])}) for name in names],
        BASELINE,
    )
