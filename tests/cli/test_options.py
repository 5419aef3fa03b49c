"""The settings: each variable, each option, LocalAI's two variables, bad values, and what wins over what (T4)."""

from __future__ import annotations

import os
import re
import signal
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap import __version__, options
from pdwrap.cli import click_parser
from pdwrap.exit_status import OWN_FAILURE, Refusal
from pdwrap.options import OPTIONS, Settings
from tests.harness import ROOT, run

LOCALAI_WATCH = "LOCALAI_BACKEND_PARENT_WATCH"
LOCALAI_INTERVAL = "LOCALAI_BACKEND_PARENT_WATCH_INTERVAL"
TERM, INT, USR1, USR2, HUP = (int(getattr(signal, f"SIG{name}")) for name in ("TERM", "INT", "USR1", "USR2", "HUP"))

#: Setting, text, what it means.
GOOD: list[tuple[str, str, object]] = [
    ("mode", "fork", "fork"),
    ("mode", "exec", "exec"),
    ("signal", "TERM", TERM),
    ("signal", "sigint", INT),
    ("signal", "10", 10),
    ("signal", "KILL", 9),
    ("signal", "RTMIN+1", int(signal.SIGRTMIN) + 1),
    ("grace", "5", 5.0),
    ("grace", "0", 0.0),
    ("grace", "1h15m30.5s", 4530.5),
    ("grace", "500ms", 0.5),
    ("grace", "2\N{MICRO SIGN}s", 2e-6),
    ("stop_grace", "10s", 10.0),
    ("stop_grace", "0", 0.0),
    ("parent", "1", 1),
    ("parent", "4194304", 4194304),
    ("parent", "local-ai", "local-ai"),
    ("parent", "12ab", "12ab"),
    ("parent", "a b", "a b"),
    ("parent", "0", 0),
    ("parent", "auto", None),
    ("lifeline", "0", 0),
    ("lifeline", "17", 17),
    ("watch", "auto", "auto"),
    ("watch", "poll", "poll"),
    ("watch", " POLL ", "poll"),
    *[("watch", word, "off") for word in ("off", "false", "0", "no", " Off\t", "FALSE")],
    *[("watch", word, "auto") for word in ("on", "true", "1", "yes", " On ")],
    ("interval", "250ms", 0.25),
    ("interval", "3", 3.0),
    *[("leftovers", word, word) for word in ("end", "wait", "leave")],
    ("rewrite", "TERM:INT", {TERM: INT}),
    ("rewrite", "TERM:INT,HUP:0", {TERM: INT, HUP: 0}),
    ("rewrite", "SIGTERM:int 1:0", {TERM: INT, HUP: 0}),
    ("rewrite", "TERM:INT TERM:INT", {TERM: INT}),
    ("success", "143", frozenset({143})),
    ("success", "0,3 255", frozenset({0, 3, 255})),
    ("name", "llama-cpp", "llama-cpp"),
    ("name", "a b\n", "a b\n"),
    ("log_file", "/var/log/x y.log", "/var/log/x y.log"),
    ("log", "text", "text"),
    ("log", "json", "json"),
]

BAD: list[tuple[str, str]] = [
    ("mode", "Fork"),
    ("mode", "thread"),
    *[
        ("signal", text)
        for text in ("", "TERMINATE", "0", "65", "-15", "STOP", "CHLD", "17", "CONT", "RTMAX+1", "_DFL")
    ],
    *[("grace", text) for text in ("", "-1s", "5 s", "five", "1d", "inf", "3000000h", "\N{ARABIC-INDIC DIGIT FIVE}")],
    *[("stop_grace", text) for text in ("", "-1s", "never")],
    *[("parent", text) for text in ("", " 1", "name ", "99999999999")],
    *[("lifeline", text) for text in ("", "-1", "three", "2147483648", "\N{SUPERSCRIPT TWO}", " 3")],
    *[("watch", text) for text in ("", "polling", "2", "disabled")],
    *[("interval", text) for text in ("", "0", "0s", "-1s", "soon")],
    *[("leftovers", text) for text in ("", "End", "kill")],
    *[("rewrite", text) for text in ("", ",", "TERM", "TERM:", ":INT", "TERM:INT:0", "KILL:TERM", "STOP:0", "CHLD:0")],
    ("rewrite", "TERM:INT,oops"),
    *[("success", text) for text in ("", ",", "-1", "256", "TERM", "1e1", "0x1", "\N{SUPERSCRIPT TWO}")],
    ("name", ""),
    ("log_file", ""),
    *[("log", text) for text in ("", "JSON", "xml")],
]

ALLOWED = {row.name: row.allowed for row in OPTIONS}
OPTION = {row.name: f"--{row.name.replace('_', '-')}" for row in OPTIONS if not row.flags}
VARIABLE = {row.name: f"PDWRAP_{row.name.upper()}" for row in OPTIONS if row.variable}
BY_TEXT = [pytest.param(name, text, id=f"{name}={text}") for name, text in BAD]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of pdwrap's or LocalAI's comes from outside."""
    for name in os.environ:
        if name.startswith(("PDWRAP_", "LOCALAI_")):
            monkeypatch.delenv(name)


def test_defaults() -> None:
    """What holds when nothing is set."""
    read = options.read({})
    assert read.explicit == {}
    assert {row.name: getattr(read, row.name) for row in OPTIONS} == {
        "grace": 5.0,
        "interval": 2.0,
        "leftovers": "end",
        "lifeline": None,
        "log": "text",
        "log_file": "",
        "mode": "fork",
        "name": "",
        "orphans": "",
        "parent": None,
        "report": "",
        "rewrite": {},
        "signal": TERM,
        "stop_grace": float("inf"),
        "success": frozenset(),
        "verbosity": 0,
        "watch": "auto",
    }


def test_help_is_one_screen() -> None:
    """What to type first, then the options: at most 40 lines of 80 columns, plain text at a terminal as elsewhere."""
    shown = run([sys.executable, "-I", str(ROOT / "scripts" / "pdwrap"), "--help"]).stdout.decode()
    lines = shown.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown
    assert shown.index("pdwrap -- ./server") < shown.index("--parent auto|PID|NAME")
    for row in OPTIONS:
        for word in (*row.words, *(word for flag in row.flags for word in flag[0])):
            assert f"{word} " in shown or f"{word}," in shown


def test_the_table_names_itself() -> None:
    """Every row's variable and option are named after its setting; every row says what it is, and what is allowed."""
    words = [word for row in OPTIONS for word in (*row.words, *(w for flag in row.flags for w in flag[0]))]
    assert len(words) == len(set(words))
    for row in OPTIONS:
        assert row.variable in ("", f"PDWRAP_{row.name.upper()}")
        assert row.allowed
        assert row.group in options.GROUPS
        assert bool(row.flags) != bool(row.words)
        if row.flags:
            assert all(about for _words, _text, about in row.flags)
        else:
            assert row.words[-1] == OPTION[row.name]
            assert row.metavar
            assert row.help


def test_a_setting_is_its_settings_own() -> None:
    """What one run sets is no other's default."""
    one = Settings()
    one.grace = 1.0
    assert Settings().grace == 5.0
    assert one.grace == 1.0
    assert Settings.grace.default == 5.0


@pytest.mark.parametrize(("name", "text", "value"), [each for each in GOOD if each[0] in VARIABLE])
def test_each_variable(name: str, text: str, value: object) -> None:
    """A variable is read; it alone is changed by it."""
    read = options.read({VARIABLE[name]: text})
    assert getattr(read, name) == value
    assert read.explicit == {name: VARIABLE[name]}
    plain = options.read({})
    for other in OPTIONS:
        if other.name != name:
            assert getattr(read, other.name) == getattr(plain, other.name)


def on_the_command_line(name: str, text: str) -> list[str]:
    """Give `text` to the option of setting `name`."""
    return [f"--{text}"] if name == "mode" else [OPTION[name], text]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_each_option(name: str, text: str, value: object) -> None:
    """An option is read by the same reader as its variable."""
    read, command = click_parser.parse([*on_the_command_line(name, text), "--", "cmd", "-x"])
    assert getattr(read, name) == value
    assert name in read.explicit
    assert command == ["cmd", "-x"]


@pytest.mark.parametrize(("name", "text"), [each for each in BY_TEXT if each.values[0] in VARIABLE and each.values[1]])
def test_bad_variable(name: str, text: str) -> None:
    """T4: one line names the variable, the value, and what is allowed."""
    with pytest.raises(Refusal) as refused:
        options.read({VARIABLE[name]: text})
    assert refused.value.status == OWN_FAILURE
    assert str(refused.value) == f"{VARIABLE[name]}: {text!r} cannot be read: give {ALLOWED[name]}"


@pytest.mark.parametrize("name", VARIABLE)
def test_an_empty_variable_is_none(name: str) -> None:
    """`PDWRAP_GRACE=`, as a compose file's `${X:-}` makes it, is as if it were not there."""
    read = options.read({VARIABLE[name]: "", LOCALAI_WATCH: "off", LOCALAI_INTERVAL: "7s"})
    plain = options.read({LOCALAI_WATCH: "off", LOCALAI_INTERVAL: "7s"})
    assert read.explicit == {}
    assert getattr(read, name) == getattr(plain, name)


@pytest.mark.parametrize(("name", "text"), [each for each in BY_TEXT if each.values[0] in OPTION])
def test_bad_option(name: str, text: str) -> None:
    """T4: one line names the option, the value, and what is allowed."""
    with pytest.raises(Refusal) as refused:
        click_parser.parse([OPTION[name], text, "--", "cmd"])
    assert refused.value.status == OWN_FAILURE
    assert str(refused.value) == f"{OPTION[name]}: {text!r} cannot be read: give {ALLOWED[name]}"


#: What contradicts itself, on the command line; how the line begins.
CONTRADICTIONS = [
    (["--fork", "--exec"], "--fork and --exec at once"),
    (["--exec", "--grace", "1s", "--fork"], "--fork and --exec at once"),
    (["-q", "-v"], "-q and -v at once"),
    (["--verbose", "--quiet"], "-q and -v at once"),
    (["--rewrite", "TERM:INT", "--rewrite", "TERM:HUP"], "--rewrite: TERM:INT and TERM:HUP at once"),
    (["--rewrite", "TERM:INT,USR1:0,15:0"], "--rewrite: TERM:INT and 15:0 at once"),
]


@pytest.mark.parametrize(("arguments", "line"), CONTRADICTIONS)
def test_contradictions(arguments: list[str], line: str) -> None:
    """T4: two options that cannot both be meant are an error that names both."""
    with pytest.raises(Refusal) as refused:
        click_parser.parse([*arguments, "cmd"])
    assert refused.value.status == OWN_FAILURE
    assert str(refused.value) == f"{line}: give one of them"


def test_contradiction_in_a_variable() -> None:
    """The same for two rules in a variable."""
    with pytest.raises(Refusal, match=r"^PDWRAP_REWRITE: TERM:INT and TERM:0 at once: give one of them$"):
        options.read({"PDWRAP_REWRITE": "TERM:INT TERM:0"})


@pytest.mark.parametrize(
    "arguments", [["--fork", "--fork"], ["-q", "--quiet"], ["-v", "-v"], ["-vv"], ["--exec", "--exec"]]
)
def test_what_is_said_twice_is_no_contradiction(arguments: list[str]) -> None:
    """Twice the same is that."""
    assert click_parser.parse([*arguments, "cmd"])[1] == ["cmd"]


#: What means something in fork mode alone: setting, text.
FORK_ONLY = [
    ("stop_grace", "3s"),
    ("leftovers", "wait"),
    ("leftovers", "leave"),
    ("rewrite", "TERM:INT"),
    ("success", "3"),
]


def test_what_is_for_fork_mode_alone() -> None:
    """Nothing is missing here."""
    assert {name for name, _text in FORK_ONLY} == {row.name for row in OPTIONS if row.fork_only}


@pytest.mark.parametrize(("name", "text"), FORK_ONLY)
@pytest.mark.parametrize("chosen", ["option", "variable"])
def test_meaningless_options_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str, chosen: str) -> None:
    """T4: an option for fork mode is refused in exec mode, however that is chosen."""
    if chosen == "variable":
        monkeypatch.setenv("PDWRAP_MODE", "exec")
    with pytest.raises(Refusal) as refused:
        click_parser.parse([OPTION[name], text, *(["--exec"] if chosen == "option" else []), "cmd"])
    assert refused.value.status == OWN_FAILURE
    assert str(refused.value).startswith(f"{OPTION[name]} means nothing in exec mode (")


@pytest.mark.parametrize(("name", "text"), [(*each,) for each in FORK_ONLY if each[0] in VARIABLE])
def test_meaningless_variables_are_ignored(name: str, text: str) -> None:
    """A variable for fork mode was meant for another pdwrap: in exec mode it is not even read."""
    for each in (text, "nonsense:"):
        read = options.read({"PDWRAP_MODE": "exec", VARIABLE[name]: each})
        assert getattr(read, name) == getattr(Settings(), name)
        assert read.explicit == {"mode": "PDWRAP_MODE"}


def test_the_default_means_nothing_else() -> None:
    """`--exec --leftovers end` asks for nothing that exec mode does otherwise."""
    assert click_parser.parse(["--exec", "--leftovers", "end", "cmd"])[0].leftovers == "end"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "COMMAND"),
        (["--"], "COMMAND"),
        (["--nonsense", "cmd"], "--nonsense"),
        (["--grace"], "--grace"),
        (["-z", "cmd"], "-z"),
    ],
)
def test_bad_usage(arguments: list[str], named: str) -> None:
    """T4: what click refuses is one line, too, and names what is wrong."""
    with pytest.raises(Refusal) as refused:
        click_parser.parse(arguments)
    assert refused.value.status == OWN_FAILURE
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("short", "name", "text", "value"),
    [
        ("-s", "signal", "INT", INT),
        ("-g", "grace", "1s", 1.0),
        ("-k", "grace", "1s", 1.0),
        ("-p", "parent", "x", "x"),
        ("-i", "interval", "1", 1.0),
    ],
)
def test_short_options(short: str, name: str, text: str, value: object) -> None:
    """The short forms are the same options."""
    assert getattr(click_parser.parse([short, text, "cmd"])[0], name) == value


def test_repeatable_options_add_up() -> None:
    """Several rules, and several statuses, add up."""
    arguments = ["--rewrite", "TERM:INT", "--rewrite", "USR1:0", "--success", "3", "--success", "143"]
    read, _command = click_parser.parse([*arguments, "cmd"])
    assert read.rewrite == {TERM: INT, USR1: 0}
    assert read.success == {3, 143}


def test_the_last_of_other_options_counts() -> None:
    """`--grace 1s --grace 2s`: an alias with an option of its own can be overruled."""
    assert click_parser.parse(["--grace", "1s", "-k", "2s", "cmd"])[0].grace == 2.0


@pytest.mark.parametrize(("arguments", "verbosity"), [([], 0), (["-q"], -1), (["-v"], 1), (["--verbose"], 1)])
def test_verbosity(arguments: list[str], verbosity: int) -> None:
    """`-q` is quiet, `-v` tells what is watched."""
    assert click_parser.parse([*arguments, "cmd"])[0].verbosity == verbosity


@pytest.mark.parametrize("separator", [[], ["--"]])
def test_the_command_is_left_alone(separator: list[str]) -> None:
    """T1: what follows the command is its own, also where it looks like an option of ours, or like `--`."""
    command = ["cmd", "--grace", "x", "--", "-v", "", "--help"]
    assert click_parser.parse(["-q", *separator, *command])[1] == command


def test_option_wins_over_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag wins over its variable, even over one that could not be read."""
    monkeypatch.setenv("PDWRAP_GRACE", "1s")
    monkeypatch.setenv("PDWRAP_SIGNAL", "nonsense")
    monkeypatch.setenv("PDWRAP_MODE", "exec")
    read, _command = click_parser.parse(["--grace", "2s", "--signal", "INT", "--fork", "cmd"])
    assert (read.grace, read.signal, read.mode) == (2.0, INT, "fork")


def test_the_environment_counts_beside_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option changes its own setting; the variables of the others still count."""
    monkeypatch.setenv("PDWRAP_GRACE", "1s")
    assert click_parser.parse(["-v", "cmd"])[0].grace == 1.0


@pytest.mark.parametrize(
    ("text", "watch"),
    [
        *[(text, "off") for text in ("false", "0", "no", "off", "FALSE", " Off\n", "No", "\toFF ")],
        *[(text, "auto") for text in ("", "true", "1", "yes", "on", "poll", "2", "nope", "f", "disabled", "00")],
    ],
)
def test_localai_watch(text: str, watch: str) -> None:
    """LocalAI's switch is off for four words, in any case and with blanks around; anything else is on."""
    assert options.read({LOCALAI_WATCH: text}).watch == watch


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        *[("500ms", 0.5), ("2s", 2.0), ("1m", 60.0), ("1m30s", 90.0), ("3", 3.0), ("0.5", 0.5)],
        *[(text, 2.0) for text in ("", "garbage", "0", "0s", "-1s", "-3", "1d", "3000000h", "1e3", "nan")],
    ],
)
def test_localai_interval(text: str, interval: float) -> None:
    """LocalAI's interval never fails: what it cannot read, or is not above 0, is its default."""
    assert options.read({LOCALAI_INTERVAL: text}).interval == interval


@settings(deadline=None)
@given(st.text(max_size=10), st.text(max_size=10))
def test_localai_never_fails(watch: str, interval: str) -> None:
    """Whatever LocalAI's variables hold, pdwrap starts, and its interval is above 0."""
    read = options.read({LOCALAI_WATCH: watch, LOCALAI_INTERVAL: interval})
    assert read.watch in ("auto", "off")
    assert read.interval > 0


def test_ours_wins_over_localai() -> None:
    """pdwrap's variable wins over LocalAI's, either way, and over an option of neither."""
    both = {LOCALAI_WATCH: "off", LOCALAI_INTERVAL: "7s"}
    read = options.read({**both, "PDWRAP_WATCH": "on", "PDWRAP_INTERVAL": "1s"})
    assert (read.watch, read.interval) == ("auto", 1.0)
    read = options.read({**both, "PDWRAP_WATCH": "off"}, {"watch": ["poll"], "interval": ["3s"]})
    assert (read.watch, read.interval) == ("poll", 3.0)


def test_localai_sets_nothing_else() -> None:
    """LocalAI's variables are not taken for settings of ours that were made by hand."""
    assert options.read({LOCALAI_WATCH: "off", LOCALAI_INTERVAL: "7s"}).explicit == {}


@settings(deadline=None)
@given(name=st.sampled_from(sorted(VARIABLE)), text=st.text(max_size=12))
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    """T4: no text leads to anything but a setting or a refusal that names it."""
    said = None
    try:
        options.read({VARIABLE[name]: text})
    except Refusal as refusal:
        said = str(refusal)
    assert said is None or (VARIABLE[name] in said and repr(text) in said)


def test_version(pdwrap: list[str]) -> None:
    """`--version`: which one it is, of which form, by which Python, and how it calls prctl(2)."""
    outcome = run([*pdwrap, "--version"])
    assert (outcome.code, outcome.stderr) == (0, "")
    form = r"(checkout in .+|installed in .+|one file)"
    pattern = rf"pdwrap {re.escape(__version__)} \({form}; Python 3\.\d+\.\d+\S*; prctl by (python-prctl|ctypes)\)\n"
    assert re.fullmatch(pattern, outcome.stdout.decode())
