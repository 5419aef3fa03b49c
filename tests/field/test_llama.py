"""llama.cpp's server in a process of Python's (xllamacpp): idle, and with a request that streams."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import Starter

from .llama import Stream, upload
from .load import wait_for_words
from .models import make_llama
from .service import Service, assert_bindable, free_port, worker

BOTH = pytest.mark.modes("fork", "exec")
SHORT = ["--grace", "0.5s"]
LONG = ["--grace", "100s"]
READY, TOLD, STOPPED = "worker: ready", "worker: SIGTERM", "worker: stopped"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights."""
    return make_llama(tmp_path_factory.mktemp("model") / "random.gguf")


def serve(start: Starter, model: Path, options: list[str]) -> Service:
    """It is ready."""
    port = free_port()
    service = Service(start, worker("llama", model, port), port, options=options)
    wait_for_words(service.tree, READY)
    return service


@BOTH
def test_launcher_dies_while_idle(start: Starter, model: Path) -> None:
    """E1, E3: asked once, it lets go of its model and ends within the grace."""
    service = serve(start, model, LONG)
    service.assert_gone_with_launcher()
    assert service.tree.stderr.count(TOLD) == 1
    assert service.tree.stderr.count(STOPPED) == 1


@BOTH
def test_launcher_dies_while_streaming(start: Starter, model: Path) -> None:
    """E1, E3: asked once, it waits for its clients, and the deadline ends it."""
    service = serve(start, model, SHORT)
    with Stream(service), upload(service):
        service.assert_gone_with_launcher()
    assert service.tree.stderr.count(TOLD) <= 1  # on a busy machine it may not have come to say it
    assert STOPPED not in service.tree.stderr


@BOTH
def test_launcher_dies_and_client_lets_go(start: Starter, model: Path) -> None:
    """E3: the grace is the backend's to use: it ends in order when its client has let go."""
    service = serve(start, model, LONG)
    with Stream(service):
        service.tree.launcher.kill()
        wait_for_words(service.tree, TOLD)
    service.tree.assert_gone()
    assert service.tree.stderr.count(TOLD) == 1
    assert service.tree.stderr.count(STOPPED) == 1
    assert_bindable(service.port)


@BOTH
def test_orderly_stop_while_streaming(start: Starter, model: Path) -> None:
    """T2, T3: the launcher's SIGTERM comes once, no deadline starts, and the status is the backend's."""
    service = serve(start, model, SHORT)
    with Stream(service):
        service.tree.order(f"signal {signal.SIGTERM:d}")
        wait_for_words(service.tree, TOLD)
    assert service.tree.status() == 0
    service.tree.assert_gone()
    assert service.tree.stderr.count(TOLD) == 1
    assert service.tree.stderr.count(STOPPED) == 1
    assert_bindable(service.port)
