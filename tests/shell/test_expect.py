"""T2, E1 under expect(1), which makes a terminal for what it spawns, and types there."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import Running, reap_all, run
from tests.harness.pty_session import terminal
from tests.shell.test_multiplexers import (
    ALSO_BARE,
    BOTH,
    HUP,
    TERM,
    Stage,
    assert_asked_once,
    stage_fixture,  # noqa: F401 - a fixture
)

TALK = """
spawn -noecho {*}$argv
expect -timeout 20 "name?" {send "world\\r"} default {exit 90}
expect -timeout 20 "hello world" {} default {exit 91}
expect -timeout 20 eof {} default {exit 92}
lassign [wait] pid id os status
exit $status
"""

INTERACT = """
spawn -noecho {*}$argv
interact
lassign [wait] pid id os status
exit $status
"""

HOLD = """
spawn -noecho {*}$argv
expect -timeout 60 "never"
"""

CLOSE = """
spawn -noecho {*}$argv
gets stdin
close
wait
"""

ASK = ["sh", "-c", "echo name?; read x; echo hello $x; exit 7"]


def expect_script(stage: Stage, text: str, *command: str) -> list[str]:
    """A command line of expect(1)."""
    path = stage.place / "script.exp"
    path.write_text(text)
    return ["expect", str(path), *stage.prefix.split(), *command]


@ALSO_BARE
def test_expect_talks(stage: Stage) -> None:
    """T2, T3: spawn, expect, send, and the status that `wait` gives."""
    outcome = run(expect_script(stage, TALK, *ASK), env=stage.env)
    assert (outcome.code, outcome.stderr) == (7, "")


@ALSO_BARE
def test_expect_interacts(stage: Stage) -> None:
    """T2, T3: a person types through `interact`, keys and all."""
    with terminal(expect_script(stage, INTERACT, *ASK), env=stage.env) as session:
        session.expect("name?")
        session.keys("you\r")
        session.expect("hello you")
        assert session.status() == 7
    left = reap_all()[1]
    assert not left


@BOTH
@pytest.mark.parametrize("number", [int(signal.SIGKILL), TERM, HUP])
def test_expect_dies(stage: Stage, number: int) -> None:
    """E1, E3: expect is killed, and so its spawned backend: by the hang-up, and one SIGTERM."""
    command = expect_script(stage, HOLD, "sh", "-c", f"exec {stage.line('exit=15', prefix='')}")
    with terminal(command, env=stage.env) as session:
        backend = stage.started()
        session.leader.signal(number)
        session.status()
    stage.assert_gone(backend)
    assert_asked_once(stage)


@ALSO_BARE
def test_expect_closes(stage: Stage) -> None:
    """T2: `close` hangs up, which the backend hears once; expect lives, waits for it, and sees its end."""
    command = expect_script(stage, CLOSE, "sh", "-c", f"exec {stage.line('exit=1', prefix='')}")
    reads, writes = os.pipe()
    running = Running(command, env=stage.env, fds={0: reads})
    backend = stage.started()
    os.write(writes, b"\n")
    assert running.wait().code == 0
    stage.assert_gone(backend)
    assert stage.signals() == [HUP]
    os.close(reads)
    os.close(writes)
