"""Options, variables, statuses and lines: what the documents show is in the code, and the other way round."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pdwrap.option import FOR_EVER, Option
from pdwrap.options import OPTIONS

from . import spoken
from .pages import PAGES, Page

OPTIONS_PAGE = PAGES["docs/options.md"]
#: Options of other programs that the documents name.
FOREIGN = {
    "--arch": "scripts/build-standalone",
    "--backends-path": "LocalAI",
    "--daemonize": "redis-server",
    "--dev-bind": "bwrap",
    "--die-with-parent": "bwrap",
    "--external-grpc-backends": "LocalAI",
    "--fork": "unshare(1), as well as pdwrap's",
    "--grase": "nobody's: a misspelt one",
    "--init": "docker run",
    "--kill-child": "unshare(1)",
    "--mount-proc": "unshare(1)",
    "--no-orphans": "bun",
    "--nofile": "prlimit(1)",
    "--noheadings": "prlimit(1)",
    "--pdeathsig": "setpriv(1)",
    "--pid": "prlimit(1), unshare(1)",
    "--proc": "bwrap",
    "--port": "llama-server, redis-server",
    "--reuid": "setpriv(1)",
    "--ulimit": "podman",
    "--unshare-pid": "bwrap",
    "--wait": "setsid(1)",
    "--cap-drop": "podman",
    "--entrypoint": "podman",
    "--ipc": "podman",
    "--memory": "podman",
    "--pids-limit": "podman",
    "--read-only": "podman",
    "--restart": "podman",
    "--rm": "podman",
    "--security-opt": "podman",
    "--user": "podman",
    "--network": "podman",
    "--runtime": "podman",
}
#: Lines that are the system's words behind a name: nothing of them is pdwrap's own.
SYSTEM = {
    "server: command not found (./server is here: write that)",
    "lama-server: command not found",
    "./server: Permission denied",
    "server: OSError: ...",
    "run.sh is a broken link",
}


def option_words(text: str) -> set[str]:
    """The long options in a text."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """The options of each program of this project, by what it says of itself."""
    python = sys.executable
    commands = {
        "pdwrap": [python, "-I", str(spoken.PACKAGE.parent / "scripts" / "pdwrap"), "--help"],
        "pdwrap-localai": [python, "-I", "-m", "pdwrap.localai", "--help"],
        "bench": [python, "-I", "-B", str(spoken.PACKAGE.parent / "scripts" / "benchmarks"), "--help"],
        **{
            name: [python, "-I", "-B", str(spoken.PACKAGE.parent / "scripts" / "attacks"), name, "--help"]
            for name in ("chaos", "points", "compare", "load")
        },
    }
    return {
        name: option_words(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for name, command in commands.items()
    } | {"scripts": {"--field", "--standalone", "--write"}}


def test_the_table_of_options_is_whole(known: dict[str, set[str]]) -> None:
    """docs/options.md has a row for each option, and no other."""
    listed = {word for row in OPTIONS_PAGE.rows if row for code in row[0] for word in option_words(code)}
    assert listed == known["pdwrap"]


def shown_rows() -> dict[str, list[str]]:
    """The rows of the table of options, by their first cell."""
    section = OPTIONS_PAGE.text.partition("## Options")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {cells[0].replace("\\|", "|"): cells for cells in rows}


@pytest.mark.parametrize("row", [row for row in OPTIONS if not row.flags], ids=lambda row: row.name)
def test_each_row_of_the_table_of_options(row: Option[object]) -> None:
    """A row says what the code's row says: how it is typed, its variables, its default, whether it is for fork mode."""
    typed = f"`{', '.join(row.words)} {row.metavar}`" + (" (repeatable)" if row.repeatable else "")
    _first, variables, default, meaning = shown_rows()[typed][:4]
    wanted = [row.variable] if row.variable else []
    wanted += [row.fallback[0]] if row.fallback else []
    assert re.findall(r"`(\w+)`", variables) == wanted
    if row.default == FOR_EVER:
        assert default == "none"
    else:
        assert not row.default or row.read(default) == row.default
    assert ("(fork mode)" in meaning) == bool(row.fork_only)


def test_flags_of_the_table_of_options() -> None:
    """A flag is in a row with all the ways in which it is typed."""
    shown = " ".join(shown_rows())
    for row in OPTIONS:
        for words, _text, _help in row.flags:
            assert f"`{', '.join(words)}`" in shown


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_options_that_are_named_exist(page: Page, known: dict[str, set[str]]) -> None:
    """An option in a document is one of ours, or of a program that is known."""
    ours = set().union(*known.values())
    code = "\n".join([*page.words, *(block.text for block in page.blocks)])
    assert option_words(code) <= ours | set(FOREIGN)


def test_foreign_options_are_named() -> None:
    """An option of another program that no document names any more is dropped from the list."""
    text = "\n".join(page.text for page in PAGES.values())
    assert option_words(text) >= set(FOREIGN)


def test_variables() -> None:
    """docs/options.md names every variable that pdwrap reads, some page each of all; no document names another."""
    pattern = r"\b(?:PDWRAP|LOCALAI)_[A-Z_]+\b"
    named = set(re.findall(pattern, "\n".join(page.text for page in PAGES.values())))
    assert set(re.findall(pattern, OPTIONS_PAGE.text)) == spoken.variables()
    assert named == spoken.variables(spoken.FILES)


def test_statuses() -> None:
    """The table of exit statuses has those that are pdwrap's own."""
    numbers = re.findall(r"^\| (\d+) \|", OPTIONS_PAGE.text, re.MULTILINE)
    assert {int(number) for number in numbers} == spoken.statuses()


def shown_lines() -> set[str]:
    """The lines of pdwrap that documents show: in blocks, and in the tables of docs/troubleshooting.md."""
    blocks = [block for page in PAGES.values() for block in page.blocks if block.language in ("console", "text")]
    shown = {
        line.removeprefix("pdwrap: ")
        for block in blocks
        for line in block.text.splitlines()
        if line.startswith("pdwrap: ")
    }
    rows = PAGES["docs/troubleshooting.md"].rows
    return shown | {code.replace("\\|", "|") for row in rows if row for code in row[0] if " " in code}


def test_lines_that_are_shown_exist() -> None:
    """Whoever searches for the line that was printed finds it as it is printed."""
    said = spoken.lines()
    unknown = {line for line in shown_lines() - SYSTEM if not any(re.fullmatch(pattern, line) for pattern in said)}
    assert not unknown


def test_every_line_is_shown() -> None:
    """Each line that pdwrap may print is in a document."""
    shown = shown_lines()
    missing = {pattern for pattern in spoken.lines() if not any(re.fullmatch(pattern, line) for line in shown)}
    assert not missing


def test_the_search_for_lines_finds_them() -> None:
    """A line of each kind is found: from a call, a constant, a table; an empty search would pass everything."""
    said = spoken.lines()
    for line in (
        "launcher sh (pid 1) died: ending x (pid 2) with SIGTERM, grace 5s",
        "the launcher (pid 7) died while pdwrap started: nothing was started",
        "not watching: --watch off",
        "--lifeline 5: closed already: nothing was started",
    ):
        assert any(re.fullmatch(pattern, line) for pattern in said), line
    assert not any(re.fullmatch(pattern, "something else that nobody says") for pattern in said)


def test_keys_of_json() -> None:
    """The table of keys has all of them, reasons and the keys of survivors included."""
    section = OPTIONS_PAGE.text.partition("### JSON")[2]
    named = set(re.findall(r"`([a-z_-]+)`", section)) | set(re.findall(r'"([a-z_]+)":', section))
    assert spoken.keys() <= named
    rows = [row for row in OPTIONS_PAGE.rows if len(row) == 3]
    assert rows
    assert {word for row in rows for word in row[1]} <= spoken.keys()


def test_keys_of_the_list() -> None:
    """The table of `pdwrap --list` has each key, and no other; each event, too."""
    page = PAGES["docs/list.md"]
    rows = [row for row in page.rows if len(row) == 3 and row[1]]
    made = spoken.keys("cli/list_facts.py", "cli/list_command.py") - {"event"}
    assert {word for row in rows for word in row[1]} == made
    assert {word for row in rows for word in row[0]} == {"backend", "orphan", "process", "absent", "listed"}
