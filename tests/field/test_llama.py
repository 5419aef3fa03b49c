"""llama.cpp's server, in a process of Python's (xllamacpp) and the original: idle, and with a request that streams.

It takes a second SIGTERM as "exit now" (two, a millisecond apart, crash it or cut its clean-up short), so what it says
tells how many came.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import Starter

from .llama import IN_PYTHON, ORIGINAL, Engine, Stream, upload
from .load import wait_for_words
from .service import assert_bindable

pytestmark = pytest.mark.modes("fork", "exec")

SHORT = ["--grace", "0.5s"]
LONG = ["--grace", "100s"]


@pytest.fixture(params=[IN_PYTHON, ORIGINAL], ids=["in-python", "original"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Either of them."""
    chosen: Engine = request.param
    if chosen is ORIGINAL:
        request.getfixturevalue("original")
    return chosen


def test_launcher_dies_while_idle(start: Starter, models: Path, engine: Engine) -> None:
    """E1, E3: asked once, it lets go of its model and ends in order within the grace."""
    service = engine.serve(start, models, LONG)
    service.assert_gone_with_launcher()
    engine.assert_asked_once(service)


def test_launcher_dies_while_streaming(start: Starter, models: Path, engine: Engine) -> None:
    """E1, E3: asked once, it waits for its clients, and the deadline ends it."""
    service = engine.serve(start, models, SHORT)
    with Stream(service), upload(service):
        service.assert_gone_with_launcher()
    engine.assert_cut_short(service)


def test_launcher_dies_and_client_lets_go(start: Starter, models: Path, engine: Engine) -> None:
    """E3: exactly one SIGTERM, and the grace is the backend's to use: it ends in order when its client has let go."""
    service = engine.serve(start, models, LONG)
    with Stream(service):
        service.tree.launcher.kill()
        wait_for_words(service.tree, engine.told)
    service.tree.assert_gone()
    engine.assert_asked_once(service)
    assert_bindable(service.port)


@pytest.mark.parametrize("whom", ["signal", "group"])
def test_orderly_stop_while_streaming(start: Starter, models: Path, engine: Engine, whom: str) -> None:
    """T2, T3: a SIGTERM to the pid, or to its group as LocalAI sends it, comes once; no deadline starts."""
    service = engine.serve(start, models, SHORT, launcher=["group"])
    with Stream(service):
        service.tree.order(f"{whom} {signal.SIGTERM:d}")
        wait_for_words(service.tree, engine.told)
    assert service.tree.status() == 0
    service.tree.assert_gone()
    engine.assert_asked_once(service)
    assert_bindable(service.port)
