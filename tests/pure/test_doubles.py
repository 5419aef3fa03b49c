"""The harness's doubles are like what they double: a class that changes takes its double along, or this fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

import pytest

from pdwrap.exec_mode.member import Member
from pdwrap.exec_mode.members import Members
from pdwrap.exec_mode.sidecar_pipes import SidecarPipes
from pdwrap.fork_mode import children
from pdwrap.launcher import Launcher
from tests.harness import doubles
from tests.harness.fakes import Clock, FakeLauncher, FakeTree
from tests.harness.fakes_sidecar import BACKEND, FakeMember, FakeMembers, FakeSidecarPipes

#: A double, what it doubles, and the names that are for the test alone.
DOUBLES: dict[str, tuple[Callable[[], object], type | ModuleType, list[str]]] = {
    "Tree": (
        lambda: FakeTree(Clock()),
        children.Tree,
        ["clock", "alive", "ended", "sent", "asked", "killed", "asked_below", "end"],
    ),
    "Launcher": (FakeLauncher, Launcher, ["dead", "die"]),
    "Member": (lambda: FakeMember(FakeMembers(BACKEND), 1), Member, ["members"]),
    "Members": (
        lambda: FakeMembers(BACKEND),
        Members,
        ["alive", "sent", "below", "grouped", "looked", "adopted", "asked_below", "kills", "on_kill", "add"],
    ),
    "SidecarPipes": (
        lambda: FakeSidecarPipes(FakeMembers(BACKEND)),
        SidecarPipes,
        ["asked", "finished", "passed", "reports", "to_hear"],
    ),
}


@pytest.mark.parametrize("case", DOUBLES)
def test_double(case: str) -> None:
    """What it has, the real one has, called in the same way."""
    make, real, own = DOUBLES[case]
    doubles.assert_stands_in(make(), real, own)


def test_functions() -> None:
    """So has a function."""
    doubles.assert_same_shape(FakeTree.send, children.Tree.send)
    doubles.assert_same_shape(Clock.__call__, time.monotonic)


class Real:
    """Something to double."""

    def __init__(self) -> None:
        self.field = 1

    def method(self, first: int, *, second: bool = False) -> None:
        """Do nothing."""


class Like(Real):
    """A double that is like it, and has a name of its own."""

    extra = 1

    def method(self, _first: int, *, second: bool = False) -> None:
        """Do nothing."""


class Renamed:
    """Its method has got another name."""

    def other(self) -> None:
        """Do nothing."""


class Changed:
    """Its method takes something else."""

    def method(self, another: int) -> None:
        """Do nothing."""


class NoCall:
    """Its method has become a field."""

    method = 1


def test_a_double_that_is_like_it() -> None:
    """Names of its own have to be told, and to be there."""
    doubles.assert_stands_in(Like(), Real, ["extra"])
    with pytest.raises(AssertionError, match="Real has no extra"):
        doubles.assert_stands_in(Like(), Real)
    with pytest.raises(AssertionError, match="not there"):
        doubles.assert_stands_in(Like(), Real, ["extra", "more"])


@pytest.mark.parametrize(
    ("double", "says"),
    [(Renamed, "has no other"), (Changed, "takes"), (NoCall, "is called")],
    ids=str,
)
def test_a_double_that_is_not(double: type, says: str) -> None:
    """A method that was renamed, that takes something else, or that is none."""
    with pytest.raises(AssertionError, match=says):
        doubles.assert_stands_in(double(), Real)
