"""The original `llama-server` as a router with a process for each model; and stopped by a launcher that dies.

What is asked of it and of its other form alike: `test_llama`.
"""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.harness import Starter

from .llama import FORCED, ORIGINAL, SERVER, Stream, upload, wait_until_loaded
from .service import Service, assert_bindable, free_port

BOTH = pytest.mark.modes("fork", "exec")
SHORT = ["--grace", "0.5s"]
LONG = ["--grace", "100s"]


def test_launcher_stops_it_and_dies(start: Starter, original: Path) -> None:
    """E3: SIGTERM was forwarded; the launcher's death adds no second, and starts the deadline."""
    service = ORIGINAL.serve(start, original, SHORT)
    with Stream(service), upload(service):
        service.tree.send_order(f"signal-and-die {signal.SIGTERM:d}")
        service.tree.assert_gone()
    assert service.tree.stderr.count(ORIGINAL.told) <= 1
    assert FORCED not in service.tree.stderr
    assert_bindable(service.port)


def route(start: Starter, original: Path, options: list[str]) -> tuple[Service, list[int]]:
    """A router that has loaded both models, a process for each; and the ports of those."""
    port = free_port()
    command = [*SERVER, "--port", str(port), "--models-dir", str(original)]
    service = Service(start, command, port, options=options)
    wait_until_loaded(service)
    for name in ("first", "second"):
        body = json.dumps({"model": name, "prompt": "a", "n_predict": 3})
        status, answer = service.ask("/completion", body)
        assert status == 200, answer
    assert len(service.hold_family()) == 2
    ports = [int(each) for each in re.findall(r"proxying request to model \w+ on port (\d+)", service.tree.stderr)]
    assert len(set(ports)) == 2, service.tree.stderr
    return service, ports


@BOTH
def test_router_whose_launcher_dies(start: Starter, original: Path) -> None:
    """E1, E2: idle, the router ends its processes in order; asked once, all of them."""
    service, ports = route(start, original, LONG)
    service.assert_gone_with_launcher()
    for port in ports:
        assert_bindable(port)
    assert set(re.findall(r"exited with status (-?\d+)", service.tree.stderr)) <= {"0"}  # its last lines may be lost
    assert FORCED not in service.tree.stderr


@BOTH
def test_router_whose_launcher_dies_while_streaming(start: Starter, original: Path) -> None:
    """E1, E2: both models stream; whatever router and processes wait for, the deadline ends all of them."""
    service, ports = route(start, original, SHORT)
    with Stream(service, model="first"), Stream(service, model="second"):
        service.assert_gone_with_launcher()
    for port in ports:
        assert_bindable(port)


@BOTH
def test_router_is_stopped(start: Starter, original: Path) -> None:
    """T2, T3: the launcher's SIGTERM reaches the router alone, once; it ends its processes, and its status is 0."""
    service, ports = route(start, original, SHORT)
    service.tree.order(f"signal {signal.SIGTERM:d}")
    assert service.tree.status() == 0
    service.tree.assert_gone()
    assert set(re.findall(r"exited with status (-?\d+)", service.tree.stderr)) <= {"0"}  # its last lines may be lost
    assert FORCED not in service.tree.stderr
    for port in [service.port, *ports]:
        assert_bindable(port)
