"""whisper.cpp's engine in a process of Python's (pywhispercpp), busy on two minutes of audio.

A handler of Python's runs when the native call returns, about sixteen seconds later: too late for the grace.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.harness import Starter, stat, wait_until

from .load import wait_for_words
from .models import make_whisper
from .service import LOADING, Service, free_port, worker

BOTH = pytest.mark.modes("fork", "exec")
SHORT = ["--grace", "0.5s"]
LONG = ["--grace", "100s"]
TOLD, WORKING, DONE = "worker: SIGTERM", "worker: working", "worker: done"
USER_TIME = 11
"""In what `stat` gives (proc(5))."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights."""
    return make_whisper(tmp_path_factory.mktemp("model") / "random.bin")


def serve(start: Starter, model: Path, options: list[str]) -> Service:
    """It is ready."""
    port = free_port()
    return Service(start, worker("whisper", model, port), port, options=options)


def make_busy(service: Service) -> socket.socket:
    """Have it listen, and look until its processor time shows that it is at it: it has said that before the call."""
    link = service.connect()
    link.sendall(b"1")
    wait_for_words(service.tree, WORKING)
    busy_for = os.sysconf("SC_CLK_TCK") // 2
    before = int(stat(service.backend)[USER_TIME])
    wait_until(lambda: int(stat(service.backend)[USER_TIME]) >= before + busy_for, lambda: "not busy", LOADING)
    return link


@BOTH
def test_launcher_dies_while_idle(start: Starter, model: Path) -> None:
    """E1, E3: asked once, it ends within the grace."""
    service = serve(start, model, LONG)
    service.assert_gone_with_launcher()
    assert service.tree.stderr.count(TOLD) == 1


@BOTH
def test_launcher_dies_while_busy(start: Starter, model: Path) -> None:
    """E1, E3: it cannot act on SIGTERM, and the deadline ends it in the middle of its work."""
    service = serve(start, model, SHORT)
    with make_busy(service):
        service.assert_gone_with_launcher()
    said = service.tree.stderr
    assert TOLD not in said
    assert DONE not in said
    assert said.index(WORKING) < said.index("with SIGTERM, grace 0.5s") < said.index("pdwrap: done: 1 process ended")


@BOTH
def test_stopped_while_busy(start: Starter, model: Path) -> None:
    """E3: SIGTERM was sent and waits for the call's end; the launcher's death starts the deadline."""
    service = serve(start, model, SHORT)
    with make_busy(service):
        service.tree.order(f"signal {signal.SIGTERM:d}")
        service.assert_gone_with_launcher()
    assert TOLD not in service.tree.stderr
    assert DONE not in service.tree.stderr
