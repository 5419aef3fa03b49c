"""T2: two signals that one process sends as one, as timeout(1) does to pid and group, are forwarded as one."""

from __future__ import annotations

import os
import signal

import pytest

from pdwrap.lifecycle import TWIN_TIME
from pdwrap.linux import signals
from tests.harness.forked import in_child

USR1, RT = int(signal.SIGUSR1), int(signal.SIGRTMIN) + 1


def sent_by_another(number: int) -> None:
    """One signal to this process, from a process of its own."""
    target = os.getpid()
    sender = os.fork()
    if sender == 0:
        os.kill(target, number)
        os._exit(0)
    os.waitpid(sender, 0)


@pytest.mark.parametrize(
    ("number", "same", "left"),
    [
        pytest.param(USR1, True, False, id="one sender"),
        pytest.param(USR1, False, True, id="two senders"),
        pytest.param(RT, True, True, id="real-time"),
        pytest.param(int(signal.SIGCONT), True, True, id="SIGCONT"),
    ],
)
def test_twins(number: int, same: bool, left: bool) -> None:  # noqa: FBT001 - pytest's form
    """T2: the second of one sender is dropped; another's, and each that is queued, is forwarded."""

    def act() -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        os.kill(os.getpid(), number)
        info = signal.sigwaitinfo({number})
        if same:
            os.kill(os.getpid(), number)
        else:
            sent_by_another(number)
        twin = signals.take_twin(info, 10.0)
        pending = number in signal.sigpending()
        return (twin is not None or pending) == left

    assert in_child(act)


def test_nothing_behind() -> None:
    """T2: one alone is forwarded alone."""

    def act() -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, {USR1})
        os.kill(os.getpid(), USR1)
        return signals.take_twin(signal.sigwaitinfo({USR1}), TWIN_TIME) is None

    assert in_child(act)
