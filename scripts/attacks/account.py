"""What the actors have written down (actors.c)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


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
        for line in path.read_text(encoding="ascii").splitlines():
            kind, *words = line.split()
            numbers = [int(word) for word in words]
            if len(numbers) < (1 if kind in "=~" else 2):
                continue  # half a line: a limit of file sizes
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
