"""``#!/usr/bin/env -S pdwrap -- python3`` as a program's first line: nobody who starts it need know of pdwrap.

The kernel calls ``env``, which splits the rest of the line (env(1), ``-S``), finds pdwrap on PATH, and hands on the
path by which the program was called, and its arguments (execve(2), "Interpreter scripts").
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness import CLOSED, HERE, Outcome, Starter, clean_environment, run
from tests.harness.scripts import path_with, write_program

BOTH = pytest.mark.modes("fork", "exec")

SHOW = """
import os, signal, sys
fds = [os.path.exists(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)]
ignored = [int(each) for each in signal.valid_signals() if signal.getsignal(each) is signal.SIG_IGN]
with open("/proc/self/cmdline", "rb") as line:
    print(sys.argv, line.read(), os.path.realpath(sys.argv[0]), os.getcwd(), fds, ignored, sorted(os.environ.items()))
sys.exit(7)
"""

ROLE = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import roles
sys.exit(roles.perform(sys.argv[1], roles.parse(sys.argv[2:]), called="backend"))
"""


class Programs:
    """A folder with programs that begin with a line of their own, and a PATH on which they find pdwrap and python3."""

    def __init__(self, place: Path, pdwrap: list[str], mode: str) -> None:
        """*pdwrap* is the command under test in *mode*; the programs' first line says the mode."""
        self.place, self.mode = place, mode
        self.path = path_with(place / "tools", pdwrap, mode)

    @property
    def first_line(self) -> str:
        """The line under test."""
        return "#!/usr/bin/env -S pdwrap " + ("-- python3" if self.mode == "fork" else "--exec -- python3")

    def make(self, name: str, text: str, first_line: str = "") -> str:
        """Write an executable program; give its path."""
        return write_program(self.place / name, first_line or self.first_line, text)

    def call(self, *argv: str, fds: Mapping[int, int] | None = None) -> Outcome:
        """Run a program from its folder."""
        env = clean_environment({"PATH": self.path})
        return run(argv, env=env, fds=fds, before_exec=lambda: os.chdir(self.place))


@pytest.fixture
def programs(tmp_path: Path, pdwrap: list[str], mode: str) -> Programs:
    """Where the programs of a test are."""
    return Programs(tmp_path / "a folder", pdwrap, mode)


def started_with(programs: Programs, start: Starter) -> Mapping[str, str]:
    """Have the launcher start the program itself, as a file; what to add to its environment."""
    start.pdwrap = ["env"]  # executes what follows, with the pid it has
    return {"PATH": programs.path, "PDWRAP_GRACE": "0.2s"}


@BOTH
@pytest.mark.parametrize("called", ["./back end.py", "{place}/back end.py", "../a folder/back end.py", "tools/../link"])
def test_program_sees_what_it_would(programs: Programs, called: str) -> None:
    """T1, T3: path as called, odd arguments, folder, environment and status are as with ``#!/usr/bin/env python3``."""
    (programs.place / "link").symlink_to("back end.py")
    outcomes = []
    for line in ("#!/usr/bin/env python3", programs.first_line):
        programs.make("back end.py", SHOW, line)
        words = ["two words", "", "--exec", "--", "-c", "$HOME", "*", "\udcff"]
        outcomes.append(programs.call(called.format(place=programs.place), *words))
    bare, wrapped = outcomes
    assert (wrapped.code, wrapped.stderr) == (7, "")
    assert wrapped == bare


@BOTH
def test_started_as_localai_does(programs: Programs) -> None:
    """T1: with descriptor 0 closed, as a LocalAI backend is started, the program finds it closed."""
    path = programs.make("run.sh", SHOW)
    outcome = programs.call(path, "--addr", "127.0.0.1:1", fds={0: CLOSED})
    assert (outcome.code, outcome.stderr) == (7, "")
    assert b"[False, True, True]" in outcome.stdout
    assert b"--addr" in outcome.stdout


@BOTH
def test_ends_with_its_launcher(programs: Programs, start: Starter, family: list[str]) -> None:
    """E1, E2: a launcher that started the program as a plain file dies, and all of it is gone."""
    path = programs.make("backend", ROLE)
    tree = start(argv=[path, "plain", *family], env=started_with(programs, start), ready=True)
    tree.launcher.kill()
    tree.assert_gone()


@BOTH
def test_signals_and_status(programs: Programs, start: Starter) -> None:
    """T2, T3: a signal sent to the program's pid arrives once, and its end is the launcher's to see."""
    path = programs.make("backend", ROLE)
    tree = start(argv=[path, "reporter", "exit=15", "code=9"], env=started_with(programs, start), ready=True)
    for number in (signal.SIGUSR1, signal.SIGTERM):
        tree.order(f"signal {int(number)}")
    assert os.waitstatus_to_exitcode(tree.status()) == 9
    tree.assert_gone()
    assert tree.signals() == [signal.SIGUSR1, signal.SIGTERM]


@BOTH
def test_options_in_the_first_line(programs: Programs, start: Starter) -> None:
    """E3: options stand in the line like the command; with ``--grace 0`` the backend is killed, not asked."""
    line = programs.first_line.replace(" -- ", " --grace 0 -q -- ")
    path = programs.make("backend", ROLE, line)
    env = {**started_with(programs, start), "PDWRAP_GRACE": "60s"}
    tree = start(argv=[path, "reporter"], env=env, ready=True)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == []
    assert tree.stderr == ""


@BOTH
def test_interpreter_that_is_not_there(programs: Programs) -> None:
    """T4: 127 and one line, as from ``env``."""
    path = programs.make("backend", "", programs.first_line.replace("python3", "no-such-interpreter"))
    outcome = programs.call(path)
    assert outcome.code == 127
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.startswith("pdwrap: ")
    assert "no-such-interpreter" in outcome.stderr
