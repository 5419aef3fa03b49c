"""E8: an error of pdwrap's own ends the tree; it never leaves it."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from pdwrap import lifecycle
from pdwrap.fork_mode.inner_table import AWAITING_LEFTOVERS, SWEEPING, TERM_FORWARDED
from pdwrap.fork_mode.outer_table import TAKING_OVER
from tests.harness import FAMILY, READY, Started, shell
from tests.harness.faulty import Faulty, Place, place

SHORT = {"PDWRAP_GRACE": "0.5s"}

INNER = place("fork_mode.inner_loop.Inner._take_time")
OUTER = place("fork_mode.outer_loop.Outer._take_time")
EITHER = pytest.mark.parametrize("where", [INNER, OUTER], ids=["inner", "outer"])


def assert_ended(tree: Started) -> None:
    """All is gone, and it was said in words, not in a traceback."""
    tree.assert_gone()
    assert "Traceback" not in tree.stderr
    assert "internal error" in tree.stderr
    assert all(line.startswith("pdwrap: ") for line in tree.stderr.splitlines())


@pytest.mark.parametrize("error", ["memory", "descriptors", "pipe", "bug", "interrupt"])
@pytest.mark.parametrize(("where", "wakes"), [(INNER, signal.SIGCONT), (OUTER, signal.SIGUSR2)], ids=["inner", "outer"])
def test_while_running(faulty: Faulty, tmp_path: Path, where: Place, wakes: int, error: str) -> None:
    """E8: either supervisor fails while the backend runs."""
    when = tmp_path / "now"
    tree = faulty.fail(where, lifecycle.RUNNING, when=when, error=error)("plain", *FAMILY, env=SHORT)
    when.touch()
    tree.order(f"signal {wakes}")
    assert_ended(tree)


@EITHER
def test_while_ending(faulty: Faulty, where: Place) -> None:
    """E8: either supervisor fails during the grace."""
    tree = faulty.fail(where, lifecycle.ENDING)("stubborn", *FAMILY, env=SHORT)
    tree.launcher.kill()
    assert_ended(tree)


@EITHER
def test_while_killing(faulty: Faulty, where: Place) -> None:
    """E8: either supervisor fails after the grace."""
    tree = faulty.fail(where, lifecycle.KILLING)("stubborn", *FAMILY, env={"PDWRAP_GRACE": "0.05s"})
    tree.launcher.kill()
    tree.assert_gone()
    faulty.assert_reached()
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize("state", [TERM_FORWARDED, SWEEPING])
def test_inner_after_a_signal_or_the_backends_end(faulty: Faulty, state: str) -> None:
    """E8: the inner fails after it forwarded a SIGTERM, or while it sweeps."""
    name = "stubborn" if state == TERM_FORWARDED else "plain"
    tree = faulty.fail(INNER, state)(name, *FAMILY, env=SHORT)
    tree.order(f"signal {signal.SIGTERM}")
    assert_ended(tree)


def test_inner_while_it_waits_for_leftovers(faulty: Faulty) -> None:
    """E8: the inner fails after the backend has exited, with `--leftovers wait`."""
    start = faulty.fail(INNER, AWAITING_LEFTOVERS)
    tree = start("plain", *FAMILY, env={**SHORT, "PDWRAP_LEFTOVERS": "wait"})
    tree.order(f"signal {signal.SIGTERM}")
    assert_ended(tree)


def test_outer_while_it_sweeps(faulty: Faulty) -> None:
    """E8: the inner is lost, the outer does its work, and fails."""
    tree = faulty.fail(OUTER, TAKING_OVER)("plain", *FAMILY, env=SHORT)
    tree.inner.kill()
    tree.assert_gone()
    faulty.assert_reached()
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize(
    "where",
    [
        place("fork_mode.inner_actions.InnerActions.first_signal"),
        place("fork_mode.inner_actions.InnerActions.report_ending"),
        place("fork_mode.inner_actions.InnerActions.set_deadline"),
        place("fork_mode.inner_actions.InnerActions.announce"),
        place("fork_mode.inner_actions.InnerActions.kill"),
        place("fork_mode.inner_actions.InnerActions.report_killing"),
        place("fork_mode.inner_actions.InnerActions.report_done"),
        place("fork_mode.inner_loop.Inner._take_children"),
        place("fork_mode.outer_loop.Outer._take_children"),
        place("fork_mode.outer_actions.OuterActions.inform_inner"),
        place("fork_mode.outer_actions.OuterActions.allow_reported_grace"),
        place("messages.Log.ending"),
        place("messages.Log.done"),
    ],
)
def test_one_act_fails(faulty: Faulty, tmp_path: Path, where: Place) -> None:
    """E8: on the launcher's death one step of the ending fails, whichever."""
    when = tmp_path / "now"
    tree = faulty.fail(where, when=when)("stubborn", *FAMILY, env={"PDWRAP_GRACE": "0.1s"})
    when.touch()
    tree.launcher.kill()
    tree.assert_gone()
    faulty.assert_reached()
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize("error", ["memory", "processes"])
@pytest.mark.parametrize(
    "where",
    [
        place("fork_mode.placement.start_leader"),
        place("fork_mode.placement.move"),
        place("fork_mode.placement.Placement.leave"),
        place("linux.descriptors.close_all_but"),
        place("fork_mode.inner_start.wait_for_release"),
        place("fork_mode.inner_loop.Inner.look_once_more"),
        place("fork_mode.inner_loop.Inner._hold_only"),
        place("fork_mode.outer_loop.Outer.__init__"),
        place("fork_mode.outer_loop.Outer.run"),
        place("ancestry.find_launcher"),
        place("fork_mode.start._own_children"),
        place("fork_mode.inner_start.run_inner"),
        place("fork_mode.start._be_outer"),
    ],
)
def test_while_starting(faulty: Faulty, where: Place, error: str) -> None:
    """E8, T4: a step of the start fails: nothing is left, and the caller sees a failure that is no backend's."""
    tree = faulty.fail(where, error=error)(argv=shell(f"{READY}; exec sleep 60"), env=SHORT, settle=False)
    raw = tree.status()
    tree.assert_gone()
    faulty.assert_reached()
    assert "Traceback" not in tree.stderr
    assert tree.stderr.startswith("pdwrap: ")
    assert os.waitstatus_to_exitcode(raw) == 125


PLACES = [
    ("fork", place("ancestry.find_launcher")),
    ("fork", place("linux.procfs.open_children")),
    ("fork", place("fork_mode.placement.start_leader")),
    ("exec", place("ancestry.find_launcher")),
    ("exec", place("linux.procfs.open_children")),
    ("exec", place("linux.descriptors.close_all_but")),
]


@pytest.mark.parametrize(("error", "limit"), [("descriptors", True), ("processes", True), ("denied", False)])
@pytest.mark.parametrize(("chosen", "where"), PLACES, ids="-".join)
def test_limits_are_named_where_one_is_the_cause(
    tmp_path: Path,
    chosen: str,
    where: Place,
    error: str,
    limit: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """T4: in every process of the start: `raise that limit` is not said of what no limit has caused."""
    with closing(Faulty(chosen, tmp_path)) as faulty:
        tree = faulty.fail(where, error=error)(argv=["sleep", "60"], settle=False)
        assert os.waitstatus_to_exitcode(tree.status()) == 125
        tree.assert_gone()
        faulty.assert_reached()
        assert tree.stderr.count("\n") == 1
        assert "nothing was started" in tree.stderr
        assert ("raise that limit, or free some" in tree.stderr) == limit


def test_status_of_an_error(faulty: Faulty, tmp_path: Path) -> None:
    """T4: a failure of pdwrap's own while the backend runs shows as 125."""
    for where in (INNER, OUTER):
        when = tmp_path / where
        tree = faulty.fail(where, lifecycle.RUNNING, when=when)("plain", env=SHORT)
        when.touch()
        tree.order(f"signal {signal.SIGCONT}")
        assert os.waitstatus_to_exitcode(tree.status()) == 125, where
        assert_ended(tree)
