"""Wraps one backend, restores it, and tells whether it is wrapped.

Wrapping is two renames: the original gets its second name, then the wrapper takes the first. Restoring is one. If this
process dies in between, what is there runs, and is found as one of the states.
"""

import contextlib
import os
import stat
from typing import NamedTuple

from pdwrap.localai import script
from pdwrap.localai.backends import COMPANIONS, RPC_SERVER, RUN
from pdwrap.localai.disk import Folder
from pdwrap.localai.errors import FlushError, Trouble, shown
from pdwrap.localai.files import SAFE_MODE, File
from pdwrap.localai.options import Options
from pdwrap.localai.script import SUFFIX
from pdwrap.localai.state import LINKED, LOST, PLAIN, REPLACED, WRAPPED, Found, found, same

#: What LocalAI gives a file that nobody may execute, before it starts it (pkg/model/process.go there).
_AS_LOCALAI_DOES = 0o700
_EXECUTE = 0o111
_READ_AND_WRITE = 0o666


class Wish(NamedTuple):
    """What is to stand in a wrapper.

    Attributes:
        path: where it is, absolute.
        name: what pdwrap's lines are to call the backend.
        pdwrap: the command line that starts pdwrap.
        given: the options that were given now; None: those of before.
        recorded: those that the record of upgrades remembers; None where it does not.
        is_known: it was wrapped once, as that record has it.

    """

    path: str
    name: str
    pdwrap: list[str]
    given: Options | None
    recorded: list[str] | None
    is_known: bool

    def text(self, kept: script.Kept) -> bytes:
        """Write the wrapper with what is to be found in it again."""
        options = self.given or Options.read(kept.options)
        return script.make(self.path, [*self.pdwrap, *options.command(self.name)], kept, parent=not options.parent)


def check(folder: Folder, name: str, wish: Wish) -> tuple[bool, str]:
    """Tell whether the backend runs under pdwrap, and say it.

    A wrapper is one only if it is what would be written, byte for byte, and nobody else can write it: its first lines
    can be written by anybody.
    """
    with found(folder, name, known=wish.is_known) as seen:
        if seen.state == WRAPPED and seen.wrapper and seen.file:
            return _check_wrapper(folder, seen, seen.wrapper, wish)
        if seen.state == LINKED:
            return True, "wrapped, by way of its link"
        if seen.state == LOST:
            return False, f"{shown(name)} is gone, its original is there: --unwrap puts it back"
        _refuse_unfit(folder, name, seen)
        return False, "replaced by an upgrade since it was wrapped" if seen.state == REPLACED else PLAIN


def _check_wrapper(folder: Folder, seen: Found, wrapper: os.stat_result, wish: Wish) -> tuple[bool, str]:
    command = script.command(seen.text)
    gone = _closed_to_us(command)
    if gone or not command:
        return False, f"wrapped, but pdwrap is gone, or not for the folder's owner: {shown(gone)}: wrap it again"
    try:
        kept = script.kept(seen.text)
        options = Options.read(kept.options)
        ours = not kept.was_exec and seen.text == wish.text(kept)
    except (ValueError, Trouble):
        ours = False
    if not ours:
        return False, "not ours: not what would be written here and now (by hand, another version): wrap it again"
    if stat.S_IMODE(wrapper.st_mode) & ~SAFE_MODE or wrapper.st_uid not in (0, folder.status.st_uid):
        return False, "not ours: others can write its wrapper: wrap it again"
    if not seen.file or not seen.file.status.st_mode & _EXECUTE:
        return False, "wrapped, but what it stands for is not executable: wrap it again"
    return True, f"wrapped ({shown(options.shown())})" if kept.options else "wrapped"


def wrap(folder: Folder, name: str, wish: Wish) -> tuple[str, list[str] | None]:
    """Put pdwrap in front of the backend.

    Returns:
        What was done, and the options that it has now, for the record.

    """
    with found(folder, name, known=wish.is_known) as seen:
        if seen.state == LINKED:
            return "wrapped already, by way of its link", None
        if seen.state == LOST or seen.file is None:
            raise Trouble(f"{shown(name)} is gone, its original is there: --unwrap puts it back")
        if seen.state == WRAPPED and seen.linked and script.is_wrapper(seen.file.beginning()):
            folder.rename(name + SUFFIX, name)
            return "restored: it is a link to another's run.sh, which is wrapped by now", None
        if seen.state != WRAPPED:
            _refuse_unfit(folder, name, seen)
        before = _before(seen, wish)
        kept = script.Kept(wish.given.words if wish.given else before.options, mode=before.mode)
        said = _put(folder, name, seen, wish, kept)
        if seen.state == REPLACED and wish.is_known and wish.recorded is None and wish.given is None:
            said += " (with which options before, an old record does not tell)"
        if before.was_exec and wish.given is None:
            said += ": in fork mode now (exec mode was this tool's default; `-- --exec` keeps it)"
        return said, kept.options


def _before(seen: Found, wish: Wish) -> script.Kept:
    """Tell what is remembered of the backend, by its wrapper, else by the record."""
    if seen.state == WRAPPED:
        try:
            return script.kept(seen.text)
        except ValueError:
            if wish.given is None:
                raise Trouble("wrapped, but its options cannot be read: give them anew, after --") from None
    return script.Kept(wish.recorded or [])


def _put(folder: Folder, name: str, seen: Found, wish: Wish, kept: script.Kept) -> str:
    """Write the wrapper, and before it the original's second name."""
    assert seen.file  # noqa: S101 - a lost one was refused
    original = name + SUFFIX
    closed = _closed_to_us(wish.pdwrap)
    if closed:
        raise Trouble(f"the folder's owner may not run pdwrap: {shown(closed)}: install it where all can, as in /opt")
    text = wish.text(kept)  # refuses options that pdwrap would not take, before anything is touched
    mode = stat.S_IMODE(seen.file.status.st_mode)
    if not mode & _EXECUTE:
        _make_executable(folder, name, seen)
        kept = kept._replace(mode=mode)
        text = wish.text(kept)
        seen = seen._replace(file=File(seen.file.fd, os.fstat(seen.file.fd)))
    assert seen.file  # noqa: S101
    if seen.state == WRAPPED:
        if seen.text == text and seen.wrapper and not stat.S_IMODE(seen.wrapper.st_mode) & ~SAFE_MODE:
            folder.clear(name, original)
            return "wrapped already"
        folder.write(name, text, seen.file)
        folder.clear(name, original)
        return "wrapped anew"
    try:
        if not same(folder, name, original, seen.file):
            _keep(folder, name, original, seen.file)
        folder.write(name, text, seen.file)
    except FlushError:
        raise  # the wrapper is there
    except OSError:
        with contextlib.suppress(OSError):
            if not mode & _EXECUTE:
                os.fchmod(seen.file.fd, mode)
            folder.remove(original)
        raise
    folder.clear(name, original)
    return "wrapped" if seen.state == PLAIN else "wrapped again, after an upgrade"


def _keep(folder: Folder, name: str, original: str, file: File) -> None:
    try:
        folder.keep(name, original, file)
    except FlushError as error:
        raise OSError(error.errno, error.strerror) from None  # no wrapper yet: what was done is undone


def unwrap(folder: Folder, name: str, *, known: bool) -> str:
    """Put the original back, and say what was done."""
    original = name + SUFFIX
    with found(folder, name, known=known) as seen:
        if seen.state in (WRAPPED, LOST):
            try:
                folder.rename(original, name)
            except FlushError:
                _give_back_mode(folder, seen)
                raise
            _give_back_mode(folder, seen)
            said = "restored"
        elif seen.state == REPLACED and folder.look(original):
            folder.remove(original)
            said = "not wrapped: replaced by an upgrade; the older original was removed"
        else:
            if folder.look(original):
                folder.remove(original)
            said = PLAIN
        folder.clear(name, original)
    return said


def _refuse_unfit(folder: Folder, name: str, seen: Found) -> None:
    """Refuse what a wrapper would break, or what somebody has put pdwrap in front of already."""
    if seen.text.startswith(b"#!") and b"pdwrap" in seen.text:
        raise Trouble(f"{shown(name)} names pdwrap itself, but was not made by this: undo that by hand first")
    beside = name not in (RUN, RPC_SERVER) and folder.look(RUN)
    if beside and seen.text.startswith(b"\x7fELF") and folder.look("lib/ld.so", follow=True):
        # The loader takes ELF files alone: "invalid ELF header".
        raise Trouble(
            f"{shown(name)} is started by lib/ld.so, which takes no script: put pdwrap before local-ai instead"
        )
    if seen.file and not seen.file.status.st_mode & _EXECUTE and (seen.linked or name in COMPANIONS):
        raise Trouble(f"{shown(name)} is not executable: chmod +x it first")


def _make_executable(folder: Folder, name: str, seen: Found) -> None:
    """Do what LocalAI does when nobody may execute its file; of ours alone, not by way of a link."""
    assert seen.file  # noqa: S101
    if seen.linked or seen.file.status.st_uid != folder.status.st_uid or seen.file.status.st_nlink > 1:
        raise Trouble(f"{shown(name)} is not executable, and not in its owner's hands alone: chmod +x it first")
    os.fchmod(seen.file.fd, _AS_LOCALAI_DOES)


def _closed_to_us(command: list[str]) -> str:
    """Name what of pdwrap's own command line is not there, or not for who we are now: the folder's owner."""
    for path in command:
        mode = os.X_OK if path == command[0] else os.R_OK
        if path.startswith("/") and not os.access(path, mode, effective_ids=True):
            return path
    return ""


def _give_back_mode(folder: Folder, seen: Found) -> None:
    """Take back what `_make_executable` did. Last: a crash before it leaves a run.sh that runs."""
    try:
        mode = script.kept(seen.text).mode if seen.state == WRAPPED else None
    except ValueError:
        return
    if mode is None or seen.file is None or seen.linked:
        return
    if stat.S_IMODE(seen.file.status.st_mode) == _AS_LOCALAI_DOES and seen.file.status.st_nlink == 1:
        # Where others can write in the folder (--shared), what the wrapper remembers may be theirs.
        alone = folder.writers() <= {folder.status.st_uid}
        os.fchmod(seen.file.fd, mode & (_READ_AND_WRITE if alone else _READ_AND_WRITE & SAFE_MODE))
