"""What also reached the backend while its start was held is dropped (T2)."""

from __future__ import annotations

import os
import signal

from pdwrap.fork_mode import inner_start
from tests.harness.forked import in_child


def test_copies_are_dropped() -> None:
    """T2: what also reached the backend through the launcher's group is dropped; what was forwarded to it stays."""
    number = signal.SIGRTMIN + 1

    def act() -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, {number, signal.SIGUSR1})
        supervisor = os.getpid()
        held = os.fork()
        if held:
            sender = os.fork()  # somebody who signals the group, the held one included
            if sender == 0:
                for _ in range(2):
                    os.kill(held, number)
                os.kill(held, signal.SIGUSR1)
                os._exit(0)
            os.waitpid(sender, 0)
            for _ in range(2):  # forwarded
                os.kill(held, number)
            os.kill(held, signal.SIGUSR2)
            return os.waitpid(held, 0)[1] == 0
        told = 1
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
            signal.sigwait({signal.SIGUSR2})  # all has been sent
            inner_start.drop_copies(supervisor)
            left = 0
            while signal.sigtimedwait({number}, 0):
                left += 1
            told = 0 if left == 2 and signal.SIGUSR1 in signal.sigpending() else 1
        finally:
            os._exit(told)

    assert in_child(act)
