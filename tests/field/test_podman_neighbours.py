"""Launchers that pdwrap cannot see, or sees beside itself: `podman exec`, shared pid namespaces, a volume, a pod."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.harness.containers import OUTSIDE

from .podman import Box, Boxes

WITNESS = "/tools/witness"
ONCE = [signal.SIGTERM, signal.SIGCONT]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # the first one builds the images
    pytest.mark.modes("fork", "exec"),
]


@pytest.fixture
def command(mode: str) -> list[str]:
    """pdwrap in the mode at hand, with a short grace."""
    return ["pdwrap", "--grace", "0.2s", *(["--exec"] if mode == "exec" else [])]


@pytest.fixture
def family(mode: str) -> list[str]:
    """A child of each kind that the mode promises to end."""
    return ["child:a", "setsid:b", *(["double:c"] if mode == "fork" else [])]


def wait_until_alone(made: Box, others: int = 1) -> None:
    """Wait until nobody is in it but those *others*, zombies neither."""
    wait_until(lambda: len(made.pids()) == others, made.describe)


# -- podman exec -------------------------------------------------------------------------------------------------------


def test_exec_with_a_lifeline(box: Boxes, command: list[str], family: list[str]) -> None:
    """E1, E2: `podman exec -i` hands in a lifeline: SIGKILL to who typed it ends all that it started."""
    made = box(WITNESS, "first", "on=15,0")
    made.ready("first")
    reads, writes = os.pipe()
    backend = [WITNESS, "backend", *family]
    client = made.enter(*command, "--lifeline", "0", "--", *backend, options=["-i"], fds={0: reads})
    os.close(reads)
    made.ready("backend")
    client.process.kill()
    client.wait()
    wait_until_alone(made)
    os.close(writes)
    assert made.signals("backend") == ONCE
    made.kill(signal.SIGTERM)
    assert made.end()[0] == 0


@pytest.mark.limit
def test_exec_without(box: Boxes, mode: str, command: list[str]) -> None:
    """Its parent is outside, and shows as 0: nobody is watched; the client dies, the backend lives as long as PID 1."""
    made = box(WITNESS, "first", "on=15,0")
    made.ready("first")
    client = made.enter(*command, "-v", "--", WITNESS, "backend")
    backend = made.find(made.ready("backend"))
    wait_until(lambda: client.stderr == OUTSIDE, lambda: client.stderr)  # podman hands it on in its own time
    client.process.kill()
    client.wait()
    backend.signal(signal.SIGUSR1)  # a fence
    made.got("backend", signal.SIGUSR1)
    made.kill(signal.SIGTERM)
    assert made.end()[0] == 0
    assert made.signals("backend") == [signal.SIGUSR1]


def test_exec_in_order(box: Boxes, command: list[str]) -> None:
    """T3: `podman exec pdwrap -- CMD` gives the command's status, and leaves no zombie in a container that reaps."""
    made = box(WITNESS, "first", "on=15,0")
    made.ready("first")
    for status in (0, 3, 137):
        script = f"exit {status}" if status < 128 else "kill -9 $$"
        assert made.entered(*command, "--", "sh", "-c", script).code == status
    wait_until_alone(made)
    made.kill(signal.SIGTERM)
    assert made.end()[0] == 0


# -- one pid namespace for several -------------------------------------------------------------------------------------


def test_pid_host(box: Boxes, command: list[str], mode: str) -> None:
    """T2, T3: with `--pid host` pdwrap is no PID 1: asked once, and its status comes back."""
    made = box(*command, "--", WITNESS, "backend", "on=15,3", options=["--pid", "host"])
    made.ready("backend")
    made.engine.ask("stop", made.name)
    assert made.end() == (3, "")
    assert made.signals("backend") == [signal.SIGTERM]


def test_pid_host_and_its_launcher_dies(box: Boxes, command: list[str], family: list[str]) -> None:
    """E1, E2: ... and its launcher is podman's own conmon: when that is killed, which nobody sees, all are gone."""
    made = box(*command, "--", WITNESS, "backend", *family, options=["--pid", "host"])
    made.ready("backend")
    held = [made.hold(pid) for pid in made.pids()]
    assert len(held) >= 1 + len(family)
    made.conmon.kill()
    assert all(each.is_dead() for each in held)
    assert made.signals("backend") == ONCE
    made.remove()


def test_pid_host_and_a_supervisor_is_killed(box: Boxes, mode: str, command: list[str], family: list[str]) -> None:
    """E4: the kernel ends nobody with the container's first process here; pdwrap does."""
    made = box(*command, "--", WITNESS, "backend", *family, options=["--pid", "host"])
    made.ready("backend")
    made.first.kill()
    assert made.end()[0] == 128 + signal.SIGKILL


def test_pid_container(box: Boxes, command: list[str], family: list[str]) -> None:
    """E1: with `--pid container:` the first one's PID 1 is ours, too: the kernel ends all with it."""
    other = box(WITNESS, "first", "on=15,0")
    other.ready("first")
    made = box(*command, "-v", "--", WITNESS, "backend", *family, options=["--pid", f"container:{other.name}"])
    assert made.ready("backend") > 1
    other.kill(signal.SIGKILL)
    code, text = made.end()
    assert code == 128 + signal.SIGKILL
    assert text.startswith(OUTSIDE)
    assert other.end()[0] == 128 + signal.SIGKILL
    assert made.signals("backend") == []


# -- a lifeline in a volume --------------------------------------------------------------------------------------------


@pytest.mark.modes("fork")
@pytest.mark.parametrize(
    ("image", "pod"), [("file", ""), ("file", "own"), ("file", "shared"), ("wheel", "shared")], indirect=["image"]
)
def test_two_containers(box: Boxes, command: list[str], family: list[str], tmp_path: Path, pod: str) -> None:
    """E1, E2: a FIFO in a volume of both: the launcher's container is killed, the backend's tree is gone, asked once.

    On their own, and in a pod, with a pid namespace for each and with one for all.
    """
    text = end_by_a_lifeline(box, command, family, tmp_path, pod)
    assert text.startswith("pdwrap: lifeline closed: ending witness (pid "), text


@pytest.mark.modes("exec")
def test_two_containers_in_exec_mode(box: Boxes, command: list[str], family: list[str], tmp_path: Path) -> None:
    """E1, E2: the same, where pdwrap is no PID 1. The container ends with its backend: a line may come too late."""
    end_by_a_lifeline(box, command, family, tmp_path, "shared")


def end_by_a_lifeline(box: Boxes, command: list[str], family: list[str], tmp_path: Path, pod: str) -> str:
    """Kill a launcher's container, and wait for the end of the backend's, in a *pod* or not: what that wrote."""
    shared = tmp_path / "shared"
    shared.mkdir()
    os.mkfifo(shared / "lifeline")
    options = ["-v", f"{shared}:/shared"]
    if pod:
        box.engine.ask("pod", "create", "--name", "both", "--share", "pid,ipc" if pod == "shared" else "ipc")
        options += ["--pod", "both"]
    launcher = box("sh", "-c", f"exec 5>/shared/lifeline; exec {WITNESS} launcher", options=options)
    opened = ["sh", "-c", 'exec 5</shared/lifeline; exec "$@"', "sh"]
    made = box(*opened, *command, "--lifeline", "5", "--", WITNESS, "backend", "on=15,3", *family, options=options)
    made.ready("backend")
    launcher.ready("launcher")
    launcher.kill(signal.SIGKILL)
    assert launcher.end()[0] == 128 + signal.SIGKILL
    code, text = made.end()
    assert code == 3
    assert made.signals("backend") == [signal.SIGTERM]
    if pod:
        box.engine.ask("pod", "rm", "--force", "both")
    return text
