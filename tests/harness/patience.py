"""How long a test waits before it gives up: longer on a machine that has much else to do.

No test passes or fails because time went by, but for this: what does not happen for `LIMIT` seconds does not happen.
Were that much more, a survivor would end by itself (roles.py, LIFETIME) before a test could see that it was left, or a
grace of 100 s would pass for none. So it is more only where the processes of a test get less of the machine.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

LIMIT = 20.0
"""Seconds to wait for what is sure to happen, on a machine with nothing else to do."""


def stretched(seconds: float) -> float:
    """As many seconds as a process takes now that takes *seconds* alone, by the load of the last minute (proc(5))."""
    return seconds * max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


class Patience:
    """It lasts for so many seconds, stretched anew at each look."""

    def __init__(self, seconds: float = LIMIT) -> None:
        """Begin now."""
        self._seconds = seconds
        self._began = time.monotonic()

    def left(self) -> float:
        """Seconds that are left; 0 when it is over."""
        return max(0.0, self._began + stretched(self._seconds) - time.monotonic())


def is_readable(descriptor: int, patience: Patience | float = LIMIT) -> bool:
    """Wait until poll(2) has something to say of *descriptor*; False when *patience* is over."""
    if not isinstance(patience, Patience):
        patience = Patience(patience)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not poll.poll((left := patience.left()) * 1000):
        if not left:
            return False
    return True


def wait_until(
    holds: Callable[[], object], otherwise: Callable[[], str], seconds: float = LIMIT, *, pause: float = 0.001
) -> None:
    """Look again and again, with a *pause* between, until *holds*; in the end fail, and say what is *otherwise*.

    For what the kernel offers nothing to wait on.
    """
    patience = Patience(seconds)
    while not holds():
        assert patience.left(), otherwise()
        time.sleep(pause)
