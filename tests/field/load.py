"""Requests in flight: the server is at work on them, and they are not answered before the test lets them be.

No time is involved. The client sends the first half of a request; a worker (workers/) answers with ``working PID``, so
that the test knows that it has it; the second half, which the test keeps back, makes it answer ``done``.
"""

from __future__ import annotations

import http.client
import io
from pathlib import Path
from types import TracebackType

from tests.harness import Started, wait_until

from .service import LOADING, Service

DONE = b"done\n"


class Held:
    """One request in flight; `pid` is the process that works on it."""

    def __init__(self, service: Service) -> None:
        """Send the first half, and wait until somebody works on it."""
        self._link = service.connect()
        self._answer: io.BufferedIOBase = self._link.makefile("rb")
        try:
            self.pid = int(self._begin().split()[1])
        except BaseException:
            self.close()
            raise

    def _begin(self) -> bytes:
        self._link.sendall(b"1")
        return self._answer.readline()

    def finish(self) -> bytes:
        """Send the second half, and read the rest of the answer."""
        self._link.sendall(b"2")
        return self._answer.read()

    def is_cut(self) -> bool:
        """Wait for the end of the connection: True if it came without an answer."""
        try:
            return DONE not in self._answer.read()
        except (http.client.IncompleteRead, ConnectionError):
            return True

    def close(self) -> None:
        """Let go of it."""
        self._answer.close()
        self._link.close()


class HeldPost(Held):
    """The same in HTTP: the halves are a request's head and its body."""

    def _begin(self) -> bytes:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"
        self._link.sendall(head)
        response = http.client.HTTPResponse(self._link, method="POST")
        response.begin()
        assert response.status == 200, response.status
        self._answer = response
        return response.readline()


class Load:
    """Several requests in flight, one after the other."""

    def __init__(self, service: Service, count: int, kind: type[Held] = Held) -> None:
        """Send *count*, and wait until all are worked on."""
        self.requests: list[Held] = []
        try:
            for _ in range(count):
                self.requests.append(kind(service))
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> set[int]:
        """The processes that work on them."""
        return {each.pid for each in self.requests}

    def finish(self) -> list[bytes]:
        """Let all be answered."""
        return [each.finish() for each in self.requests]

    def assert_cut(self) -> None:
        """None of them was answered: they were in flight to the end."""
        assert all(each.is_cut() for each in self.requests)

    def close(self) -> None:
        """Let go of them."""
        for each in self.requests:
            each.close()

    def __enter__(self) -> Load:  # noqa: PYI034 - `Self` is of Python 3.11
        """Until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of them."""
        self.close()


def wait_for_words(place: Started | Path, words: str, *, count: int = 1) -> None:
    """Look until *words* stand *count* times in a tree's stderr, or in a file: a foreign server's only way to tell."""

    def text() -> str:
        return place.stderr if isinstance(place, Started) else place.read_text()

    wait_until(
        lambda: text().count(words) >= count,
        lambda: f"{words!r} is not {count} times in {text()[-3000:]!r}",
        LOADING,
        pause=0.02,
    )
