"""Faults that are known and not mended yet, so that a check that finds nothing else passes.

Each of them that is mended leaves here.

A row: the mode, a pattern of what befell (the plan, or the point), one of what is wrong, and the fault. With `--strict`
there are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

STOPPED = r"left: \d+ T pdwrap .*"

ROWS = (
    ("fork", r"SIGTERM to", r"node 0 got SIGTERM 2 times", "SIGTERM and the launcher's death at once: asked twice"),
    ("fork", r"SIGSTOP to (every-)?supervisor", r"left.*", "several of pdwrap's stopped, or the outer at its end"),
    ("fork", r",L\.2,\d+,stop", STOPPED, "the outer stopped when the inner has ended"),
    ("fork", r",L\.2(\.1)?,\d+,(kill|\d+/\d+)", r"'done' twice", "an inner killed after its last line"),
    ("exec", r",L\.2\.1\.1,\d+,kill", r"node 2 got SIGTERM 2 times", "a first sidecar lost while it ends: asked twice"),
    ("exec", r",L\.2\.1\.1\.1,\d+,stop", STOPPED, "a mate stopped while its first ends the tree"),
    ("exec", r",L\.2\.1\.1,\d+,stop", r"'done' twice", "a first sidecar stopped while it ends: said twice"),
    ("exec", r",L\.2\.1(\.1)?,\d+,(kill|stop)", r"left.*", "a first sidecar lost before it has a mate"),
    ("exec", r"SIGSTOP to supervisor", STOPPED, "a mate stopped while its first ends the tree"),
    ("exec", r"SIG(KILL|STOP) to supervisor", r"left.*", "a first sidecar lost before it has a mate"),
    ("exec", r"nofile \d+", r"left.*", "a sidecar that has too few descriptors"),
    ("exec", r"stderr unread.*-v", r"lost: .*", "-v with a stderr that nobody reads: nothing is started"),
)


def known(mode: str, befell: str, wrong: Sequence[str]) -> str:
    """Say which of them it is, or nothing."""
    for of_mode, cause, effect, fault in ROWS:
        if of_mode == mode and re.search(cause, befell) and all(re.fullmatch(effect, each) for each in wrong):
            return fault
    return ""
