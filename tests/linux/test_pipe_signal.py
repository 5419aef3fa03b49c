"""A signal that the kernel sends at a pipe's end, by each way that a Python may have to fcntl(2) (E4, E6)."""

from __future__ import annotations

import pytest

from tests.linux.interpreters import NO_CTYPES, NO_PYTHON_PRCTL, python

NO_FCNTL = "sys.modules['fcntl'] = None; "
OTHER_NUMBERS = "from pdwrap.linux import pidfd, prctl; prctl.GENERIC = (); "
TRY = (
    "import signal; from pdwrap.linux import pipe_signal, prctl; "
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); "
    "mine, theirs = os.pipe()[::-1]; "
    "done = pipe_signal.own(mine, os.getpid(), signal.SIGUSR1), pipe_signal.set_async(mine, on=True); "
    "disarmed = pipe_signal.disarm(mine) if 'disarm' in globals() else None; "
    "before = sorted(signal.sigpending()); os.close(theirs); "
    "print(*done, disarmed, list(map(int, before)), list(map(int, signal.sigpending())), 'fcntl' in sys.modules)"
)


@pytest.mark.parametrize(
    ("hide", "module"),
    [(NO_PYTHON_PRCTL, False), (NO_PYTHON_PRCTL + NO_CTYPES, True), (OTHER_NUMBERS, True)],
    ids=["libc", "fcntl", "fcntl, as its numbers are others"],
)
def test_each_way_reaches_the_kernel(hide: str, module: bool) -> None:  # noqa: FBT001 - a parameter
    """E4: the signal comes when the other end is closed, not before, and not after it was switched off."""
    assert python(hide + TRY) == f"True True None [] [10] {module}"
    assert python(hide + "disarm = True; " + TRY) == f"True True True [] [] {module}"


@pytest.mark.parametrize("hide", [NO_PYTHON_PRCTL + NO_CTYPES + NO_FCNTL, OTHER_NUMBERS + NO_FCNTL])
def test_without_either_way_it_says_so(hide: str) -> None:
    """E6: nothing is claimed that was not done; nothing is raised."""
    assert python(hide + TRY) == "False False None [] [] True"
