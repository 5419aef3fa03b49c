"""Entrypoint scripts of a container, with `exec` and without, on a real engine."""

from __future__ import annotations

import signal

import pytest

from .podman import Boxes

WITNESS = "/tools/witness"
BACKEND = f"{WITNESS} backend on=15,3 double:daemon"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first one builds the images


def test_with_exec(box: Boxes) -> None:
    """T5, T2, T3: the script ends in `exec pdwrap`: pdwrap is PID 1, SIGTERM arrives once, the status comes back."""
    made = box("sh", "-c", 'export IS=set; exec pdwrap --grace 0.2s -- "$@"', "sh", *BACKEND.split())
    made.ready("backend")
    made.engine.ask("stop", made.name)
    code, text = made.end()
    assert code == 3
    assert made.signals("backend") == [signal.SIGTERM]
    assert "exited and left 1 process behind: ending it with SIGTERM" in text


@pytest.mark.limit
def test_without_exec(box: Boxes) -> None:
    """A shell is PID 1: it drops SIGTERM, so `podman stop` waits in vain, then kills; nobody was asked."""
    made = box("sh", "-c", f"pdwrap -- {BACKEND}; exit $?")
    made.ready("backend")
    made.engine.ask("stop", "--time", "1", made.name)
    assert made.end()[0] == 128 + signal.SIGKILL
    assert made.signals("backend") == []


@pytest.mark.modes("fork", "exec")
def test_a_script_that_forwards(box: Boxes, mode: str) -> None:
    """T2, T3: a script that is PID 1 and forwards SIGTERM to pdwrap's pid: once, and the status comes back."""
    command = "pdwrap --exec" if mode == "exec" else "pdwrap"
    script = (
        f"trap 'kill -TERM $pid' TERM; {command} -- {WITNESS} backend on=15,3 & pid=$!; wait $pid; wait $pid; exit $?"
    )
    made = box("sh", "-c", script)
    made.ready("backend")
    made.engine.ask("stop", made.name)
    assert made.end() == (3, "")
    assert made.signals("backend") == [signal.SIGTERM]


@pytest.mark.modes("fork", "exec")
def test_a_script_that_starts_it_again(box: Boxes, mode: str) -> None:
    """E1, E2: a launcher below the script is killed: its backend is gone before the script starts the next one."""
    command = "pdwrap --exec --grace 0.2s" if mode == "exec" else "pdwrap --grace 0.2s"
    family = "child:a setsid:b" + (" double:c" if mode == "fork" else "")
    script = f"for each in 1 2; do {WITNESS} launcher -- {command} -- {WITNESS} backend {family}; done; exit 5"
    made = box("sh", "-c", script)
    launchers = []
    for _ in range(2):
        launchers.append(made.find(made.ready("launcher")))
        backend = made.find(made.ready("backend"))
        launchers[-1].kill()
        assert backend.is_dead()
    code, _text = made.end()
    assert code == 5
