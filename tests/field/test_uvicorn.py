"""uvicorn with four workers, which it spawns, and requests in flight."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.harness import Starter

from .load import DONE, HeldPost, Load, wait_for_words
from .service import WORKERS, Service, assert_bindable, free_port

BOTH = pytest.mark.modes("fork", "exec")
WORKER_COUNT = 4
COUNT = 8
SHORT = ["--grace", "0.3s"]
LONG = ["--grace", "100s"]
TOLD = "Terminated child process"


@contextlib.contextmanager
def start_busy(start: Starter, options: list[str]) -> Iterator[tuple[Service, Load]]:
    """All workers serve, and requests are in flight."""
    port = free_port()
    command = [sys.executable, "-I", "-m", "uvicorn", "--workers", str(WORKER_COUNT), "--app-dir", str(WORKERS)]
    service = Service(start, [*command, "--port", str(port), "asgi_app:app"], port, options=options)
    wait_for_words(service.tree, "Started server process", count=WORKER_COUNT)
    with Load(service, COUNT, HeldPost) as load:
        assert {each.pid for each in service.hold_family()} >= load.pids
        yield service, load


@BOTH
def test_launcher_dies_under_load(start: Starter) -> None:
    """E1, E2: uvicorn's workers wait for their requests; the deadline ends all of them."""
    with start_busy(start, SHORT) as (service, load):
        service.assert_gone_with_launcher()
        load.assert_cut()


@BOTH
def test_launcher_dies_and_requests_are_answered(start: Starter) -> None:
    """E3: asked first, uvicorn answers what is in flight, and ends within the grace."""
    with start_busy(start, LONG) as (service, load):
        service.tree.launcher.kill()
        wait_for_words(service.tree, TOLD, count=WORKER_COUNT)
        assert load.finish() == [DONE] * COUNT
        service.tree.assert_gone()
        assert service.tree.stderr.count("Received SIGTERM") == 1
        assert_bindable(service.port)


@BOTH
def test_orderly_stop(start: Starter) -> None:
    """T2, T3: the launcher's SIGTERM comes once; no request is lost, and the status is uvicorn's."""
    with start_busy(start, SHORT) as (service, load):
        service.tree.order(f"signal {signal.SIGTERM:d}")
        wait_for_words(service.tree, TOLD, count=WORKER_COUNT)
        assert load.finish() == [DONE] * COUNT
        assert service.tree.status() == 0
        service.tree.assert_gone()
        assert service.tree.stderr.count("Received SIGTERM") == 1
        assert_bindable(service.port)
