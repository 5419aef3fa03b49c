"""pdwrap's options as a person gives them, checked now rather than when LocalAI starts a backend."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from pdwrap import options
from pdwrap.cli import click_parser
from pdwrap.exit_status import Refusal
from pdwrap.localai.errors import Trouble, shown


class Options(NamedTuple):
    """The user's options.

    Attributes:
        words: as they were given.
        parent: they name the launcher.
        named: they name the backend.

    """

    words: list[str]
    parent: bool
    named: bool

    @classmethod
    def read(cls, words: Sequence[str]) -> "Options":
        """Check them.

        Raises:
            Trouble: pdwrap would not take them.

        """
        try:
            given, command = click_parser.split([*words, "--", "backend"])
            options.read({}, given)  # by themselves: the variables here are not LocalAI's
        except Refusal as refusal:
            raise Trouble(str(refusal)) from None
        if not options.IN_PLACE.isdisjoint(given):
            raise Trouble("a wrapper runs a command: leave out what is in place of one")
        if command != ["backend"]:
            raise Trouble(f"{shown(command[0])!r} is no option of pdwrap: only options can follow --")
        return cls(list(words), "parent" in given, "name" in given)

    def command(self, name: str) -> list[str]:
        """Give them as they stand in a wrapper, after the tool's own."""
        return list(self.words) if self.named else [f"--name={name}", *self.words]  # a name may begin with -

    def shown(self) -> str:
        """Give them as a person would type them."""
        return shlex.join(self.words)
