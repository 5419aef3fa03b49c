"""The small reader of a well-formed command line: it means what click means, wherever it reads a line at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdwrap as package
from pdwrap import command_line, options
from pdwrap.cli import click_parser
from pdwrap.exit_status import Refusal

LONG = [row.words[-1] for row in options.OPTIONS if row.words]
TAKING = [word for row in options.OPTIONS for word in row.words]
FLAGS = [word for row in options.OPTIONS for words, _text, _help in row.flags for word in words]
VALUES = [
    *(
        "3s",
        "0",
        "auto",
        "sh",
        "TERM",
        "INT",
        "exec",
        "json",
        "end",
        "wait",
        "TERM:INT",
        "HUP:0",
        "TERM:HUP",
        "143",
        "3",
    ),
    *("", " ", "-5", "--", "-", "-q", "=", "=3s", "a=b", "x y", "\udcff", "\n", "g3s", "--grace", "2\N{MICRO SIGN}s"),
]
COMMAND = ["true", "cmd", "", "--", "-x", "--grace", "-q", "a b"]

values = st.sampled_from(VALUES) | st.text(max_size=4)
whole_options = (
    st.sampled_from(FLAGS).map(lambda word: [word])
    | st.tuples(st.sampled_from(TAKING), values).map(list)
    | st.tuples(st.sampled_from(TAKING), values).map("".join).map(lambda word: [word])
    | st.tuples(st.sampled_from(TAKING), values).map("=".join).map(lambda word: [word])
)
odd_words = st.sampled_from(
    [
        "-",
        "--",
        "---",
        "--=",
        "-=",
        "-qv",
        "-qg3s",
        "-g=3s",
        "--gra",
        "--grac=3s",
        "--quiet=1",
        "-z",
        "-gq",
        "-qq",
        "--no",
    ]
) | st.text(alphabet="-=gqsvpikx3", max_size=5)
lines = st.lists(whole_options | odd_words.map(lambda word: [word]), max_size=5).flatmap(
    lambda parts: st.lists(st.sampled_from(COMMAND), max_size=3).map(
        lambda command: [*(word for part in parts for word in part), *command]
    )
)


def meaning(given_texts: dict[str, list[str]]) -> object:
    """What texts come to: settings, or the line that refuses them."""
    try:
        return vars(options.read({}, given_texts))
    except Refusal as refusal:
        return str(refusal)


@settings(deadline=None, max_examples=2000)
@given(lines)
def test_both_mean_the_same(words: list[str]) -> None:
    """T1, T4: whatever the small reader takes, click takes, and both make the same settings and command of it."""
    small = command_line.split(words)
    if small is None:
        return
    given_texts, command = small
    by_click, clicks_command = click_parser.split(words)
    assert command == clicks_command
    assert meaning(given_texts) == meaning(by_click)


@settings(deadline=None, max_examples=500)
@given(
    st.lists(
        st.sampled_from(FLAGS).map(lambda word: [word])
        | st.tuples(st.sampled_from(TAKING), st.sampled_from(["3s", "", "a=b", "x-y"])).map(list)
        | st.tuples(st.sampled_from(LONG), values).map(lambda pair: [f"{pair[0]}={pair[1]}"])
        | st.tuples(
            st.sampled_from([word for word in TAKING if len(word) == 2]), st.sampled_from(["3s", "x-y", "--"])
        ).map(lambda pair: ["".join(pair)]),
        max_size=4,
    ),
    st.sampled_from([[], ["--"]]),
    st.lists(st.sampled_from(COMMAND), max_size=3),
)
def test_what_is_well_formed_is_read(parts: list[list[str]], separator: list[str], rest: list[str]) -> None:
    """Nothing well-formed is left to click: each of the forms, in any number and order."""
    words = [word for part in parts for word in part]
    small = command_line.split([*words, *separator, "cmd", *rest])
    assert small is not None
    assert small[1] == ["cmd", *rest]
    assert sum(map(len, small[0].values())) == len(parts)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h", "cmd"],
        ["--version"],
        [],
        ["--"],
        ["-q"],
        ["-q", "--"],
        ["--grace"],
        ["--grace", "--", "cmd"],
        ["-p", "--", "x"],
        ["--grace", "-5", "cmd"],
        ["-g=3s", "cmd"],
        ["-qg3s", "cmd"],
        ["-qv", "cmd"],
        ["-vv", "cmd"],
        ["--gra", "3s", "cmd"],
        ["--quiet=1", "cmd"],
        ["--nonsense", "cmd"],
        ["-"],
        ["-q", "-", "x"],
    ],
)
def test_what_is_handed_over(words: list[str]) -> None:
    """Help, mistakes, and click's oddities, by name."""
    assert command_line.split(words) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--exec", "--parent", "auto", "--grace", "3s", "--", "true"],
        ["-g3s", "-q", "--log=json", "true"],
        ["--rewrite", "TERM:INT", "--success", "143", "--name", "x", "true"],
    ],
)
def test_click_is_not_loaded(arguments: list[str]) -> None:
    """A well-formed line costs no click on the way to the backend."""
    root = str(Path(package.__file__).parents[1])
    code = (
        f"import sys; sys.path.append({root!r}); from pdwrap import entry; entry._run = lambda *given: None; "
        "import os; leave = os._exit; os._exit = lambda status: None; entry.main(sys.argv[1:]); "
        "print(sorted({'click', 'enum', 're', 'typing', 'json'} & set(sys.modules)))"
    )
    command = [sys.executable, "-I", "-c", code, *arguments]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


class Left(BaseException):
    """The process would have ended now, with help or version."""


def leave(_status: int) -> None:
    """In the place of `os._exit`."""
    raise Left


any_words = st.lists(st.text(max_size=8) | st.sampled_from([*TAKING, *FLAGS, *VALUES, *COMMAND, "--help", "--version"]))


@settings(deadline=None, max_examples=1000)
@given(any_words)
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    """T4: whatever stands on the command line, it is read, or refused in words; or it asks for help."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os._exit", leave)
        patched.setattr("click.echo", lambda *_arguments, **_named: None)
        try:
            given_texts, command = command_line.split(words) or click_parser.split(words)
            read = options.read({}, given_texts)
        except (Refusal, Left):
            return
    assert command or not options.IN_PLACE.isdisjoint(given_texts)
    assert words[len(words) - len(command) :] == command
    assert set(read.explicit) == set(given_texts)
