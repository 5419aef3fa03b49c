"""What `podman run` takes away: privileges, writable places, processes, memory. The promise stays, in both modes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import parent_of, wait_until
from tests.harness.containers import BELOW_PID_1

from .podman import Boxes

WITNESS = "/tools/witness"
OPTIONS = {
    "default seccomp": [],
    "read-only": ["--read-only", "--read-only-tmpfs=false"],
    "user": ["--user", "1000:1000"],
    "no capability": ["--cap-drop", "ALL"],
    "no new privileges": ["--security-opt", "no-new-privileges"],
    "all": [
        *("--read-only", "--read-only-tmpfs=false", "--user", "1000:1000", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--ipc", "none", "--pids-limit", "32"),
    ],
}

ROOMS = pytest.mark.parametrize(
    ("image", "name"), [*(("file", each) for each in OPTIONS), ("wheel", "all")], indirect=["image"]
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # the first one builds the images
    pytest.mark.modes("fork", "exec"),
]


@pytest.fixture
def command(mode: str) -> list[str]:
    """pdwrap in the mode at hand."""
    return ["pdwrap", "--exec"] if mode == "exec" else ["pdwrap"]


def family(mode: str) -> list[str]:
    """A child of each kind that the mode promises to end."""
    return ["child:a", "setsid:b", *(["double:c"] if mode == "fork" else [])]


@ROOMS
def test_launcher_dies(box: Boxes, mode: str, command: list[str], name: str) -> None:
    """E1, E2, E3, E6: a launcher in a container that outlives it: backend and family are asked, and all are gone.

    The container is in the room that the option makes; podman's own seccomp profile is in force in all of them.
    """
    first = [WITNESS, "first", "on=15,0"]
    middle = [WITNESS, "launcher", "--", *command, "--grace", "0.2s", "--"]
    made = box(*first, "--", *middle, WITNESS, "backend", *family(mode), options=OPTIONS[name])
    made.ready("launcher")
    backend = made.find(made.ready("backend"))
    status = Path(f"/proc/{backend.pid}/status").read_text(encoding="ascii").split()
    assert status[status.index("Seccomp:") + 1] == "2"
    made.find(int(made.voice.all("ready", "launcher")[0][0])).kill()
    assert made.voice.next("status", "first") == [str(128 + signal.SIGKILL)]
    wait_until(lambda: len(made.pids()) == 1, made.describe)
    assert made.first.alive
    made.kill(signal.SIGTERM)
    code, text = made.end()
    assert code == 0
    assert text.startswith("pdwrap: launcher witness (pid "), text
    assert made.signals("backend") == [signal.SIGTERM, signal.SIGCONT]
    assert [made.signals(name) for name in "abc"] == [[], [], []]  # it does not exit, so nobody below it is asked


@ROOMS
@pytest.mark.modes("fork")
def test_stop(box: Boxes, command: list[str], name: str) -> None:
    """T5, T2: PID 1 in the same rooms: SIGTERM arrives once, the status comes back, nothing is written anywhere."""
    made = box(*command, "-v", "--", WITNESS, "backend", "on=15,3", options=OPTIONS[name])
    made.ready("backend")
    made.engine.ask("stop", made.name)
    code, text = made.end()
    assert code == 3
    assert made.signals("backend") == [signal.SIGTERM]
    assert text.startswith("pdwrap: not watching: ")
    assert text.count("\n") == 1


def test_init(box: Boxes, mode: str, command: list[str]) -> None:
    """T2, T3, T6: below the init of `--init`, which is PID 1: not watched, asked once, the status comes back."""
    made = box(*command, "-v", "--", WITNESS, "backend", "on=15,3", "orphans=20", options=["--init"])
    backend = made.find(made.ready("backend"))
    assert mode == "fork" or parent_of(backend.pid) == made.first.pid
    others = {"fork": 2, "exec": 0}[mode]  # nobody is watched, so exec mode is a plain exec
    wait_until(lambda: len(made.pids()) == 2 + others and not made.zombies(), made.describe)
    made.engine.ask("stop", made.name)
    code, text = made.end()
    assert (code, text) == (3, BELOW_PID_1)
    assert made.signals("backend") == [signal.SIGTERM]


def test_init_is_killed(box: Boxes, mode: str, command: list[str]) -> None:
    """E1: the init dies: the kernel ends the container, pdwrap and its tree with it."""
    made = box(*command, "--", WITNESS, "backend", *family(mode), options=["--init"])
    made.ready("backend")
    made.kill(signal.SIGKILL)
    assert made.end()[0] == 128 + signal.SIGKILL


def test_fewer_processes_than_it_needs(box: Boxes, mode: str, command: list[str]) -> None:
    """T4, E8: no process is to be had: one line, 125, and no backend; the container and its status are podman's."""
    made = box(
        "/tools/witness",
        "first",
        "--",
        *command,
        "--parent",
        "1",
        "--",
        WITNESS,
        "backend",
        options=["--pids-limit", "2"],
    )
    made.ready("first")
    assert made.voice.next("status", "first") == ["125"]
    made.kill(signal.SIGKILL)
    _code, text = made.end()
    assert text.startswith("pdwrap: ")
    assert text.count("\n") == 1, text
    assert made.voice.all("ready", "backend") == []


def test_full_of_processes(box: Boxes, mode: str, command: list[str]) -> None:
    """E2, E8: the backend has taken every process that `--pids-limit` allows; its launcher dies, and all are gone."""
    middle = [WITNESS, "launcher", "--", *command, "--grace", "0.2s", "--"]
    made = box(WITNESS, "first", "on=15,0", "--", *middle, WITNESS, "backend", "forks", options=["--pids-limit", "40"])
    launcher = made.find(made.ready("launcher"))
    made.voice.next("full", "backend")
    assert (
        len(made.pids()) > 30
    )  # who led the backend's group at its start was counted, too, and is gone (docs/facts.md, 25)
    launcher.kill()
    wait_until(lambda: len(made.pids()) == 1, made.describe)
    made.kill(signal.SIGTERM)
    assert made.end()[0] == 0


def test_out_of_memory(box: Boxes, mode: str, command: list[str]) -> None:
    """T3, E5: the kernel kills a backend that takes more than `--memory`: its status says so, and nothing is left."""
    words = [] if mode == "exec" else ["double:c"]
    middle = [*command, "--grace", "0.2s", "--", WITNESS, "backend", *words, "memory=10"]
    made = box(WITNESS, "first", "on=15,0", "--", *middle, options=["--memory", "64m", "--memory-swap", "64m"])
    made.ready("first")
    made.find(made.ready("backend")).signal(signal.SIGUSR1)
    assert made.voice.next("status", "first") == [str(128 + signal.SIGKILL)]
    wait_until(lambda: len(made.pids()) == 1, made.describe)
    made.kill(signal.SIGTERM)
    made.end()
    assert made.signals("c") == ([] if mode == "exec" else [signal.SIGTERM, signal.SIGCONT])


def test_launcher_out_of_memory(box: Boxes, mode: str, command: list[str]) -> None:
    """E1: it is the launcher that takes too much: the kernel kills it, and its backend is ended, as after any death."""
    middle = [WITNESS, "launcher", "memory=10", "--"]
    made = box(
        *(WITNESS, "first", "on=15,0", "--", *middle, *command, "--grace", "0.2s", "--"),
        *(WITNESS, "backend", *family(mode)),
        options=["--memory", "64m", "--memory-swap", "64m"],
    )
    launcher = made.find(made.ready("launcher"))
    made.ready("backend")
    launcher.signal(signal.SIGUSR1)
    assert made.voice.next("status", "first") == [str(128 + signal.SIGKILL)]
    wait_until(lambda: len(made.pids()) == 1, made.describe)
    made.kill(signal.SIGTERM)
    made.end()
    assert made.signals("backend") == [signal.SIGTERM, signal.SIGCONT]
