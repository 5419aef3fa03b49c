"""A bare sleep loop in a process of its own, that tells a stalled machine from a fault.

It sleeps for a hundredth of a second again and again, and counts. Whoever waits for something waits for so many of
its sleeps: on a machine that stands still, or has no time for us, patience stands still as well.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import time
from typing import NoReturn

NAP = 0.01
_SHAPE = struct.Struct("=qd")


class Beside:
    """Starts the loop; ends it with `close`."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._loop()

    def _loop(self) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        count, worst = 0, 0.0
        try:
            while os.getppid() == self._parent:
                before = time.monotonic()
                time.sleep(NAP)
                count += 1
                worst = max(worst, time.monotonic() - before - NAP)
                _SHAPE.pack_into(self._shared, 0, count, worst)
        finally:
            os._exit(0)

    @property
    def naps(self) -> int:
        """How many times it has slept."""
        return int(_SHAPE.unpack_from(self._shared)[0])

    @property
    def worst(self) -> float:
        """By how many seconds its longest sleep was too long."""
        return float(_SHAPE.unpack_from(self._shared)[1])

    def close(self) -> None:
        """End it. Only where it was started."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class Patience:
    """So many seconds, in sleeps of the loop."""

    def __init__(self, beside: Beside, seconds: float) -> None:
        self._beside = beside
        self._until = beside.naps + int(seconds / NAP)

    @property
    def over(self) -> bool:
        """Whether they are over."""
        return self._beside.naps > self._until
