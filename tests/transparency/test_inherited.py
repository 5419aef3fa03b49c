"""What a launcher hands on: older children, sockets and pipes, timers, ignored and blocked signals."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.harness import READY, Starter, Voice, children, describe, reap_all, role, run, shell, stat

SHORT = {"PDWRAP_GRACE": "0.2s"}


def test_child_older_than_pdwrap(pdwrap: list[str], tmp_path: Path) -> None:
    """N3: `exec > >(tee log); exec pdwrap -- x` in bash: tee is our child; it is never signalled, never waited for."""
    log = tmp_path / "log"
    script = f'exec > >(exec tee {log}); exec "$@"'
    outcome = run(["bash", "-c", script, "bash", *pdwrap, "--", "echo", "through tee"])
    assert (outcome.code, outcome.stderr) == (0, "")
    statuses, left = reap_all()  # tee, which fell to us, ends by itself: of end-of-file
    assert left == []
    assert set(statuses.values()) <= {0}  # none where it had ended before pdwrap, which reaps what it finds dead
    assert log.read_text() == "through tee\n"


@pytest.mark.parametrize("lost", ["launcher", "backend", "wrapper", "inner"])
def test_older_child_is_not_of_the_tree(start: Starter, lost: str) -> None:
    """N3: a child that pdwrap had before its first line survives every kind of ending, unsignalled."""
    voice = Voice()
    before = ["bash", "-c", f'{" ".join(role("reporter"))} 9>&6 & exec 6>&-; exec "$@"', "bash"]
    tree = start("plain", "child=stubborn", pdwrap_via=before, fds={6: voice.writes}, launcher=[], env=SHORT)
    voice.give_away()
    older = tree.hold(int(voice.next("ready", "backend")[0]))
    getattr(tree, lost).kill()
    assert tree.voice.ended()
    assert tree.wrapper.is_dead()
    older.signal(signal.SIGUSR1)
    voice.next("got", str(older.pid))
    assert voice.all("got", str(older.pid)) == [["10"]]
    older.kill()
    tree.assert_gone()
    voice.close()


def test_listening_socket(start: Starter) -> None:
    """T1: an open socket holds its port. The supervisors hold none: it is free once the backend has closed it."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    tree = start("closer", "fd=5", fds={5: server.fileno()}, launcher=["detach=5"])
    server.close()
    with socket.create_server(("127.0.0.1", port)):
        tree.assert_alive()
    tree.launcher.kill()
    tree.assert_gone()


def test_inherited_pipe(start: Starter) -> None:
    """T1: an open end of a pipe withholds end-of-file. The supervisors hold none."""
    reads, writes = os.pipe()
    tree = start("closer", "fd=5", fds={5: writes}, launcher=["detach=5"])
    os.close(writes)
    assert os.read(reads, 1) == b""
    tree.assert_alive()
    os.close(reads)
    tree.launcher.kill()
    tree.assert_gone()


def test_what_the_supervisors_hold(start: Starter) -> None:
    """T1: of what was inherited the supervisors keep descriptor 2 alone; whatever else they have is their own."""
    reads, writes = os.pipe()
    tree = start("plain", fds={5: reads, 6: writes, 40: writes})
    inherited = {os.readlink(f"/proc/{tree.backend.pid}/fd/{fd}") for fd in (0, 1, 5, 6, 9)}
    for each in tree.supervisors:
        held = {fd: os.readlink(f"/proc/{each.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{each.pid}/fd") if fd != "2"}
        assert not {path for path in held.values() if path in inherited and path != "/dev/null"}, describe(each.pid)
    os.close(reads)
    os.close(writes)
    tree.launcher.kill()
    tree.assert_gone()


def test_timer_set_before_exec(start: Starter) -> None:
    """T2: `alarm 1; exec pdwrap -- x`: the timer is pdwrap's now, and its SIGALRM reaches the backend."""
    tree = start("reporter", launcher=["alarm=0.7"])
    tree.got(signal.SIGALRM)
    assert tree.signals() == [signal.SIGALRM]
    tree.backend.kill()
    tree.assert_gone()


def test_sigint_inherited_as_ignored(start: Starter) -> None:
    """T1: `nohup`'s manner: what the launcher ignored stays ignored in the backend, and ends no supervisor."""
    for number in (signal.SIGINT, signal.SIGHUP):
        tree = start(argv=shell(f"{READY}; exec sleep 60"), ready=True, launcher=[f"ignore={number}"], env=SHORT)
        assert mask_of(tree.backend.pid, "SigIgn") >> (number - 1) & 1
        tree.order(f"signal {number}")
        for each in tree.supervisors:
            each.signal(number)
        tree.order(f"signal {signal.SIGCONT}")
        tree.assert_alive(0.1)
        tree.launcher.kill()
        tree.assert_gone()


@pytest.mark.parametrize("how", ["ignore", "block"])
def test_sigchld_inherited(start: Starter, how: str) -> None:
    """T1, T3: with SIGCHLD ignored, or blocked, pdwrap sees its children's end all the same, and hands it on."""
    tree = start(launcher=[f"{how}={int(signal.SIGCHLD)}"], env=SHORT)
    wanted = "SigIgn" if how == "ignore" else "SigBlk"
    assert mask_of(tree.backend.pid, wanted) >> (signal.SIGCHLD - 1) & 1
    tree.backend.signal(signal.SIGTERM)
    assert tree.status() == signal.SIGTERM
    tree.assert_gone()


@pytest.mark.parametrize("how", ["ignore", "block"])
def test_sigchld_inherited_and_the_launcher_dies(start: Starter, how: str) -> None:
    """E1, E2: the same, with the launcher's death and a whole family."""
    launcher = [f"{how}={int(signal.SIGCHLD)}"]
    tree = start("plain", "child=double:plain", "child=setsid:stubborn", launcher=launcher, env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()


def test_everything_blocked(start: Starter) -> None:
    """T1, E1: what the launcher blocked is blocked in the backend, all signals here; it is ended all the same."""
    launcher = [f"block={int(each)}" for each in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})]
    tree = start(argv=shell(f"{READY}; exec sleep 60"), ready=True, launcher=launcher, env=SHORT)
    assert mask_of(tree.backend.pid, "SigBlk") == mask_of(tree.launcher.pid, "SigBlk") | sum(
        1 << (int(each.partition("=")[2]) - 1) for each in launcher
    )
    tree.launcher.kill()
    tree.assert_gone()


def test_backend_starts_with_no_child(start: Starter) -> None:
    """T1: the throw-away process that led the backend's group is gone, and was never the backend's child."""
    tree = start("plain")
    assert children(tree.backend.pid) == []
    assert children(tree.inner.pid) == [tree.backend.pid]
    assert children(tree.wrapper.pid) == [tree.inner.pid]
    assert int(stat(tree.backend.pid)[2]) != tree.backend.pid  # so it may call setsid() itself
    tree.launcher.kill()
    tree.assert_gone()


def test_backend_that_calls_setsid_itself(start: Starter) -> None:
    """T1: a program that calls setsid() at its start (a daemon) may, where it could without pdwrap."""
    tree = start(argv=["setsid", *shell(f"{READY}; exec sleep 60")], ready=True)
    assert int(stat(tree.backend.pid)[3]) == tree.backend.pid
    tree.launcher.kill()
    tree.assert_gone()


def mask_of(pid: int, name: str) -> int:
    """A signal mask of /proc/PID/status (proc(5)); bit N-1 is signal N."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1], 16)
    raise AssertionError(name)
