"""Mistakes: the line says what to write instead, and only that (T4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pdwrap.cli import hints
from pdwrap.options import OPTIONS
from tests.harness import clean_environment, run

LONG = [row.words[-1] for row in OPTIONS if row.words] + ["--fork", "--exec", "--quiet", "--verbose"]


@pytest.mark.parametrize("word", LONG)
def test_a_letter_too_few_or_too_many(word: str) -> None:
    """One letter doubled, left out at the end, or swapped: still the option that was meant, and no other."""
    swapped = word[:3] + word[4] + word[3] + word[5:]
    for typed in (word + word[-1], word[:4] + word[3] + word[4:], *([swapped] if swapped not in LONG else [])):
        if typed not in LONG:
            assert hints.for_unknown_option(typed) == f"did you mean {word}?"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lo", "--log"),
        ("--log-fil", "--log-file"),
        ("--verison", "--version"),
        ("--left", "--leftovers"),
        ("--docter", "--doctor"),
    ],
)
def test_what_was_meant(typed: str, meant: str) -> None:
    """A beginning of one option alone, and what is near to one alone."""
    assert hints.for_unknown_option(typed) == f"did you mean {meant}?"


@pytest.mark.parametrize("typed", ["--xyzzy", "--", "-z", "--nonsense", "--l"])
def test_nobody_can_tell(typed: str) -> None:
    """What is near to none, or to several, suggests nothing."""
    assert hints.for_unknown_option(typed) == ""


#: A command line as it is written for tini or dumb-init, and what is to be written here.
HABITS = [
    (["-s", "--", "true"], "(tini's -s is always on here: leave it out)"),
    (["-s", "server", "--port"], "(tini's -s is always on here: leave it out)"),
    (["-s", "true"], "(tini's -s is always on here: leave it out)"),
    (["-g", "--", "true"], "(tini's -g: all that is left is ended here anyway: leave it out)"),
    (["-g", "true"], "(tini's -g: all that is left is ended here anyway: leave it out)"),
    (["-p", "SIGTERM", "--", "true"], "(for tini's -p SIGTERM write --signal SIGTERM)"),
    (["-p", "KILL", "true"], "(for tini's -p KILL write --signal KILL)"),
    (["-e", "143", "true"], "(for tini's -e write --success)"),
    (["-c", "true"], "(dumb-init's -c is always on here: leave it out)"),
    (["--single-child", "true"], "(dumb-init's --single-child is always on here: leave it out)"),
    (["-r", "15:2", "true"], "(for dumb-init's -r write --rewrite)"),
]


@pytest.mark.parametrize(("words", "hint"), HABITS)
def test_habits(pdwrap: list[str], words: list[str], hint: str) -> None:
    """What means something else to tini or dumb-init is an error that says what to write here."""
    outcome = run([*pdwrap, *words])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert hint in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--signal", "nope", "--", "cat", "-s"],
        ["--grace", "soon", "--", "x", "-g"],
        ["-p", "nobody-here", "true"],
        ["--parent", "KILL", "--", "x", "-p", "KILL"],
    ],
)
def test_no_habit(pdwrap: list[str], words: list[str]) -> None:
    """A mistake that is no habit is told without one."""
    outcome = run([*pdwrap, *words])
    assert outcome.code == 125
    assert "tini" not in outcome.stderr


@pytest.mark.modes("fork", "exec")
def test_a_command_that_is_here(pdwrap: list[str], tmp_path: Path) -> None:
    """A command that PATH does not find, and that is in this folder, is suggested; what cannot be run is not."""
    (tmp_path / "server").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    for mode, hint in ((0o755, " (./server is here: write that)"), (0o644, "")):
        (tmp_path / "server").chmod(mode)
        if hint or os.geteuid():
            outcome = run([*pdwrap, "--", "server"], env=clean_environment(), before_exec=lambda: os.chdir(tmp_path))
            assert (outcome.code, outcome.stderr) == (127, f"pdwrap: server: command not found{hint}\n")
    outcome = run([*pdwrap, "--", "folder"], env=clean_environment(), before_exec=lambda: os.chdir(tmp_path))
    assert (outcome.code, outcome.stderr) == (127, "pdwrap: folder: command not found\n")
