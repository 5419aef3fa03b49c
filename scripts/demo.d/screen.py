# ruff: noqa: INP001 - a folder that Python is given to run, not a package
"""The story on a terminal: at most 80 columns, colours only where they are seen."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable

from story import Half

WIDTH = 78
LABEL = 11


class Screen:
    """Plain text, line by line as things happen."""

    def __init__(self, *, silent: bool) -> None:
        """Print nothing if *silent*."""
        self._silent = silent
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def say(self, text: str = "") -> None:
        """One line."""
        if not self._silent:
            print(text, flush=True)

    def title(self, text: str) -> None:
        """What comes now."""
        self.say()
        self.say(self.paint("1", text))

    def fact(self, label: str, text: str, colour: str = "") -> None:
        """A label and what there is to say about it, in as many lines as it takes."""
        lines = textwrap.wrap(text, WIDTH - LABEL - 3, break_on_hyphens=False) or [""]
        for number, line in enumerate(lines):
            self.say(f"   {'' if number else label:<{LABEL}}{self.paint(colour, line)}")

    def good(self, label: str, text: str) -> None:
        """As it should be."""
        self.fact(label, text, "32")

    def bad(self, label: str, text: str) -> None:
        """As it should not be."""
        self.fact(label, text, "31")

    def paint(self, colour: str, text: str) -> str:
        """In colour, where there are colours."""
        return f"\033[{colour}m{text}\033[0m" if self._colours and colour else text

    def tell_end(self, half: Half) -> None:
        """What became of the backend and of its port."""
        if half.backend_alive:
            answers = "still answers requests" if half.backend_answers else "answers no more"
            self.bad("orphan", f"pid {half.backend_pid} lives on, unknown to anybody, and {answers}")
            self.bad("memory", f"{megabytes(half.memory_bytes_after)} still taken")
        else:
            memory = megabytes(half.memory_bytes)
            self.good("backend", f"gone {half.backend_gone_ms:.1f} ms later, and its {memory} with it")
        if half.port_free_ms is None:
            self.bad("port", f"{half.port} cannot be bound: {half.port_error}")
        else:
            self.good("port", f"{half.port} can be bound again {half.port_free_ms:.1f} ms after the kill")

    def compare(self, without: Half, wrapped: Half) -> None:
        """Both halves side by side."""
        row: Callable[[str, str, str], str] = "   {:<28}  {:<18}  {}".format
        self.say()
        self.say(self.paint("1", row("After the launcher's SIGKILL", "without pdwrap", "with pdwrap")))
        for label, tell in (("backend", outcome), ("memory", held), ("port", port)):
            self.say(row(label, tell(without), tell(wrapped)))


def megabytes(size: int) -> str:
    """In 1,000,000 bytes."""
    return f"{size / 1e6:.1f} MB"


def outcome(half: Half) -> str:
    """Of the backend."""
    return "lives on" if half.backend_gone_ms is None else f"gone in {half.backend_gone_ms:.1f} ms"


def held(half: Half) -> str:
    """Memory that the backend still has."""
    return f"{megabytes(half.memory_bytes_after)} taken" if half.backend_alive else "free"


def port(half: Half) -> str:
    """Of the port."""
    return "taken" if half.port_free_ms is None else f"free in {half.port_free_ms:.1f} ms"
