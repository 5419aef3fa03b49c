"""T1: signals that the launcher blocks or ignores stay so in the backend, and do not disturb pdwrap."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.harness import ONE_FILE, Running, Starter
from tests.transparency.test_snapshot import (
    execve,
    installed_fixture,  # noqa: F401 - a fixture
)

# CPython sets both to ignored whatever they were; the one file takes note of it first.
KNOWN_LIMIT = set() if ONE_FILE else {int(signal.SIGPIPE), int(signal.SIGXFSZ)}
ALL = sorted(int(number) for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
READ = ["cat", "/proc/self/status"]  # a reader that handles no signal, so that it shows what it inherited
NAMES = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn")
AT_ONCE = 8


def ignore(numbers: list[int]) -> None:
    """Ignore signals."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def block(numbers: list[int]) -> None:
    """Block signals."""
    signal.pthread_sigmask(signal.SIG_SETMASK, numbers)


def both(numbers: list[int]) -> None:
    """Ignore and block them."""
    ignore(numbers)
    block(numbers)


def masks(pdwrap: list[str], settings: Sequence[Callable[[], None]]) -> list[dict[str, int]]:
    """What a program under pdwrap finds its signals to be, for each setting; several at once."""
    seen: list[dict[str, int]] = []
    running: list[Running] = []
    for setting in [*settings, None]:
        if setting is not None:
            running.append(Running([*pdwrap, "--", *READ], before_exec=setting))
        while running and (setting is None or len(running) == AT_ONCE):
            outcome = running.pop(0).wait()
            assert (outcome.code, outcome.stderr) == (0, "")
            lines = dict(line.split(":", 1) for line in outcome.stdout.decode().splitlines())
            seen.append({name: int(lines[name], 16) for name in NAMES})
    return seen


def bits(numbers: list[int]) -> int:
    """As /proc shows a set of signals."""
    return sum(1 << number - 1 for number in numbers)


@pytest.mark.parametrize(("do", "ignored", "blocked"), [(ignore, 1, 0), (block, 0, 1)])
def test_each_signal(pdwrap: list[str], do: Callable[[list[int]], None], ignored: int, blocked: int) -> None:
    """T1: each signal alone is ignored, or blocked; SIGPIPE and SIGXFSZ come back as default (fact of CPython)."""
    seen = masks(pdwrap, [partial(do, [number]) for number in ALL])
    for number, one in zip(ALL, seen, strict=True):
        expected = {
            "SigPnd": 0,
            "ShdPnd": 0,
            "SigBlk": bits([number]) * blocked,
            "SigIgn": bits([number]) * ignored * (number not in KNOWN_LIMIT),
        }
        assert one == expected, signal.strsignal(number)


def test_all_signals(pdwrap: list[str]) -> None:
    """T1: none, all ignored, all blocked, all of both."""
    ignorable = bits([number for number in ALL if number not in KNOWN_LIMIT])
    settings = [partial(each, numbers) for numbers in ([], ALL) for each in (ignore, block, both)]
    seen = [(one["SigIgn"], one["SigBlk"]) for one in masks(pdwrap, settings)]
    assert seen == [(0, 0)] * 3 + [(ignorable, 0), (0, bits(ALL)), (ignorable, bits(ALL))]


@pytest.mark.parametrize("variable", [b"PYTHONDEVMODE=1", b"PYTHONFAULTHANDLER=1"])
def test_with_fault_handler(installed: list[str], variable: bytes) -> None:
    """T1: the environment has CPython handle SIGSEGV and others; where they were ignored they are in the backend."""
    argv = [*installed, "--", *READ]
    for numbers in ([], [int(signal.SIGSEGV), int(signal.SIGUSR1)]):

        def start(numbers: list[int] = numbers) -> None:
            ignore(numbers)
            execve(argv, [variable, b"PATH=/usr/bin:/bin"])

        outcome = Running(argv, before_exec=start).wait()
        assert (outcome.code, outcome.stderr) == (0, "")
        assert f"SigIgn:\t{bits(numbers):016x}".encode() in outcome.stdout


def test_ignored_child_signal(start: Starter) -> None:
    """T1, E1: with SIGCHLD ignored the kernel reaps children itself; pdwrap still sees its backend's end."""
    for settings in (["ignore=17"], ["block=17"], ["ignore=17", "block=17"]):
        tree = start("reporter", "exit=10", "code=9", launcher=settings)
        tree.wrapper.signal(signal.SIGUSR1)
        assert tree.status() == 9 << 8
        tree.assert_gone()
        tree = start("plain", launcher=settings)
        tree.launcher.kill()
        tree.assert_gone()


def test_nohup(start: Starter) -> None:
    """T1, T2: under nohup(1) SIGHUP is ignored by the backend, and ends neither it nor pdwrap."""
    tree = start("plain", pdwrap_via=["nohup"])
    tree.wrapper.signal(signal.SIGHUP)
    os.killpg(os.getpgid(tree.backend.pid), signal.SIGHUP)
    tree.wrapper.signal(signal.SIGUSR1)
    assert tree.status() == signal.SIGUSR1
    tree.assert_gone()
