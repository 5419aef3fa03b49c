"""Standard descriptors that the launcher closed, and which of all others stay open (T1)."""

from __future__ import annotations

import os

import pytest

from pdwrap.linux import descriptors
from tests.harness.forked import in_child
from tests.linux.interpreters import NO_CTYPES, NO_PYTHON_PRCTL, python


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


RAISED = (
    "from pdwrap.linux import descriptors, prctl; descriptors.raise_limit(); "
    "print(*open('/proc/self/limits').read().partition('Max open files')[2].split()[:2], 'resource' in sys.modules)"
)


@pytest.mark.parametrize(
    ("hide", "module"),
    [(NO_PYTHON_PRCTL, False), (NO_PYTHON_PRCTL + NO_CTYPES, True)],
    ids=["libc", "resource"],
)
def test_the_limit_is_raised(hide: str, module: bool) -> None:  # noqa: FBT001 - a parameter
    """N3: by either way the soft limit is the hard one."""
    limited = ("sh", "-c", 'ulimit -Sn 64; ulimit -Hn 200; exec "$@"', "sh")
    assert python(hide + RAISED, prefix=limited) == f"200 200 {module}"
