"""Which backends a path means, by LocalAI's own rules (core/gallery/backends.go, core/cli/run.go there).

A backend is a folder, not a link to one, with a `run.sh`; one with a `metadata.json` alone stands for another. Folders
that LocalAI is just installing, or keeps as a backup until it has, are not touched: it renames them.
"""

import json
import os
from typing import NamedTuple

from pdwrap.localai.errors import Trouble
from pdwrap.localai.script import SUFFIX

RUN = "run.sh"
METADATA = "metadata.json"
_IN_TRANSIT = (".install-tmp", ".install-backup")


class Target(NamedTuple):
    """A file that LocalAI starts.

    Attributes:
        folder: where it is, absolute.
        name: its name there.
        label: what a person calls it.
        backends: the folder of all backends; None for an external one, which no gallery upgrades.

    """

    folder: str
    name: str
    label: str
    backends: str | None


def find(path: str) -> list[Target]:
    """List the backends that `path` means.

    Args:
        path: a backends folder, a backend's folder, a file, or `NAME:/path/file` as in --external-grpc-backends.

    Raises:
        Trouble: there is none.

    """
    if not os.path.lexists(path) and ":" in path:
        uri = path.partition(":")[2]
        if not os.path.lexists(uri):
            raise Trouble("neither a path nor NAME:/path/file: LocalAI starts no address, so nothing can be wrapped")
        if os.path.isdir(uri):
            raise Trouble("an external backend is a file, and this is a folder")
        return [_file(uri, path)]
    if not os.path.lexists(path):
        raise Trouble("no such file or folder")
    if not os.path.isdir(path):
        return [_file(path, path)]
    if _has(path, RUN) or _has(path, RUN + SUFFIX) or _has(path, METADATA):
        return [_backend(path)]
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise Trouble(error.strerror or str(error)) from None
    found = [_backend(os.path.join(path, name)) for name in names if _is_backend(path, name)]
    if not found:
        raise Trouble(f"no {RUN} in it, nor in a folder in it")
    return found


def _has(folder: str, name: str) -> bool:
    return os.path.lexists(os.path.join(folder, name))


def _file(path: str, label: str) -> Target:
    if path.endswith(SUFFIX):
        raise Trouble("this is an original that was kept: name the wrapper, or its folder")
    folder, name = os.path.split(os.path.abspath(path))
    return Target(folder, name, label, os.path.dirname(folder) if name == RUN else None)


def _backend(path: str) -> Target:
    folder = os.path.abspath(path)
    return Target(folder, RUN, path, os.path.dirname(folder))


def _is_backend(folder: str, name: str) -> bool:
    if name.endswith(_IN_TRANSIT):
        return False
    place = os.path.join(folder, name)
    if _has(place, RUN) or _has(place, RUN + SUFFIX):
        return True
    return _has(place, METADATA) and not _stands_for_another(place)


def _stands_for_another(folder: str) -> bool:
    try:
        with open(os.path.join(folder, METADATA), encoding="utf-8") as file:
            return bool(json.load(file).get("meta_backend_for"))
    except (OSError, ValueError, AttributeError):
        return False
