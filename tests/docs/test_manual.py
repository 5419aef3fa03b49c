"""share/pdwrap.1, the manual page: it is up to date, whole, and well-formed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pdwrap.options import OPTIONS
from tests.harness import clean_environment

from . import manual, spoken


def rendered(file: Path = manual.FILE) -> str:
    """The page as a person reads it, in a wide window."""
    command = ["mandoc", "-T", "ascii", "-O", "width=200", str(file)]
    shown = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True).stdout
    while "\b" in shown:  # overstruck: bold and underlined
        at = shown.index("\b")
        shown = shown[: at - 1] + shown[at + 1 :]
    return shown


def test_it_is_up_to_date() -> None:
    """`./scripts/manual --write` makes it anew."""
    assert manual.FILE.read_text(encoding="utf-8") == manual.page()


def test_it_is_whole() -> None:
    """Each option with all the ways to type it, each variable, each status of pdwrap's own."""
    shown = rendered()
    for row in OPTIONS:
        for words, metavar in [(row.words, f" {row.metavar}")] if row.words else [(w, "") for w, *_rest in row.flags]:
            assert f"     {', '.join(words)}{metavar}\n" in shown or f"     {', '.join(words)}{metavar} " in shown, (
                words
            )
    for variable in {row.variable for row in OPTIONS} - {""} | {row.fallback[0] for row in OPTIONS if row.fallback}:
        assert f"     {variable}" in shown
    for status in spoken.statuses():
        assert f"     {status} " in shown


def test_it_is_well_formed() -> None:
    """mandoc has no warning."""
    command = ["mandoc", "-T", "lint", "-W", "warning", str(manual.FILE)]
    checked = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
