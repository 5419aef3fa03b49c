"""T2 in scripts and pipelines: who reads the terminal and whom Ctrl-C ends does not change for anybody in the job.

Each test runs without pdwrap too: what it demands is what happens anyway.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.harness import Process
from tests.harness.pty_session import (
    CTRL_C,
    CTRL_Z,
    PLAYER,
    Command,
    PtySession,
    job_control,
    terminal,
)
from tests.harness.terminal_player import VOICE

INT, CONT = int(signal.SIGINT), int(signal.SIGCONT)
Setting = Callable[[str], AbstractContextManager[PtySession]]


@contextmanager
def typed(script: str) -> Iterator[PtySession]:
    """Typed at an interactive bash: a job of its own."""
    with job_control() as session:
        session.type(script)
        yield session
        session.at_prompt()
        session.leave()


@contextmanager
def job(script: str) -> Iterator[PtySession]:
    """A dash script that is a job of an interactive bash."""
    with typed(shlex.join(["dash", "-c", f"{script}\nexit"])) as session:
        yield session


@contextmanager
def leader(script: str) -> Iterator[PtySession]:
    """A dash script as session leader: no shell with job control anywhere."""
    with terminal(["dash", "-c", f"{script}\nexit"]) as session:
        yield session
        session.status()
        session.assert_gone()


SETTINGS = pytest.mark.parametrize("setting", [typed, job, leader])


def assert_less_reads(session: PtySession) -> None:
    """``less``, at the end of a pipeline whose beginning is player b, reads the terminal while that one runs."""
    session.hear("less", "ready")
    for word in ("one", "two"):
        session.keys(f"{word}\n")
        assert session.hear("less", "line") == [word]
    session.order("exit 0")


@SETTINGS
def test_pipeline_keeps_the_keyboard(command: Command, setting: Setting) -> None:
    """T2: ``pdwrap -- x | less``: what stands behind the pipe reads the terminal while the backend runs."""
    with setting(f"{command.line('b')} | {shlex.join([*PLAYER, 'less', 'tty', 'tty', 'exit 0'])}") as session:
        assert_less_reads(session)


@SETTINGS
def test_end_of_a_pipeline_keeps_the_keyboard(command: Command, setting: Setting) -> None:
    """T2: ``x | pdwrap -- less``: the backend reads the terminal while its standard input is a pipe."""
    with setting(f"{shlex.join([*PLAYER, 'x'])} | {command.line('less', 'tty', 'tty', 'exit 0')}") as session:
        assert_less_reads(session)


@SETTINGS
def test_script_reads_afterwards(command: Command, setting: Setting) -> None:
    """T2: a script reads the terminal before, between and after commands under pdwrap."""
    reads = f"read line; echo script $line >&{VOICE}"
    script = "; ".join((reads, command.line("b", "read", "exit 0"), reads, command.line("c", "exit 0"), reads))
    with setting(script) as session:
        for name, word in (("script", "one"), ("b line", "two"), ("script", "three"), ("script", "four")):
            session.keys(f"{word}\n")
            assert session.hear(*name.split()) == [word]


@SETTINGS
def test_background_in_a_script(command: Command, setting: Setting) -> None:
    """T2: a backend behind `&` in a script leaves the terminal to the script."""
    script = f"{command.line('b')} & read line; echo script $line >&{VOICE}; wait"
    with setting(script) as session:
        session.started()
        session.keys("typed\n")
        assert session.hear("script") == ["typed"]
        session.order("exit 0")


@pytest.mark.parametrize("interpreter", ["dash", "bash"])
@pytest.mark.parametrize("as_job", [True, False], ids=["job", "leader"])
def test_ctrl_c_ends_the_script(command: Command, interpreter: str, *, as_job: bool) -> None:
    """T2, T3: Ctrl-C ends the backend and the script around it; bash's looks at how its command died."""
    words = [interpreter, "-c", f"{command.line('b')}; echo survived >&{VOICE}"]
    if as_job:
        with typed(shlex.join(words)) as session:
            session.started()
            session.keys(CTRL_C)
    else:
        with terminal(words) as session:
            session.started()
            session.keys(CTRL_C)
            assert session.status() == -signal.SIGINT
            session.assert_gone()
    assert not session.voice.all("survived")


def test_backend_that_handles_ctrl_c(command: Command) -> None:
    """T3: a backend that ends by itself after Ctrl-C lets bash's script go on, as shells have it."""
    words = ["bash", "-c", f"{command.line('b', f'catch {INT}')}; echo survived $? >&{VOICE}"]
    with terminal(words) as session:
        session.started()
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        session.order("exit 5")
        assert session.hear("survived") == ["5"]
        assert session.status() == 0
        session.assert_gone()


def test_ctrl_c_ends_a_pipeline(command: Command) -> None:
    """T2: all of a pipeline, once each where it is handled."""
    with job_control() as session:
        session.type(f"{command.line('b')} | {command.line('c', f'catch {INT}')} | {shlex.join([*PLAYER, 'd'])}")
        players = session.all_started("b", "c", "d")
        outermost = command.outermost(players["c"])
        session.keys(CTRL_C)
        session.hear("c", "got", str(INT))
        assert session.fence(outermost, "c") == [INT]
        session.order("exit 0")
        session.at_prompt()
        session.leave()


def test_ctrl_z_stops_a_script(command: Command) -> None:
    """T2: Ctrl-Z stops script and backend, `fg` continues both, and the script goes on after the backend."""
    with job_control() as session:
        session.type(shlex.join(["dash", "-c", f"{command.line('b', f'catch {CONT}')}; echo script $? >&{VOICE}"]))
        player = Process(session.started())
        outermost = command.outermost(player.pid)
        for times in range(1, 4):
            session.keys(CTRL_Z)
            assert session.at_prompt() == 128 + signal.SIGTSTP
            player.wait_stopped()  # the shell waits for dash alone, which may be the first to stop
            outermost.wait_stopped()
            session.type("fg")
            session.hear("b", "got", str(CONT))
            assert session.fence(outermost) == [CONT] * times
        session.order("exit 4")
        assert session.hear("script") == ["4"]
        session.at_prompt()
        session.leave()
