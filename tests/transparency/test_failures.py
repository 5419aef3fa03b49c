"""T4: a command that cannot be run: 127, 126 or 125, one line, and what execvp(3) does with odd files."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, Outcome, clean_environment, run
from tests.transparency.test_snapshot import (
    installed_fixture,  # noqa: F401 - a fixture
)


def failed(outcome: Outcome, code: int, *words: str) -> None:
    """It failed with *code*, and one line that has *words*."""
    assert outcome.code == code
    assert outcome.stdout == b""
    assert outcome.stderr.startswith("pdwrap: ")
    assert outcome.stderr.endswith("\n")
    assert outcome.stderr.count("\n") == 1
    assert "Traceback" not in outcome.stderr
    for word in words:
        assert word in outcome.stderr


def script(path: Path, text: str, mode: int = 0o755) -> str:
    """Make an executable file."""
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_not_found(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: 127, with a name and with a path."""
    failed(run([*pdwrap, "--", "no-such-command"]), 127, "no-such-command: command not found")
    failed(run([*pdwrap, "--", f"{tmp_path}/none"]), 127, f"{tmp_path}/none: ", "No such file")
    failed(run([*pdwrap, "--", ""]), 127)
    failed(run([*pdwrap, "no-such-command"]), 127, "no-such-command: command not found")
    failed(run([*pdwrap, "--", "no such\ncommand"]), 127)


def test_not_executable(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: 126 for a file that may not be executed, a folder, and a path through a file."""
    plain = script(tmp_path / "plain", "true\n", 0o644)
    failed(run([*pdwrap, "--", plain]), 126, f"{plain}: Permission denied")
    failed(run([*pdwrap, "--", str(tmp_path)]), 126, f"{tmp_path}: Permission denied")
    failed(run([*pdwrap, "--", f"{plain}/below"]), 126)
    env = clean_environment({"PATH": str(tmp_path)})
    failed(run([*pdwrap, "--", "plain"], env=env), 126, "plain: Permission denied")


def test_interpreter_missing(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: a script whose interpreter does not exist is not found, as a shell has it."""
    lost = script(tmp_path / "lost", "#!/no/such/interpreter\n")
    failed(run([*pdwrap, "--", lost]), 127, lost)


def test_garbage(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: too long a line of arguments, a loop of links."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    failed(run([*pdwrap, "--", str(loop)]), 126)
    failed(run([*pdwrap, "--", f"/{'x' * 300}"]), 126)


def test_no_command(pdwrap: list[str]) -> None:
    """T4: bad usage is 125."""
    failed(run(pdwrap), 125)
    failed(run([*pdwrap, "--"]), 125)
    failed(run([*pdwrap, "--no-such-option", "--", "true"]), 125, "--no-such-option")


#: Runs the command with a disk that fails at one of its modules.
FAILING_DISK = """
import runpy, sys
failing = sys.argv.pop(1)
class Finder:
    def find_spec(self, name, *_):
        if name == "pdwrap.straight" != failing:
            raise ModuleNotFoundError(name)
        if name == failing:
            raise OSError(5, "Input/output error")
sys.meta_path.insert(0, Finder())
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.parametrize("module", ["pdwrap.straight", "pdwrap.entry", "pdwrap.fork_mode"])
def test_modules_that_cannot_be_read(module: str) -> None:
    """T4: 125 and one line, from the first module on."""
    command = [sys.executable, "-I", "-c", FAILING_DISK, module, str(ROOT / "scripts" / "pdwrap")]
    failed(run([*command, "--", "true"]), 125, "cannot start (Input/output error): nothing was started")


@pytest.mark.parametrize("closed", [(0,), (0, 1), (0, 1, 2)])
def test_failures_with_closed_descriptors(pdwrap: list[str], closed: tuple[int, ...]) -> None:
    """T4: the status is the same where nothing can be said."""
    outcome = run([*pdwrap, "--", "no-such-command"], fds=dict.fromkeys(closed, -1))
    assert outcome.code == 127


def test_script_without_first_line(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: a script without `#!` is run by /bin/sh, with its arguments and its exit status."""
    path = script(tmp_path / "script", 'echo "$0" "$@"; exit 42\n')
    outcome = run([*pdwrap, "--", path, "a", "b c", ""])
    assert (outcome.code, outcome.stdout.decode(), outcome.stderr) == (42, f"{path} a b c \n", "")
    env = clean_environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    outcome = run([*pdwrap, "--", "script", "x"], env=env)
    assert (outcome.code, outcome.stdout.decode()) == (42, f"{path} x\n")
    empty = script(tmp_path / "empty", "")
    assert run([*pdwrap, "--", empty]).code == 0


def test_search(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: PATH is searched as execvp(3) does: on past what may not be executed, and an empty entry is here."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    script(first / "prog", "#!/bin/sh\necho first\n", 0o644)
    script(second / "prog", "#!/bin/sh\necho second\n")
    script(tmp_path / "here", "#!/bin/sh\necho here\n")

    def said(path: str, command: str) -> bytes:
        env = clean_environment({"PATH": path})
        outcome = run([*pdwrap, "--", command], env=env, before_exec=lambda: os.chdir(tmp_path))
        assert (outcome.code, outcome.stderr) == (0, "")
        return outcome.stdout

    assert said(f"/nowhere:{first}:{second}:/bin", "prog") == b"second\n"
    for path in (":/nowhere", "/nowhere:", "/nowhere::/alike", "."):
        assert said(path, "here") == b"here\n"
    (first / "prog").chmod(stat.S_IRWXU)
    assert said(f"{first}:{second}:/bin", "prog") == b"first\n"
