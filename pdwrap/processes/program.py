"""Whether a command line is that of pdwrap itself, and what it was told: by its program, and its own options.

    pdwrap ...                              the single file (also `pdwrap-linux-x86_64`); a script without interpreter
    python3 -I /opt/pdwrap/bin/pdwrap ...   as installers write it
    python3 -I -m pdwrap ...                as a module

A process of pdwrap that has not yet become the backend has such a command line, too.
"""

import os

from pdwrap import command_line, options
from pdwrap.exit_status import Refusal

NAME = "pdwrap"
SINGLE_FILE = "pdwrap-linux-"
LOCALAI_WORD = "localai"
INTERPRETERS = "python", "pypy"
TAKING = "-W", "-X", "--check-hash-based-pycs"  # options of the interpreter whose text is a word of its own

RUNS = "runs"
SHOWS = "shows"


def own_words(words: "tuple[str, ...]") -> "tuple[str, ...] | None":
    """Give what pdwrap was called with; None where this is another program, as `pdwrap localai` is."""
    own = _behind_program(words)
    return None if own and own[0] == LOCALAI_WORD else own


def _behind_program(words: "tuple[str, ...]") -> "tuple[str, ...] | None":
    if not words:
        return None
    if _is_ours(words[0]):
        return words[1:]
    if not os.path.basename(words[0]).startswith(INTERPRETERS):
        return None
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] in ("-m", "-c"):
            ours = words[at : at + 2] == ("-m", NAME)
            return words[at + 2 :] if ours else None
        at += 2 if words[at] in TAKING else 1
    return words[at + 1 :] if at < len(words) and _is_ours(words[at]) else None


def _is_ours(word: str) -> bool:
    name = os.path.basename(word)
    return name == NAME or name.startswith(SINGLE_FILE)


class Told:
    """What a pdwrap was told.

    Args:
        words: its command line, from its own options on.
        environment: what it was executed with; None where that may not be read.

    Attributes:
        settings: None where they cannot be known.
        command: the backend's; empty where that cannot be known.
        mode: `fork` or `exec`; empty where that cannot be known.
        purpose: RUNS a command; SHOWS something in its place (`--list`); empty where that cannot be known (`--help`).

    """

    __slots__ = ("command", "mode", "purpose", "settings")

    def __init__(self, words: "tuple[str, ...]", environment: "dict[str, str] | None") -> None:
        self.settings: options.Settings | None = None
        self.command: list[str] = []
        self.purpose = ""
        plain = command_line.split(list(words))
        if plain is None:
            self.mode = ""
            return
        given, self.command = plain
        self.purpose = RUNS if options.IN_PLACE.isdisjoint(given) else SHOWS
        self.mode = given.get("mode", [""])[-1]
        if environment is not None:
            try:
                self.settings = options.read(environment, given)
            except Refusal:
                return
            self.mode = self.settings.mode
