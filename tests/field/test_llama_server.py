"""The original `llama-server`: idle, with a request that streams, and as a router with a process for each model.

It takes a second SIGTERM as "exit now" (two, a millisecond apart, crash it or cut its clean-up short), so what it says
tells how many came. Its build is for processors with AMX: on others it ends with SIGILL.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Starter

from .llama import Stream, upload, wait_until_loaded
from .load import wait_for_words
from .models import make_llama
from .service import Service, assert_bindable, free_port

BOTH = pytest.mark.modes("fork", "exec")
SHORT = ["--grace", "0.5s"]
LONG = ["--grace", "100s"]
TOLD = "cleaning up before exit"
FORCED = "Received second interrupt"
SERVER = [str(Path(sys.executable).with_name("llama-server-vulkan")), "-ngl", "0", "-fit", "off", "-c", "2048"]
"""On the processor, with nothing fitted to the machine."""


def folder_of_models(folder: Path, *names: str) -> Path:
    """*folder*, with a model of random weights for each name."""
    for name in names:
        make_llama(folder / f"{name}.gguf")
    return folder


def unlucky(model: Path) -> bool:
    """Whether this processor lacks what the build needs: a short run with a model ends with SIGILL."""
    command = [*SERVER, "--port", str(free_port()), "-m", str(model)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert server.stderr is not None
    with server.stderr as words:
        loaded = any(b"model loaded" in line for line in words)  # the engine has computed something by then
        server.kill()
    return server.wait() == -signal.SIGILL and not loaded


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two models. Where the server cannot run, that is expected, no skip (tests/ci_no_skips.py)."""
    folder = folder_of_models(tmp_path_factory.mktemp("models"), "first", "second")
    if unlucky(folder / "first.gguf"):
        pytest.xfail("llama-server-vulkan was built for other processors: SIGILL")
    return folder


def serve(start: Starter, models: Path, options: list[str], launcher: list[str] | None = None) -> Service:
    """One model, loaded."""
    port = free_port()
    command = [*SERVER, "--port", str(port), "-m", str(models / "first.gguf")]
    service = Service(start, command, port, options=options, launcher=launcher or [])
    wait_until_loaded(service)
    return service


@BOTH
def test_launcher_dies_while_idle(start: Starter, models: Path) -> None:
    """E1, E3: asked once, it ends in order within the grace."""
    service = serve(start, models, LONG)
    service.assert_gone_with_launcher()
    assert service.tree.stderr.count(TOLD) == 1
    assert FORCED not in service.tree.stderr


@BOTH
def test_launcher_dies_while_streaming(start: Starter, models: Path) -> None:
    """E1, E3: asked once, it waits for its clients, and the deadline ends it."""
    service = serve(start, models, SHORT)
    with Stream(service), upload(service):
        service.assert_gone_with_launcher()
    assert service.tree.stderr.count(TOLD) <= 1  # on a busy machine it may not have come to say it
    assert FORCED not in service.tree.stderr


@BOTH
def test_launcher_dies_and_client_lets_go(start: Starter, models: Path) -> None:
    """E3: exactly one SIGTERM, and the grace is the server's to use: it ends in order when its client has let go."""
    service = serve(start, models, LONG)
    with Stream(service):
        service.tree.launcher.kill()
        wait_for_words(service.tree, TOLD)
    service.tree.assert_gone()
    assert service.tree.stderr.count(TOLD) == 1
    assert FORCED not in service.tree.stderr
    assert_bindable(service.port)


@BOTH
@pytest.mark.parametrize("whom", ["signal", "group"])
def test_orderly_stop_while_streaming(start: Starter, models: Path, whom: str) -> None:
    """T2, T3: a SIGTERM to the pid, or to its group as LocalAI sends it, comes once and starts no deadline."""
    service = serve(start, models, SHORT, launcher=["group"])
    with Stream(service):
        service.tree.order(f"{whom} {signal.SIGTERM:d}")
        wait_for_words(service.tree, TOLD)
    assert service.tree.status() == 0
    service.tree.assert_gone()
    assert service.tree.stderr.count(TOLD) == 1
    assert FORCED not in service.tree.stderr
    assert_bindable(service.port)


def test_launcher_stops_it_and_dies(start: Starter, models: Path) -> None:
    """E3: SIGTERM was forwarded; the launcher's death adds no second, and starts the deadline."""
    service = serve(start, models, SHORT)
    with Stream(service), upload(service):
        service.tree.send_order(f"signal-and-die {signal.SIGTERM:d}")
        service.tree.assert_gone()
    assert service.tree.stderr.count(TOLD) <= 1
    assert FORCED not in service.tree.stderr
    assert_bindable(service.port)


def route(start: Starter, models: Path, options: list[str]) -> tuple[Service, list[int]]:
    """A router that has loaded both models, a process for each; and the ports of those."""
    port = free_port()
    command = [*SERVER, "--port", str(port), "--models-dir", str(models)]
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
def test_router_whose_launcher_dies(start: Starter, models: Path) -> None:
    """E1, E2: idle, the router ends its processes in order; asked once, all of them."""
    service, ports = route(start, models, LONG)
    service.assert_gone_with_launcher()
    for port in ports:
        assert_bindable(port)
    assert set(re.findall(r"exited with status (-?\d+)", service.tree.stderr)) <= {"0"}  # its last lines may be lost
    assert FORCED not in service.tree.stderr


@BOTH
def test_router_whose_launcher_dies_while_streaming(start: Starter, models: Path) -> None:
    """E1, E2: both models stream; whatever router and processes wait for, the deadline ends all of them."""
    service, ports = route(start, models, SHORT)
    with Stream(service, model="first"), Stream(service, model="second"):
        service.assert_gone_with_launcher()
    for port in ports:
        assert_bindable(port)


@BOTH
def test_router_is_stopped(start: Starter, models: Path) -> None:
    """T2, T3: the launcher's SIGTERM reaches the router alone, once; it ends its processes, and its status is 0."""
    service, ports = route(start, models, SHORT)
    service.tree.order(f"signal {signal.SIGTERM:d}")
    assert service.tree.status() == 0
    service.tree.assert_gone()
    assert set(re.findall(r"exited with status (-?\d+)", service.tree.stderr)) <= {"0"}  # its last lines may be lost
    assert FORCED not in service.tree.stderr
    for port in [service.port, *ports]:
        assert_bindable(port)
