"""The lifecycle tables: every cell by name, what cannot happen, and what a mistake in one leads to (E3, E8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exec_mode.sidecar_table import (
    CHECKING_FIRST,
    CHECKING_SWEEP,
    FIRST,
    SIDECAR,
    MateLost,
    MateLostUnsaid,
    MateLostUnsent,
    sidecar_table,
)
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.inner_table import (
    AFTER_BACKEND,
    AWAITING_LEFTOVERS,
    INNER,
    TERM_FORWARDED,
    OuterKilled,
    StopOverdue,
    TerminationReceived,
    inner_table,
)
from pdwrap.fork_mode.outer_actions import OuterActions
from pdwrap.fork_mode.outer_table import OUTER
from pdwrap.lifecycle import (
    DONE,
    RUNNING,
    BackendExited,
    Cause,
    DeadlinePassed,
    EndingReported,
    Event,
    Impossible,
    LauncherDied,
    Lifecycle,
    SignalReceived,
    State,
    on,
    row,
)

if TYPE_CHECKING:
    from pdwrap.lifecycle import Cell, Table

LEFTOVERS = ("end", "wait", "leave")

#: What is expected of the inner supervisor, written down a second time: event, then actions and next state.
EXPECTED_INNER: dict[str, dict[str, str]] = {
    "starting": {
        "released": "-> running",
        "launcher died": "abandon -> done",
        "outer killed": "abandon -> done",
    },
    "running": {
        "signal received": "forward -> running",
        "termination received": "forward set_stop_deadline -> term forwarded",
        "child reaped": "-> running",
        "launcher died": "set_deadline first_signal report_ending announce -> ending",
        "outer killed": "set_kill_deadline kill report_ending report_killing announce_kill -> killing",
        "outer followed": "-> running",
        "backend exited": "set_deadline ask_leftovers report_ending announce -> sweeping",
        "tree empty": "report_done -> done",
    },
    "term forwarded": {
        "signal received": "forward -> term forwarded",
        "termination received": "forward -> term forwarded",
        "child reaped": "-> term forwarded",
        "launcher died": "set_deadline continue_backend report_ending announce -> settled",
        "stop overdue": "set_kill_deadline kill report_ending report_killing announce_kill -> killing",
        "outer killed": "set_kill_deadline kill report_ending report_killing announce_kill -> killing",
        "outer followed": "-> term forwarded",
        "backend exited": "set_deadline ask_leftovers report_ending announce -> sweeping",
        "tree empty": "report_done -> done",
    },
    "awaiting leftovers": {
        "signal received": "forward_to_leftovers -> awaiting leftovers",
        "termination received": "forward_to_leftovers set_stop_deadline -> awaiting leftovers",
        "stop overdue": "set_kill_deadline kill report_ending report_killing announce_kill -> killing",
        "child reaped": "-> awaiting leftovers",
        "launcher died": "set_deadline ask_leftovers report_ending announce -> sweeping",
        "outer killed": "set_kill_deadline kill report_ending report_killing announce_kill -> killing",
        "outer followed": "-> awaiting leftovers",
        "tree empty": "report_done -> done",
    },
    "ending": {
        "signal received": "forward -> ending",
        "termination received": "forward -> ending",
        "late termination": "-> settled",
        "child reaped": "-> ending",
        "launcher died": "-> ending",
        "outer killed": "set_kill_deadline kill report_killing -> killing",
        "outer followed": "-> ending",
        "backend exited": "ask_leftovers -> sweeping",
        "half time": "ask_below -> ending",
        "deadline passed": "set_kill_deadline kill report_killing -> killing",
        "tree empty": "report_done -> done",
    },
    "settled": {
        "signal received": "forward -> settled",
        "termination received": "forward -> settled",
        "late termination": "forward -> settled",
        "child reaped": "-> settled",
        "launcher died": "-> settled",
        "outer killed": "set_kill_deadline kill report_killing -> killing",
        "outer followed": "-> settled",
        "backend exited": "ask_leftovers -> sweeping",
        "half time": "ask_below -> settled",
        "deadline passed": "set_kill_deadline kill report_killing -> killing",
        "tree empty": "report_done -> done",
    },
    "sweeping": {
        "signal received": "-> sweeping",
        "termination received": "-> sweeping",
        "late termination": "-> sweeping",
        "child reaped": "ask_leftovers -> sweeping",
        "launcher died": "-> sweeping",
        "outer killed": "set_kill_deadline kill report_killing -> killing",
        "outer followed": "-> sweeping",
        "half time": "-> sweeping",
        "deadline passed": "set_kill_deadline kill report_killing -> killing",
        "tree empty": "report_done -> done",
    },
    "killing": {
        "signal received": "-> killing",
        "termination received": "-> killing",
        "late termination": "-> killing",
        "kill stalled": "kill kill_below -> killing",
        "child reaped": "kill -> killing",
        "launcher died": "-> killing",
        "outer killed": "-> killing",
        "outer followed": "-> killing",
        "backend exited": "kill -> killing",
        "deadline passed": "name_survivors report_done -> done",
        "tree empty": "report_done -> done",
    },
}

EXPECTED_OUTER: dict[str, dict[str, str]] = {
    "running": {
        "launcher died": "inform_inner allow_grace -> ending",
        "ending reported": "allow_reported_grace -> ending",
        "inner done": "mirror -> done",
        "inner lost": "set_kill_deadline kill announce -> taking over",
    },
    "ending": {
        "launcher died": "inform_inner -> ending",
        "ending reported": "allow_reported_grace -> ending",
        "killing reported": "allow_kill -> killing",
        "inner done": "mirror -> done",
        "inner lost": "set_kill_deadline kill announce -> taking over",
        "deadline passed": "kill_inner set_kill_deadline kill announce -> taking over",
    },
    "killing": {
        "launcher died": "-> killing",
        "inner done": "mirror -> done",
        "inner lost": "set_kill_deadline kill announce -> taking over",
        "deadline passed": "kill_inner kill set_takeover_deadline announce -> taking over",
    },
    "taking over": {
        "launcher died": "-> taking over",
        "ending reported": "-> taking over",
        "killing reported": "-> taking over",
        "kill stalled": "kill kill_below -> taking over",
        "child reaped": "kill -> taking over",
        "tree empty": "mirror -> done",
        "deadline passed": "name_survivors mirror -> done",
    },
}

EXPECTED_SIDECAR: dict[str, dict[str, str]] = {
    "first": {
        "launcher died": "note_cause pass_on_list set_deadline first_signal note_beginning announce -> ending",
        "backend exited": "-> done",
        "mate lost": "replace_mate -> first",
        "mate lost unsaid": "replace_mate -> first",
        "mate lost unsent": "replace_mate -> first",
        "became mate": "-> second",
    },
    "second": {
        "launcher died": "note_cause continue_mate allow_grace -> checking first",
        "backend exited": "-> done",
        "mate lost": "replace_mate -> first",
        "mate lost unsaid": "replace_mate -> first",
        "mate lost unsent": "replace_mate -> first",
    },
    "checking first": {
        "backend exited": "-> checking sweep",
        "looked": "continue_mate take_over_list -> checking first",
        "member found": "-> checking first",
        "kill reported": "allow_kill -> checking kill",
        "finish reported": "-> checking end",
        "mate finished": "-> done",
        "mate lost": "take_over_list set_deadline continue_backend note_beginning -> ending",
        "mate lost unsaid": "take_over_list set_deadline continue_backend note_beginning announce -> ending",
        "mate lost unsent": "take_over_list set_deadline first_signal note_beginning announce -> ending",
        "deadline passed": "kill_mate take_over_list set_kill_deadline report_killing kill note_beginning -> killing",
        "deadline passed unsaid": "kill_mate take_over_list set_kill_deadline report_killing "
        "kill note_beginning announce_kill -> killing",
    },
    "checking sweep": {
        "looked": "continue_mate take_over_list -> checking sweep",
        "member found": "-> checking sweep",
        "tree empty": "-> checking sweep",
        "kill reported": "allow_kill -> checking kill",
        "finish reported": "-> checking end",
        "mate finished": "-> done",
        "mate lost": "take_over_list set_deadline continue_backend note_beginning ask_leftovers -> sweeping",
        "mate lost unsaid": "take_over_list set_deadline continue_backend note_beginning "
        "ask_leftovers announce -> sweeping",
        "mate lost unsent": "take_over_list set_deadline first_signal note_beginning "
        "ask_leftovers announce -> sweeping",
        "deadline passed": "kill_mate take_over_list set_kill_deadline report_killing kill note_beginning -> killing",
        "deadline passed unsaid": "kill_mate take_over_list set_kill_deadline report_killing "
        "kill note_beginning announce_kill -> killing",
    },
    "checking kill": {
        "backend exited": "-> checking kill",
        "looked": "continue_mate take_over_list -> checking kill",
        "member found": "-> checking kill",
        "tree empty": "-> checking kill",
        "kill reported": "-> checking kill",
        "finish reported": "-> checking end",
        "mate finished": "-> done",
        "mate lost": "take_over_list set_kill_deadline report_killing kill note_beginning -> killing",
        "mate lost unsaid": "take_over_list set_kill_deadline report_killing kill "
        "note_beginning announce_kill -> killing",
        "mate lost unsent": "take_over_list set_kill_deadline report_killing kill "
        "note_beginning announce_kill -> killing",
        "deadline passed": "kill_mate take_over_list kill allow_last note_beginning -> killing",
        "deadline passed unsaid": "kill_mate take_over_list kill allow_last note_beginning announce_kill -> killing",
    },
    "checking end": {
        "backend exited": "-> checking end",
        "looked": "continue_mate take_over_list -> checking end",
        "member found": "-> checking end",
        "tree empty": "-> checking end",
        "mate finished": "-> done",
        "deadline passed": "kill_mate -> done",
        "deadline passed unsaid": "kill_mate -> done",
    },
    "ending": {
        "mate lost": "-> ending",
        "mate lost unsaid": "-> ending",
        "mate lost unsent": "-> ending",
        "looked": "-> ending",
        "member found": "pass_on_list -> ending",
        "backend exited": "ask_leftovers -> sweeping",
        "half time": "ask_below -> ending",
        "deadline passed": "set_kill_deadline report_killing kill -> killing",
    },
    "sweeping": {
        "mate lost": "-> sweeping",
        "mate lost unsaid": "-> sweeping",
        "mate lost unsent": "-> sweeping",
        "looked": "-> sweeping",
        "member found": "pass_on_list ask_leftovers -> sweeping",
        "tree empty": "report_done kill_mate -> done",
        "half time": "-> sweeping",
        "deadline passed": "set_kill_deadline report_killing kill -> killing",
    },
    "killing": {
        "backend exited": "-> killing",
        "mate lost": "-> killing",
        "mate lost unsaid": "-> killing",
        "mate lost unsent": "-> killing",
        "looked": "-> killing",
        "member found": "pass_on_list kill -> killing",
        "kill stalled": "kill_again -> killing",
        "tree empty": "report_done kill_mate -> done",
        "deadline passed": "name_survivors report_done kill_mate -> done",
    },
}

TABLES: list[tuple[Table, dict[str, dict[str, str]]]] = [
    (INNER, EXPECTED_INNER),
    (OUTER, EXPECTED_OUTER),
    (SIDECAR, EXPECTED_SIDECAR),
]


def in_words(kind: type[Event]) -> str:
    """Name a kind of event as the tables above do: `LauncherDied` is `launcher died`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()


def as_text(cell: Cell) -> str:
    """Write a cell as the tables above do."""
    actions, state = cell
    return " ".join([*(action.__name__ for action in actions), "->", state])


def happen(kind: type[Event]) -> Event:
    """Make an event of a kind, with something to be about."""
    if issubclass(kind, SignalReceived):
        return kind(15, ends=issubclass(kind, TerminationReceived))
    if kind is EndingReported:
        return EndingReported(1.0)
    return kind()


def kinds(table: Table) -> list[type[Event]]:
    """List all kinds of event that a table knows."""
    return sorted({kind for cells in table.values() for kind in cells}, key=in_words)


def keys(table: Table) -> list[tuple[State, type[Event]]]:
    """List the cells that there are: state and kind of event."""
    return [(state, kind) for state, cells in table.items() for kind in cells]


def missing(table: Table) -> list[tuple[State, type[Event]]]:
    """List the cells that a table lacks."""
    return [(state, kind) for state in [*table, DONE] for kind in kinds(table) if kind not in table.get(state, {})]


@pytest.mark.parametrize(
    ("table", "state", "kind", "expected"),
    [(table, *key, expected) for table, expected in TABLES for key in keys(table)],
)
def test_each_cell(table: Table, state: State, kind: type[Event], expected: dict[str, dict[str, str]]) -> None:
    """E3, E4, E7, E8: a supervisor or sidecar does exactly this, in this order, and goes there."""
    life = Lifecycle(table, state)
    actions = life.take(happen(kind))
    assert as_text((actions, life.state)) == expected[state][in_words(kind)]


def test_no_cell_goes_untested() -> None:
    """The tables above name every cell that there is, and none that there is not."""
    for table, expected in TABLES:
        assert {state: set(map(in_words, cells)) for state, cells in table.items()} == {
            state: set(cells) for state, cells in expected.items()
        }


@pytest.mark.parametrize(
    ("table", "state", "kind"),
    [(table, *key) for table, _expected in TABLES for key in missing(table)],
)
def test_a_missing_cell_is_impossible(table: Table, state: State, kind: type[Event]) -> None:
    """E8: what cannot happen raises, names the cell, and leaves the state as it was."""
    life = Lifecycle(table, state)
    with pytest.raises(Impossible, match=f"^{kind.__name__} while {state}$"):
        life.take(happen(kind))
    assert life.state == state


@pytest.mark.parametrize(
    ("table", "hands"),
    [(INNER, InnerActions), (OUTER, OuterActions), (SIDECAR, SidecarActions)],
    ids=["in", "out", "side"],
)
def test_each_action_is_one_of_its_own_process(table: Table, hands: type) -> None:
    """An action is a method of what its process does, and takes the event."""
    actions = {action for cells in table.values() for actions, _state in cells.values() for action in actions}
    if table is INNER:
        actions |= {action for cells in AFTER_BACKEND.values() for actions, _state in cells for action in actions}
    for action in actions:
        assert vars(hands)[action.__name__] is action
        assert action.__code__.co_argcount == 2, action.__name__


def test_an_event_reaches_its_actions() -> None:
    """What an event is about travels with it, to each action in order, on what the process acts upon."""
    seen: list[tuple[object, object, State]] = []
    life: Lifecycle

    def one(hands: object, event: Event) -> None:
        seen.append((hands, event, life.state))

    def two(hands: object, event: LauncherDied) -> None:
        seen.append((hands, event.reason, life.state))

    hands = object()
    life = Lifecycle({RUNNING: row(on(LauncherDied, DONE, one, two))}, RUNNING, hands)
    event = LauncherDied("lifeline-closed")
    life.feed(event)
    assert seen == [(hands, event, DONE), (hands, "lifeline-closed", DONE)]


def test_a_cell_stands_once() -> None:
    """E8: two cells for one kind of event in a state are a mistake, and fail when the table is made."""
    with pytest.raises(ValueError, match="two cells"):
        row(on(DeadlinePassed, DONE), on(DeadlinePassed, RUNNING))


@pytest.mark.parametrize("leftovers", LEFTOVERS)
def test_what_leftovers_changes(leftovers: str) -> None:
    """E5: `--leftovers` decides over a backend that exits by itself, and over nothing else."""
    table = inner_table(leftovers, graceless=False)
    unasked, asked = {
        "end": ["set_deadline ask_leftovers report_ending announce -> sweeping"] * 2,
        "wait": ["-> awaiting leftovers", "ask_leftovers -> awaiting leftovers"],
        "leave": ["report_done -> done"] * 2,
    }[leftovers]
    assert as_text(table[RUNNING].pop(BackendExited)) == unasked
    assert as_text(table[TERM_FORWARDED].pop(BackendExited)) == asked
    rest = {state: dict(cells) for state, cells in INNER.items()}
    for state in (RUNNING, TERM_FORWARDED):
        del rest[state][BackendExited]
    assert table == rest


@pytest.mark.parametrize("leftovers", LEFTOVERS)
def test_without_a_grace_all_is_killed_at_once(leftovers: str) -> None:
    """E3: with `--grace 0` nothing gets a first signal; what would wait for the grace kills instead."""
    graceful, graceless = (inner_table(leftovers, graceless=graceless) for graceless in (False, True))
    at_once = "set_kill_deadline kill report_ending report_killing announce_kill -> killing"
    assert keys(graceful) == keys(graceless)
    for state, kind in keys(graceful):
        cell = graceful[state][kind]
        begins = state in (RUNNING, TERM_FORWARDED, AWAITING_LEFTOVERS) and InnerActions.set_deadline in cell[0]
        assert as_text(graceless[state][kind]) == (at_once if begins else as_text(cell)), (state, kind)


def test_a_sidecar_without_a_grace() -> None:
    """E3: the same beside the backend; and a lost mate's work is taken up by killing."""
    killed = "set_kill_deadline report_killing kill note_beginning"
    at_once = f"{killed} announce_kill -> killing"
    changed: dict[tuple[State, type[Event]], str] = {
        (FIRST, LauncherDied): f"note_cause pass_on_list {at_once}",
    }
    for state in (CHECKING_FIRST, CHECKING_SWEEP):
        changed[state, MateLost] = f"take_over_list {killed} -> killing"
        changed[state, MateLostUnsaid] = changed[state, MateLostUnsent] = f"take_over_list {at_once}"
    graceless = sidecar_table(graceless=True)
    assert sidecar_table(graceless=False) == SIDECAR
    assert {key: as_text(graceless[key[0]][key[1]]) for key in keys(graceless)} == {
        key: changed.get(key, as_text(SIDECAR[key[0]][key[1]])) for key in keys(SIDECAR)
    }


def test_making_a_table_leaves_the_original() -> None:
    """The tables of one run are its own."""
    before = [{state: dict(cells) for state, cells in table.items()} for table in (INNER, SIDECAR)]
    for leftovers in LEFTOVERS:
        inner_table(leftovers, graceless=True)
    sidecar_table(graceless=True)
    assert before == [INNER, SIDECAR]


def test_the_names_are_told_apart() -> None:
    """No two states of a process share a name; nor do two kinds of event."""
    for table in (INNER, OUTER, SIDECAR):
        assert len({str(state) for state in [*table, DONE]}) == len(table) + 1
        assert len({in_words(kind) for kind in kinds(table)}) == len(kinds(table))


def test_a_cause_says_why() -> None:
    """What an ending begins with has a reason, in the words of the lines that tell of it."""
    causes = {kind for kind in [*kinds(INNER), *kinds(SIDECAR)] if issubclass(kind, Cause)}
    reasons = {event.reason for kind in causes if isinstance(event := happen(kind), Cause)}
    assert causes == {LauncherDied, BackendExited, OuterKilled, StopOverdue}
    assert reasons == {"launcher-died", "leftovers", "outer-lost", "stop-overdue"}
