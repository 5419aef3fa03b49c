"""Remembers which backends were wrapped, and how: an upgrade by LocalAI replaces the whole folder, and any trace in it.

A hidden file in the folder of all backends, where LocalAI looks at folders alone. Without it (a folder that may not be
written) a backend that was replaced is called "not wrapped", which is as true, and gets no options of before. It is
written anew as a whole: if this process dies before the rename, the wrappers alone know what was done meanwhile.
"""

import json
import os

from pdwrap.localai import owner
from pdwrap.localai.backends import IN_TRANSIT
from pdwrap.localai.disk import Folder
from pdwrap.localai.errors import Locked, Trouble

FILE = ".pdwrap-wrapped"

TYPE_CHECKING = False
if TYPE_CHECKING:
    #: By a backend's key: the options of the user's; None where a record of before does not tell.
    Known = dict[str, list[str] | None]


def read(folder: Folder) -> "Known":
    """Read what was wrapped.

    Raises:
        Trouble: the record is there, and is none.

    """
    if folder.look(FILE) is None:
        return {}
    try:
        with folder.reading(FILE) as file:
            return _parse(json.loads(file.whole()))
    except (ValueError, RecursionError, OSError):
        raise Trouble(
            f"{FILE} is damaged: with which options backends were wrapped is lost; it is written anew"
        ) from None
    except Trouble as trouble:
        raise Trouble(f"{FILE} {str(trouble).removeprefix(FILE).strip()}: it is not read") from None


def _parse(record: object) -> "Known":
    if isinstance(record, list) and all(isinstance(key, str) for key in record):  # of before: names alone
        record = dict.fromkeys(record)
    if not isinstance(record, dict):
        raise ValueError(FILE)  # noqa: TRY004 - as what cannot be read at all
    for key, options in record.items():
        if not isinstance(key, str) or not isinstance(options, list | None):
            raise ValueError(FILE)  # noqa: TRY004
        for word in [key, *(options or ())]:
            if not isinstance(word, str) or "\0" in word:
                raise ValueError(FILE)
            os.fsencode(word)  # raises UnicodeEncodeError, a ValueError
    return record


def note(folder: Folder, key: str, options: list[str] | None) -> None:
    """Remember with which options a backend is wrapped; None: that it is not.

    What cannot be written is not: nothing but words and old options depend on it.
    """
    try:
        with owner.acting_for(folder.status):
            if folder.lockable:
                try:
                    folder.lock()
                except Locked:
                    pass  # whoever may read the folder can do that: said once, and then gone without
            _change(folder, key, options)
    except OSError:
        pass
    finally:
        folder.unlock()


def _change(folder: Folder, key: str, options: list[str] | None) -> None:
    try:
        before: Known | None = read(folder)
    except Trouble:
        before = None
    after = {known: words for known, words in (before or {}).items() if _may_be(folder, known.partition("/")[0])}
    after.pop(key, None)
    if options is not None:
        after[key] = options
    if after and after != before:
        folder.write(FILE, (json.dumps(after, indent=1, sort_keys=True) + "\n").encode("ascii"))
    elif not after and folder.look(FILE):
        folder.clear(FILE)
        folder.remove(FILE)


def _may_be(folder: Folder, name: str) -> bool:
    """Tell whether there is such a backend, or will be again: between two renames of an upgrade there is none."""
    if name.endswith(IN_TRANSIT):
        return False
    return any(folder.look(name + suffix) for suffix in ("", *IN_TRANSIT))
