"""An application for uvicorn: begins its answer when it has a request's head, ends it at the body (load.py)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer one request."""
    if scope["type"] != "http":  # uvicorn's question whether it has a `lifespan`
        raise NotImplementedError(scope["type"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"working {os.getpid()}\n".encode(), "more_body": True})
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    await send({"type": "http.response.body", "body": b"done\n" if message["type"] == "http.request" else b""})
