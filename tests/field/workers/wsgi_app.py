"""An application for gunicorn: begins its answer when it has a request's head, ends it at the body (load.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterator[bytes]:
    """Answer one request."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield f"working {os.getpid()}\n".encode()
    if environ["wsgi.input"].read(1):
        yield b"done\n"
