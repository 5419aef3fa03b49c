"""A piece of a test in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_child(act: Callable[[], bool]) -> bool:
    """Run *act* in a child, whose descriptors it may close; give what it says."""
    child = os.fork()
    if child == 0:
        told = 1
        try:
            told = 0 if act() else 1
        finally:
            os._exit(told)
    return os.waitpid(child, 0)[1] == 0
