"""What was bad once is struck again, at once and by the same worker, until it is bad again: a fault of ours comes back.

What does not come back in so many tries is not hidden: it is printed, as what it is, with the line that repeats it. It
fails a run that is `--strict`, and any run that has more than a few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

TRIES = 10
MOST_ONCE = 2
"""So many of them may be the machine's in one run."""


class Again(NamedTuple):
    """What became of it."""

    tries: int
    came_back: bool

    def __str__(self) -> str:
        """As a failure says it."""
        return f"bad again at try {self.tries}" if self.came_back else f"bad once, not again in {self.tries} tries"


def again(is_bad: Callable[[], bool], tries: int = TRIES) -> Again:
    """Strike until it is bad, so many times at most."""
    for number in range(1, tries + 1):
        if is_bad():
            return Again(number, came_back=True)
    return Again(tries, came_back=False)


def fails(once: int, *, strict: bool) -> bool:
    """Tell whether so many that did not come back fail a run."""
    return once > (0 if strict else MOST_ONCE)
