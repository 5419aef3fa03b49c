"""Faults that are known and not mended yet, so that a check that finds nothing else passes.

Each of them that is mended leaves here.

A row: the mode, a pattern of what befell (the plan, or the point), one of what is wrong, and the fault. With `--strict`
there are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ROWS: tuple[tuple[str, str, str, str], ...] = ()


def known(mode: str, befell: str, wrong: Sequence[str]) -> str:
    """Say which of them it is, or nothing."""
    for of_mode, cause, effect, fault in ROWS:
        if of_mode == mode and re.search(cause, befell) and all(re.fullmatch(effect, each) for each in wrong):
            return fault
    return ""
