"""Which attack."""

from __future__ import annotations

import sys

from . import build, chaos, compare, load, points


def main(words: list[str]) -> int:
    """Run the one that the first word names."""
    attacks = {"chaos": chaos.main, "points": points.main, "compare": compare.main, "load": load.main}
    try:
        return attacks[words[0]](words[1:])
    except build.NotReady as error:
        print(f"{words[0]}: {error}", file=sys.stderr)
        return 1
