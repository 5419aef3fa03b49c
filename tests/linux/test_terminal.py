"""Who is in the foreground, and which group nobody could continue: the rules, without a terminal (T2)."""

from __future__ import annotations

import os

import pytest

from pdwrap.linux import terminal
from tests.harness.kinship import WE, Family, live_in

FAMILIES: dict[str, tuple[Family, bool]] = {
    "a shell with job control above: it can continue us": (
        {WE: (50, WE, 50), 50: (40, 50, 50), 40: (1, 40, 40)},
        False,
    ),
    "a shell with job control above a script": (
        {WE: (60, 60, 50), 60: (50, 60, 50), 50: (40, 50, 50), 40: (1, 40, 40)},
        False,
    ),
    "a session leader (tmux CMD): its parent is in another session": (
        {WE: (40, WE, WE), 40: (1, 40, 40)},
        True,
    ),
    "a script that leads the session (docker run -it)": (
        {WE: (50, 50, 50), 50: (0, 50, 50)},
        True,
    ),
    "PID 1 of a container": ({WE: (0, WE, WE)}, True),
    "a group of our own, made by a launcher of our session": (
        {WE: (50, WE, 50), 50: (1, 50, 50)},
        False,
    ),
    "the parent is gone": ({WE: (50, WE, 50)}, True),
    "PID 1 above, in another session": ({WE: (1, WE, 50), 1: (0, 1, 1)}, True),
    "nobody above the group": ({WE: (60, 60, 50), 60: (0, 60, 50)}, True),
}


@pytest.mark.parametrize(("family", "orphaned"), FAMILIES.values(), ids=FAMILIES)
def test_orphaned_group(monkeypatch: pytest.MonkeyPatch, family: Family, orphaned: bool) -> None:  # noqa: FBT001 - a column
    """T2: a group is orphaned where no member has a parent in another group of the same session (setpgid(2))."""
    live_in(monkeypatch, family)
    assert terminal.is_orphaned_group() is orphaned


def test_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """T2: where there is no terminal, nobody is in its foreground, and giving it fails without an error."""
    monkeypatch.setattr(terminal, "PATH", "/nowhere/tty")
    assert not terminal.in_foreground()
    assert not terminal.give(os.getpgrp())
    terminal.take_back(os.getpgrp())


def test_a_terminal_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """T2: nor does one that was hung up lead to an error, or to a leaked descriptor."""
    monkeypatch.setattr(terminal, "PATH", os.devnull)
    before = os.listdir("/proc/self/fd")
    assert not terminal.in_foreground()
    assert not terminal.give(os.getpgrp())
    terminal.take_back(os.getpgrp())
    assert os.listdir("/proc/self/fd") == before


def test_continuing_a_group_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group whose last member has gone is no error."""

    def gone(_group: int, _number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", gone)
    terminal.continue_group(12345)
