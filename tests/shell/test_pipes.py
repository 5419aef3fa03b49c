"""T1, T2, T3 in pipes: pdwrap at the start, in the middle and at the end, and what a reader or writer sees of it.

A script says ``pdwrap --`` as a user would write it. It runs once as it is, and once without these words: what is
demanded is what happens anyway.
"""

from __future__ import annotations

import pytest

from tests.harness import describe
from tests.harness.scripts import Scripts

BOTH = pytest.mark.modes("fork", "exec")
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
    outcome = scripts.compare("bash", *PIPELINES[case])
    if case == "stderr":
        assert sorted(outcome.stdout.split()) == [b"out", b"piped-err"]


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
