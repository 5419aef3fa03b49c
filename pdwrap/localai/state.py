"""The state of one backend, by descriptors of what is there: what is done with it follows from those.

| state    | run.sh                         | the original beside it          |
|----------|--------------------------------|---------------------------------|
| wrapped  | a wrapper                      | there                           |
| plain    | the backend's own              | none, or the same file (broken off before the second step) |
| replaced | the backend's own              | an older one                    |
| linked   | a link to another's wrapper    | none                            |
| lost     | none                           | there                           |
"""

import contextlib
import os
import stat
from typing import NamedTuple

from pdwrap.localai import script
from pdwrap.localai.disk import Folder
from pdwrap.localai.errors import Trouble, shown
from pdwrap.localai.files import SAFE_MODE, File, same_content
from pdwrap.localai.script import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

WRAPPED, PLAIN, REPLACED, LINKED, LOST = "wrapped", "not wrapped", "replaced", "linked", "lost"


class Found(NamedTuple):
    """One backend as it is.

    Attributes:
        state: as in the table.
        text: what run.sh begins with.
        file: the backend's own file, by whichever name; None where it is lost.
        wrapper: what stat(2) says of the wrapper.
        linked: whether the backend's own file is a link.

    """

    state: str
    text: bytes
    file: File | None
    wrapper: os.stat_result | None
    linked: bool


@contextlib.contextmanager
def found(folder: Folder, name: str, *, known: bool = False) -> "Iterator[Found]":
    """Tell the state of a backend, its files held open.

    Args:
        folder: its folder.
        name: the file that LocalAI starts.
        known: it was wrapped once, as the record of upgrades has it.

    Raises:
        Trouble: it is none, or not one that could be wrapped.

    """
    original = name + SUFFIX
    here, there = folder.look(name), folder.look(original)
    if there is not None and not (stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode)):
        raise Trouble(f"{shown(original)} is in the way, and not ours: remove it")
    if here is None:
        if there is None:
            raise Trouble(f"no {shown(name)} in it: LocalAI cannot start it either")
        yield Found(LOST, b"", None, None, stat.S_ISLNK(there.st_mode))
        return
    with folder.reading(name, follow=True) as file:
        text = file.beginning()
        if not script.is_wrapper(text):
            state = PLAIN if same(folder, name, original, file) or (there is None and not known) else REPLACED
            yield Found(state, text, file, None, stat.S_ISLNK(here.st_mode))
        elif stat.S_ISLNK(here.st_mode):
            yield Found(LINKED, text, file, None, linked=True)
        elif there is None:
            raise Trouble(f"wrapped, but {shown(original)} is gone: install the backend anew")
        else:
            with folder.reading(original, follow=True) as own:
                yield Found(WRAPPED, text, own, file.status, stat.S_ISLNK(there.st_mode))


def same(folder: Folder, name: str, other: str, file: File) -> bool:
    """Tell whether both names are one file, or one is a copy of the other where links were not to be had."""
    one, two = folder.look(name), folder.look(other)
    if one is None or two is None:
        return False
    if os.path.samestat(one, two):
        return True
    if (one.st_size, one.st_mtime_ns, one.st_gid) != (two.st_size, two.st_mtime_ns, two.st_gid):
        return False
    if stat.S_ISLNK(one.st_mode) or stat.S_ISLNK(two.st_mode):
        return stat.S_IFMT(one.st_mode) == stat.S_IFMT(two.st_mode) and folder.target(name) == folder.target(other)
    if one.st_mode & SAFE_MODE != two.st_mode & SAFE_MODE or one.st_uid != two.st_uid:
        return False
    with folder.reading(other) as copy:
        return same_content(file, copy)
