"""Facts about signals: names, numbers, and which set each belongs to (T2)."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap.linux import signals

RTMIN, RTMAX = int(signal.SIGRTMIN), int(signal.SIGRTMAX)


@pytest.mark.parametrize("number", sorted(map(int, signal.valid_signals())))
def test_every_signal_is_named_and_read_back(number: int) -> None:
    """Each signal's name is read as the same signal: with and without SIG, in lower case, and as a number."""
    name = signals.name(number)
    assert name.startswith("SIG") or sys.version_info < (3, 11)
    if name.startswith("SIG"):
        for text in (name, name.removeprefix("SIG"), name.lower(), f" {name}\n"):
            assert signals.parse(text) == number
    assert signals.parse(str(number)) == number


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "SIGHUP"),
        (6, "SIGABRT"),
        (9, "SIGKILL"),
        (15, "SIGTERM"),
        (int(signal.SIGCHLD), "SIGCHLD"),
        (int(signal.SIGIO), "SIGIO"),
        (RTMIN, "SIGRTMIN"),
        (RTMIN + 3, "SIGRTMIN+3"),
        (RTMAX, "SIGRTMAX"),
        (32, "signal 32"),
        (200, "signal 200"),
    ],
)
def test_usual_names(number: int, name: str) -> None:
    """Of several names, the usual one; what has none is named by its number."""
    assert signals.name(number) == name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("IOT", int(signal.SIGABRT)),
        ("CLD", int(signal.SIGCHLD)),
        ("POLL", int(signal.SIGIO)),
        ("RTMIN", RTMIN),
        ("RTMIN+0", RTMIN),
        ("rtmax-1", RTMAX - 1),
        ("SIGRTMAX-0", RTMAX),
        ("015", 15),
    ],
)
def test_other_ways_to_write_one(text: str, number: int) -> None:
    """Second names, counts from either end of the real-time signals, and leading zeros."""
    assert signals.parse(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "0", "-1", "32", "33", "65", "1000", "9" * 5000, "1.0", "\N{SUPERSCRIPT TWO}"),
        *("\N{ARABIC-INDIC DIGIT FIVE}", "SIG", "SIGSIGTERM", "TER", "TERM1", "SIG_DFL", "_BLOCK", "NAL", "HUP INT"),
        *("RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMAX-31", "RTMIN+", "RTMIN+x", "RTMIN+-1", "RTMIN+\N{SUPERSCRIPT TWO}"),
    ],
)
def test_no_such_signal(text: str) -> None:
    """What names no signal here is refused."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the caller's business
        signals.parse(text)


@settings(deadline=None)
@given(st.text(max_size=10))
def test_any_text_is_a_signal_or_refused(text: str) -> None:
    """No text leads to anything but a valid signal or ValueError."""
    try:
        assert signals.parse(text) in signal.valid_signals()
    except ValueError:
        pass


def test_the_sets() -> None:
    """T2: three are never forwarded; seven come from the terminal; two ask for it."""
    names = {name: int(getattr(signal, f"SIG{name}")) for name in ("KILL", "STOP", "CHLD", "TTIN", "TTOU")}
    assert {names["KILL"], names["STOP"], names["CHLD"]} == signals.NOT_FORWARDED
    assert {names["TTIN"], names["TTOU"]} == signals.WANTS_TERMINAL
    terminal = ("INT", "QUIT", "TSTP", "TTIN", "TTOU", "WINCH", "CONT")
    assert {int(getattr(signal, f"SIG{name}")) for name in terminal} == signals.FROM_TERMINAL
    assert set(map(int, signal.valid_signals())) == signals.ALL
    assert all(type(number) is int for number in signals.ALL)


def test_python_ignores_no_more_than_we_undo() -> None:
    """T1: what CPython's start sets to ignored, of what was not ignored before, is what the backend gets back."""
    code = "import _signal as s; print(*[n for n in s.valid_signals() if s.getsignal(n) == s.SIG_IGN])"
    started = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        restore_signals=True,
    )
    before = {int(number) for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN}
    ignored = set(map(int, started.stdout.split())) - (before - set(signals.IGNORED_BY_PYTHON))
    assert ignored == set(signals.IGNORED_BY_PYTHON)


def run(code: str) -> str:
    """Run `code` in an interpreter of its own, at the root of the checkout; give what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_without_the_enum() -> None:
    """The start does without `signal`, whose `enum` is a third of what pdwrap adds to it."""
    before = "import sys; sys.modules.pop('signal', None); "
    assert run(f"{before}from pdwrap.linux import signals; print('signal' in sys.modules)") == "False\n"


def test_falls_back_to_signal() -> None:
    """Where the built-in module has another name, `signal` serves as well, with the same answers."""
    facts = "from pdwrap.linux import signals as s; print(s.api.__name__, s.name(15), s.parse('RTMIN+2'), len(s.ALL))"
    direct = run(facts)
    assert direct.startswith("_signal ")
    fallback = run(f"import signal, sys; sys.modules['_signal'] = None; {facts}")
    assert fallback == direct.replace("_signal", "signal", 1)
