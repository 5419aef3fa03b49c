"""T2 at a terminal: what is typed reaches the backend once, under a shell, under a script, and with no shell at all.

Each test runs without pdwrap too: what it demands is what happens anyway.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.harness.pty_session import (
    CTRL_BACKSLASH,
    CTRL_C,
    CTRL_Z,
    Command,
    PtySession,
    job_control,
    terminal,
)

INT, QUIT, WINCH = int(signal.SIGINT), int(signal.SIGQUIT), int(signal.SIGWINCH)
KEYS = [pytest.param(CTRL_C, INT, id="ctrl-c"), pytest.param(CTRL_BACKSLASH, QUIT, id="ctrl-backslash")]
Setting = Callable[[list[str]], AbstractContextManager[PtySession]]


@contextmanager
def under_bash(words: list[str]) -> Iterator[PtySession]:
    """A foreground job of an interactive bash."""
    with job_control() as session:
        session.type(shlex.join(words))
        yield session
        session.at_prompt()
        session.leave()


def not_minding_keys(words: list[str]) -> str:
    """Make a script of a command."""
    return f"trap : INT QUIT; {shlex.join(words)}; exit 0"


@contextmanager
def under_script(words: list[str]) -> Iterator[PtySession]:
    """A command of a dash script, which itself does not mind the keys."""
    with terminal(["dash", "-c", not_minding_keys(words)]) as session:
        yield session
        assert session.status() == 0
        session.assert_gone()


@contextmanager
def under_job_script(words: list[str]) -> Iterator[PtySession]:
    """A command of a bash script that is a job of an interactive bash."""
    with under_bash(["bash", "-c", not_minding_keys(words)]) as session:
        yield session


@contextmanager
def under_nobody(words: list[str]) -> Iterator[PtySession]:
    """The session leader itself, as in ``tmux CMD`` and ``ssh -t HOST CMD``."""
    with terminal(words) as session:
        yield session
        assert session.status() == 0
        session.assert_gone()


SETTINGS = pytest.mark.parametrize("setting", [under_bash, under_script, under_job_script, under_nobody])


@SETTINGS
@pytest.mark.parametrize(("key", "number"), KEYS)
def test_key_arrives_once(command: Command, setting: Setting, key: str, number: int) -> None:
    """T2: a key's signal is delivered once for each time the key was pressed."""
    with setting(command.player("b", f"catch {number}")) as session:
        outermost = command.outermost(session.started())
        for pressed in range(1, 4):
            session.keys(key)
            session.hear("b", "got", str(number))
            assert session.fence(outermost) == [number] * pressed
        session.order("exit 0")


@SETTINGS
def test_resize_arrives_once(command: Command, setting: Setting) -> None:
    """T2: SIGWINCH, once for each change of the window's size."""
    with setting(command.player("b", f"catch {WINCH}")) as session:
        outermost = command.outermost(session.started())
        for resized in range(1, 4):
            session.resize(24 + resized, 80)
            session.hear("b", "got", str(WINCH))
            assert session.fence(outermost) == [WINCH] * resized
        session.order("exit 0")


@SETTINGS
def test_ignored_interrupt(command: Command, setting: Setting) -> None:
    """T1, T2: SIGINT that the launcher ignores is ignored by backend and pdwrap; the next key still works."""
    words = ["bash", "-c", f"trap '' INT; exec {command.line('b', f'catch {QUIT}')}"]
    with setting(words) as session:
        outermost = command.outermost(session.started())
        session.keys(CTRL_C)
        session.keys(CTRL_BACKSLASH)
        session.hear("b", "got", str(QUIT))
        assert session.fence(outermost) == [QUIT]
        session.order("exit 0")


@pytest.mark.parametrize(("key", "number"), KEYS)
def test_status_of_a_key(command: Command, key: str, number: int) -> None:
    """T3: a backend that dies of a key's signal shows so in `$?`."""
    with job_control() as session:
        session.type("ulimit -c 0")
        session.type(command.line("b"))
        session.started()
        session.keys(key)
        assert session.at_prompt() == 128 + number
        assert ("Quit" in session.look()) == (number == QUIT)  # bash says nothing of SIGINT
        session.leave()


def test_reads_the_terminal(command: Command) -> None:
    """T2: the backend reads what is typed, and end-of-file."""
    with job_control() as session:
        session.type(command.line("b", "read", "tty"))
        session.started()
        session.keys("one\n")
        assert session.hear("b", "line") == ["one"]
        session.keys("two\n")
        assert session.hear("b", "line") == ["two"]
        session.order("read")
        session.keys("\x04")
        assert session.hear("b", "line") == []
        session.order("exit 3")
        assert session.at_prompt() == 3
        session.leave()


def test_terminal_settings_stay(command: Command) -> None:
    """T2: the terminal's modes and its foreground group are as before, while the backend runs and afterwards."""
    with job_control() as session:
        before, group = session.modes, session.foreground
        session.type(command.line("b"))
        outermost = command.outermost(session.started())
        assert session.modes == before
        assert session.foreground == outermost.pid  # the job that bash made
        session.order("exit 0")
        session.at_prompt()
        assert (session.modes, session.foreground) == (before, group)
        session.leave()


def test_nested(pdwrap: list[str]) -> None:
    """T2: pdwrap in pdwrap, and still once."""
    command = Command([*pdwrap, "--", *pdwrap, "--"], 4)
    with under_bash(command.player("b", f"catch {INT} {WINCH}")) as session:
        outermost = command.outermost(session.started())
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        session.resize(30, 90)
        session.hear("b", "got", str(WINCH))
        assert session.fence(outermost) == [INT, WINCH]
        session.order("exit 0")


def test_kill_of_a_background_job(command: Command) -> None:
    """T2: bash sends `kill %1` to the job's group; a job started in the background gets it once."""
    with job_control() as session:
        session.type(f"{command.line('b', f'catch {int(signal.SIGTERM)}')} &")
        outermost = command.outermost(session.started())
        session.type("kill %1")
        session.hear("b", "got", str(int(signal.SIGTERM)))
        assert session.fence(outermost) == [signal.SIGTERM]
        session.order("exit 0")
        session.type("wait")
        session.at_prompt()
        session.leave()


def test_dash_with_job_control(command: Command) -> None:
    """T2: an interactive dash instead of bash."""
    with job_control(["dash", "-i"]) as session:
        session.type(command.line("b", f"catch {INT}"))
        outermost = command.outermost(session.started())
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        assert session.fence(outermost) == [INT]
        session.keys(CTRL_Z)
        session.at_prompt()
        outermost.wait_stopped()
        session.type("fg")
        session.order("exit 0")
        session.at_prompt()
        session.leave()
