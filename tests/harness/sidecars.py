"""Exec mode: who watches over a backend.

A sidecar is no child of the backend's, and nothing names its pid. It holds a pidfd of the backend, and the kernel shows
of whom (proc(5), fdinfo): so no other is taken for one. As an orphan it fell to the test process.
"""

from __future__ import annotations

import os

from .patience import wait_until
from .processes import children, parent_of


def watchers(backend: int) -> list[int]:
    """Give the living processes below us that hold a pidfd of *backend*, mothers before children, at this moment."""
    waiting, found = children(), []
    while waiting:
        pid = waiting.pop(0)
        if _holds(pid, backend):
            found.append(pid)
        waiting += children(pid)
    return found


def _holds(pid: int, backend: int) -> bool:
    try:
        for entry in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{entry}", encoding="ascii", errors="replace") as info:
                if f"Pid:\t{backend}\n" in info.read():
                    return True
    except OSError:
        pass  # gone, or it closed that one
    return False


def wait_for_sidecars(backend: int) -> list[int]:
    """Look until two watch over *backend*, and give the first and the second, which is its child."""
    found: list[int] = []

    def there_are_two() -> bool:
        found[:] = watchers(backend)
        try:
            return len(found) == 2 and parent_of(found[1]) == found[0]
        except (FileNotFoundError, ProcessLookupError):
            return False

    wait_until(there_are_two, lambda: f"not two sidecars of {backend}: {found}")
    return found
