"""How the one file is made: alike each time, with its checksum and the licences of what is inside beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.harness import ROOT, run

INSIDE = ("MIT License", "PYTHON SOFTWARE FOUNDATION LICENSE", "Pallets", "Giampaolo Rodola", "GNU C Library", "GCC")


@pytest.mark.timeout(240)
def test_two_builds_give_the_same_bytes(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: who builds it anew can tell whether a file is this one."""
    again = tmp_path / "pdwrap-linux-again"
    outcome = run([str(ROOT / "scripts" / "build-standalone"), "--output", str(again)], within=200)
    assert (outcome.code, outcome.stderr) == (0, "")
    digest = hashlib.sha256(again.read_bytes()).hexdigest()
    assert digest == hashlib.sha256(Path(pdwrap[0]).read_bytes()).hexdigest()
    assert (tmp_path / "pdwrap-linux-again.sha256").read_text() == f"{digest}  pdwrap-linux-again\n"
    licenses = (tmp_path / "pdwrap-linux-again.licenses").read_text(encoding="utf-8")
    assert [word for word in INSIDE if word not in licenses] == []
