"""Lifelines of launchers that are not one parent: the scripts of examples/lifelines, run."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness import ROOT, Process, Running, Voice, clean_environment, reap_all, role, run
from tests.harness.roles import FENCE

LIFELINES = ROOT / "examples" / "lifelines"
TERM, CONT = int(signal.SIGTERM), int(signal.SIGCONT)
WAITS = "echo launcher $$; exec sleep 600"

pytestmark = pytest.mark.modes("fork", "exec")


class Crowd:
    """Launchers, one after the other or at once, and their one backend; standard output of all is the tree pipe."""

    def __init__(self, env: dict[str, str]) -> None:
        """Nobody yet."""
        self.voice = Voice()
        self._env = env
        self._held: list[Process] = []
        self._running: list[Running] = []

    def launch(self, *argv: str) -> Running:
        """Start one more launcher, in a session of its own."""
        fds = {1: self.voice.writes}  # where a launcher of the examples says its pid
        self._running.append(Running(argv, fds=fds, env=self._env, before_exec=os.setsid))
        return self._running[-1]

    def hear(self, *words: str) -> list[str]:
        """Wait for a line that begins with *words*; give the rest of it."""
        try:
            return self.voice.next(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}; stderr: {[each.stderr for each in self._running]}") from None

    def launcher(self) -> Process:
        """Wait until a launcher says who it is."""
        return self._hold(self.hear("launcher"))

    def backend(self) -> Process:
        """Wait until a backend is ready."""
        return self._hold(self.hear("ready", "backend"))

    def _hold(self, words: Sequence[str]) -> Process:
        self._held.append(Process(int(words[0])))
        return self._held[-1]

    def fence(self, backend: Process) -> None:
        """The backend answers, and has been sent nothing before."""
        backend.signal(FENCE)
        self.hear("got", str(backend.pid), str(int(FENCE)))
        assert self.heard(backend) == []

    def heard(self, backend: Process) -> list[int]:
        """The signals that it got, fences left out."""
        numbers = [int(words[0]) for words in self.voice.all("got", str(backend.pid))]
        return [number for number in numbers if number not in (FENCE, signal.SIGCHLD)]

    def assert_asked_once_and_gone(self, backend: Process) -> None:
        """E1, E3: one SIGTERM, then SIGCONT, and of everybody nobody is left."""
        self.voice.give_away()
        assert self.voice.ended(), [each.stderr for each in self._running]
        assert self.heard(backend) == [TERM, CONT], [each.stderr for each in self._running]

    def close(self) -> None:
        """Let go."""
        for each in self._running:
            each.process.kill()
            each.wait()
        for process in self._held:
            process.close()
        self.voice.close()
        reap_all()


Crowds = Callable[..., Crowd]


@pytest.fixture
def crowd(tmp_path: Path, pdwrap: list[str]) -> Iterator[Crowd]:
    """A crowd for which `pdwrap` and `python3` are the ones under test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, words in {"pdwrap": pdwrap, "python3": [sys.executable]}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    made = Crowd(clean_environment({"PATH": f"{folder}:{os.environ['PATH']}", "PDWRAP_GRACE": "0.5s"}))
    yield made
    made.close()


def reporter(*arguments: str) -> list[str]:
    """A backend that says what it gets, and ends on SIGCONT, the second signal of an ending."""
    return ["sh", "-c", 'exec "$@" 9>&1', "sh", *role("reporter", f"exit={CONT}", *arguments)]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_shared(crowd: Crowd, family: list[str], tmp_path: Path, shell: str) -> None:
    """E1, E2, N1: who started it dies, and it stays for the others; it ends with the last; then there is a new one."""
    backend = shlex.join(reporter(*family))
    script = f". {LIFELINES}/shared.sh; share {tmp_path}/model {backend}; {WAITS}"
    crowd.launch(shell, "-c", script)
    first = crowd.launcher()
    server = crowd.backend()
    crowd.launch(shell, "-c", script)
    second = crowd.launcher()
    first.kill()
    assert first.is_dead()
    crowd.fence(server)
    assert len(crowd.voice.all("ready", "backend")) == 1
    second.kill()
    crowd.hear("leaving", str(server.pid))
    assert crowd.heard(server) == [TERM, CONT]
    assert run(["flock", str(tmp_path / "model" / "lock"), "true"]).code == 0  # its whole tree is gone
    crowd.launch(shell, "-c", script)
    third, new = crowd.launcher(), crowd.backend()
    crowd.fence(new)
    third.kill()
    crowd.assert_asked_once_and_gone(new)


def test_successor(crowd: Crowd, family: list[str]) -> None:
    """E1, E2, N1: the launcher hands over and exits: nothing; with the last successor it ends."""
    crowd.launch(str(LIFELINES / "successor.py"), *reporter(*family))
    launcher, server = crowd.launcher(), crowd.backend()
    for _ in range(2):
        launcher.signal(signal.SIGUSR2)
        assert launcher.is_dead()
        launcher = crowd.launcher()
        crowd.fence(server)
    assert len(crowd.voice.all("ready", "backend")) == 1
    launcher.kill()
    crowd.assert_asked_once_and_gone(server)


def test_daemon(crowd: Crowd, family: list[str]) -> None:
    """E1, E2, N1: who started it is gone by the time that the daemon stands: nothing; with the daemon it ends."""
    started = crowd.launch(str(LIFELINES / "daemon.py"), *reporter(*family))
    daemon, server = crowd.launcher(), crowd.backend()
    assert started.process.is_dead()
    crowd.fence(server)
    daemon.kill()
    crowd.assert_asked_once_and_gone(server)
