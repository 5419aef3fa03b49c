"""Goes through the backends of a folder, with a line for each: one that is strange keeps no other from its turn."""

import time
from typing import NamedTuple, Protocol

from pdwrap.localai import owner, upgrades, wrap
from pdwrap.localai.backends import Place, Target, opened
from pdwrap.localai.disk import LOCK_PATIENCE
from pdwrap.localai.errors import Locked, Trouble, from_error, shown
from pdwrap.localai.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.localai.upgrades import Known

WRAP, CHECK, UNWRAP = "wrap", "check", "unwrap"


class Say(Protocol):
    """Writes a line for a person."""

    def __call__(self, line: str, *, error: bool = False) -> None:
        """Write it; as a complaint, if it is one."""


class Task(NamedTuple):
    """What is to be done with each backend.

    Attributes:
        verb: WRAP, CHECK or UNWRAP.
        pdwrap: the command line that starts pdwrap.
        given: options that were given now; None: each keeps those of before.
        shared: also where others than the owner and root can write.
        say: writes a line.

    """

    verb: str
    pdwrap: list[str]
    given: Options | None
    shared: bool
    say: Say


def path(name: str, task: Task) -> bool:
    """Deal with all that a path means; tell whether each is as wanted."""
    try:
        with opened(name, shared=task.shared) as place:
            if place.targets:
                return all_of(place, name, task)
        task.say(f"{shown(name)}: no run.sh in it, nor in a folder in it", error=True)
    except (Trouble, OSError) as error:
        task.say(f"{shown(name)}: {_why(error)}", error=True)
    return False


def all_of(place: Place, name: str, task: Task) -> bool:
    """Deal with each backend of a folder; those that somebody else has locked come last.

    Args:
        place: the folder.
        name: what a person calls it.
        task: what is to be done.

    """
    fine = True
    try:
        known = _known(place)
    except Trouble as trouble:
        task.say(f"{shown(name)}: {trouble}", error=True)
        known, fine = {}, False
    for target in place.targets:
        try:
            fine &= one(place, target, task, known, patience=0)
        except Locked:
            place.locked.append(target)
    end = time.monotonic() + LOCK_PATIENCE
    for target in list(place.locked):
        try:
            fine &= one(place, target, task, known, patience=max(0.0, end - time.monotonic()))
            place.locked.remove(target)
        except Locked as trouble:
            task.say(f"{shown(target.label)}: {trouble}", error=True)
            fine = False
    if not place.folder.lockable:
        task.say(f"{shown(name)}: somebody else has locked it: gone on without", error=True)
    return fine


def one(place: Place, target: Target, task: Task, known: "Known", *, patience: float) -> bool:
    """Deal with one backend, and say it.

    Raises:
        Locked: somebody else has locked its folder.

    """
    try:
        fine, said = _do(place, target, task, known, patience)
    except Locked:
        raise
    except (Trouble, OSError) as error:
        task.say(f"{shown(target.label)}: {_why(error)}", error=True)
        return False
    task.say(f"{shown(target.label)}: {said}")
    return fine


def _do(place: Place, target: Target, task: Task, known: "Known", patience: float) -> tuple[bool, str]:
    if target.problem:
        raise Trouble(target.problem)
    is_known = target.key in known
    wish = wrap.Wish(
        place.path_of(target), target.name, task.pdwrap, task.given, known.get(target.key), is_known=is_known
    )
    with place.entered(target, shared=task.shared) as folder:
        if task.verb == CHECK:
            return wrap.check(folder, target.file, wish)
        folder.lock(patience)
        if task.verb == UNWRAP:
            said, options = wrap.unwrap(folder, target.file, known=is_known), None
        else:
            said, options = wrap.wrap(folder, target.file, wish)
    if target.key:
        upgrades.note(place.folder, target.key, options)
    return True, said


def _known(place: Place) -> "Known":
    with owner.acting_for(place.folder.status):
        return upgrades.read(place.folder)


def _why(error: Trouble | OSError) -> Trouble:
    return from_error(error) if isinstance(error, OSError) else error
