"""Where each process of fork mode belongs: groups and sessions, without a terminal (T2)."""

from __future__ import annotations

import os

import pytest

from pdwrap.fork_mode.placement import Placement
from pdwrap.linux import terminal
from tests.harness.kinship import WE, live_in


@pytest.mark.parametrize("orphaned", [True, False])
def test_how_the_inner_leaves(monkeypatch: pytest.MonkeyPatch, orphaned: bool) -> None:  # noqa: FBT001 - both ways
    """T2: into a session of its own where our group is orphaned, else into a group of its own, to look after it."""
    calls: list[str] = []
    monkeypatch.setattr(terminal, "is_orphaned_group", lambda: orphaned)
    monkeypatch.setattr(terminal, "in_foreground", lambda: False)
    monkeypatch.setattr(os, "setsid", lambda: calls.append("setsid"))
    monkeypatch.setattr(os, "setpgid", lambda pid, group: calls.append(f"setpgid {pid} {group}"))
    Placement().leave()
    assert calls == (["setsid"] if orphaned else ["setpgid 0 0"])


@pytest.mark.parametrize("group", [WE, 60])
@pytest.mark.parametrize("foreground", [True, False])
def test_the_place(
    monkeypatch: pytest.MonkeyPatch,
    group: int,
    foreground: bool,  # noqa: FBT001 - both ways
) -> None:
    """T2: the backend shares our group in the foreground alone, and leads one only where we do (docs/facts.md, 25)."""
    live_in(monkeypatch, {WE: (50, group, 50), 50: (1, 50, 50)})
    monkeypatch.setattr(terminal, "in_foreground", lambda: foreground)
    place = Placement()
    assert (place.shared, place.led, place.orphaned) == (foreground, group == WE, False)
