"""Where the time of a start goes: what comes before `pdwrap -- true` has done all that it does, step by step."""

from __future__ import annotations

from .candidates import BARE, PDWRAP, Candidate
from .prepare import Tools
from .results import Column, Row, Section, interleave, milliseconds
from .start import once

INTERPRETER, SITE, MODULES = "python -I -S", "python -I", "python -I, our modules"
STEPS = (INTERPRETER, SITE, MODULES, PDWRAP)
PROGRAM = "import pdwrap.straight, pdwrap.fork_mode"


def measure(tools: Tools, samples: int) -> Section:
    """Take turns; the first round, which fills the caches, does not count."""
    field = [
        Candidate(INTERPRETER, (tools.python, "-I", "-S", "-c", "pass")),
        Candidate(SITE, (tools.python, "-I", "-c", "pass")),
        Candidate(MODULES, (tools.python, "-I", "-c", PROGRAM)),
        Candidate(PDWRAP, (tools.pdwrap, "--")),
        Candidate(BARE, ()),
    ]
    taken: dict[str, list[float]] = {candidate.name: [] for candidate in field}
    interleave(field, samples + 1, lambda one: taken[one.name].append(once(one, 0)), lambda one, turn: True)
    return Section(
        "parts",
        "Where a start goes: each line has what is in the one above it",
        [Column("start", "start to end", "ms")],
        [Row(name, {"start": milliseconds(values[1:])}) for name, values in taken.items()],
        INTERPRETER,
    )
