"""share/pdwrap-localai.1, the manual page: it is up to date, whole, and well-formed."""

from __future__ import annotations

import subprocess

import pytest

from pdwrap.localai import backends, command
from tests.harness import clean_environment

from . import manual_localai
from .test_manual import rendered

SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES")


def test_it_is_up_to_date() -> None:
    """`./scripts/manual --write` makes it anew."""
    assert manual_localai.FILE.read_text(encoding="utf-8") == manual_localai.page()


def test_it_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Each section; each option as the command's own help has it; each variable and status."""
    shown = rendered(manual_localai.FILE)
    for section in (*SECTIONS, "LIMITS", "SEE ALSO"):
        assert f"\n{section}\n" in f"\n{shown}"
    command.main(["--help"])
    said = capsys.readouterr().out
    for names, about in command.FLAGS:
        assert f"     {names[0]}" in shown
        assert about in " ".join(shown.split())
        assert names[0] in said
    for names, default in backends.VARIABLES:
        assert all(f" {name}" in shown for name in (*names, default))
    for status in (command.FINE, command.NOT_ALL, command.USAGE):
        assert f"     {status} " in shown


def test_it_is_well_formed() -> None:
    """mandoc has no warning."""
    lint = ["mandoc", "-T", "lint", "-W", "warning", str(manual_localai.FILE)]
    checked = subprocess.run(lint, env=clean_environment(), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
