"""The lifecycle tables: every cell by name, what cannot happen, and what no sequence of events may lead to (E3, E8)."""

from __future__ import annotations

import pytest

from pdwrap import lifecycle
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exec_mode.sidecar_loop import Sidecar
from pdwrap.exec_mode.sidecar_table import SIDECAR, sidecar_table
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.inner_table import AFTER_BACKEND, INNER, inner_table
from pdwrap.fork_mode.outer_actions import OuterActions
from pdwrap.fork_mode.outer_table import OUTER
from pdwrap.lifecycle import Cell, Impossible, Lifecycle, Table

LEFTOVERS = ("end", "wait", "leave")

#: What is expected of the inner supervisor, written down a second time: event, then actions and next state.
EXPECTED_INNER: dict[str, dict[str, str]] = {
    "starting": {
        "released": "-> running",
        "launcher died": "abandon -> done",
        "outer lost": "abandon -> done",
    },
    "running": {
        "signal received": "forward -> running",
        "termination received": "forward -> told",
        "child reaped": "-> running",
        "launcher died": "set_deadline first_signal report_ending -> ending",
        "outer lost": "set_kill_deadline kill report_ending report_killing -> killing",
        "backend exited": "set_deadline tell_leftovers report_ending -> sweeping",
        "tree empty": "report_done -> done",
    },
    "told": {
        "signal received": "forward -> told",
        "termination received": "forward -> told",
        "child reaped": "-> told",
        "launcher died": "set_deadline continue_backend report_ending -> ending",
        "outer lost": "set_kill_deadline kill report_ending report_killing -> killing",
        "backend exited": "set_deadline tell_leftovers report_ending -> sweeping",
        "tree empty": "report_done -> done",
    },
    "waiting": {
        "signal received": "forward_to_leftovers -> waiting",
        "termination received": "forward_to_leftovers -> waiting",
        "child reaped": "-> waiting",
        "launcher died": "set_deadline tell_leftovers report_ending -> sweeping",
        "outer lost": "set_kill_deadline kill report_ending report_killing -> killing",
        "tree empty": "report_done -> done",
    },
    "ending": {
        "signal received": "forward -> ending",
        "termination received": "forward -> ending",
        "late termination": "-> ending",
        "child reaped": "-> ending",
        "launcher died": "-> ending",
        "outer lost": "set_kill_deadline kill report_killing -> killing",
        "backend exited": "tell_leftovers -> sweeping",
        "deadline passed": "set_kill_deadline kill report_killing -> killing",
        "tree empty": "report_done -> done",
    },
    "sweeping": {
        "signal received": "-> sweeping",
        "termination received": "-> sweeping",
        "late termination": "-> sweeping",
        "child reaped": "tell_leftovers -> sweeping",
        "launcher died": "-> sweeping",
        "outer lost": "set_kill_deadline kill report_killing -> killing",
        "deadline passed": "set_kill_deadline kill report_killing -> killing",
        "tree empty": "report_done -> done",
    },
    "killing": {
        "signal received": "-> killing",
        "termination received": "-> killing",
        "late termination": "-> killing",
        "kill stalled": "kill_below -> killing",
        "child reaped": "kill -> killing",
        "launcher died": "-> killing",
        "outer lost": "-> killing",
        "backend exited": "kill -> killing",
        "deadline passed": "name_survivors report_done -> done",
        "tree empty": "report_done -> done",
    },
}

EXPECTED_OUTER: dict[str, dict[str, str]] = {
    "running": {
        "launcher died": "tell_inner allow_grace -> ending",
        "ending reported": "allow_grace -> ending",
        "inner done": "mirror -> done",
        "inner lost": "set_kill_deadline kill -> sweeping",
    },
    "ending": {
        "launcher died": "tell_inner -> ending",
        "ending reported": "allow_grace -> ending",
        "killing reported": "allow_kill -> killing",
        "inner done": "mirror -> done",
        "inner lost": "set_kill_deadline kill -> sweeping",
        "deadline passed": "kill_inner set_kill_deadline kill -> sweeping",
    },
    "killing": {
        "launcher died": "-> killing",
        "inner done": "mirror -> done",
        "inner lost": "set_kill_deadline kill -> sweeping",
        "deadline passed": "kill_inner kill allow_last -> sweeping",
    },
    "sweeping": {
        "launcher died": "-> sweeping",
        "kill stalled": "kill_below -> sweeping",
        "child reaped": "kill -> sweeping",
        "tree empty": "mirror -> done",
        "deadline passed": "name_survivors mirror -> done",
    },
}

EXPECTED_SIDECAR: dict[str, dict[str, str]] = {
    "first": {
        "launcher died": "set_deadline first_signal report_ending -> ending",
        "backend exited": "-> done",
        "mate lost": "replace_mate -> first",
        "mate lost before its first signal": "replace_mate -> first",
    },
    "second": {
        "launcher died": "continue_mate allow_grace -> vouching",
        "backend exited": "-> done",
        "mate lost": "replace_mate -> first",
        "mate lost before its first signal": "replace_mate -> first",
    },
    "vouching": {
        "backend exited": "-> vouching",
        "member found": "-> vouching",
        "mate finished": "-> done",
        "mate lost": "set_deadline continue_backend report_ending -> ending",
        "mate lost before its first signal": "set_deadline first_signal report_ending -> ending",
        "deadline passed": "kill_mate set_kill_deadline kill report_ending -> killing",
    },
    "ending": {
        "member found": "-> ending",
        "backend exited": "tell_leftovers -> sweeping",
        "deadline passed": "set_kill_deadline kill -> killing",
    },
    "sweeping": {
        "member found": "tell_leftovers -> sweeping",
        "tree empty": "report_done -> done",
        "deadline passed": "set_kill_deadline kill -> killing",
    },
    "killing": {
        "backend exited": "-> killing",
        "member found": "kill -> killing",
        "tree empty": "report_done -> done",
        "deadline passed": "name_survivors report_done -> done",
    },
}

TABLES = [(INNER, EXPECTED_INNER), (OUTER, EXPECTED_OUTER), (SIDECAR, EXPECTED_SIDECAR)]


def cells(expected: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    """Flatten a table of the above: state, event, what is to happen."""
    return [(state, event, text) for state, row in expected.items() for event, text in row.items()]


def as_cell(text: str) -> Cell:
    """Read `action action -> state`."""
    actions, _, state = text.rpartition("->")
    return tuple(actions.split()), state.strip()


def states_and_events(table: Table) -> tuple[list[str], list[str]]:
    """List all states, DONE included, and all events that a table knows."""
    return sorted({state for state, _event in table} | {lifecycle.DONE}), sorted({event for _state, event in table})


def missing(table: Table) -> list[tuple[str, str]]:
    """List the cells that a table lacks."""
    states, events = states_and_events(table)
    return [(state, event) for state in states for event in events if (state, event) not in table]


@pytest.mark.parametrize(
    ("table", "state", "event", "text"), [(table, *cell) for table, expected in TABLES for cell in cells(expected)]
)
def test_each_cell(table: Table, state: str, event: str, text: str) -> None:
    """E3, E4, E7, E8: a supervisor or sidecar does exactly this, in this order, and goes there."""
    life = Lifecycle(table, state)
    actions, after = as_cell(text)
    assert life.feed(event) == actions
    assert life.state == after


def test_no_cell_goes_untested() -> None:
    """The tables above name every cell that there is."""
    for table, expected in TABLES:
        assert {(state, event) for state, event, _text in cells(expected)} == set(table)


@pytest.mark.parametrize(
    ("table", "state", "event"),
    [(table, *key) for table, _expected in TABLES for key in missing(table)],
)
def test_a_missing_cell_is_impossible(table: Table, state: str, event: str) -> None:
    """E8: what cannot happen raises, names the cell, and leaves the state as it was."""
    life = Lifecycle(table, state)
    with pytest.raises(Impossible, match=f"^{event} while {state}$"):
        life.feed(event)
    assert life.state == state


@pytest.mark.parametrize(
    ("table", "carriers"),
    [(INNER, (InnerActions,)), (OUTER, (OuterActions,)), (SIDECAR, (Sidecar, SidecarActions))],
    ids=["in", "out", "side"],
)
def test_each_action_is_a_method(table: Table, carriers: tuple[type, ...]) -> None:
    """An action's name is that of the method which carries it out; that takes no arguments."""
    names = {action for actions, _state in table.values() for action in actions}
    if table is INNER:
        names |= {action for cells in AFTER_BACKEND.values() for actions, _state in cells for action in actions}
    for name in names:
        methods = [getattr(carrier, name) for carrier in carriers if hasattr(carrier, name)]
        assert [method.__code__.co_argcount for method in methods] == [1], name


@pytest.mark.parametrize("leftovers", LEFTOVERS)
def test_what_leftovers_changes(leftovers: str) -> None:
    """E5: `--leftovers` decides over a backend that exits by itself, and over nothing else."""
    table = inner_table(leftovers, graceless=False)
    untold, told = {
        "end": ["set_deadline tell_leftovers report_ending -> sweeping"] * 2,
        "wait": ["-> waiting", "tell_leftovers -> waiting"],
        "leave": ["report_done -> done"] * 2,
    }[leftovers]
    changed = {(state, lifecycle.BACKEND_EXITED) for state in (lifecycle.RUNNING, lifecycle.TOLD)}
    assert table[lifecycle.RUNNING, lifecycle.BACKEND_EXITED] == as_cell(untold)
    assert table[lifecycle.TOLD, lifecycle.BACKEND_EXITED] == as_cell(told)
    assert {key: cell for key, cell in table.items() if key not in changed} == {
        key: cell for key, cell in INNER.items() if key not in changed
    }


@pytest.mark.parametrize("leftovers", LEFTOVERS)
def test_without_a_grace_all_is_killed_at_once(leftovers: str) -> None:
    """E3: with `--grace 0` nothing gets a first signal; what would wait for the grace kills instead."""
    graceful, graceless = (inner_table(leftovers, graceless=graceless) for graceless in (False, True))
    at_once = as_cell("set_kill_deadline kill report_ending report_killing -> killing")
    for key, cell in graceful.items():
        begins = key[0] in (lifecycle.RUNNING, lifecycle.TOLD, lifecycle.WAITING) and lifecycle.SET_DEADLINE in cell[0]
        assert graceless[key] == (at_once if begins else cell), key


def test_a_sidecar_without_a_grace() -> None:
    """E3: the same beside the backend; and a lost mate's work is taken up by killing."""
    at_once = as_cell("set_kill_deadline kill report_ending -> killing")
    changed = {
        (lifecycle.FIRST, lifecycle.LAUNCHER_DIED),
        (lifecycle.VOUCHING, lifecycle.MATE_LOST),
        (lifecycle.VOUCHING, lifecycle.MATE_LOST_UNSENT),
    }
    assert sidecar_table(graceless=False) == SIDECAR
    assert sidecar_table(graceless=True) == {key: at_once if key in changed else cell for key, cell in SIDECAR.items()}


def test_making_a_table_leaves_the_original() -> None:
    """The tables of one run are its own."""
    before = dict(INNER), dict(SIDECAR)
    for leftovers in LEFTOVERS:
        inner_table(leftovers, graceless=True)
    sidecar_table(graceless=True)
    assert before == (INNER, SIDECAR)


def test_the_names_are_told_apart() -> None:
    """No two states, and no two events, share a name; an action is a Python name."""
    for table in (INNER, OUTER, SIDECAR):
        for actions, _state in table.values():
            assert all(action.isidentifier() for action in actions)
    names = [value for key, value in vars(lifecycle).items() if key.isupper() and isinstance(value, str)]
    assert len(names) == len(set(names))
