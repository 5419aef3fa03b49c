"""E8: an error of pdwrap's own ends the tree; it never leaves it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import HERE, READY, Starter, Tree, shell
from tests.promise.test_ends import FAMILY

SHORT = {"PDWRAP_GRACE": "0.5s"}
Sabotaged = Callable[..., Starter]


@pytest.fixture
def sabotaged() -> Iterator[Sabotaged]:
    """`sabotaged(place, state, when, error)` starts trees with a pdwrap that fails there (harness/sabotage.py)."""
    starters: list[Starter] = []

    def make(place: str, state: str = "-", when: object = "-", error: str = "memory") -> Starter:
        script = str(HERE / "sabotage.py")
        starters.append(Starter([sys.executable, "-I", script, place, state, str(when), error]))
        return starters[-1]

    yield make
    for each in starters:
        each.close()


def assert_ended(tree: Tree) -> None:
    """All is gone, and it was said in words, not in a traceback."""
    tree.assert_gone()
    assert "Traceback" not in tree.stderr
    assert "internal error" in tree.stderr
    assert all(line.startswith("pdwrap: ") for line in tree.stderr.splitlines())


@pytest.mark.parametrize("error", ["memory", "descriptors", "pipe", "bug", "interrupt"])
@pytest.mark.parametrize("place", ["fork_mode.inner_loop.Inner._take_time", "fork_mode.outer_loop.Outer._take_time"])
def test_while_running(sabotaged: Sabotaged, tmp_path: Path, place: str, error: str) -> None:
    """E8: either supervisor fails while the backend runs."""
    when = tmp_path / "now"
    tree = sabotaged(place, "running", when, error)("plain", *FAMILY, env=SHORT)
    when.touch()
    tree.order(f"signal {signal.SIGUSR2}" if place.startswith("outer") else f"signal {signal.SIGCONT}")
    assert_ended(tree)


@pytest.mark.parametrize("place", ["fork_mode.inner_loop.Inner._take_time", "fork_mode.outer_loop.Outer._take_time"])
def test_while_ending(sabotaged: Sabotaged, place: str) -> None:
    """E8: either supervisor fails during the grace."""
    tree = sabotaged(place, "ending")("stubborn", *FAMILY, env=SHORT)
    tree.launcher.kill()
    assert_ended(tree)


@pytest.mark.parametrize("place", ["fork_mode.inner_loop.Inner._take_time", "fork_mode.outer_loop.Outer._take_time"])
def test_while_killing(sabotaged: Sabotaged, place: str) -> None:
    """E8: either supervisor fails after the grace."""
    tree = sabotaged(place, "killing")("stubborn", *FAMILY, env={"PDWRAP_GRACE": "0.05s"})
    tree.launcher.kill()
    tree.assert_gone()
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize("state", ["told", "sweeping"])
def test_inner_after_a_signal_or_the_backends_end(sabotaged: Sabotaged, state: str) -> None:
    """E8: the inner fails after it forwarded a SIGTERM, or while it sweeps."""
    name = "stubborn" if state == "told" else "plain"
    tree = sabotaged("fork_mode.inner_loop.Inner._take_time", state)(name, *FAMILY, env=SHORT)
    tree.order(f"signal {signal.SIGTERM}")
    assert_ended(tree)


def test_inner_while_it_waits_for_leftovers(sabotaged: Sabotaged) -> None:
    """E8: the inner fails after the backend has exited, with `--leftovers wait`."""
    start = sabotaged("fork_mode.inner_loop.Inner._take_time", "waiting")
    tree = start("plain", *FAMILY, env={**SHORT, "PDWRAP_LEFTOVERS": "wait"})
    tree.order(f"signal {signal.SIGTERM}")
    assert_ended(tree)


def test_outer_while_it_sweeps(sabotaged: Sabotaged) -> None:
    """E8: the inner is lost, the outer does its work, and fails."""
    tree = sabotaged("fork_mode.outer_loop.Outer._take_time", "sweeping")("plain", *FAMILY, env=SHORT)
    tree.inner.kill()
    tree.assert_gone()
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize(
    "place",
    [
        "fork_mode.inner_actions.InnerActions.first_signal",
        "fork_mode.inner_actions.InnerActions.report_ending",
        "fork_mode.inner_actions.InnerActions.set_deadline",
        "fork_mode.inner_actions.InnerActions.announce",
        "fork_mode.inner_actions.InnerActions.kill",
        "fork_mode.inner_actions.InnerActions.report_killing",
        "fork_mode.inner_actions.InnerActions.report_done",
        "fork_mode.inner_loop.Inner._take_children",
        "fork_mode.outer_loop.Outer._take_children",
        "fork_mode.outer_actions.OuterActions.tell_inner",
        "fork_mode.outer_actions.OuterActions.allow_grace",
        "messages.Log.ending",
        "messages.Log.done",
    ],
)
def test_one_act_fails(sabotaged: Sabotaged, tmp_path: Path, place: str) -> None:
    """E8: on the launcher's death one step of the ending fails, whichever."""
    when = tmp_path / "now"
    tree = sabotaged(place, "-", when)("stubborn", *FAMILY, env={"PDWRAP_GRACE": "0.1s"})
    when.touch()
    tree.launcher.kill()
    tree.assert_gone()
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize("error", ["memory", "processes"])
@pytest.mark.parametrize(
    "place",
    [
        "fork_mode.placement.start_leader",
        "fork_mode.placement.move",
        "fork_mode.placement.Placement.leave",
        "linux.descriptors.close_all_but",
        "fork_mode.inner_start.wait_for_release",
        "fork_mode.inner_loop.Inner.look_once_more",
        "fork_mode.inner_loop.Inner._hold_only",
        "fork_mode.outer_loop.Outer.__init__",
        "fork_mode.outer_loop.Outer.run",
        "launcher.find_launcher",
        "fork_mode.start._own_children",
        "fork_mode.start._be_inner",
    ],
)
def test_while_starting(sabotaged: Sabotaged, place: str, error: str) -> None:
    """E8, T4: a step of the start fails: nothing is left, and the caller sees a failure that is no backend's."""
    tree = sabotaged(place, error=error)(argv=shell(f"{READY}; exec sleep 60"), env=SHORT, settle=False)
    raw = tree.status()
    tree.assert_gone()
    assert "Traceback" not in tree.stderr
    assert tree.stderr.startswith("pdwrap: ")
    assert os.waitstatus_to_exitcode(raw) == 125


PLACES = [
    ("fork", "launcher.find_launcher"),
    ("fork", "linux.procfs.open_children"),
    ("fork", "fork_mode.placement.start_leader"),
    ("exec", "launcher.find_launcher"),
    ("exec", "linux.procfs.open_children"),
    ("exec", "linux.descriptors.close_all_but"),
]


@pytest.mark.parametrize(("error", "limit"), [("descriptors", True), ("processes", True), ("denied", False)])
@pytest.mark.parametrize(("chosen", "place"), PLACES, ids="-".join)
def test_limits_are_named_where_one_is_the_cause(
    sabotaged: Sabotaged,
    chosen: str,
    place: str,
    error: str,
    limit: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """T4: in every process of the start: `raise that limit` is not said of what no limit has caused."""
    start = sabotaged(place, error=error)
    start.mode = chosen
    tree = start(argv=["sleep", "60"], options=[f"--{chosen}"], settle=False)
    assert os.waitstatus_to_exitcode(tree.status()) == 125
    tree.assert_gone()
    assert tree.stderr.count("\n") == 1
    assert "nothing was started" in tree.stderr
    assert ("raise that limit, or free some" in tree.stderr) == limit


def test_status_of_an_error(sabotaged: Sabotaged, tmp_path: Path) -> None:
    """T4: a failure of pdwrap's own while the backend runs shows as 125."""
    for place in ("fork_mode.inner_loop.Inner._take_time", "fork_mode.outer_loop.Outer._take_time"):
        when = tmp_path / place
        tree = sabotaged(place, "running", when)("plain", env=SHORT)
        when.touch()
        tree.order(f"signal {signal.SIGCONT}")
        assert os.waitstatus_to_exitcode(tree.status()) == 125, place
        assert_ended(tree)
