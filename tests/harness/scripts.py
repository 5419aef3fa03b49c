"""Shell scripts that say ``pdwrap --``: run as they are and without these words, or started and obeying."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from .processes import Process, reap_all
from .spawn import Outcome, Running, clean_environment, role, run
from .voice import Voice

ALSO_BARE = pytest.mark.modes("bare", "fork", "exec")
"""The test runs without pdwrap, too (`Scripts.mode`)."""
ORDERS, ANSWERS, VOICE = 7, 8, 9


class Script:
    """A script that is running, and what the roles (harness/roles.py) and the script itself say on descriptor 9."""

    def __init__(self, argv: list[str], env: dict[str, str], place: Path) -> None:
        """Start it."""
        self.voice, self._answers = Voice(), Voice()
        obeyed, self._orders = os.pipe()
        fds = {VOICE: self.voice.writes, ANSWERS: self._answers.writes, ORDERS: obeyed}
        self.running = Running(argv, env=env, fds=fds, before_exec=lambda: os.chdir(place))
        self.voice.give_away()
        self._answers.give_away()
        os.close(obeyed)
        self._held: list[Process] = []

    @property
    def shell(self) -> Process:
        """The process of the script."""
        return self.running.process

    def hear(self, *words: str) -> list[str]:
        """Wait for a line that begins with *words*; give the rest of it."""
        try:
            return self.voice.next(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}; stderr: {self.running.stderr!r}") from None

    def backends(self, count: int = 1) -> list[Process]:
        """Wait until *count* backends are ready."""
        for _ in range(count):
            self.hold(int(self.hear("ready", "backend")[0]))
        return self._held

    def hold(self, pid: int) -> Process:
        """A handle on *pid*, whose end `close` checks."""
        self._held.append(Process(pid))
        return self._held[-1]

    def tell(self, line: str) -> None:
        """Have the script carry out a line (`OBEY`)."""
        os.write(self._orders, f"{line}\n".encode())

    def order(self, line: str) -> int:
        """The same, and wait until it has; give the status."""
        self.tell(line)
        return int(self._answers.next("did")[0])

    def signals(self, backend: Process) -> list[int]:
        """What *backend* said it got."""
        return [int(words[0]) for words in self.voice.all("got", str(backend.pid))]

    def close(self) -> Outcome:
        """Let the script end, and see that nothing is left of it."""
        os.close(self._orders)
        outcome = self.running.wait()
        assert self.voice.ended(), f"still there: {self._held}; heard: {self.voice.lines}"
        for each in self._held:
            assert each.is_dead()
            each.close()
        left = reap_all()[1]
        assert not left, f"left behind: {left}"
        self.voice.close()
        self._answers.close()
        return outcome


STEP = f'read -r line <&{ORDERS}; eval "$line"; echo "did $?" >&{ANSWERS}'
OBEY = f'while read -r line <&{ORDERS}; do eval "$line"; echo "did $?" >&{ANSWERS}; done'
"""What a script does at the end to obey orders; one, and all."""


BARE: dict[tuple[str, str], Outcome] = {}
"""What scripts did without pdwrap; the same in all modes."""


class Scripts:
    """Runs scripts that say ``pdwrap --``, which is in the mode under test."""

    def __init__(self, place: Path, pdwrap: list[str], mode: str) -> None:
        """Work in *place*."""
        self.place, self.mode = place, mode
        path = path_with(place / "tools", pdwrap, mode)
        self.env = clean_environment({"PATH": path, "LC_ALL": "C", "PDWRAP_MODE": "exec" if mode == "exec" else "fork"})

    def _argv(self, shell: str, script: str, *, bare: bool) -> list[str]:
        return [shell, "-c", script.replace("pdwrap -- ", "") if bare or self.mode == "bare" else script]

    def run(self, shell: str, script: str, *, bare: bool = False) -> Outcome:
        """Run a script to its end."""
        folder = self.place / ("bare" if bare else "wrapped")
        folder.mkdir(exist_ok=True)
        (folder / "f").write_text("line\n")  # to read from
        outcome = run(self._argv(shell, script, bare=bare), env=self.env, before_exec=lambda: os.chdir(folder))
        left = reap_all()[1]  # a process substitution, for one, may be the last to end
        assert not left, f"left behind: {left}; stderr: {outcome.stderr}"
        return outcome

    def compare(self, shell: str, script: str, wanted: bytes | None = None) -> Outcome:
        """Run it without pdwrap and with it: status and output are the same, and pdwrap says nothing of its own.

        The output is compared with what is *wanted* too, where that is worth a word.
        Other lines on stderr are the shells', who name pids, and jobs that end sooner or later.
        """
        outcome = self.run(shell, script)
        if (shell, script) not in BARE:
            BARE[shell, script] = self.run(shell, script, bare=True)
        bare = BARE[shell, script]
        assert (outcome.code, outcome.stdout) == (bare.code, bare.stdout), (outcome.stderr, bare.stderr)
        assert "pdwrap: " not in outcome.stderr
        assert wanted is None or outcome.stdout == wanted
        return outcome

    def start(self, shell: str, script: str) -> Script:
        """Start a script and go on; ROLE NAME in it is a backend of the tests."""
        words = " ".join(shlex.quote(word) for word in role("")[:-1])
        return Script(self._argv(shell, script.replace("ROLE", words), bare=False), self.env, self.place)


@functools.lru_cache
def is_pdwrap(command: tuple[str, ...]) -> bool:
    """Whether *command* is a pdwrap at all."""
    return run([*command, "--version"]).stdout.startswith(b"pdwrap")


def path_with(tools: Path, pdwrap: list[str], mode: str) -> str:
    """Make a folder with `pdwrap` (the command under test, without its mode) and `python3`; a PATH that begins so."""
    tools.mkdir(parents=True)
    (tools / "python3").symlink_to(sys.executable)
    command = pdwrap if mode == "fork" else pdwrap[:-1]
    assert is_pdwrap(tuple(command)), f"tests that compare would pass with any prefix: {command}"
    if len(command) == 1:
        (tools / "pdwrap").symlink_to(shutil.which(command[0]) or command[0])
    else:  # an interpreter, its one option, and a script; no shell, which would change the environment
        _, _, text = Path(command[-1]).read_text().partition("\n")
        write_program(tools / "pdwrap", " ".join(["#!" + command[0], *command[1:-1]]), text)
    return f"{tools}:{os.environ['PATH']}"


def write_program(path: Path, first_line: str, text: str) -> str:
    """Make an executable file; give its path."""
    path.write_text(f"{first_line}\n{text}")
    path.chmod(0o755)
    return str(path)
