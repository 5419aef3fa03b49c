"""A line on stderr, without a process: what it says, its JSON, and that it never blocks (T4, E8)."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap import messages
from pdwrap import stderr as stderr_line
from pdwrap.form import Form
from pdwrap.messages import Log
from pdwrap.options import Settings

LAUNCHER, BACKEND = (41, "local-ai"), (42, "server")
NASTY = "a\tb\x1b]0;t\x07\u202e\udcff\u2028\x85\x7f"
Take = Callable[[], bytes]


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Take]:
    """Put a pipe in the place of stderr; calling the fixture takes what has been written."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    monkeypatch.setattr(stderr_line, "STDERR", write)

    def take() -> bytes:
        try:
            return os.read(read, 1 << 20)
        except BlockingIOError:
            return b""

    yield take
    os.close(read)
    os.close(write)


def log(form: str = "text", verbosity: int = 0) -> Log:
    """Make a log of that form."""
    chosen = Settings()
    chosen.log = form
    chosen.verbosity = verbosity
    return Log(chosen, BACKEND[1])


def told(line: bytes) -> dict[str, Any]:
    """Read a line of JSON; the time and the pid, which all of them have, are seen to be right, and left out."""
    read: dict[str, Any] = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", read["time"])
    when = datetime.fromisoformat(read.pop("time").replace("Z", "+00:00"))
    assert when <= datetime.now(timezone.utc)
    assert read.pop("pdwrap_pid") == os.getpid()
    return read


def test_the_real_stderr() -> None:
    """Everything goes to descriptor 2, whatever `sys.stderr` is."""
    assert stderr_line.STDERR == 2


REASONS = {
    "launcher-died": "pdwrap: launcher local-ai (pid 41) died: ending server (pid 42) with SIGTERM, grace 5s\n",
    "lifeline-closed": "pdwrap: lifeline closed: ending server (pid 42) with SIGTERM, grace 5s\n",
    "leftovers": "pdwrap: server (pid 42) exited and left 3 processes behind: ending them with SIGTERM, grace 5s; "
    "a daemon? --leftovers wait\n",
    "stop-overdue": (
        "pdwrap: server (pid 42) was asked to end, and has not within --stop-grace: ending it with SIGTERM, grace 5s\n"
    ),
    "supervisor-lost": "pdwrap: a supervisor was lost: ending server (pid 42) with SIGTERM, grace 5s\n",
    "outer-lost": "pdwrap: the outer supervisor was lost: ending server (pid 42) with SIGTERM, grace 5s\n",
}


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason(stderr: Take, reason: str) -> None:
    """One line says why, whom and how."""
    log().ending(reason, LAUNCHER, BACKEND, "SIGTERM", 5.0, 3)
    assert stderr().decode() == REASONS[reason]


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_as_json(stderr: Take, reason: str) -> None:
    """The same as one object, with the same keys for every reason."""
    log("json").ending(reason, LAUNCHER, BACKEND, "SIGTERM", 5.0, 3)
    line = stderr()
    assert line.endswith(b"}\n")
    assert told(line) == {
        "event": "ending",
        "reason": reason,
        "launcher_name": "local-ai",
        "launcher_pid": 41,
        "through": [],
        "backend_name": "server",
        "backend_pid": 42,
        "signal": "SIGTERM",
        "grace_seconds": 5.0,
        "leftovers": 3,
    }


@pytest.mark.parametrize(
    ("name", "grace", "how"),
    [
        ("SIGINT", 0.25, "with SIGINT, grace 0.25s"),
        ("SIGTERM", 90.0, "with SIGTERM, grace 90s"),
        ("SIGKILL", 0.0, "with SIGKILL"),
    ],
)
def test_how(stderr: Take, name: str, grace: float, how: str) -> None:
    """A SIGKILL has no grace to be named."""
    log().ending("launcher-died", LAUNCHER, BACKEND, name, grace)
    assert stderr().decode().endswith(f": ending server (pid 42) {how}\n")


def test_one_is_singular(stderr: Take) -> None:
    """One process is no `processes`."""
    log().ending("leftovers", LAUNCHER, BACKEND, "SIGTERM", 5.0, 1)
    assert b"left 1 process behind" in stderr()
    log().done(1, 0.0124)
    assert stderr() == b"pdwrap: done: 1 process ended in 0.012s\n"


def test_done(stderr: Take) -> None:
    """The last line says how many, and how long."""
    log().done(3, 0.0124)
    assert stderr() == b"pdwrap: done: 3 processes ended in 0.012s\n"
    log("json").done(3, 0.0124)
    assert told(stderr()) == {"event": "done", "processes": 3, "seconds": 0.0124}


def test_survivors(stderr: Take) -> None:
    """E7: what is still there is named; where nobody is, nothing is said."""
    left = [(7, "driver"), (8, "worker")]
    log().survivors(left)
    assert stderr() == b"pdwrap: still there 3s after SIGKILL, pdwrap leaves: driver (pid 7), worker (pid 8)\n"
    log("json").survivors(left)
    listed = [{"pid": 7, "name": "driver"}, {"pid": 8, "name": "worker"}]
    assert told(stderr()) == {"event": "survivors", "survivors": listed, "count": 2}
    log().survivors([])
    log("json").survivors([])
    assert stderr() == b""


def test_error(stderr: Take) -> None:
    """E8: an error of pdwrap's own is one line without a traceback."""
    log().error(OSError("two\nlines"))
    assert stderr() == b"pdwrap: internal error (OSError: two?lines): ending the tree\n"
    log().error(KeyError())
    assert stderr() == b"pdwrap: internal error (KeyError): ending the tree\n"
    log("json").error(OSError("two\nlines"))
    assert told(stderr()) == {"event": "error", "error": "OSError: two\nlines"}


SH = (43, "sh")
ALONE = "watching the lifeline (descriptor 3) alone"
WATCHING = {
    "alone": (([LAUNCHER], "pidfd"), "watching local-ai (pid 41) by pidfd"),
    "through": (([LAUNCHER, SH], "pidfd"), "watching local-ai (pid 41) through sh (pid 43) by pidfd"),
    "the chain ends in doubt": (
        ([SH], "pidfd", None, "run.sh (pid 41) is in doubt: --parent 41"),
        "watching sh (pid 43) by pidfd; nobody farther: run.sh (pid 41) is in doubt: --parent 41",
    ),
    "a lifeline too": (
        ([LAUNCHER], "pidfd", 3),
        "watching local-ai (pid 41) by pidfd, and the lifeline (descriptor 3)",
    ),
    "a lifeline alone": (([], "", 3, "--watch off"), f"{ALONE}: --watch off"),
    "a lifeline that was advised": (([], "", 3, "it lives outside: use --lifeline"), f"{ALONE}: it lives outside"),
    "nobody": (([], "", None, "--watch off"), "not watching: --watch off"),
}


@pytest.mark.parametrize("case", WATCHING)
def test_watching(stderr: Take, case: str) -> None:
    """With `-v` the first line says whose death counts, through whom, how, and why nobody else's."""
    arguments, text = WATCHING[case]
    log(verbosity=1).watch(*arguments)  # type: ignore[arg-type]
    assert stderr().decode() == f"pdwrap: {text}\n"


def test_watching_as_json(stderr: Take) -> None:
    """The same as one object."""
    log("json", verbosity=1).watch([LAUNCHER, SH], "pidfd", 3, "run.sh is in doubt")
    assert told(stderr()) == {
        "event": "watching",
        "launcher_name": "local-ai",
        "launcher_pid": 41,
        "through": [{"pid": 43, "name": "sh"}],
        "mechanisms": "pidfd",
        "lifeline": 3,
        "why_not": "run.sh is in doubt",
    }


def test_through(stderr: Take) -> None:
    """E9: the line ends with the way out, if there are others whose death counts; as JSON they are listed."""
    log().ending("launcher-died", LAUNCHER, BACKEND, "SIGTERM", 5.0, through=[SH])
    assert stderr().decode() == REASONS["launcher-died"][:-1] + "; --parent PID if that one was not meant\n"
    log("json").ending("launcher-died", LAUNCHER, BACKEND, "SIGTERM", 5.0, through=[SH])
    assert json.loads(stderr())["through"] == [{"pid": 43, "name": "sh"}]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("verbosity", "spoken"), [(-1, 2), (0, 4), (1, 5)])
def test_verbosity(stderr: Take, form: str, verbosity: int, spoken: int) -> None:
    """`-q` keeps the errors and the survivors; only `-v` says what is watched."""
    chosen = log(form, verbosity)
    chosen.watch([LAUNCHER], "pidfd")
    chosen.ending("launcher-died", LAUNCHER, BACKEND, "SIGTERM", 5.0)
    chosen.done(1, 0.1)
    chosen.survivors([(7, "x")])
    chosen.error(ValueError("x"))
    assert stderr().count(b"\n") == spoken


def test_what_cannot_be_printed_is_replaced(stderr: Take) -> None:
    """A process may call itself anything: neither a line's end nor an escape sequence reaches the terminal."""
    messages.complain("first\nsecond\r\x1b[31m\x00")
    assert stderr() == b"pdwrap: first?second??[31m?\n"
    log().ending("launcher-died", (41, NASTY), (42, NASTY), "SIGTERM", 5.0)
    text = stderr().decode()
    assert text.count("\n") == 1
    assert text.removesuffix("\n").isprintable()


def test_json_keeps_what_cannot_be_printed(stderr: Take) -> None:
    """JSON has a way to write them, but for bytes that are no UTF-8: a lone surrogate is no text to other readers."""
    log("json").ending("launcher-died", (41, NASTY), BACKEND, "SIGTERM", 5.0)
    line = stderr()
    assert line.isascii()
    assert told(line)["launcher_name"] == NASTY.replace("\udcff", "\ufffd")


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=3))
def test_json_is_valid_for_any_name(names: list[bytes]) -> None:
    """Whatever bytes processes call themselves, a line is JSON without lone surrogates (RFC 8259, 8.2)."""
    fields: dict[str, object] = {
        "survivors": [{"name": os.fsdecode(name)} for name in names],
        "name": os.fsdecode(names[0]),
    }
    line = Form("json").stamped("survivors", "", fields)
    assert json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("letter", ["x", '"', "\n", "\N{GRINNING FACE}", "\udcff"])
@pytest.mark.parametrize("length", [10, 500, 100_000])
def test_json_stays_json_whatever_a_name_is(stderr: Take, letter: str, length: int) -> None:
    """`--name` may be anything; a line is one object all the same, and no longer than a pipe takes whole (pipe(7))."""
    chosen = Settings()
    chosen.log = "json"
    one = Log(chosen, letter * length)
    name = letter * (15 // len(os.fsencode(letter)))  # the kernel keeps 15 bytes of one
    people = [(number, name) for number in range(1_000_000, 1_000_030)]
    one.ending("launcher-died", (41, name), (42, one.backend_name), "SIGTERM", 5.0, through=people)
    one.survivors(people)
    one.error(ValueError(letter * length))
    lines = stderr().splitlines(keepends=True)
    assert [told(line)["event"] for line in lines] == ["ending", "survivors", "error"]
    assert max(map(len, lines)) <= 4096


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        *[(name, name) for name in ("server", "local-ai", "python3.11", "my_Server", "größe", "7")],
        ("x (pid 1), init", '"x (pid 1), init"'),
        ("Web Content", '"Web Content"'),
        ("c++", '"c++"'),
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nb", '"a?b"'),
    ],
)
def test_names_that_could_be_taken_for_something_else_are_quoted(stderr: Take, name: str, shown: str) -> None:
    """A process may call itself what makes a line of pdwrap's; letters, digits and `._-` alone make none."""
    log().survivors([(7, name), (8, "x")])
    assert stderr().decode() == f"pdwrap: still there 3s after SIGKILL, pdwrap leaves: {shown} (pid 7), x (pid 8)\n"


@settings(deadline=None)
@given(st.text(max_size=30), st.sampled_from([1, 1, 400, 5000]))
def test_any_text_is_one_line(part: str, times: int) -> None:
    """Whatever the text, what is written is one line, UTF-8, and no longer than a pipe takes whole (pipe(7))."""
    read, write = os.pipe()
    before = stderr_line.STDERR
    stderr_line.STDERR = write
    try:
        stderr_line.write_line(part * times)
        os.set_blocking(read, False)
        data = os.read(read, 1 << 16)
    finally:
        stderr_line.STDERR = before
        os.close(read)
        os.close(write)
    assert len(data) <= 4096
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert data.decode("utf-8").removesuffix("\n").isprintable()


def test_json_stays_json_when_it_is_long(stderr: Take) -> None:
    """E7: with a thousand survivors a line still is one object that a pipe takes whole; it may name fewer."""
    log("json").survivors([(pid, "a rather long name") for pid in range(100_000, 101_000)])
    line = stderr()
    assert len(line) <= 4096
    assert json.loads(line)["event"] == "survivors"


def fill(descriptor: int) -> int:
    """Write until a pipe takes no more, a byte at a time in the end; give how much it took."""
    filled = 0
    os.set_blocking(descriptor, False)
    for size in (4096, 1):
        try:
            while True:
                filled += os.write(descriptor, b"x" * size)
        except BlockingIOError:
            pass
    os.set_blocking(descriptor, True)
    return filled


def test_a_full_pipe_does_not_block(stderr: Take) -> None:
    """E8: a line that would block is left out, and nothing is made non-blocking for it: others share the pipe."""
    write = stderr_line.STDERR
    filled = fill(write)
    messages.complain("lost")
    assert os.get_blocking(write)
    left = b""
    while part := stderr():
        left += part
    assert left == b"x" * filled
    messages.complain("heard")
    assert stderr() == b"pdwrap: heard\n"


@pytest.mark.parametrize("room", [1, 100, 2000, 4000, 4095])
def test_no_room_for_a_whole_line(stderr: Take, room: int) -> None:
    """E8: nor does a longest line block where a pipe has room for less than it."""
    write = stderr_line.STDERR
    size = fill(write)
    stderr()
    os.write(write, b"y" * (size - room))
    stderr_line.write_line("z" * 5000)
    assert os.get_blocking(write)


def test_a_closed_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: descriptor 2 may be closed."""
    read, write = os.pipe()
    os.close(write)
    os.close(read)
    monkeypatch.setattr(stderr_line, "STDERR", write)
    messages.complain("nobody")


def test_a_stderr_without_a_reader_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: nor does a pipe that nobody reads, or a socket whose other end is gone, raise."""
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(stderr_line, "STDERR", write)
    messages.complain("nobody")
    os.close(write)
    here, there = socket.socketpair()
    there.close()
    monkeypatch.setattr(stderr_line, "STDERR", here.fileno())
    messages.complain("nobody")
    here.close()


def test_a_stderr_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: what holds the place of a closed descriptor 2 is a folder open for reading."""
    folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    monkeypatch.setattr(stderr_line, "STDERR", folder)
    messages.complain("nobody")
    os.close(folder)


def test_a_file_as_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """LocalAI writes a backend's stderr to a file."""
    file = os.memfd_create("stderr")
    monkeypatch.setattr(stderr_line, "STDERR", file)
    messages.complain("kept")
    assert os.pread(file, 100, 0) == b"pdwrap: kept\n"
    os.close(file)
