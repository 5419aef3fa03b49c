"""Whether a command line is pdwrap's, and what it was told."""

from __future__ import annotations

import pytest

from pdwrap.processes.program import RUNS, SHOWS, Told, own_words

OURS = [
    "pdwrap",
    "/usr/local/bin/pdwrap",
    "./pdwrap-linux-x86_64",
    "/opt/pdwrap/bin/python3 /opt/pdwrap/bin/pdwrap",
    "python3 -I /x/scripts/pdwrap",
    "python3.11 -I -S -X utf8 -W error pdwrap",
    "python -I -m pdwrap",
    "pypy3 -m pdwrap",
]
OTHERS = [
    "",
    "vim pdwrap",
    "grep -r pdwrap .",
    "/bin/sh /usr/local/bin/pdwrap",
    "python3 build.py pdwrap",
    "python3 -c pdwrap",
    "python3 -m pdwrap.localai",
    "python3 -m pip pdwrap",
    "python3 /x/pdwrap-localai",
    "python3 -I",
    "pdwrapper",
    "pdwrap localai --follow",
    "tail -f /var/log/pdwrap",
]


@pytest.mark.parametrize("line", OURS)
def test_it_is_pdwrap(line: str) -> None:
    """By the first word, or by what a Python runs; its own options follow."""
    assert own_words((*line.split(), "--exec", "--", "x")) == ("--exec", "--", "x")


@pytest.mark.parametrize("line", OTHERS)
def test_it_is_not(line: str) -> None:
    """Not who only names it."""
    assert own_words(tuple(line.split())) is None


def test_what_it_was_told() -> None:
    """Its options and its variables; an option wins. Without the variables only the options are known."""
    told = Told(
        ("--grace", "3s", "--", "x", "-v"), {"PDWRAP_MODE": "exec", "PDWRAP_GRACE": "7s", "PDWRAP_WATCH": "poll"}
    )
    assert told.settings is not None
    assert (told.mode, told.settings.grace, told.settings.watch, told.command) == ("exec", 3.0, "poll", ["x", "-v"])
    assert told.purpose == RUNS
    unread = Told(("--exec", "x"), None)
    assert (unread.mode, unread.settings, unread.command) == ("exec", None, ["x"])


@pytest.mark.parametrize("line", ["--list", "--list x", "-q --doctor"])
def test_what_shows_something(line: str) -> None:
    """Another `pdwrap --list` has no backend."""
    assert Told(tuple(line.split()), {}).purpose == SHOWS


@pytest.mark.parametrize("line", ["--help", "--version", "-qv x", ""])
def test_what_only_click_can_read(line: str) -> None:
    """What it is for is not known."""
    assert Told(tuple(line.split()), {}).purpose == ""


def test_a_variable_that_cannot_be_read() -> None:
    """Whoever is called pdwrap may have any environment."""
    told = Told(("x",), {"PDWRAP_GRACE": "soon"})
    assert (told.settings, told.mode, told.command) == (None, "", ["x"])
