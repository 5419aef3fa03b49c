"""What happens to descriptors between pdwrap's first line and the backend's exec (T1)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from pdwrap.fork_mode import inner_start
from pdwrap.linux import descriptors


def in_child(act: Callable[[], bool]) -> bool:
    """Run *act* in a child, whose descriptors it may close; give what it says."""
    child = os.fork()
    if child == 0:
        told = 1
        try:
            told = 0 if act() else 1
        finally:
            os._exit(told)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_nothing_of_ours_lands_on_a_standard_descriptor(closed: tuple[int, ...]) -> None:
    """T1: what the launcher closed of 0, 1 and 2 is filled, and closed again at exec."""

    def act() -> bool:
        for descriptor in closed:
            os.close(descriptor)
        descriptors.hold_standard()
        filled = all(not os.get_inheritable(descriptor) for descriptor in closed)
        return filled and os.open("/", os.O_RDONLY) not in (0, 1, 2)

    assert in_child(act)


def test_open_standard_descriptors_are_left_alone() -> None:
    """T1: what the launcher handed on stays what it is."""

    def act() -> bool:
        before = [(os.fstat(descriptor), os.get_inheritable(descriptor)) for descriptor in (0, 1, 2)]
        descriptors.hold_standard()
        return before == [(os.fstat(descriptor), os.get_inheritable(descriptor)) for descriptor in (0, 1, 2)]

    assert in_child(act)


def test_only_what_is_kept_stays_open() -> None:
    """T1: a supervisor holds its own descriptors and no other, however high (a port would stay bound)."""

    def act() -> bool:
        kept, other = os.pipe()
        high = os.dup2(other, 900)
        descriptors.close_all_but({2, kept})
        return {int(entry) for entry in os.listdir("/proc/self/fd")} - {2, kept} <= {0} and high == 900

    assert in_child(act)


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
