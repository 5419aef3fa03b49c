"""Run pdwrap, and let something be lost at one place of it, once.

``python -I struck.py WHOM SIGNAL WHEN PLACE ONCE [pdwrap's own arguments]``: ``before`` or ``after`` (WHEN) the
function PLACE (``backend.become``, ``exec_mode.sidecar_pipes.SidecarPipes.ask``) does its work, whichever process
gets there first sends SIGNAL (a number) to WHOM: ``pdwrap`` (the pid that the launcher knows), ``launcher``, ``self``
(who got there) or ``parent`` (of that one), and creates the file ONCE. Whoever gets there while that file exists is
left in peace.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

ME, LAUNCHER = os.getpid(), os.getppid()

WHOM: dict[str, Callable[[], int]] = {
    "pdwrap": lambda: ME,
    "launcher": lambda: LAUNCHER,
    "self": os.getpid,
    "parent": os.getppid,
}


def strike(whom: str, number: int, when: str, place: str, once: str) -> None:
    """Replace one function by itself and a signal."""
    *path, name = place.split(".")
    owner: Any = importlib.import_module("pdwrap")
    for each in path:
        if not hasattr(owner, each):
            importlib.import_module(f"{owner.__name__}.{each}")
        owner = getattr(owner, each)
    whole = getattr(owner, name)

    def send() -> None:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(WHOM[whom](), number)

    def struck(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for any function
        if when == "before":
            send()
        result = whole(*arguments, **named)
        if when == "after":
            send()
        return result

    setattr(owner, name, struck)


if __name__ == "__main__":
    import signal

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as scripts/pdwrap does
    strike(sys.argv[1], int(sys.argv[2]), *sys.argv[3:6])
    from pdwrap.entry import main

    main(sys.argv[6:])
