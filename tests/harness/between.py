"""Launcher, whatever stands between, pdwrap, backend: who is who is read from /proc, not from descriptors.

Some of what stands between closes every descriptor but 0, 1 and 2 (sudo), or has a session of its own (script): so the
backend writes what a role says into a file.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from .patience import wait_until
from .processes import Process, children, kill_what_is_left, parent_of
from .roles import FENCE
from .sidecars import watchers
from .spawn import Running, clean_environment, role

TERM, CONT, HUP = int(signal.SIGTERM), int(signal.SIGCONT), int(signal.SIGHUP)
STARTER = [
    sys.executable,
    "-IS",
    "-c",
    "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(120)",
]
"""The launcher: starts one command, and goes on."""


def line(argv: Sequence[str]) -> str:
    """A command as a line of shell."""
    return shlex.join(argv)


def script(folder: Path, text: str, interpreter: str = "/bin/bash", name: str = "run.sh") -> str:
    """Write a script that can be started."""
    path = folder / name
    path.write_text(f"#!{interpreter}\n{text}\n")
    path.chmod(0o755)
    return str(path)


class Between:
    """A launcher in a session of its own, and all below it.

    Attributes:
        launcher: the process that starts the rest; a member of the chain, if that works.
        said: the file that the backends write into.
        supervisors: pdwrap's own processes: both supervisors, or the sidecars.

    """

    def __init__(self, pdwrap: Sequence[str], mode: str, folder: Path, *, ignoring: bool = False) -> None:
        """Nothing is started yet. *ignoring*: the backend ignores what asks it to end."""
        self.mode = mode
        self.folder = folder
        self.said = folder / "said"
        self.said.touch()
        kind = ["stubborn"] if ignoring else ["reporter", f"exit={CONT}"]
        through = ["sh", "-c", f'exec 9>>{shlex.quote(str(self.said))}; exec "$@"', "sh"]
        self.command = [*pdwrap, "--", *through, *role(*kind)]
        self._running: Running | None = None
        self._held: list[Process] = []
        self.supervisors: list[int] = []

    @property
    def p(self) -> str:
        """The command with pdwrap, as a line of shell."""
        return line(self.command)

    def start(self, argv: Sequence[str], *, backends: int = 1, stdin: str = os.devnull) -> None:
        """Start launcher -> *argv*, and wait until the backends are ready."""
        self.said.write_text("")
        descriptor = os.open(stdin, os.O_RDONLY)
        env = {"PDWRAP_GRACE": "100s", "LC_ALL": "C"}
        self._running = Running(
            [*STARTER, *argv], fds={0: descriptor}, env=clean_environment(env), before_exec=os.setsid
        )
        os.close(descriptor)
        self.launcher = self._running.process
        wait_until(
            lambda: len(self._lines("ready")) >= backends, lambda: f"{argv[0]} has started nothing: {self.stderr}"
        )
        self.hold_all()

    def _lines(self, word: str) -> list[list[str]]:
        return [each.split() for each in self.said.read_text().splitlines() if each.startswith(f"{word} ")]

    def hold_all(self) -> None:
        """Hold every process below the launcher, and the sidecars beside it."""
        todo = [self.launcher.pid]
        while todo:
            below = children(todo.pop())
            todo += below
            self._held += map(Process, below)
        if self.mode == "exec":
            self.supervisors = [pid for each in self.backends for pid in watchers(each)]
            self._held += map(Process, self.supervisors)
        else:
            self.supervisors = [pid for each in self.backends for pid in (parent_of(each), parent_of(parent_of(each)))]
        known = {each.pid for each in self._held}  # who started pdwrap may have ended: then they are not below
        self._held += [Process(pid) for pid in (*self.backends, *self.supervisors) if pid not in known]

    def wait_for_end(self, pid: int) -> None:
        """Wait until one of the tree has ended."""
        assert next(each for each in self._held if each.pid == pid).is_dead()

    @property
    def backends(self) -> list[int]:
        """The backends' pids."""
        return [int(words[2]) for words in self._lines("ready")]

    @property
    def outer(self) -> int:
        """The process that was started as pdwrap."""
        return self.backends[0] if self.mode == "exec" else parent_of(parent_of(self.backends[0]))

    def chain(self) -> list[int]:
        """Who stands above pdwrap, nearest first, up to the launcher."""
        found = [parent_of(self.outer)]
        while found[-1] not in (self.launcher.pid, 1, os.getpid()):
            found.append(parent_of(found[-1]))
        assert found[-1] == self.launcher.pid, "the launcher is not above pdwrap"
        return found

    def heard(self) -> list[int]:
        """The signals that the first backend said it got, fences left out."""
        numbers = [int(words[2]) for words in self._lines("got") if int(words[1]) == self.backends[0]]
        return [number for number in numbers if number != FENCE]

    def fence(self) -> None:
        """Have a signal go through pdwrap to the first backend, twice: by then it has looked at everything."""
        for _ in range(2):
            count = len(self._lines("got"))
            os.kill(self.outer, FENCE)
            self._wait_for_more(count)

    def _wait_for_more(self, count: int) -> None:
        wait_until(lambda: len(self._lines("got")) > count, lambda: f"the fence has not come: {self.stderr}")

    def assert_gone(self, *, asked: bool = True) -> None:
        """Backends and pdwrap are gone; the first backend was *asked* once."""
        for process in self._held:
            if process.pid in (*self.backends, *self.supervisors):
                assert process.is_dead(), f"still there: {process!r}; {self.stderr}"
        # With the program that holds a terminal's other end, the terminal ends: SIGHUP and SIGCONT by the kernel.
        if asked and HUP not in self.heard():
            assert self.heard() == [TERM, CONT], self.stderr
        assert not asked or self.heard().count(TERM) <= 1, self.stderr

    def assert_left_alone(self) -> None:
        """Nothing has happened."""
        self.fence()
        assert self.heard() == [], self.stderr
        for pid in self.backends:
            assert next(each for each in self._held if each.pid == pid).alive, self.stderr

    @property
    def stderr(self) -> str:
        """What all of them wrote."""
        return self._running.stderr if self._running else ""

    def close(self) -> None:
        """Kill whatever is left."""
        if self._running is None:
            return
        kill_what_is_left()
        for process in self._held:
            process.close()
        self._held.clear()
        self._running = None
