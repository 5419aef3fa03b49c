"""gunicorn and uvicorn with four workers, which have requests in flight."""

from __future__ import annotations

import signal

import pytest

from tests.harness import Starter

from .load import DONE
from .service import assert_bindable
from .web_servers import GUNICORN, UVICORN, WebServer

pytestmark = [
    pytest.mark.modes("fork", "exec"),
    pytest.mark.parametrize("server", [GUNICORN, UVICORN], ids=["gunicorn", "uvicorn"]),
]

SHORT = ["--grace", "0.3s"]
LONG = ["--grace", "100s"]


def test_launcher_dies_under_load(start: Starter, server: WebServer) -> None:
    """E1, E2: it waits for its workers, and they for their requests; the deadline ends all of them."""
    with server.busy(start, SHORT) as (service, load):
        service.assert_gone_with_launcher()
        load.assert_cut()


def test_launcher_dies_and_requests_are_answered(start: Starter, server: WebServer) -> None:
    """E3: asked first, it answers what is in flight, and ends within the grace."""
    with server.busy(start, LONG) as (service, load):
        service.tree.launcher.kill()
        server.wait_told(service)
        assert load.finish() == [DONE] * server.requests
        service.tree.assert_gone()
        assert service.tree.stderr.count(server.once) == 1
        assert_bindable(service.port)


def test_orderly_stop(start: Starter, server: WebServer) -> None:
    """T2, T3: the launcher's SIGTERM comes once; no request is lost, and the status is the server's."""
    with server.busy(start, SHORT) as (service, load):
        service.tree.order(f"signal {signal.SIGTERM:d}")
        server.wait_told(service)
        assert load.finish() == [DONE] * server.requests
        assert service.tree.status() == 0
        service.tree.assert_gone()
        assert service.tree.stderr.count(server.once) == 1
        assert_bindable(service.port)
