"""T4: whatever the arguments, variables, durations, signals: no traceback, no hang, no backend after bad usage."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdwrap import exit_status
from tests.harness import clean_environment, run

pytestmark = [pytest.mark.modes("fork", "exec"), pytest.mark.timeout(300)]

ROUNDS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""Each is a process or two. The same ones each time: what fails in CI fails on a desk."""

OPTIONS = (
    *("--signal", "--grace", "--parent", "--lifeline", "--watch", "--interval", "--leftovers", "--rewrite", "--log"),
    *(
        "--stop-grace",
        "--success",
        "--name",
        "--log-file",
        "-s",
        "-g",
        "-k",
        "-p",
        "-i",
        "-q",
        "-v",
        "--quiet",
        "--verbose",
    ),
    *("--nosuch", "-x", "--grace=", "-g5", "--fork=1"),
)
OWN = (exit_status.OWN_FAILURE, exit_status.NOT_FOUND, exit_status.CANNOT_EXECUTE)
VARIABLES = (
    *(
        "MODE",
        "SIGNAL",
        "GRACE",
        "PARENT",
        "LIFELINE",
        "WATCH",
        "INTERVAL",
        "LEFTOVERS",
        "REWRITE",
        "LOG",
        "STOP_GRACE",
    ),
    *("LOG_FILE", "NAME", "SUCCESS"),
)

#: What a caller may hand over: any bytes but NUL. No lone `-`, `--` or help, which mean what they say.
ODD = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"") or b"x"),
    st.sampled_from(
        [
            b"",
            b" ",
            b"\n",
            b"\xff\xfe",
            "µs".encode(),
            b"9" * 5000,
            b"-1",
            b"0",
            b"1e309",
            b"nan",
            b"inf",
            b"%s%n",
            b"\x1b[2J",
        ]
    ),
    st.integers(-(2**70), 2**70).map(lambda number: b"%d" % number),
)
DURATIONS = st.one_of(
    ODD,
    st.from_regex(rb"[+-]?[0-9]{0,25}(\.[0-9]{0,25})?(ns|us|\xc2\xb5s|ms|s|m|h|d)?", fullmatch=True),
)
SIGNALS = st.one_of(
    ODD,
    st.sampled_from(
        [b"TERM", b"SIGTERM", b"term", b"0", b"9", b"KILL", b"65", b"-15", b"RTMIN+1", b"SIGRTMAX", b"CHLD", b"15 "]
    ),
)


class Marker:
    """A backend that leaves a file behind."""

    def __init__(self, place: Path) -> None:
        """*place* is a folder of its own."""
        self.path = place / "ran"
        self.command = ["/bin/sh", "-c", f": >{self.path}"]

    def check(self, argv: Sequence[str | bytes], env: dict[str, str] | None = None) -> None:
        """Run pdwrap: it ends, with a status that it documents; what is its own fault has one line, and no backend."""
        outcome = run(argv, env=env)  # type: ignore[arg-type] # bytes are arguments as well
        assert "Traceback" not in outcome.stderr
        ran = self.path.exists()
        # A flag has no value: what follows it is then a command, of which there is none.
        assert outcome.code in (0, *OWN), (outcome, ran)
        assert ran == (outcome.code == 0), (outcome, ran)
        if outcome.code:
            assert "pdwrap: " in outcome.stderr, outcome


def marker() -> Marker:
    """Give a new one: each example looks for a file of its own."""
    return Marker(Path(tempfile.mkdtemp(dir=PLACE)))


PLACE = tempfile.mkdtemp(prefix="pdwrap-malicious-")


@pytest.fixture(scope="module", autouse=True)
def place() -> object:
    """Be elsewhere for a while (an option may name a file), and take away what the examples left."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    yield
    import shutil

    os.fchdir(before)  # the directory is that of every other test, too
    os.close(before)
    shutil.rmtree(PLACE, ignore_errors=True)


@ROUNDS
@given(options=st.lists(st.tuples(st.sampled_from(OPTIONS), st.none() | ODD), min_size=1, max_size=4))
def test_options(pdwrap: list[str], options: list[tuple[str, bytes | None]]) -> None:
    """Any option with any value, or with none."""
    seen = marker()
    words: list[str | bytes] = [*pdwrap]
    for name, value in options:
        words += [name] if value is None else [name, value]
    os.chdir(seen.path.parent)
    seen.check([*words, "--", *seen.command])


@ROUNDS
@given(values=st.dictionaries(st.sampled_from(VARIABLES), ODD, min_size=1, max_size=4))
def test_variables(pdwrap: list[str], values: dict[str, bytes]) -> None:
    """Any variable with any value."""
    seen = marker()
    os.chdir(seen.path.parent)
    extra = {f"PDWRAP_{name}": os.fsdecode(value) for name, value in values.items()}
    seen.check([*pdwrap, "--", *seen.command], clean_environment(extra))


@ROUNDS
@given(
    value=DURATIONS,
    name=st.sampled_from(["--grace", "--interval", "PDWRAP_GRACE", "LOCALAI_BACKEND_PARENT_WATCH_INTERVAL"]),
)
def test_durations(pdwrap: list[str], name: str, value: bytes) -> None:
    """What looks like a duration; LocalAI's own variable never fails."""
    seen = marker()
    if name.startswith("--"):
        seen.check([*pdwrap, name, value, "--", *seen.command])
    else:
        seen.check([*pdwrap, "--", *seen.command], clean_environment({name: os.fsdecode(value)}))
        assert seen.path.exists() or not name.startswith("LOCALAI")


@ROUNDS
@given(
    value=SIGNALS, name=st.sampled_from(["--signal", "PDWRAP_SIGNAL", "--rewrite", "PDWRAP_REWRITE"]), second=SIGNALS
)
def test_signals(pdwrap: list[str], name: str, value: bytes, second: bytes) -> None:
    """What looks like a signal, or like two."""
    seen = marker()
    if "REWRITE" in name.upper():
        value = value + b":" + second
    if name.startswith("--"):
        seen.check([*pdwrap, name, value, "--", *seen.command])
    else:
        seen.check([*pdwrap, "--", *seen.command], clean_environment({name: os.fsdecode(value)}))


@ROUNDS
@given(words=st.lists(ODD, min_size=1, max_size=20))
def test_arguments_of_the_backend(pdwrap: list[str], words: list[bytes]) -> None:
    """T1: its arguments, whatever they are, arrive as they are."""
    tell = "import os,sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    outcome = run([*pdwrap, "--", sys.executable, "-I", "-S", "-c", tell, *words])  # type: ignore[list-item] # bytes
    assert outcome.code == 0, outcome
    assert outcome.stdout == b"\0".join(words)


@ROUNDS
@given(numbers=st.lists(st.sampled_from(sorted(signal.valid_signals() - {9, 19})), max_size=64), ignore=st.booleans())
def test_signals_that_were_inherited(pdwrap: list[str], numbers: list[int], ignore: bool) -> None:  # noqa: FBT001
    """Any signals ignored or blocked by the launcher: it runs, and ends."""

    def prepare() -> None:
        if ignore:
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    outcome = run([*pdwrap, "--", "/bin/true"], before_exec=prepare)
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("size", [1, 100_000])
def test_many_arguments(pdwrap: list[str], size: int) -> None:
    """As many as the kernel takes (execve(2), ARG_MAX), and one too many of pdwrap's own."""
    outcome = run([*pdwrap, "--", "/bin/true", *["x"] * size])
    assert outcome.code == 0, outcome
