"""Run pdwrap with an error of its own: ``python -I sabotage.py PLACE STATE WHEN ERROR [pdwrap's own arguments]``.

PLACE (``fork_mode.inner_loop.Inner._take_time``, ``fork_mode.placement.move``) raises ERROR instead of doing its work:
in lifecycle state STATE alone (``-``: in any), and not before the file WHEN exists (``-``: from the start).
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

ERRORS: dict[str, Callable[[], BaseException]] = {
    "memory": MemoryError,
    "descriptors": lambda: OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    "processes": lambda: BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
    "denied": lambda: PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "pipe": lambda: BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)),
    "bug": lambda: KeyError("no such\nkey"),
    "interrupt": KeyboardInterrupt,
}


def sabotage(place: str, state: str, when: str, error: str) -> None:
    """Replace one function."""
    *path, name = place.split(".")
    owner: Any = importlib.import_module("pdwrap")
    for each in path:
        if not hasattr(owner, each):
            importlib.import_module(f"{owner.__name__}.{each}")
        owner = getattr(owner, each)
    whole = getattr(owner, name)

    def broken(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for any function
        there = state == "-" or arguments[0].life.state == state
        if there and (when == "-" or os.path.exists(when)):
            failure = ERRORS[error]()
            raise failure
        return whole(*arguments, **named)

    setattr(owner, name, broken)


if __name__ == "__main__":
    sabotage(*sys.argv[1:5])
    from pdwrap.entry import main

    main(sys.argv[5:])
