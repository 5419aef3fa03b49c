"""What README.md says of an installation holds."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.harness import run

NAMED = os.environ.get("PDWRAP_TEST_COMMAND")
FOLDER = Path(shlex.split(NAMED)[0]).parent if NAMED else Path(sys.executable).parent
"""Where the commands are installed: of the wheel under test, or of this environment."""


@pytest.mark.wheel
@pytest.mark.parametrize(
    ("name", "arguments"), [("pdwrap", ["--", "echo", "works"]), ("pdwrap-localai", ["--version"])]
)
def test_a_link_is_enough(tmp_path: Path, name: str, arguments: list[str]) -> None:
    """A link in a folder of PATH starts the command with its own Python and modules."""
    link = tmp_path / name
    link.symlink_to(FOLDER / name)
    outcome = run([str(link), *arguments])
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout
