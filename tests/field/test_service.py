"""The service itself, with the plainest server there is."""

from __future__ import annotations

import sys

import pytest

from tests.harness import Starter

from .service import Service, free_port


@pytest.mark.modes("fork", "exec")
def test_plain_server(start: Starter) -> None:
    """E1: Python's own http.server."""
    port = free_port()
    argv = [sys.executable, "-I", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "/usr/share", str(port)]
    service = Service(start, argv, port)
    assert service.ask("/")[0] == 200
    service.assert_gone_with_launcher()
