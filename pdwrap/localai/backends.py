"""Which backends a path means, by LocalAI's own rules (core/gallery/backends.go, core/cli/run.go there).

A backend is a folder, not a link to one, with a `run.sh`; one with a `metadata.json` alone stands for another. Folders
that LocalAI is just installing or upgrading, or keeps as a backup until it has, are not touched: it renames them.

Two programs beside a run.sh are started by LocalAI's workers themselves (core/cli/worker there), and are wrapped too.
"""

import contextlib
import json
import os
import stat
from typing import NamedTuple

from pdwrap.localai import owner
from pdwrap.localai.disk import Folder
from pdwrap.localai.errors import Trouble, shown
from pdwrap.localai.script import SUFFIX
from pdwrap.localai.way import Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUN = "run.sh"
METADATA = "metadata.json"
RPC_SERVER = "llama-cpp-rpc-server"
COMPANIONS = (RPC_SERVER, "ds4-worker")
#: What LocalAI calls a folder that it makes, or keeps until it has made another.
IN_TRANSIT = (".install-tmp", ".install-backup", ".upgrade-tmp", ".backup")
#: Where LocalAI looks when nothing tells it otherwise, and the variables that do.
VARIABLES = (
    (("LOCALAI_BACKENDS_PATH", "BACKENDS_PATH"), "backends"),
    (("LOCALAI_BACKENDS_SYSTEM_PATH", "BACKEND_SYSTEM_PATH"), "/var/lib/local-ai/backends"),
)


class Target(NamedTuple):
    """A file that LocalAI starts.

    Attributes:
        folder: the backend's folder, by its name in the folder of all; empty where the file is not in one.
        file: the file's name in there.
        label: what a person calls it.
        problem: why it cannot be dealt with, if that is known already.

    """

    folder: str
    file: str
    label: str
    problem: str = ""

    @property
    def name(self) -> str:
        """What pdwrap's lines are to call it."""
        return self.folder if self.folder and self.file == RUN else self.file

    @property
    def key(self) -> str:
        """What the record of upgrades calls it; empty for an external backend, which no gallery upgrades."""
        return "" if not self.folder else self.folder if self.file == RUN else f"{self.folder}/{self.file}"


class Place:
    """A folder of backends, or of one external backend, that is held open.

    Attributes:
        folder: it.
        path: where it is, with no link in it.
        whole: it is a folder of backends, and all of them are meant.
        targets: what is in it.
        locked: those of them that somebody else had locked.

    """

    def __init__(self, folder: Folder, path: str) -> None:
        self.folder = folder
        self.path = path
        self.whole = False
        self.targets: list[Target] = []
        self.locked: list[Target] = []

    def is_folder(self, name: str) -> bool:
        """Tell whether there is a folder of that name, and no link to one."""
        seen = self.folder.look(name)
        return seen is not None and stat.S_ISDIR(seen.st_mode)

    def path_of(self, target: Target) -> str:
        """Give a target's absolute path."""
        return os.path.join(self.path, target.folder, target.file)

    @contextlib.contextmanager
    def entered(self, target: Target, *, shared: bool) -> "Iterator[Folder]":
        """Hold a target's own folder, with the ids of its owner.

        Raises:
            Trouble: others than its owner can write there, and `shared` does not allow it.
            OSError: it cannot be opened.

        """
        with self.folder.enter(target.folder or ".") as folder:
            if not shared:
                who = self.folder.writers(folder.status) | folder.writers()
                _refuse_others(dict.fromkeys(who, "it, or exchange it"), folder.status.st_uid)
            with owner.acting_for(folder.status):
                yield folder


@contextlib.contextmanager
def opened(path: str, *, shared: bool, only: str = "") -> "Iterator[Place]":
    """Hold what a path means, and list the backends there: links to another's file last.

    Args:
        path: a backends folder, a backend's folder, a file, or `NAME:/path/file` as in --external-grpc-backends.
        shared: also where others than the owner and root can write on the way.
        only: of a folder of backends, this one alone.

    Raises:
        Trouble: there is none, or it is left alone.
        OSError: it cannot be opened.

    """
    with Way() as way:
        file = _go(way, path)
        name = way.name
        if file == RUN or (file is None and name and _looks_like_one(way)):
            way.up()
        with Folder(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=way.fd)) as folder:
            if not shared:
                user = folder.status.st_uid
                _refuse_others(way.writers, user)
                _refuse_others(dict.fromkeys(folder.writers(), way.path), user)
            place = Place(folder, way.path)
            if file is not None:
                place.targets = [Target(name if file == RUN else "", file, path)]
            elif way.name != name:
                place.targets = _in_folder(place, name, path)
            else:
                place.whole = True
                for each in [only] if only else folder.folders():
                    if not each.endswith(IN_TRANSIT):
                        place.targets += _in_folder(place, each, os.path.join(path, each))
                place.targets.sort(key=lambda target: _is_linked(place, target))
            yield place


def named_by_localai(environ: "Mapping[str, str]") -> list[str]:
    """List the folders that LocalAI would use: those its variables name, and its defaults where they exist."""
    found = []
    for names, default in VARIABLES:
        named = next((environ[name] for name in names if environ.get(name)), "")
        if named or os.path.isdir(default):
            found.append(named or default)
    return found


def _go(way: Way, path: str) -> str | None:
    """Go to the folder that a path means, and give the name of the file in it if it means one."""
    place = path
    if not os.path.lexists(path):
        place = path.partition(":")[2] or path
        if os.path.exists(place.partition(" ")[0]) and place.partition(" ")[1] and not os.path.lexists(place):
            raise Trouble("LocalAI starts a file, and no command line: write a script that has the rest")
        if not os.path.lexists(place):
            if place == path:
                raise Trouble("no such file or folder")
            raise Trouble("neither a path nor NAME:/path/file: LocalAI starts no address, so nothing can be wrapped")
        if os.path.isdir(place):
            raise Trouble("an external backend is a file, and this is a folder")
    elif os.path.isdir(path):
        way.go(path)
        return None
    before, file = os.path.split(place)
    if file.endswith(SUFFIX):
        raise Trouble("this is an original that was kept: name the wrapper, or its folder")
    if file == "local-ai" or file.startswith("local-ai-"):
        raise Trouble(
            "this is LocalAI itself, which its desktop launcher deletes where it was changed: "
            "leave the file, and put pdwrap before the command: pdwrap --grace 60s -- local-ai run"
        )
    way.go(before or ".")
    return file


def _looks_like_one(way: Way) -> bool:
    with Folder(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=way.fd)) as folder:
        return any(folder.look(name) for name in (RUN, RUN + SUFFIX, METADATA))


def _in_folder(place: Place, name: str, label: str) -> list[Target]:
    """List what LocalAI starts in a folder."""
    try:
        with place.folder.enter(name) as folder, owner.acting_for(folder.status):
            found = [Target(name, RUN, label)] if _has(folder, RUN) else []
            if not found and folder.look(METADATA):
                try:
                    if not _stands_for_another(folder):
                        found = [Target(name, RUN, label)]
                except Trouble as trouble:
                    found = [Target(name, RUN, label, str(trouble))]
            beside = [each for each in COMPANIONS if _has(folder, each)]
            return found + [Target(name, each, os.path.join(label, each)) for each in beside]
    except OSError:
        return []  # LocalAI cannot look into it either, or it is gone


def _has(folder: Folder, name: str) -> bool:
    return folder.look(name) is not None or folder.look(name + SUFFIX) is not None


def _stands_for_another(folder: Folder) -> bool:
    with folder.reading(METADATA) as file:
        try:
            return bool(json.loads(file.whole()).get("meta_backend_for"))
        except (ValueError, AttributeError, RecursionError):
            return False


def _is_linked(place: Place, target: Target) -> bool:
    """Tell whether what LocalAI starts there is, or was, a link: what it leads to is wrapped first."""
    try:
        with place.folder.enter(target.folder) as folder:
            seen = [folder.look(name) for name in (target.file, target.file + SUFFIX)]
    except OSError:
        return False
    return any(each is not None and stat.S_ISLNK(each.st_mode) for each in seen)


def _refuse_others(writers: dict[int, str], user: int) -> None:
    """Refuse what others than a user and root can change."""
    for who, where in writers.items():
        if who not in (user, owner.ROOT):
            people = "others than its owner" if who == owner.ANYBODY else f"user {who}, not its owner,"
            raise Trouble(f"{people} can write in {shown(where)}: left as it is (--shared allows it)")
