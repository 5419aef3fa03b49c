"""The state of one backend; wraps it, and restores it.

| state    | run.sh                         | the original beside it          |
|----------|--------------------------------|---------------------------------|
| wrapped  | a wrapper                      | there                           |
| plain    | the backend's own              | none, or the same file (broken off before the second step) |
| replaced | the backend's own              | an older one                    |
| linked   | a link to another's wrapper    | none                            |
| lost     | none                           | there                           |

Wrapping is two renames: the original gets its second name, then the wrapper takes the first. Restoring is one.
"""

import os
import stat

from pdwrap.localai import script, upgrades
from pdwrap.localai.backends import Target
from pdwrap.localai.disk import Folder, opened
from pdwrap.localai.errors import Trouble, shown
from pdwrap.localai.script import SUFFIX

WRAPPED, PLAIN, REPLACED, LINKED, LOST = "wrapped", "not wrapped", "replaced", "linked", "lost"


def state(folder: Folder, target: Target) -> str:
    """Tell the state of a backend.

    Raises:
        Trouble: it is none, or not one that could be wrapped.

    """
    name, original = target.name, target.name + SUFFIX
    here, there = folder.look(name), folder.look(original)
    if here is None:
        if there is None:
            raise Trouble(f"no {shown(name)} in it: LocalAI cannot start it either")
        return LOST
    file = folder.look(name, follow=True)
    if file is None or not stat.S_ISREG(file.st_mode):
        raise Trouble(f"{shown(name)} is {'a broken link' if file is None else 'no regular file'}")
    if script.is_wrapper(folder.read(name)):
        if stat.S_ISLNK(here.st_mode):
            return LINKED
        if there is None:
            raise Trouble(f"wrapped, but {shown(original)} is gone: install the backend anew")
        return WRAPPED
    if there is None:
        return REPLACED if upgrades.knows(target) else PLAIN
    if not (stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode)):
        raise Trouble(f"{shown(original)} is in the way, and not ours: remove it")
    return PLAIN if _same(folder, name, original) else REPLACED


def check(target: Target) -> tuple[bool, str]:
    """Tell whether the backend runs under pdwrap, and say it."""
    with opened(target.folder) as folder:
        found = state(folder, target)
        if found == WRAPPED:
            command, options = script.command(folder.read(target.name))
            gone = [path for path in command if path.startswith("/") and not os.path.exists(path)]
            if gone or not command:
                return False, f"wrapped, but pdwrap is gone: {shown(' '.join(gone))}: wrap it again"
            if folder.look(target.name + SUFFIX, follow=True) is None:
                return False, f"wrapped, but {shown(target.name + SUFFIX)} is a broken link"
            return True, f"wrapped ({shown(options)})"
        if found == LINKED:
            return True, "wrapped, by way of its link"
        if found == LOST:
            return False, f"{shown(target.name)} is gone, its original is there: --unwrap puts it back"
        _refuse_unfit(folder, target)
        return False, "replaced by an upgrade since it was wrapped" if found == REPLACED else PLAIN


def wrap(target: Target, pdwrap: list[str], options: list[str], *, parent: bool) -> str:
    """Put pdwrap in front of the backend, and say what was done."""
    name, original = target.name, target.name + SUFFIX
    text = script.make(target.folder, original, pdwrap, options, parent=parent)
    with opened(target.folder) as folder:
        found = state(folder, target)
        said = {WRAPPED: "wrapped anew", PLAIN: "wrapped", REPLACED: "wrapped again, after an upgrade"}.get(found, "")
        if found == LINKED:
            return "wrapped already, by way of its link"
        if found == LOST:
            raise Trouble(f"{shown(name)} is gone, its original is there: --unwrap puts it back")
        if found == WRAPPED and folder.read(name) == text:
            said = "wrapped already"
        elif found == WRAPPED:
            _write(folder, target, text)
        else:
            _refuse_unfit(folder, target)
            try:
                if not _same(folder, name, original):
                    folder.keep(name, original)
                _write(folder, target, text)
            except OSError:
                if _same(folder, name, original):  # not so if the wrapper is there, and only could not be flushed
                    folder.remove(original)
                raise
        folder.clear(name, original)
    upgrades.note(target, wrapped=True)
    return said


def unwrap(target: Target) -> str:
    """Put the original back, and say what was done."""
    name, original = target.name, target.name + SUFFIX
    with opened(target.folder) as folder:
        found = state(folder, target)
        if found in (WRAPPED, LOST):
            folder.rename(original, name)
            said = "restored"
        elif found == REPLACED and folder.look(original):
            folder.remove(original)
            said = "not wrapped: replaced by an upgrade; the older original was removed"
        else:
            if folder.look(original):
                folder.remove(original)
            said = PLAIN
        folder.clear(name, original)
    upgrades.note(target, wrapped=False)
    return said


def _write(folder: Folder, target: Target, text: bytes) -> None:
    like = folder.look(target.name + SUFFIX, follow=True)
    if like is None:
        raise Trouble(f"{shown(target.name + SUFFIX)} is a broken link")
    folder.write(target.name, text, like)


def _refuse_unfit(folder: Folder, target: Target) -> None:
    """Refuse what LocalAI would not start as it is, or what somebody has put pdwrap in front of already."""
    file = folder.look(target.name, follow=True)
    if file is None or not stat.S_IMODE(file.st_mode) & 0o111:
        # LocalAI makes such a file executable; under a wrapper it would not see it.
        raise Trouble(f"{shown(target.name)} is not executable: chmod +x it first")
    content = folder.read(target.name)
    if content.startswith(b"#!") and b"pdwrap" in content:
        raise Trouble(f"{shown(target.name)} names pdwrap itself, but was not made by this: undo that by hand first")


def _same(folder: Folder, name: str, other: str) -> bool:
    """Tell whether both names are one file, or one is a copy of the other where links were not to be had."""
    one, two = folder.look(name), folder.look(other)
    if one is None or two is None:
        return False
    if os.path.samestat(one, two):
        return True
    if (one.st_mode, one.st_size, one.st_mtime_ns) != (two.st_mode, two.st_size, two.st_mtime_ns):
        return False
    if stat.S_ISLNK(one.st_mode):
        return folder.target(name) == folder.target(other)
    return stat.S_ISREG(one.st_mode) and folder.read(name, whole=True) == folder.read(other, whole=True)
