"""`--log-file`: lines with the time are appended to a file, whatever happens to that file; stderr is left alone."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import CLOSED, READY, Started, Starter, clean_environment, run, shell

pytestmark = pytest.mark.modes("fork", "exec")

SHORT = {"PDWRAP_GRACE": "0.2s"}
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def stamped(text: str, pid: int) -> list[str]:
    """The lines of a file, each without its time and the pid that it has to have."""
    matches = [re.fullmatch(rf"{STAMP} pdwrap\[{pid}\]: (.+)", line) for line in text.splitlines()]
    assert None not in matches, text
    return [match[1] for match in matches if match]


def kill_launcher(tree: Started) -> None:
    """The launcher dies, and all is gone."""
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.parametrize("how", ["option", "variable"])
def test_lines_go_to_the_file(start: Starter, tmp_path: Path, family: list[str], how: str) -> None:
    """Each line has the time and the pid that the launcher knows; stderr gets none. The file is appended to."""
    log = tmp_path / "log"
    log.write_text("before\n")
    options, env = (
        (["--log-file", str(log)], SHORT) if how == "option" else ([], {**SHORT, "PDWRAP_LOG_FILE": str(log)})
    )
    tree = start("plain", *family, options=["-v", *options], env=env)
    kill_launcher(tree)
    before, _, lines = log.read_text().partition("\n")
    watching, ending, done = stamped(lines, tree.wrapper.pid)
    assert before == "before"
    assert watching.startswith("watching ")
    assert f"(pid {tree.launcher.pid}) died: ending " in ending
    assert done.startswith("done: ")
    assert tree.stderr == ""


def test_json(start: Starter, tmp_path: Path) -> None:
    """The same as objects; time and pid are keys of each."""
    log = tmp_path / "log"
    tree = start("plain", options=["--log", "json", "--log-file", str(log)], env=SHORT)
    kill_launcher(tree)
    events: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["event"] for each in events] == ["ending", "done"]
    assert all(re.fullmatch(STAMP, each["time"]) for each in events)
    assert {each["pdwrap_pid"] for each in events} == {tree.wrapper.pid}


def test_where_it_was_named(start: Starter, tmp_path: Path) -> None:
    """A name without a folder is where pdwrap was started, wherever its processes are by then."""
    tree = start("plain", options=["--log-file", "log"], env=SHORT, before_exec=lambda: os.chdir(tmp_path))
    kill_launcher(tree)
    assert len(stamped((tmp_path / "log").read_text(), tree.wrapper.pid)) == 2


def in_a_file(path: Path) -> None:
    """What should be a folder is a file."""
    path.parent.write_text("")


def folder(path: Path) -> None:
    """It is a folder."""
    path.mkdir(parents=True)


def fifo(path: Path) -> None:
    """It is a FIFO that nobody reads."""
    path.parent.mkdir()
    os.mkfifo(path)


def loop(path: Path) -> None:
    """It is a link to itself."""
    path.parent.mkdir()
    path.symlink_to(path)


def no_folder(_path: Path) -> None:
    """Its folder is not there."""


CANNOT: list[Callable[[Path], None]] = [no_folder, folder, in_a_file, fifo, loop]


@pytest.mark.parametrize("make", CANNOT)
def test_what_cannot_be_opened_is_refused(pdwrap: list[str], tmp_path: Path, make: Callable[[Path], None]) -> None:
    """T4: 125, one line, and nothing is started."""
    log = tmp_path / "folder" / "log"
    make(log)
    outcome = run([*pdwrap, "--log-file", str(log), "--", "echo", "started"])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert re.fullmatch(
        rf"pdwrap: --log-file: cannot open the log file \(.+: {re.escape(str(log))}\): nothing was started\n",
        outcome.stderr,
    )


def test_stderr_is_not_held(start: Starter, tmp_path: Path) -> None:
    """T1: who reads the backend's stderr sees its end when the backend has closed it."""
    reads, writes = os.pipe()
    tree = start(
        argv=shell(f"exec 2>&-; {READY}; exec sleep 60"),
        ready=True,
        options=["--log-file", str(tmp_path / "log")],
        launcher=["detach=2"],
        fds={2: writes},
        env=SHORT,
    )
    os.close(writes)
    assert os.read(reads, 1) == b""
    os.close(reads)
    kill_launcher(tree)


def test_stderr_is_the_lifeline(start: Starter, tmp_path: Path, family: list[str]) -> None:
    """E1: the lifeline is descriptor 2 itself: it still counts, though the file takes its place in pdwrap."""
    theirs, ours = os.pipe()
    options = ["--lifeline", "2", "--log-file", str(tmp_path / "log")]
    tree = start("plain", *family, options=options, fds={2: theirs}, env=SHORT)
    os.close(theirs)
    os.close(ours)
    tree.assert_gone()
    assert "lifeline closed: ending " in (tmp_path / "log").read_text()


def test_the_backend_does_not_get_it(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: the file is pdwrap's own."""
    listing = "for each in /proc/self/fd/*; do readlink $each; done; true"
    plain = run([*pdwrap, "--", "sh", "-c", listing])
    logged = run([*pdwrap, "-v", "--log-file", str(tmp_path / "log"), "--", "sh", "-c", listing])
    assert str(tmp_path).encode() not in logged.stdout
    assert logged.stdout.count(b"\n") == plain.stdout.count(b"\n")


def test_it_fills_up(start: Starter, family: list[str]) -> None:
    """E8: nothing can be written (ENOSPC): nothing else happens."""
    kill_launcher(start("plain", *family, options=["-v", "--log-file", "/dev/full"], env=SHORT))


def test_it_vanishes(start: Starter, tmp_path: Path, family: list[str]) -> None:
    """E8: the file is removed, and its folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    tree = start("plain", *family, options=["-v", "--log-file", str(folder / "log")], env=SHORT)
    (folder / "log").unlink()
    folder.rmdir()
    kill_launcher(tree)


def test_a_limit_of_files_sizes(start: Starter, tmp_path: Path, family: list[str]) -> None:
    """E8, T4: a file may not grow (EFBIG, SIGXFSZ): the backend starts, and is ended like any other."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    options = ["-v", "--log-file", str(tmp_path / "log")]
    tree = start("plain", *family, options=options, env=SHORT, before_exec=limit)
    kill_launcher(tree)
    assert (tmp_path / "log").read_text() == ""


def test_stderr_is_closed(start: Starter, tmp_path: Path, family: list[str]) -> None:
    """E8: nothing of ours lands on descriptor 2 but the file."""
    log = tmp_path / "log"
    tree = start("plain", *family, options=["-v", "--log-file", str(log)], fds={2: CLOSED}, env=SHORT)
    kill_launcher(tree)
    assert len(stamped(log.read_text(), tree.wrapper.pid)) == 3


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--parent", "nobody-here", "--", "true"], 125, "not an ancestor"),
        (["--", "no-such-program"], 127, "not found"),
    ],
)
def test_why_nothing_was_started(
    pdwrap: list[str], tmp_path: Path, form: str, arguments: list[str], code: int, words: str
) -> None:
    """T4: the person who starts it reads it on stderr, in words; the file has it, too."""
    log = tmp_path / "log"
    outcome = run([*pdwrap, "--log", form, "--log-file", str(log), *arguments])
    assert outcome.code == code
    assert outcome.stderr.startswith("pdwrap: ")
    assert words in outcome.stderr
    (line,) = log.read_text().splitlines()
    if form == "json":
        told = json.loads(line)
        assert (told["event"], told["message"]) == ("refusal", outcome.stderr.removeprefix("pdwrap: ").strip())
    else:
        assert line.endswith(outcome.stderr.removeprefix("pdwrap: ").strip())


def test_many_backends_in_one_file(start: Starter, tmp_path: Path) -> None:
    """Lines do not mix, and each tells whose it is."""
    log = tmp_path / "log"
    trees = [start("plain", "child=plain", options=["--log-file", str(log)], env=SHORT) for _ in range(8)]
    for tree in trees:
        tree.launcher.kill()
    for tree in trees:
        tree.assert_gone()
    lines = log.read_text().splitlines()
    assert len(lines) == 16
    for tree in trees:
        mine = [line for line in lines if f" pdwrap[{tree.wrapper.pid}]: " in line]
        ending, done = stamped("\n".join(mine), tree.wrapper.pid)
        assert f"(pid {tree.backend.pid})" in ending
        assert done.startswith("done: 2 processes ")


def test_its_mode_is_the_umasks(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: as a shell's `>>` would make it."""

    def strict() -> None:
        os.umask(0o027)

    run([*pdwrap, "--log-file", str(tmp_path / "log"), "--", "true"], before_exec=strict)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640


def test_nothing_is_said(pdwrap: list[str], tmp_path: Path) -> None:
    """While all is well, the file stays empty."""
    env = clean_environment({"PDWRAP_LOG_FILE": str(tmp_path / "log")})
    outcome = run([*pdwrap, "--", "sh", "-c", f"kill -{signal.SIGTERM.value} $$"], env=env)
    assert (outcome.code, outcome.stderr) == (-signal.SIGTERM, "")
    assert (tmp_path / "log").read_text() == ""
