"""What pdwrap says on stderr: nothing while all is well, then who died, whom it ends, how, and how long it took."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sys
from typing import Any

import pytest

from tests.harness import CLOSED, FAMILY, PYTHON, Started, Starter, children, run, wait_until

SHORT = {"PDWRAP_GRACE": "0.2s"}
DONE = r"pdwrap: done: (\d+) processe?s? ended in \d+\.\d{3}s"
NAME = os.path.basename(PYTHON[0])[:15]


def events(tree: Started) -> list[dict[str, Any]]:
    """The JSON objects, one a line."""
    return [json.loads(line) for line in tree.stderr.splitlines()]


def test_silent_while_all_is_well(pdwrap: list[str]) -> None:
    """Nothing is said about a backend that ends by itself and leaves nothing."""
    outcome = run([*pdwrap, "--", "sh", "-c", "sleep 0.01; exit 3"])
    assert (outcome.code, outcome.stdout, outcome.stderr) == (3, b"", "")


def test_silent_when_the_launcher_ends_it(start: Starter) -> None:
    """Nothing is said about an ending that the launcher asked for."""
    tree = start("plain")
    tree.order(f"signal {signal.SIGTERM}")
    tree.status()
    tree.assert_gone()
    assert tree.stderr == ""


def test_launcher_died(start: Starter) -> None:
    """Two lines: who died, whom it ends, with which signal and grace; how many, how long."""
    tree = start("plain", "child=plain", env={"PDWRAP_GRACE": "5s"})
    launcher, backend = tree.launcher.pid, tree.backend.pid
    tree.launcher.kill()
    tree.assert_gone()
    first, second = tree.stderr.splitlines()
    ending = f"ending {NAME} (pid {backend}) with SIGTERM, grace 5s"
    assert first == f"pdwrap: launcher {NAME} (pid {launcher}) died: {ending}"
    assert (match := re.fullmatch(DONE, second))
    assert match[1] == "2"


def test_leftovers(start: Starter) -> None:
    """The same for what a backend left behind."""
    tree = start("plain", "child=plain", "child=setsid:plain", env={"PDWRAP_GRACE": "5s"})
    backend = tree.backend.pid
    tree.backend.signal(signal.SIGTERM)
    tree.status()
    tree.assert_gone()
    first, second = tree.stderr.splitlines()
    expected = f"pdwrap: {NAME} (pid {backend}) exited and left 2 processes behind: ending them with SIGTERM, grace 5s"
    assert first == f"{expected}; a daemon? --leftovers wait"
    assert (match := re.fullmatch(DONE, second))
    assert match[1] == "2"


def test_counts_what_the_backend_reaps(start: Starter) -> None:
    """T4: how many were ended is said though the backend, as nginx does, ends and reaps its own before it exits."""
    go, tell = os.pipe()
    backend = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {15})
below = []
for _ in range(4):
    below.append(os.fork())
    if below[-1] == 0:
        signal.sigwait({15})
        os._exit(0)
os.write(9, b"ready backend %d\\n" % os.getpid())
signal.sigwait({15})
os.read(6, 1)
for pid in below:
    os.kill(pid, 15)
    os.waitpid(pid, 0)
"""
    tree = start(argv=[*PYTHON, "-c", backend], ready=True, env={"PDWRAP_GRACE": "60s"}, fds={6: go})
    tree.launcher.kill()
    wait_until(lambda: "ending" in tree.stderr, lambda: "it does not say that it ends")  # that comes after the count
    os.write(tell, b"go\n")
    for end in (go, tell):
        os.close(end)
    tree.assert_gone()
    assert (match := re.fullmatch(DONE, tree.stderr.splitlines()[1]))
    assert match[1] == "5"


def test_a_leftover_that_another_has_killed(pdwrap: list[str]) -> None:
    """T4: nothing is said of what somebody else's SIGKILL is ending already, and is given back page by page."""
    script = """
import os, time
reads, writes = os.pipe()
child = os.fork()
if child == 0:
    memory = bytearray(100 << 20)
    memory[::4096] = bytes(len(memory[::4096]))
    memory[::4096] = b"x" * len(memory[::4096])
    os.write(writes, b"x")
    time.sleep(60)
os.read(reads, 1)
os.kill(child, 9)
os._exit(0)
"""
    for _ in range(3):
        done = run([*pdwrap, "--", sys.executable, "-ISc", script])
        assert (done.code, done.stderr) == (0, "")


@pytest.mark.parametrize("how", ["option", "variable"])
def test_json(start: Starter, how: str) -> None:
    """`--log json`: the same as one object a line, with stable keys."""
    options, env = (["--log", "json"], SHORT) if how == "option" else ([], {**SHORT, "PDWRAP_LOG": "json"})
    tree = start("plain", "child=plain", options=options, env=env)
    launcher, backend = tree.launcher.pid, tree.backend.pid
    tree.launcher.kill()
    tree.assert_gone()
    first, second = events(tree)
    wanted = {
        "event": "ending",
        "reason": "launcher-died",
        "launcher_name": NAME,
        "launcher_pid": launcher,
        "through": [],
        "backend_name": NAME,
        "backend_pid": backend,
        "signal": "SIGTERM",
        "grace_seconds": 0.2,
    }
    assert wanted.items() <= first.items()
    assert (second["event"], second["processes"]) == ("done", 2)
    assert isinstance(second["seconds"], float)


@pytest.mark.parametrize(
    ("lost", "reason"), [("wrapper", "outer-lost"), ("inner", "supervisor-lost"), ("backend", "leftovers")]
)
def test_json_reasons(start: Starter, lost: str, reason: str) -> None:
    """The reason says what set off the ending."""
    tree = start("plain", *FAMILY, options=["--log", "json"], env=SHORT)
    getattr(tree, lost).kill()
    tree.assert_gone()
    endings = [each for each in events(tree) if each["event"] == "ending"]
    assert [each["reason"] for each in endings] == [reason]


def test_json_lifeline(start: Starter) -> None:
    """The reason for a lifeline."""
    theirs, ours = os.pipe()
    tree = start("plain", options=["--log", "json", "--lifeline", "5"], fds={5: theirs}, env=SHORT)
    os.close(theirs)
    os.close(ours)
    tree.assert_gone()
    assert events(tree)[0]["reason"] == "lifeline-closed"


def test_quiet(start: Starter) -> None:
    """`-q`: not even that."""
    tree = start("plain", options=["-q"], env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.stderr == ""


def test_verbose(start: Starter) -> None:
    """`-v`: who is watched, and how, before the backend runs."""
    tree = start("plain", options=["-v"], env=SHORT)
    assert f"(pid {tree.launcher.pid})" in tree.stderr
    assert tree.stderr.startswith("pdwrap: watching ")
    tree.launcher.kill()
    tree.assert_gone()


def test_strange_name(start: Starter) -> None:
    """A backend's name may hold anything; a message stays one line, and JSON."""
    argv = ["sh", "-c", 'exec -a "$(printf "a\\nb\\"c")" sleep 60']
    tree = start(argv=["bash", *argv[1:]], options=["--log", "json"], env=SHORT, settle=False)
    while not tree.wrapper.is_dead(0) and "sleep" not in tree_names(tree):
        os.sched_yield()
    tree.launcher.kill()
    tree.assert_gone()
    assert [each["event"] for each in events(tree)] == ["ending", "done"]


def tree_names(tree: Started) -> set[str]:
    """Names of pdwrap's descendants."""
    waiting, names = [tree.wrapper.pid], set()
    while waiting:
        pid = waiting.pop()
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                names.add(comm.read().strip())
        except OSError:
            continue
        waiting += children(pid)
    return names


def full_pipe() -> tuple[int, int]:
    """A pipe that takes not one more byte."""
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writes, False)
    try:
        while os.write(writes, b"x" * 4096):
            pass
    except BlockingIOError:
        pass
    os.set_blocking(writes, True)
    return reads, writes


@pytest.mark.parametrize("lost", ["launcher", "wrapper", "inner", "backend"])
def test_full_pipe_as_stderr(start: Starter, lost: str) -> None:
    """E1, E8: a message that cannot be written is lost, and not waited for. The pipe's mode stays as it was."""
    reads, writes = full_pipe()
    tree = start("plain", *FAMILY, fds={2: writes}, env=SHORT)
    getattr(tree, lost).kill()
    tree.assert_gone()
    assert os.get_blocking(writes)
    os.close(reads)
    os.close(writes)


def test_nobody_reads_stderr(start: Starter) -> None:
    """E1, E8: the reader of stderr is gone (EPIPE, SIGPIPE): the ending goes on."""
    reads, writes = os.pipe()
    tree = start("plain", *FAMILY, fds={2: writes}, env=SHORT)
    os.close(writes)
    os.close(reads)
    tree.launcher.kill()
    tree.assert_gone()


def test_stderr_closed(start: Starter) -> None:
    """T1: descriptor 2 is closed: nothing is written into whatever has got its number."""
    tree = start("plain", *FAMILY, fds={2: CLOSED}, env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.voice.lines == [each for each in tree.voice.lines if each.startswith("ready")]
