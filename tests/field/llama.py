"""Requests to llama.cpp's server that are in flight until their client lets go."""

from __future__ import annotations

import http.client
import json
import socket
from types import TracebackType

from tests.harness import wait_until

from .service import LOADING, Service

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
