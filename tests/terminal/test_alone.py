"""T2, E1 with no shell above: pdwrap as session leader (``tmux CMD``, ``ssh -t``), hang-ups, Ctrl-C at the start."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import clean_environment, pause_for, run, stat
from tests.harness.pty_session import (
    CTRL_C,
    CTRL_Z,
    Command,
    job_control,
    terminal,
)
from tests.harness.terminal_player import ORDERS, VOICE

HUP, INT, TERM, CONT = int(signal.SIGHUP), int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGCONT)


def test_ctrl_z_stops_nothing(command: Command) -> None:
    """T2: nobody could continue it, so Ctrl-Z does nothing; keys and reading go on."""
    with terminal(command.player("b", f"catch {INT} {CONT}")) as session:
        player = session.started()
        outermost = command.outermost(player)
        for pressed in range(1, 4):
            session.keys(CTRL_Z)
            session.keys(CTRL_C)  # later than Ctrl-Z, and heard: Ctrl-Z has done what it does
            session.hear("b", "got", str(INT))
            assert session.fence(outermost) == [INT] * pressed
            assert "T" not in stat(player)[0] + stat(outermost.pid)[0]
        session.order("read")
        session.keys("typed\n")
        assert session.hear("b", "line") == ["typed"]
        session.order("exit 6")
        assert session.status() == 6
        session.assert_gone()


def test_hang_up_of_the_leader(command: Command) -> None:
    """T2: a hang-up reaches the session leader alone, which is pdwrap; so the backend has it from pdwrap, once."""
    with terminal(command.player("b", f"catch {HUP} {TERM}")) as session:
        outermost = command.outermost(session.started())
        session.hang_up()
        session.hear("b", "got", str(HUP))
        assert session.fence(outermost) == [HUP]
        session.order("exit 0")
        assert session.status() == 0
        session.assert_gone()


def test_hang_up_ends_the_backend(command: Command) -> None:
    """T3: a backend that does not handle SIGHUP dies of it, and shows so."""
    with terminal(command.player("b")) as session:
        session.started()
        session.hang_up()
        assert session.status() == -signal.SIGHUP
        session.assert_gone()


@pytest.mark.parametrize("after", ["", " &"], ids=["foreground", "background"])
def test_hang_up_of_a_shell(command: Command, after: str) -> None:
    """E1, T2: the shell passes the hang-up on and dies; nothing is left."""
    with job_control() as session:
        session.type(command.line("b") + after)
        session.started()
        if after:
            session.at_prompt()
        session.hang_up()
        session.status()
        session.assert_gone()


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_hang_up_of_a_shell_ends_what_handles_it(pdwrap: list[str], *, stopped: bool) -> None:
    """E1, E3: a backend that survives the hang-up is ended when its shell has died of it, by one SIGTERM.

    Where the job is stopped bash itself sends its group a SIGTERM as well, which is the one exception of T2.
    """
    command = Command([*pdwrap, "--"], 2)
    with job_control() as session:
        session.type(command.line("b", f"catch {HUP} {TERM}"))
        outermost = command.outermost(session.started())
        if stopped:
            session.keys(CTRL_Z)
            session.at_prompt()
        session.hang_up()
        session.hear("b", "got", str(TERM))
        assert session.fence(outermost).count(TERM) <= 1 + stopped
        session.order("exit 0")
        session.status()
        session.assert_gone()


def test_leader_that_ends_hangs_up(command: Command) -> None:
    """E5: what a backend leaves on the terminal is gone with it."""
    with terminal(command.player("b", "exit 3")) as session:
        assert session.status() == 3
        session.assert_gone()


def test_ctrl_c_while_starting(pdwrap: list[str], record_property: Callable[[str, object], None]) -> None:
    """T2: Ctrl-C in the first 100 ms ends pdwrap; now and then the interpreter's own start loses it, or prints."""
    lost, printed, own, trials = 0, 0, 0, 40
    for trial in range(trials):
        with terminal([*pdwrap, "--", "sleep", "100"]) as session:
            pause_for(trial * 0.1 / trials)
            session.keys(CTRL_C)
            while not session.leader.is_dead(0.5):
                lost += 1
                session.keys(CTRL_C)
            screen = session.look()
            session.status()
            session.assert_gone()
        printed += "Traceback" in screen
        own += "pdwrap/" in screen
    record_property("ctrl-c-while-starting", f"{trials} trials: {printed} tracebacks ({own} of pdwrap's), {lost} lost")
    print(f"{trials} trials: {printed} tracebacks, {own} with lines of pdwrap's, {lost} lost")  # noqa: T201


def test_tmux(command: Command, tmp_path: Path) -> None:
    """T2: the real ``tmux CMD``: keys arrive once, Ctrl-Z does nothing, and closing the window is a hang-up."""
    env = {"TMUX_TMPDIR": str(tmp_path), "TERM": "xterm"}
    (tmp_path / "conf").write_text("set -g exit-empty off\n")  # the launcher is to outlive the window
    tmux = ["tmux", "-f", str(tmp_path / "conf")]
    # tmux closes what its command would inherit; the client, our session leader, keeps it
    pane = f'exec {ORDERS}</proc/$1/fd/{ORDERS} {VOICE}>/proc/$1/fd/{VOICE}; shift; exec "$@"'
    words = [*tmux, "new-session", "sh", "-c", pane, "pane", "CLIENT"]
    client = shlex.join(words).replace("CLIENT", "$$")
    player = command.player("b", f"catch {HUP} {INT}")
    with terminal(["sh", "-c", f"exec {client} {shlex.join(player)}"], env=env) as session:
        outermost = command.outermost(session.started())
        assert os.getsid(outermost.pid) == outermost.pid  # nobody is between tmux and it
        session.keys(CTRL_Z)
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        assert session.fence(outermost) == [INT]
        session.order("read")
        session.keys("typed\r")
        assert session.hear("b", "line") == ["typed"]
        assert run([*tmux, "kill-session"], env=clean_environment(env)).code == 0
        session.hear("b", "got", str(HUP))
        assert session.fence(outermost) == [INT, HUP]
        session.order("exit 0")
        session.status()
        assert run([*tmux, "kill-server"], env=clean_environment(env)).code == 0
        session.assert_gone()
