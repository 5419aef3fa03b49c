"""docs/promise.md tells which test proves which promise, and every promise has one in each mode, or says why not."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.harness import clean_environment

from . import promise_table
from .pages import ROOT


def test_the_table_is_up_to_date() -> None:
    """`./scripts/promise --write` makes it anew."""
    command = [sys.executable, "-m", "tests.docs.promise_table"]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == promise_table.PART.shown()


def test_every_promise_has_a_test_in_each_mode() -> None:
    """Or the page says why it needs none."""
    said = re.findall(r"^- (\w+) in (\w)\w+ mode: (.*)", promise_table.PART.shown(), re.MULTILINE)
    assert {(promise, mode): why for promise, mode, why in said} == promise_table.NOT_PROMISED


def test_how_a_test_names_its_promises() -> None:
    """At the beginning, several at once; what is mentioned later is no claim."""
    assert promise_table.proven("E1, E2: the launcher dies.") == ["E1", "E2"]
    assert promise_table.proven("E6 and T4: refused.") == ["E6", "T4"]
    assert promise_table.proven("Limit (E5 is fork mode's): left.") == []
    assert promise_table.proven("It dies, see E1.") == []
