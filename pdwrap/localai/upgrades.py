"""Remembers which backends were wrapped: an upgrade by LocalAI replaces the whole folder, and any trace in it.

A hidden file in the folder of all backends, where LocalAI looks at folders alone. It only chooses words: without it
(a folder that may not be written) a backend that was replaced is called "not wrapped", which is as true.
"""

import json
import os

from pdwrap.localai.backends import Target
from pdwrap.localai.disk import Folder, opened

FILE = ".pdwrap-wrapped"


def knows(target: Target) -> bool:
    """Tell whether the backend was wrapped once, and not restored."""
    if target.backends is None:
        return False
    try:
        with opened(target.backends) as folder:
            return os.path.basename(target.folder) in _names(folder)
    except OSError:
        return False


def note(target: Target, *, wrapped: bool) -> None:
    """Remember that the backend is wrapped, or is not."""
    if target.backends is None:
        return
    name = os.path.basename(target.folder)
    try:
        with opened(target.backends) as folder:
            before = _names(folder)
            after = {known for known in before if folder.look(known)} - {name} | ({name} if wrapped else set())
            if after and after != before:
                folder.write(FILE, (json.dumps(sorted(after), indent=1) + "\n").encode("ascii"))
            elif not after and folder.look(FILE):
                folder.clear(FILE)
                folder.remove(FILE)
    except OSError:
        pass


def _names(folder: Folder) -> set[str]:
    try:
        return set(json.loads(folder.read(FILE)))
    except (OSError, ValueError, TypeError):
        return set()
