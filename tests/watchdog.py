"""A pytest plug-in: pytest-timeout's watchdog, with more patience where the machine has much else to do.

pytest-timeout ends a test after so many seconds, whoever took them. On a machine with a load of 30 for each processor
a test is not late after a minute: it has had two seconds of it.
"""

from __future__ import annotations

import faulthandler
import signal
from types import FrameType
from typing import Any

import pytest

from tests.harness.patience import Patience


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(
    item: pytest.Item,
    settings: Any,  # noqa: ANN401 - pytest-timeout has no types
) -> bool | None:
    """Wait for an alarm, and then for as much longer as the load says; its other method stays as it is."""
    if settings.method != "signal":
        return None
    patience = Patience(settings.timeout)

    def look(_number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        left = patience.left()
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)
            return
        faulthandler.dump_traceback()
        pytest.fail(f"Timeout (>{settings.timeout:g}s by pytest-timeout, stretched by the load): {item.nodeid}")

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, patience.left())
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> None:
    """No alarm after the test; pytest-timeout may have set its own."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
