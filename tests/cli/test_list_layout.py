"""The columns of `pdwrap --list`: as wide as they may be, names shortened, numbers whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdwrap.cli import list_text
from pdwrap.cli.columns import CUT, FEWEST, LIST, NAME, NUMBER, RARE_LIST, Column, lay_out
from tests.harness import ROOT, Starter, clean_environment, run
from tests.harness.pty_session import terminal

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
pids = st.integers(1, 2**22).map(str)
ports = st.lists(st.integers(1, 65535).map(str), max_size=12).map(",".join)
ways = st.lists(st.sampled_from(["pidfd", "signal", "polling", "lifeline"]), max_size=3).map(",".join)
modes = st.sampled_from(["fork", "exec", "fork,starting", "exec,ending", "?"])
numbers = st.integers(0, 99999).map(str)
COLUMNS = [
    *(Column("BACKEND", NAME), Column("PID", NUMBER), Column("LAUNCHER", NAME), Column("PID", NUMBER)),
    *(Column("MODE", RARE_LIST), Column("WATCHED", LIST), Column("AGE", NUMBER), Column("PROCS", NUMBER)),
    *(Column("PSS", NUMBER), Column("PORTS", LIST)),
]
ROWS = st.lists(
    st.tuples(names, pids, names, pids, modes, ways, numbers, numbers, numbers, ports).map(list), max_size=6
)


@given(ROWS, st.integers(80, 300))
def test_never_wider_and_no_number_cut(rows: list[list[str]], width: int) -> None:
    """Each line fits; each number, each port and each word of a list stands there whole; names are cut at their end."""
    titles, *blocks = lay_out(COLUMNS, rows, width)
    assert len(blocks) == len(rows)
    for lines in (titles, *blocks):
        assert all(len(line) <= width for line in lines)
    for row, lines in zip(rows, blocks, strict=True):
        whole = " ".join(lines).split()
        words = " ".join(lines).replace(",", ", ").split()
        for at, text in enumerate(row):
            kind = COLUMNS[at].kind
            if kind == NUMBER:
                assert text in words
            elif kind != NAME:
                assert set(text.split(",")) - {""} <= {word.rstrip(",") for word in words}
            elif text and text not in lines[0]:
                assert any(text.startswith(word.removesuffix(CUT)) and len(word) > FEWEST - 1 for word in whole)


@given(ROWS)
def test_with_room_nothing_is_shortened(rows: list[list[str]]) -> None:
    """A line that is wide enough holds all of it, and one row is one line."""
    _titles, *blocks = lay_out(COLUMNS, rows, 1000)
    for row, lines in zip(rows, blocks, strict=True):
        assert len(lines) == 1
        assert lines[0].split() == [text for text in row if text]


def test_columns_stand_below_each_other() -> None:
    """Numbers to the right, words to the left; what goes on stands below."""
    columns = [Column("NAME", NAME), Column("PID", NUMBER), Column("PORTS", LIST)]
    rows = [["a-long-name-indeed", "7", "80,443,8080"], ["b", "4711", "-"]]
    assert [line for block in lay_out(columns, rows, 26) for line in block] == [
        "NAME       PID PORTS",
        "a-long-n+    7 80,443,8080",
        "b         4711 -",
    ]
    assert [line for block in lay_out(columns, rows, 22) for line in block] == [
        "NAME      PID PORTS",
        "a-long-+    7 80,443,",
        "              8080",
        "b        4711 -",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (86399, "23h59m"), (90000, "1d01h")],
)
def test_ages(seconds: float, text: str) -> None:
    """Two units at most."""
    assert list_text.age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (999, "999B"), (1024, "1.0K"), (10 * 2**20, "10M"), (1000 * 2**20, "1.0G"), (3 * 2**40, "3.0T")],
)
def test_sizes(count: int, text: str) -> None:
    """Two digits at least, three at most."""
    assert list_text.size(count) == text


@given(st.integers(0, 2**50))
def test_sizes_are_short(count: int) -> None:
    """Never more than four characters and a unit."""
    assert len(list_text.size(count)) <= 6


def facts(**changed: object) -> dict[str, object]:
    """A row."""
    row: dict[str, object] = dict.fromkeys(("memory_kind", "memory_bytes"))
    return {**row, **changed}


def test_memory_says_which() -> None:
    """In the title where all are of one kind, else in each row."""
    pss, rss = facts(memory_kind="pss", memory_bytes=2048), facts(memory_kind="rss", memory_bytes=4096)
    assert list_text._memory_cells([pss, facts()]) == ("PSS", ["2.0K", "?"])  # noqa: SLF001 - the piece itself
    assert list_text._memory_cells([rss]) == ("RSS", ["4.0K"])  # noqa: SLF001
    assert list_text._memory_cells([pss, rss]) == ("MEMORY", ["pss 2.0K", "rss 4.0K"])  # noqa: SLF001


@pytest.mark.parametrize(("columns", "width"), [(40, 80), (80, 80), (120, 120)])
def test_as_wide_as_the_terminal(start: Starter, columns: int, width: int) -> None:
    """80 columns, or more where the terminal has more; a pipe has 80."""
    tree = start("plain", options=["--name", "a-name-that-is-longer-than-any-line" * 4])
    command = [sys.executable, "-I", str(ROOT / "scripts" / "pdwrap"), "--list", str(tree.backend.pid)]
    waiting = ["sh", "-c", 'read _; exec "$@"', "sh", *command]
    with terminal(waiting) as session:
        session.resize(24, columns)
        session.keys("\n")
        lines = session.expect("under pdwrap").splitlines()
        session.status()
    table = [line for line in lines if line.startswith(("BACKEND", "a-name")) and "under" not in line]
    assert [len(line) for line in table][1] <= width
    assert max(map(len, table)) > width - 10
    assert str(tree.backend.pid) in table[1].split()
    tree.launcher.kill()
    tree.assert_gone()


def test_a_pipe_has_80_columns(start: Starter) -> None:
    """Not a terminal: 80, or what COLUMNS says."""
    tree = start("plain", options=["--name", "x" * 300])
    command = [sys.executable, "-I", str(Path(ROOT) / "scripts" / "pdwrap"), "--list", str(tree.backend.pid)]
    for wide, env in [(80, {}), (132, {"COLUMNS": "132"})]:
        lines = run(command, env=clean_environment(env)).stdout.decode().splitlines()
        assert wide - 10 < len(lines[1]) <= wide
    tree.launcher.kill()
    tree.assert_gone()
