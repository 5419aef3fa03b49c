"""T2, E4, E5 by launcher: who sends what to whom when it stops its backend, and what the backend then sees of it.

The launchers are real: Python's `subprocess`, a shell, a terminal. What fork mode adds (SIGKILL to the pid takes all of
the tree along; what a stopped backend leaves is ended) exec mode cannot, which is shown as well.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import PYTHON, Process, Starter, clean_environment, role
from tests.harness.pty_session import (
    CTRL_C,
    Command,
    terminal,
)
from tests.harness.roles import FENCE
from tests.harness.scripts import OBEY, Script, Scripts

BOTH = pytest.mark.modes("fork", "exec")

TERM, INT, KILL, USR1 = int(signal.SIGTERM), int(signal.SIGINT), int(signal.SIGKILL), int(signal.SIGUSR1)

LAUNCHER = """
import os, signal, subprocess, sys
for line in os.fdopen(7):
    exec(line)
    os.write(8, b"did 0\\n")
"""
"""A launcher that carries out lines of Python. Its end is that of the lines."""


class Launched:
    """A Python launcher that has started ``reporter`` with a worker below it by `subprocess.Popen`."""

    def __init__(self, place: Path, pdwrap: list[str], mode: str, popen: str = "") -> None:
        """*popen* are arguments for `Popen`; the worker ends on SIGTERM, the backend with status 9.

        In fork mode the worker is in a session of its own, where no signal to a group reaches it.
        """
        worker = f"child={'setsid:' if mode == 'fork' else ''}reporter[exit=15]"
        command = [*pdwrap, "--", *role("reporter", worker, "exit=15", "code=9")]
        self.script = Script([*PYTHON, "-c", LAUNCHER], clean_environment({"PDWRAP_GRACE": "20s"}), place)
        self.order(f"child = subprocess.Popen({command!r}, close_fds=False, {popen})")
        self.worker = Process(int(self.script.hear("ready", "reporter")[0]))
        self.backend = self.script.backends()[0]

    def order(self, line: str) -> None:
        """Have the launcher do something, and wait until it has."""
        assert self.script.order(line) == 0

    def close(self) -> tuple[list[int], list[int]]:
        """See that nothing is left; what the backend got, and what the worker got."""
        self.script.close()
        got = self.script.signals(self.backend), self.script.signals(self.worker)
        self.worker.close()
        return got

    def close_with_worker(self) -> tuple[list[int], list[int]]:
        """The same where the worker has outlived the backend, unsignalled."""
        assert self.backend.is_dead()
        self.worker.signal(USR1)
        self.script.hear("got", str(self.worker.pid), str(USR1))
        self.worker.kill()
        backend, worker = self.close()
        assert worker == [USR1]
        return backend, []


@pytest.fixture(name="launched")
def launched_fixture(pdwrap: list[str], mode: str, tmp_path: Path) -> Callable[..., Launched]:
    """Starts such a launcher."""
    return lambda *more: Launched(tmp_path, pdwrap, mode, *more)


@BOTH
def test_terminate(launched: Callable[..., Launched], mode: str) -> None:
    """T2, T3, E5: `Popen.terminate()` is one SIGTERM to the backend; its worker is asked when it has exited (fork)."""
    it = launched()
    it.order("child.terminate(); assert child.wait() == 9")
    if mode == "fork":
        assert it.close() == ([TERM], [TERM])
    else:
        assert it.close_with_worker() == ([TERM], [])


@BOTH
def test_kill(launched: Callable[..., Launched], mode: str) -> None:
    """E4, T3: `Popen.kill()` kills the whole tree at once (fork), or the backend alone (exec); the status shows it."""
    it = launched()
    it.order("child.kill(); assert child.wait() == -9")
    assert it.backend.is_dead()  # while its launcher lives: else its death would count, too
    if mode == "fork":
        assert it.close() == ([], [])
    else:
        assert it.close_with_worker() == ([], [])


@BOTH
@pytest.mark.parametrize("number", [TERM, KILL])
def test_group(launched: Callable[..., Launched], mode: str, number: int) -> None:
    """T2, E4: `start_new_session=True` and `killpg`: one SIGTERM for the backend; SIGKILL ends all of it.

    In exec mode backend and worker are both of that group, as without pdwrap.
    """
    it = launched("start_new_session=True")
    it.order(f"os.killpg(child.pid, {number}); assert child.wait() == {-9 if number == KILL else 9}")
    assert it.backend.is_dead()
    assert it.close() == (([TERM], [TERM]) if number == TERM else ([], []))


RUN = """
import subprocess, sys
try:
    subprocess.run(sys.argv[1:], close_fds=False, capture_output=True, timeout=1)
except subprocess.TimeoutExpired:
    sys.exit(3)
"""


@BOTH
def test_run_with_a_timeout(pdwrap: list[str], tmp_path: Path, mode: str) -> None:
    """E4: `subprocess.run(timeout=)` kills the pid, then reads to the end: it returns though a worker holds the pipe.

    Without pdwrap, and in exec mode, it would wait for the worker; there is none in exec mode here.
    """
    workers = ["child=stubborn", "child=double:stubborn"] if mode == "fork" else []
    command = [*pdwrap, "--", *role("stubborn", *workers)]
    script = Script([*PYTHON, "-c", RUN, *command], clean_environment(), tmp_path)
    assert script.close().code == 3


@BOTH
def test_shell_true_with_exec(pdwrap: list[str], tmp_path: Path) -> None:
    """E1, T2, T3: ``exec pdwrap -- ...`` in ``shell=True`` leaves no shell: signals, status and deaths are direct."""
    command = shlex.join([*pdwrap, "--", *role("reporter", "exit=15", "code=9")])
    script = Script([*PYTHON, "-c", LAUNCHER], clean_environment(), tmp_path)
    popen = f"subprocess.Popen({'exec ' + command!r}, close_fds=False, shell=True)"
    script.order(f"first = {popen}")
    first = script.backends()[0]
    script.order("first.terminate(); assert first.wait() == 9")
    script.order(f"second = {popen}")
    second = script.backends()[1]
    script.shell.kill()
    script.close()
    assert script.signals(first) == script.signals(second) == [TERM]


@BOTH
def test_ctrl_c_in_python(command: Command) -> None:
    """T2: Ctrl-C reaches backend and launcher; Python gives it 0.25 s, then kills its pid (subprocess.py): all ends."""
    program = "import subprocess, sys; subprocess.run(sys.argv[1:], close_fds=False)"
    with terminal([*PYTHON, "-c", program, *command.player("b", f"catch {INT} {TERM}")]) as session:
        session.started()
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        assert session.status() == -INT
        session.assert_gone()
        assert session.signals()[0] == INT
        assert TERM not in session.signals()


@BOTH
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_script_kills_its_job(scripts: Scripts, shell: str) -> None:
    """E4, T3: `kill -9 $!` in a script: in fork mode the whole tree is gone at once; the status is 137 in both."""
    workers = "child=stubborn child=setsid:stubborn" if scripts.mode == "fork" else ""
    script = scripts.start(shell, f"export PDWRAP_GRACE=1h; pdwrap -- ROLE stubborn {workers} & job=$!; {OBEY}")
    script.backends()
    assert script.order("kill -9 $job; wait $job") == 137
    assert script.backends(0)[0].is_dead()
    script.close()


@BOTH
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_script_just_ends(scripts: Scripts, shell: str) -> None:
    """E1, E3: a script that ends and leaves a job in the background: the job is asked to end."""
    script = scripts.start(shell, f"pdwrap -- ROLE reporter exit=15 & {OBEY}")
    backend = script.backends()[0]
    assert script.close().code == 0
    assert script.signals(backend) == [TERM]


@BOTH
def test_every_process_of_a_unit(start: Starter, mode: str) -> None:
    """T2: systemd's ``KillMode=control-group`` signals each process: fork mode makes two of it, exec mode does not.

    In an order in which none is lost: a signal that is pending already is not kept twice (signal(7)).
    """
    tree = start("reporter")
    for each in (tree.backend, *tree.supervisors):
        each.signal(TERM)
        if each in (tree.backend, tree.wrapper):
            tree.got(TERM)
    tree.backend.signal(FENCE)
    tree.got(FENCE)
    assert tree.signals() == [TERM] * (2 if mode == "fork" else 1) + [FENCE]
    tree.backend.kill()
    tree.assert_gone()


@BOTH
def test_main_process_of_a_unit(start: Starter, family: list[str], mode: str) -> None:
    """T2, E5: systemd's ``KillMode=mixed`` with pdwrap as main process: one SIGTERM, to the backend alone."""
    tree = start("reporter", "exit=15", "code=0", *(family if mode == "fork" else []), options=["--grace", "0.2"])
    tree.order(f"signal {TERM}")
    assert tree.status() == 0
    tree.assert_gone()
    assert tree.signals() == [TERM]
