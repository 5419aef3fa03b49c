"""What the actors have written down (actors.c)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

LINE = re.compile(r"^([=~+!?]) (-?\d+)(?: (\d+))?$", re.MULTILINE)


class Account:
    """One reading of the file."""

    def __init__(self, path: Path) -> None:
        self.wrapper = 0
        """The pid that the launcher knows: of pdwrap, in exec mode of the backend later."""
        self.strangers: list[int] = []
        self.nodes: dict[int, int] = {}
        """Node of the tree to pid; 0 is the backend."""
        self.heard: Counter[tuple[int, int]] = Counter()
        """How often a node (-1: a stranger) has got a signal."""
        self.status: tuple[int, int] | None = None
        """How the launcher saw it end: signal, exit status."""
        # Below a limit of file sizes a line may have been cut.
        for kind, *found in LINE.findall(path.read_text(encoding="ascii")):
            numbers = [int(word or 0) for word in found]
            if kind == "=":
                self.wrapper = numbers[0]
            elif kind == "~":
                self.strangers.append(numbers[0])
            elif kind == "+":
                self.nodes[numbers[1]] = numbers[0]
            elif kind == "!":
                self.heard[numbers[0], numbers[1]] += 1
            elif kind == "?":
                self.status = numbers[0], numbers[1]
