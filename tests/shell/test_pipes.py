"""T1, T2, T3 in pipes: pdwrap at the start, in the middle and at the end, and what a reader or writer sees of it.

A script says ``pdwrap --`` as a user would write it. It runs once as it is, and once without these words: what is
demanded is what happens anyway.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.harness import Outcome, Process, Running, Voice, clean_environment, describe, reap_all, role, run
from tests.shell.test_shebang import path_with

BOTH = pytest.mark.modes("fork", "exec")
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
        outcome = run(self._argv(shell, script, bare=bare), env=self.env, before_exec=lambda: os.chdir(folder))
        left = reap_all()[1]  # a process substitution, for one, may be the last to end
        assert not left, f"left behind: {left}; stderr: {outcome.stderr}"
        return outcome

    def compare(self, shell: str, script: str) -> Outcome:
        """Run it without pdwrap and with it: status and output are the same, and pdwrap says nothing of its own.

        Other lines on stderr are the shells', who name pids, and jobs that end sooner or later.
        """
        outcome = self.run(shell, script)
        if (shell, script) not in BARE:
            BARE[shell, script] = self.run(shell, script, bare=True)
        bare = BARE[shell, script]
        assert (outcome.code, outcome.stdout) == (bare.code, bare.stdout), (outcome.stderr, bare.stderr)
        assert "pdwrap: " not in outcome.stderr
        return outcome

    def start(self, shell: str, script: str) -> Script:
        """Start a script and go on; ROLE NAME in it is a backend of the tests."""
        words = " ".join(shlex.quote(word) for word in role("")[:-1])
        return Script(self._argv(shell, script.replace("ROLE", words), bare=False), self.env, self.place)


@pytest.fixture(name="scripts")
def scripts_fixture(tmp_path: Path, pdwrap: list[str], mode: str) -> Scripts:
    """Scripts of one test."""
    return Scripts(tmp_path, pdwrap, mode)


STATUSES = (
    "pdwrap -- sh -c 'exit 3' | pdwrap -- sh -c 'cat; exit 4' | pdwrap -- sh -c 'cat; exit 5'; echo ${PIPESTATUS[@]}"
)

PIPELINES = {
    "at the start": (r"pdwrap -- printf 'b\na\n' | sort", b"a\nb\n"),
    "in the middle": (r"printf 'b\na\n' | pdwrap -- sort | tr ab AB", b"A\nB\n"),
    "at the end": (r"printf 'b\na\n' | pdwrap -- sort", b"a\nb\n"),
    "everywhere": ("pdwrap -- seq 9 | pdwrap -- sort -r | pdwrap -- head -n 2", b"9\n8\n"),
    "stderr": ("{ pdwrap -- sh -c 'echo out; echo err >&2' 2>&1 >&3 | sed s/^/piped-/; } 3>&1", None),
    "both": ("pdwrap -- sh -c 'echo out; echo err >&2' |& sort", b"err\nout\n"),
    "three megabytes": ("head -c 3000000 /dev/zero | pdwrap -- cat | wc -c", b"3000000\n"),
    "statuses": (STATUSES, b"3 4 5\n"),
    "pipefail": ("set -o pipefail; pdwrap -- sh -c 'exit 3' | cat; echo $?", b"3\n"),
    "pipefail, a signal": ("set -o pipefail; pdwrap -- sh -c 'kill $$' | cat; echo $?", b"143\n"),
    "pipefail, not found": ("set -o pipefail; pdwrap -- ./no-such-file 2>&- | cat; echo $?", b"127\n"),
    "reader leaves": ("pdwrap -- yes | head -n 1; echo ${PIPESTATUS[@]}", b"y\n141 0\n"),
    "reader leaves, pipefail": ("set -eo pipefail; pdwrap -- yes | head -n 1; echo not reached", b"y\n"),
    "backend leaves": ("yes | pdwrap -- head -n 1; echo ${PIPESTATUS[@]}", b"y\n141 0\n"),
    "through the middle": ("yes | pdwrap -- cat | head -n 1; echo ${PIPESTATUS[@]}", b"y\n141 141 0\n"),
    "lastpipe": ("shopt -s lastpipe; pdwrap -- echo word | read -r got; echo $got", b"word\n"),
    "a negated pipeline": ("! pdwrap -- sh -c 'exit 3' | pdwrap -- false; echo $?", b"0\n"),
}


@BOTH
@pytest.mark.parametrize("case", PIPELINES)
def test_pipeline(scripts: Scripts, case: str) -> None:
    """T1, T3: output and statuses of a pipeline, SIGPIPE included, are what they are without pdwrap."""
    script, wanted = PIPELINES[case]
    outcome = scripts.compare("bash", script)
    if wanted is None:
        assert sorted(outcome.stdout.split()) == [b"out", b"piped-err"]
    else:
        assert outcome.stdout == wanted


@BOTH
def test_reader_sees_the_end_at_once(scripts: Scripts) -> None:
    """T1: the backend closes its output and lives: the reader sees end-of-file then, and not when pdwrap exits."""
    outcome = scripts.compare(
        "dash",
        "mkfifo go; pdwrap -- sh -c 'echo one; exec >&-; read word <go; echo $word >&2' | { cat; echo two >go; }",
    )
    assert (outcome.stdout, outcome.stderr) == (b"one\n", "two\n")


@BOTH
def test_writer_sees_the_end_at_once(scripts: Scripts) -> None:
    """T1: the backend closes its input and lives: the writer gets SIGPIPE then, and not when pdwrap exits."""
    outcome = scripts.compare(
        "bash",
        "mkfifo go; { yes; echo yes $? >&2; echo >go; } | pdwrap -- sh -c 'exec <&-; read word <go; exit 6'",
    )
    assert (outcome.code, outcome.stderr) == (6, "yes 141\n")


def test_leftover_does_not_hold_the_pipe(scripts: Scripts) -> None:
    """E5: what a backend leaves behind would keep the reader waiting for ever; it is ended."""
    for script in (
        "pdwrap -- sh -c 'sleep 1000 & echo word' | cat",
        "echo $(pdwrap -- sh -c 'sleep 1000 & echo word')",
    ):
        assert scripts.run("dash", script).stdout == b"word\n"


@BOTH
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_launcher_of_a_pipeline_dies(scripts: Scripts, shell: str) -> None:
    """E1, E2: the shell that waits for a pipeline is SIGKILLed: all backends in it end, with their children."""
    member = "pdwrap -- ROLE plain child=stubborn child=setsid:plain"
    script = scripts.start(shell, f"export PDWRAP_GRACE=0.2; {member} | {member} | {member}; exit")
    script.backends(3)
    script.shell.kill()
    assert script.close().code == -9


@BOTH
def test_one_of_a_pipeline_is_killed(scripts: Scripts) -> None:
    """N3: one member of a pipeline dies; the others have done nothing to be ended."""
    script = scripts.start("bash", "pdwrap -- ROLE plain | pdwrap -- ROLE reporter exit=15; echo ${PIPESTATUS[@]}")
    first, second = sorted(script.backends(2), key=lambda backend: "reporter" in describe(backend.pid))
    first.signal(15)
    assert first.is_dead()
    second.signal(10)
    script.hear("got", str(second.pid), "10")
    second.signal(15)
    assert script.close().stdout == b"143 0\n"
