"""llama.cpp's server in its two forms, and requests to it that are in flight until their client lets go."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.harness import Starter, wait_until

from .load import wait_for_words
from .service import LOADING, Service, free_port, worker

ENDLESS = {"prompt": "a", "n_predict": -1, "ignore_eos": True, "stream": True}


class Stream:
    """A request whose answer streams without an end.

    On SIGTERM the server waits for its client, or cancels it and ends: it depends on where it is between two letters
    (seen once in xllamacpp). Where a test needs one that waits in any case, it adds an upload.
    """

    def __init__(self, service: Service, **more: object) -> None:
        """Ask, and wait until the first letter has come."""
        self._link = http.client.HTTPConnection("127.0.0.1", service.port, timeout=LOADING)
        self._link.request("POST", "/completion", json.dumps(ENDLESS | more), {"Content-Type": "application/json"})
        self._answer = self._link.getresponse()
        first = self._answer.readline()
        if b'"stop":false' not in first:
            self.close()
            raise AssertionError(f"{self._answer.status}: {first!r}")

    def close(self) -> None:
        """Let go of it."""
        self._answer.close()
        self._link.close()

    def __enter__(self) -> Stream:  # noqa: PYI034 - `Self` is of Python 3.11
        """Until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self.close()


def upload(service: Service) -> socket.socket:
    """A request that is still being sent: one of the server's threads waits for the rest, for an hour if need be."""
    link = service.connect()
    link.sendall(b"POST /completion HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    with link.makefile("rb") as answers:
        first = answers.readline()
    assert first.startswith(b"HTTP/1.1 100 "), first  # it has a thread of its own now
    return link


def wait_until_loaded(service: Service) -> None:
    """Look until it says that it is well: it listens before it has its model."""
    wait_until(
        lambda: service.ask("/health")[0] == 200,
        lambda: f"{service.ask('/health')}; stderr: {service.tree.stderr[-3000:]!r}",
        LOADING,
        pause=0.02,
    )


def wait_until_answering(service: Service) -> None:
    """Wait for its first answer as well: it says that it is well just before it sets its handler of SIGTERM."""
    wait_until_loaded(service)
    status, answer = service.ask("/completion", json.dumps({"prompt": "a", "n_predict": 1}))
    assert status == 200, answer


class Engine(NamedTuple):
    """llama.cpp's server in one of its two forms.

    Attributes:
        command: its command line, by a folder of models and the port.
        wait_ready: waits until it serves.
        told: what it says on stderr for each SIGTERM.
        in_order: what it says once when it has ended in order; empty where it says no more than `told`.
        never: what it must not say: that it was asked twice.

    """

    command: Callable[[Path, int], list[str]]
    wait_ready: Callable[[Service], None]
    told: str
    in_order: str
    never: str

    def serve(self, start: Starter, models: Path, options: list[str], launcher: Sequence[str] = ()) -> Service:
        """Start it behind pdwrap with one model, and wait until it is ready."""
        port = free_port()
        service = Service(start, self.command(models, port), port, options=options, launcher=launcher)
        self.wait_ready(service)
        return service

    def assert_asked_once(self, service: Service) -> None:
        """It was asked once, and has ended in order."""
        said = service.tree.stderr
        assert said.count(self.told) == 1
        assert not self.in_order or said.count(self.in_order) == 1
        assert not self.never or self.never not in said

    def assert_cut_short(self, service: Service) -> None:
        """It was asked once, and has not ended in order."""
        said = service.tree.stderr
        assert said.count(self.told) <= 1  # on a busy machine it may not have come to say it
        assert not self.in_order or self.in_order not in said
        assert not self.never or self.never not in said


SERVER = [str(Path(sys.executable).with_name("llama-server-vulkan")), "-ngl", "0", "-fit", "off", "-c", "2048"]
"""On the processor, with nothing fitted to the machine. Its build is for processors with AMX: others give SIGILL."""
FORCED = "Received second interrupt"

IN_PYTHON = Engine(
    command=lambda models, port: worker("llama", models / "first.gguf", port),
    wait_ready=lambda service: wait_for_words(service.tree, "worker: ready"),
    told="worker: SIGTERM",
    in_order="worker: stopped",
    never="",
)
ORIGINAL = Engine(
    command=lambda models, port: [*SERVER, "--port", str(port), "-m", str(models / "first.gguf")],
    wait_ready=wait_until_answering,
    told="cleaning up before exit",
    in_order="",
    never=FORCED,
)


def cannot_run(model: Path) -> bool:
    """Whether this processor lacks what the original's build needs: a short run with a model ends with SIGILL."""
    command = [*SERVER, "--port", str(free_port()), "-m", str(model)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert server.stderr is not None
    with server.stderr as words:
        loaded = any(b"model loaded" in line for line in words)  # the engine has computed something by then
        server.kill()
    return server.wait() == -signal.SIGILL and not loaded
