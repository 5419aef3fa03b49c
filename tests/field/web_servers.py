"""gunicorn and uvicorn with four workers each, all at work on requests in flight."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.harness import Starter

from .load import HeldPost, Load, wait_for_words
from .service import WORKERS, Service, free_port

WORKER_COUNT = 4


class WebServer(NamedTuple):
    """One of them.

    Attributes:
        command: its command line, by the port.
        requests: how many are in flight.
        stands: what it says on stderr, for each worker, when that one stands; empty where listening says it.
        told: what it says when it has got SIGTERM, `times`.
        once: what it says once for each SIGTERM.
        one_each: a worker takes one request, so that all of the family are at work; else these are among the family.

    """

    command: Callable[[int], list[str]]
    requests: int
    stands: str
    told: str
    times: int
    once: str
    one_each: bool

    @contextlib.contextmanager
    def busy(self, start: Starter, options: list[str]) -> Iterator[tuple[Service, Load]]:
        """Start it behind pdwrap, and send its requests."""
        port = free_port()
        service = Service(start, self.command(port), port, options=options)
        if self.stands:
            wait_for_words(service.tree, self.stands, count=WORKER_COUNT)
        with Load(service, self.requests, HeldPost) as load:
            family = {each.pid for each in service.hold_family()}
            assert family == load.pids if self.one_each else family >= load.pids
            yield service, load

    def wait_told(self, service: Service) -> None:
        """Wait until it, or each worker, has got SIGTERM."""
        wait_for_words(service.tree, self.told, count=self.times)


def gunicorn(port: int, *options: str) -> list[str]:
    """Its command line. The control socket would be in the user's home."""
    command = [sys.executable, "-I", "-m", "gunicorn", "--no-control-socket", "--workers", str(WORKER_COUNT)]
    return [*command, "--chdir", str(WORKERS), "--bind", f"127.0.0.1:{port}", *options, "wsgi_app:app"]


def uvicorn(port: int) -> list[str]:
    """Its command line."""
    command = [sys.executable, "-I", "-m", "uvicorn", "--workers", str(WORKER_COUNT), "--app-dir", str(WORKERS)]
    return [*command, "--port", str(port), "asgi_app:app"]


TERM_SEEN = "Handling signal: term"
GUNICORN = WebServer(gunicorn, WORKER_COUNT, "", TERM_SEEN, 1, TERM_SEEN, one_each=True)
UVICORN = WebServer(
    uvicorn, 8, "Started server process", "Terminated child process", WORKER_COUNT, "Received SIGTERM", one_each=False
)
