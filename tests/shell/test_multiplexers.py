"""T2, E1 under programs that make a terminal of their own: tmux and script; what their ends send to a backend.

Their child leads a session on that terminal. When they end, the kernel hangs it up: SIGHUP to the session leader and
the foreground group (tty_ioctl(4), setsid(2)); that they were the launcher, and are dead, is one thing more.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Outcome, Process, Voice, clean_environment, reap_all, role, run
from tests.harness.pty_session import CTRL_C, terminal
from tests.harness.roles import FENCE
from tests.harness.scripts import path_with

HUP, INT, TERM, WINCH, CONT = (int(getattr(signal, f"SIG{name}")) for name in ("HUP", "INT", "TERM", "WINCH", "CONT"))
BOTH = pytest.mark.modes("fork", "exec")
ALSO_BARE = pytest.mark.modes("bare", "fork", "exec")


class Stage:
    """A backend that says what it gets (harness/roles.py), whatever closes descriptors on the way to it."""

    def __init__(self, place: Path, pdwrap: list[str], mode: str) -> None:
        """*mode* may be "bare": without pdwrap."""
        self.place, self.mode = place, mode
        self.voice = Voice()
        self.env = clean_environment(
            {
                "PATH": path_with(place / "tools", pdwrap, mode),
                "PDWRAP_MODE": "exec" if mode == "exec" else "fork",
                "PDWRAP_GRACE": "20s",
                "TERM": "xterm",
                "SHELL": "/bin/sh",
                "ENV": "",
                "HISTFILE": "",
            }
        )

    @property
    def prefix(self) -> str:
        """What goes before a command."""
        return "" if self.mode == "bare" else "pdwrap -- "

    def line(self, *words: str, prefix: str | None = None) -> str:
        """A command line for a shell: the role behind pdwrap, with descriptor 9 taken from us."""
        prefix = self.prefix if prefix is None else prefix
        return f"{prefix}{shlex.join(role('reporter', *words))} 9>/proc/{os.getpid()}/fd/{self.voice.writes}"

    def started(self) -> Process:
        """Wait until the backend is ready."""
        backend = Process(int(self.voice.next("ready", "backend")[0]))
        self.voice.give_away()
        return backend

    def got(self, number: int) -> None:
        """Wait until the backend says that it got the signal."""
        while [str(number)] not in [words[1:] for words in self.voice.all("got")]:
            self.voice.next("got")

    def signals(self, *, but: tuple[int, ...] = (CONT, WINCH)) -> list[int]:
        """What it got until it was gone; that a terminal continues or resizes it is not the point."""
        return [number for _, number in (map(int, words) for words in self.voice.all("got")) if number not in but]

    def assert_gone(self, backend: Process) -> None:
        """Nothing is left."""
        assert self.voice.ended(), f"still there: {backend}; heard: {self.voice.lines}"
        backend.close()
        left = reap_all()[1]
        assert not left, f"left behind: {left}"


@pytest.fixture(name="stage")
def stage_fixture(tmp_path: Path, pdwrap: list[str], mode: str) -> Iterator[Stage]:
    """A stage for one test."""
    stage = Stage(tmp_path, pdwrap, mode)
    yield stage
    stage.voice.close()


class Tmux:
    """A tmux server of our own."""

    def __init__(self, stage: Stage, command: str) -> None:
        """Start it with one window, in which `sh` reads *command*."""
        self.stage = stage
        self.words = ["tmux", "-f", os.devnull, "-S", str(stage.place / "socket")]
        self("new-session", "-d", "-x", "80", "-y", "24", command)
        self.server = Process(int(self.ask("#{pid}")))

    def __call__(self, *words: str) -> Outcome:
        """A command of tmux."""
        outcome = run([*self.words, *words], env=self.stage.env)
        assert outcome.code == 0, outcome
        return outcome

    def end(self) -> None:
        """End the server, which ends by itself with its last pane."""
        run([*self.words, "kill-server"], env=self.stage.env)
        assert self.server.is_dead()
        self.server.close()

    def ask(self, variable: str) -> str:
        """A variable of tmux, of the first pane."""
        return self("display-message", "-p", "-t", ":0.0", variable).stdout.decode().strip()

    def type(self, line: str) -> None:
        """Type a line in the first pane."""
        self("send-keys", "-t", ":0.0", line, "Enter")


def assert_asked_once(stage: Stage) -> None:
    """The backend, which ends on SIGTERM, got one, and a hang-up unless that came too late."""
    assert stage.signals().count(TERM) == 1
    assert set(stage.signals()) <= {HUP, TERM}


PLACES = pytest.mark.parametrize("typed", [False, True], ids=["in-the-pane", "typed"])


def in_tmux(stage: Stage, *words: str, typed: bool) -> tuple[Tmux, Process]:
    """The backend in tmux: in place of a shell, or typed in one."""
    line = stage.line(*words)
    tmux = Tmux(stage, "exec sh" if typed else f"exec {line}")
    if typed:
        tmux.type(line)
    return tmux, stage.started()


@BOTH
@PLACES
@pytest.mark.parametrize("how", ["kill-server", "kill-session", "kill-pane", "SIGTERM", "SIGKILL"])
def test_tmux_ends(stage: Stage, how: str, *, typed: bool) -> None:
    """E1, E3: whatever ends the server (also its last pane) hangs up, and is a death besides: one SIGTERM."""
    tmux, backend = in_tmux(stage, "exit=15", typed=typed)
    if how.startswith("SIG"):
        tmux.server.signal(getattr(signal, how))
    else:
        tmux(how)
    stage.assert_gone(backend)
    assert_asked_once(stage)
    tmux.end()


@ALSO_BARE
def test_tmux_pane_ends(stage: Stage) -> None:
    """T2: a pane is killed and the server lives: the backend in it gets the hang-up, once, and that is all."""
    tmux, backend = in_tmux(stage, typed=False)
    tmux("split-window", "-d", "sleep 1000")
    outermost = Process(int(tmux.ask("#{pane_pid}")))
    tmux("kill-pane", "-t", ":0.0")
    stage.got(HUP)
    outermost.signal(FENCE)
    stage.got(FENCE)
    assert stage.signals() == [HUP, FENCE]
    backend.kill()
    tmux.end()
    stage.assert_gone(backend)
    outermost.close()


@BOTH
def test_tmux_pane_with_a_shell_ends(stage: Stage) -> None:
    """E1: a pane is killed in whose shell it was typed: the shell dies of it, and is the launcher."""
    tmux, backend = in_tmux(stage, "exit=15", typed=True)
    tmux("split-window", "-d", "sleep 1000")
    tmux("kill-pane", "-t", ":0.0")
    stage.got(TERM)
    assert backend.is_dead()
    tmux.end()
    stage.assert_gone(backend)
    assert_asked_once(stage)


@ALSO_BARE
@PLACES
@pytest.mark.parametrize("how", ["detach", "SIGKILL", "SIGHUP"])
def test_tmux_loses_its_client(stage: Stage, how: str, *, typed: bool) -> None:
    """N2: the client detaches or dies, the server lives: nothing happens, and the backend hears nothing."""
    tmux, backend = in_tmux(stage, typed=typed)
    outermost = backend.pid
    for _ in range(2 if stage.mode == "fork" else 0):
        outermost = int(Path(f"/proc/{outermost}/stat").read_text().rpartition(")")[2].split()[1])
    with terminal([*tmux.words, "attach"], env=stage.env) as client:
        client.expect("\x1b[")  # it draws
        if how == "detach":
            tmux("detach-client", "-s", "0")
        else:
            client.leader.signal(getattr(signal, how))
        client.status()
    os.kill(outermost, FENCE)
    stage.got(FENCE)
    assert stage.signals() == [FENCE]
    backend.kill()
    tmux.end()
    stage.assert_gone(backend)


@BOTH
def test_script_dies(stage: Stage) -> None:
    """E1, E3: script(1) is killed: its terminal hangs up, its shell dies, and the backend is asked, once."""
    with terminal(["script", "-qc", stage.line("exit=15"), os.devnull], env=stage.env) as session:
        backend = stage.started()
        session.leader.kill()
        session.status()
    stage.assert_gone(backend)
    assert_asked_once(stage)


@ALSO_BARE
def test_script_keys(stage: Stage) -> None:
    """T2, T3: typed at script(1), lines and Ctrl-C arrive, that once; ``-e`` gives the backend's status."""
    backend = """bash -c 'trap "echo caught" INT; echo ready; read x; echo got $x; read x; echo $x; exit 7'"""
    line = f"exec {stage.prefix}{backend}"  # a shell in between would end of Ctrl-C
    with terminal(["script", "-qec", line, os.devnull], env=stage.env) as session:
        session.expect("ready")
        session.keys("one\n")
        session.expect("got one")
        session.keys(CTRL_C)
        session.expect("caught")
        session.keys("two\n")
        assert session.status() == 7
        assert session.look().count("caught") == 1
    left = reap_all()[1]
    assert not left
