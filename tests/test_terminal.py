"""Who is in the foreground, and which group nobody could continue: the rules, without a terminal (T2)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from pdwrap.fork_mode.placement import Placement
from pdwrap.linux import procfs, terminal

#: A process: parent, group, session.
Family = dict[int, tuple[int, int, int]]

WE = 100
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


@pytest.fixture
def live_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Family], None]:
    """Make the process tree what a test says."""

    def move(family: Family) -> None:
        def field(pid: int, number: int) -> int:
            if (pid or WE) not in family:
                raise ProcessLookupError
            return family[pid or WE][number]

        monkeypatch.setattr(os, "getpid", lambda: WE)
        monkeypatch.setattr(os, "getppid", lambda: family[WE][0])
        monkeypatch.setattr(os, "getpgrp", lambda: family[WE][1])
        monkeypatch.setattr(os, "getpgid", lambda pid: field(pid, 1))
        monkeypatch.setattr(os, "getsid", lambda pid: field(pid, 2))
        monkeypatch.setattr(procfs, "parent", lambda pid: family[pid][0] if pid in family else 0)

    return move


@pytest.mark.parametrize(("family", "orphaned"), FAMILIES.values(), ids=FAMILIES)
def test_orphaned_group(live_in: Callable[[Family], None], family: Family, orphaned: bool) -> None:  # noqa: FBT001 - a column
    """T2: a group is orphaned where no member has a parent in another group of the same session (setpgid(2))."""
    live_in(family)
    assert terminal.is_orphaned_group() is orphaned


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
    live_in: Callable[[Family], None],
    monkeypatch: pytest.MonkeyPatch,
    group: int,
    foreground: bool,  # noqa: FBT001 - both ways
) -> None:
    """T2: the backend shares our group in the foreground alone, and leads one only where we do (docs/facts.md, 25)."""
    live_in({WE: (50, group, 50), 50: (1, 50, 50)})
    monkeypatch.setattr(terminal, "in_foreground", lambda: foreground)
    place = Placement()
    assert (place.shared, place.led, place.orphaned) == (foreground, group == WE, False)


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
