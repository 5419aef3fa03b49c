"""The ways to have pdwrap with LocalAI, and to have none: what is left of a backend and its worker, by what happens.

Each cell of the table in docs/localai.md: a launcher built like LocalAI, a backend with a worker in a session of its
own that does not end when asked; nothing in front, pdwrap in front of the whole, or a wrapper in front of the backend.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pdwrap.localai import command
from tests.harness import CLOSED, LIMIT, PYTHON, Process, clean_environment, reap_all, spawn
from tests.localai.test_wrapped_backends import SERVER, address, assert_port_free

__all__ = ["address"]

LOCAL_AI = str(Path(__file__).with_name("local_ai.py"))
WAYS = ["nothing", "in front", "wrapped"]
IN_A_SESSION = ("if worker == 0:\n", "if worker == 0:\n    os.setsid()\n")
SESSION = SERVER.replace(*IN_A_SESSION).replace("os.setpgid(worker, worker)", "")
RUN = f"""#!/bin/bash
CURDIR=$(dirname "$(realpath "$0")")
exec {sys.executable} -I -S "$CURDIR"/server.py "$@"
"""


class Started:
    """LocalAI with a backend, by whatever way: what it and the backend say."""

    def __init__(self, prefix: Sequence[str], folder: Path, address: str) -> None:
        """Start it, and wait until the backend is ready."""
        orders, self._orders = os.pipe()
        self._reports, reports = os.pipe()
        self._voice, voice = os.pipe()
        self._heard = {self._reports: b"", self._voice: b""}
        ours = (self._orders, self._reports, self._voice)
        argv = [*prefix, *PYTHON, LOCAL_AI, str(folder), address]
        fds = {1: voice, 7: orders, 8: reports, **dict.fromkeys(ours, CLOSED)}
        self.first = Process(spawn(argv, fds=fds, env=clean_environment({"PATH": os.defpath})))
        for fd in (orders, reports, voice):
            os.close(fd)
        words = self.report().split(" ")
        self.local_ai = Process(int(words[3])) if prefix else self.first
        _, backend, _, worker, zero, _ = self.said().split(" ")
        assert zero == "closed"
        self.backend, self.worker = Process(int(backend)), Process(int(worker))

    def tell(self, order: str) -> None:
        """Have LocalAI do something."""
        os.write(self._orders, f"{order}\n".encode())

    def report(self) -> str:
        """LocalAI's next line; empty at the end."""
        return self._line(self._reports)

    def said(self) -> str:
        """The backend's next line; empty when neither it nor its worker is left."""
        return self._line(self._voice)

    def _line(self, fd: int) -> str:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while b"\n" not in self._heard[fd]:
            assert poll.poll(LIMIT * 1000), "nothing heard"
            data = os.read(fd, 4096)
            if not data:
                return ""
            self._heard[fd] += data
        line, _, self._heard[fd] = self._heard[fd].partition(b"\n")
        return line.decode()

    def close(self) -> None:
        """End what a way without pdwrap leaves."""
        for each in (self.backend, self.worker, self.local_ai, self.first):
            if each.alive:
                each.kill()
        for each in {self.backend, self.worker, self.local_ai, self.first}:
            each.close()
        for fd in (self._orders, self._reports, self._voice):
            os.close(fd)
        reap_all()


Begin = Callable[[str], Started]


@pytest.fixture
def begin(tmp_path: Path, pdwrap: list[str], address: str) -> Iterator[Begin]:
    """Starts LocalAI by one of the ways."""
    started: list[Started] = []

    def call(way: str) -> Started:
        folder = tmp_path / "backends" / "llama-cpp"
        folder.mkdir(parents=True)
        (folder / "run.sh").write_text(RUN)
        (folder / "run.sh").chmod(0o755)
        (folder / "server.py").write_text(SESSION)
        if way == "wrapped":
            assert command.main([str(folder.parent), "--", "--grace", "1s"]) == 0
        prefix = [*pdwrap, "--grace", "1s", "--"] if way == "in front" else []
        started.append(Started(prefix, folder, address))
        return started[-1]

    yield call
    for each in started:
        each.close()


def asked_once_and_gone(started: Started, address: str) -> None:
    """The backend was asked, once, and nobody is left; the next one can have its port."""
    assert started.said() == f"got {signal.SIGTERM.value}"
    assert started.said() == ""
    assert started.backend.is_dead()
    assert started.worker.is_dead()
    assert started.first.is_dead()
    assert not reap_all()[1]
    assert_port_free(address)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cause", ["killed", "out of memory"])
def test_local_ai_dies(begin: Begin, address: str, way: str, cause: str) -> None:
    """E1, E2, E5: SIGKILLed, or out of memory: without pdwrap both stay, with either way both go, the backend asked."""
    started = begin(way)
    if cause == "killed":
        started.local_ai.kill()
    else:
        started.tell("oom")
    assert started.local_ai.is_dead()
    if way == "nothing":
        assert started.backend.alive
        assert started.worker.alive
        return
    asked_once_and_gone(started, address)


@pytest.mark.parametrize("way", WAYS)
def test_local_ai_ends_in_order(begin: Begin, address: str, way: str) -> None:
    """T2, E5: SIGTERM to the first process: LocalAI stops its backend, once; with pdwrap no worker outlives it."""
    started = begin(way)
    started.first.signal(signal.SIGTERM)
    assert started.report() == "stopped"
    if way == "nothing":
        assert started.local_ai.is_dead()
        assert started.backend.is_dead()
        assert started.worker.alive
        return
    asked_once_and_gone(started, address)


@pytest.mark.parametrize("way", WAYS)
def test_local_ai_stops_a_model(begin: Begin, address: str, way: str) -> None:
    """T2, E5: a model is stopped, LocalAI goes on: a wrapper ends the worker, too, before LocalAI says so."""
    started = begin(way)
    started.tell("stop")
    assert started.report() == "stopped"
    assert started.backend.is_dead()
    if way == "wrapped":
        assert started.worker.is_dead()
        assert_port_free(address)
    else:
        assert started.worker.alive
    started.local_ai.kill()
    if way == "in front":
        asked_once_and_gone(started, address)


def test_who_started_local_ai_dies(begin: Begin, address: str, pdwrap: list[str]) -> None:
    """E1: with pdwrap in front of the whole, the death of a supervisor of pdwrap's ends LocalAI and all of it."""
    started = begin("in front")
    started.first.kill()
    assert started.said() in ("", f"got {signal.SIGTERM.value}")
    assert started.local_ai.is_dead()
    assert started.worker.is_dead()
    assert not reap_all()[1]
    assert_port_free(address)
