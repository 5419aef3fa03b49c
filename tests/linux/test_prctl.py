"""prctl(2) by each way that a Python may have to it, and what each refusal means (E6)."""

from __future__ import annotations

import errno
import os

import pytest

from pdwrap.linux import prctl
from tests.harness import denied
from tests.linux.interpreters import NO_CTYPES, NO_PYTHON_PRCTL, python

WAY = os.environ.get("PDWRAP_TEST_PRCTL")


@pytest.mark.prctl
def test_the_way_that_was_meant() -> None:
    """E6: the way that this run is to prove is the one that was taken; without a word of it, any way at all."""
    if WAY:
        assert WAY == prctl.PRCTL_WAY
    else:
        assert prctl.PRCTL_WAY in ("python-prctl", "ctypes")


ASK_PDEATHSIG = (
    "import ctypes; kept = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(kept), 0, 0, 0); print(kept.value); "
)


ASK_SUBREAPER = (
    "import ctypes; kept = ctypes.c_int(); "
    "ctypes.CDLL(None).prctl(37, ctypes.byref(kept), 0, 0, 0); print(kept.value); "
)


ASK_DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)); "


@pytest.mark.prctl
@pytest.mark.parametrize("hide", ["", NO_PYTHON_PRCTL], ids=["as it is", "ctypes"])
@pytest.mark.parametrize(
    ("call", "ask", "answer"),
    [
        ("set_parent_death_signal(17)", ASK_PDEATHSIG, "17"),
        ("set_parent_death_signal(9)", ASK_PDEATHSIG, "9"),
        ("become_subreaper()", ASK_SUBREAPER, "1"),
        ("forbid_core()", ASK_DUMPABLE, "0"),
    ],
)
def test_each_call_reaches_the_kernel(hide: str, call: str, ask: str, answer: str) -> None:
    """E6: by either way the kernel has been told what was meant."""
    assert python(f"{hide}from pdwrap.linux import pidfd, prctl; prctl.{call}; {ask}") == answer


@pytest.mark.prctl
def test_ctypes_stands_in() -> None:
    """E6: without python-prctl, libc's own prctl is called."""
    assert python(f"{NO_PYTHON_PRCTL}from pdwrap.linux import pidfd, prctl; print(prctl.PRCTL_WAY)") == "ctypes"


TRY_ALL = (
    "from pdwrap.linux import pidfd, prctl\n"
    "def errors(*calls):\n"
    "    for call in calls:\n"
    "        try:\n"
    "            call()\n"
    "        except OSError as error:\n"
    "            yield error.errno\n"
    "        else:\n"
    "            yield 0\n"
    "print(prctl.PRCTL_WAY, *errors(lambda: prctl.set_parent_death_signal(9), prctl.become_subreaper))"
)


def test_without_either_way_it_is_refused() -> None:
    """E6: where neither way exists each call raises; nothing falls back to doing nothing."""
    answer = python(NO_PYTHON_PRCTL + NO_CTYPES + TRY_ALL)
    assert answer == f"none {errno.ENOSYS} {errno.ENOSYS}"


@pytest.mark.prctl
@pytest.mark.parametrize("hide", ["", NO_PYTHON_PRCTL], ids=["as it is", "ctypes"])
def test_a_refusal_of_the_kernel_is_an_error(hide: str) -> None:
    """E6: a seccomp filter's no is heard by either way."""
    way, *errors = python(hide + TRY_ALL, prefix=tuple(denied("EPERM", "prctl:1", "prctl:36"))).split()
    assert way in ("python-prctl", "ctypes")
    assert all(int(number) == errno.EPERM for number in errors)


def test_the_kernel_refuses_a_senseless_value() -> None:
    """The kernel's own no is an error, too."""
    assert python(f"{NO_PYTHON_PRCTL}{TRY_ALL.replace('(9)', '(9999)')}").split()[1] != "0"
