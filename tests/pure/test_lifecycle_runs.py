"""Runs through the lifecycle tables: what no sequence of events may lead to (E3, E4, E7, E8)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap import lifecycle
from pdwrap.exec_mode.sidecar_table import SIDECAR, sidecar_table
from pdwrap.fork_mode.inner_table import INNER, inner_table
from pdwrap.fork_mode.outer_table import OUTER
from pdwrap.lifecycle import Lifecycle, Table
from tests.pure.test_lifecycle import LEFTOVERS, states_and_events


def reach(table: Table, start: str) -> set[str]:
    """Give all states that can come after `start`, itself included."""
    seen = {start}
    todo = [start]
    while todo:
        state = todo.pop()
        after = {cell[1] for (before, _event), cell in table.items() if before == state}
        todo += after - seen
        seen |= after
    return seen


TABLES = [inner_table(leftovers, graceless=graceless) for leftovers in LEFTOVERS for graceless in (False, True)]
SIDECARS = [sidecar_table(graceless=graceless) for graceless in (False, True)]


@pytest.mark.parametrize("table", [INNER, OUTER, SIDECAR, *TABLES, *SIDECARS])
def test_done_can_always_be_reached_and_never_left(table: Table) -> None:
    """E7, E8: whatever has happened, there is an end; after it there is nothing."""
    states, events = states_and_events(table)
    assert all(lifecycle.DONE in reach(table, state) for state in states)
    assert not any((lifecycle.DONE, event) in table for event in events)


@pytest.mark.parametrize("table", [*TABLES, *SIDECARS])
def test_an_ending_is_bounded(table: Table) -> None:
    """E7: each state with a deadline has a cell for its passing, and two of them at most lead to the end."""
    for start in (lifecycle.ENDING, lifecycle.SWEEPING, lifecycle.KILLING):
        life = Lifecycle(table, start)
        for _deadline in range(2):
            if life.state != lifecycle.DONE:
                life.feed(lifecycle.DEADLINE_PASSED)
        assert life.state == lifecycle.DONE


@pytest.mark.parametrize("leftovers", LEFTOVERS)
def test_without_a_grace_nothing_is_waited_for(leftovers: str) -> None:
    """E3: with `--grace 0` the states that wait for a grace cannot be reached."""
    table = inner_table(leftovers, graceless=True)
    assert not reach(table, lifecycle.STARTING) & {lifecycle.ENDING, lifecycle.SWEEPING}


def test_the_outer_is_bounded() -> None:
    """E7: from its first deadline on, two of them at most lead the outer supervisor to the end."""
    for start in (lifecycle.ENDING, lifecycle.KILLING, lifecycle.SWEEPING):
        life = Lifecycle(OUTER, start)
        for _deadline in range(2):
            if life.state != lifecycle.DONE:
                life.feed(lifecycle.DEADLINE_PASSED)
        assert life.state == lifecycle.DONE


def run(table: Table, start: str, choices: list[int]) -> list[tuple[str, tuple[str, ...]]]:
    """Feed one sequence of possible events, each choice one of those that the state allows; give what it led to."""
    life = Lifecycle(table, start)
    log = []
    for choice in choices:
        possible = sorted(event for state, event in table if state == life.state)
        if not possible:
            break
        event = possible[choice % len(possible)]
        log.append((event, life.feed(event)))
    return log


SEQUENCES = st.lists(st.integers(0, 1000), max_size=40)


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_never_a_second_terminating_signal(table: Table, choices: list[int]) -> None:
    """E3: one first signal at most, none after a forwarded termination, none once the outer was lost."""
    log = run(table, lifecycle.STARTING, choices)
    firsts = [n for n, (_event, actions) in enumerate(log) if lifecycle.FIRST_SIGNAL in actions]
    assert len(firsts) <= 1
    barred = [n for n, (event, _actions) in enumerate(log) if event == lifecycle.TERMINATION_RECEIVED]
    barred += [n for n, (event, _actions) in enumerate(log) if event == lifecycle.OUTER_LOST]
    assert not firsts or not any(n < firsts[0] for n in barred)


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_an_ending_is_reported_once(table: Table, choices: list[int]) -> None:
    """E4: the outer hears once of the ending, of the killing, of the end, in this order, whatever is done."""
    actions = [action for _event, actions in run(table, lifecycle.STARTING, choices) for action in actions]
    for report in (lifecycle.REPORT_ENDING, lifecycle.REPORT_KILLING, lifecycle.REPORT_DONE):
        assert actions.count(report) <= 1
    for acted, reported in (
        (lifecycle.FIRST_SIGNAL, lifecycle.REPORT_ENDING),
        (lifecycle.SET_DEADLINE, lifecycle.REPORT_ENDING),
        (lifecycle.KILL, lifecycle.REPORT_KILLING),
    ):
        if acted in actions:
            assert reported in actions
    if lifecycle.REPORT_KILLING in actions:
        assert lifecycle.REPORT_ENDING in actions[: actions.index(lifecycle.REPORT_KILLING)]


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_a_wait_for_the_tree_always_has_a_deadline(table: Table, choices: list[int]) -> None:
    """E7: a deadline is set on the way into each state that waits for an end, and set anew for the kill alone."""
    life = Lifecycle(table, lifecycle.STARTING)
    deadline = ""
    for event, expected in run(table, lifecycle.STARTING, choices):
        actions = life.feed(event)
        assert actions == expected
        for action in actions:
            if action in (lifecycle.SET_DEADLINE, lifecycle.SET_KILL_DEADLINE):
                assert deadline != action, "a deadline must not be put off"
                deadline = action
        if life.state in (lifecycle.ENDING, lifecycle.SWEEPING):
            assert deadline == lifecycle.SET_DEADLINE
        elif life.state == lifecycle.KILLING:
            assert deadline == lifecycle.SET_KILL_DEADLINE


@settings(deadline=None)
@given(choices=SEQUENCES)
def test_the_outer_signals_the_tree_only_when_the_inner_is_out_of_the_way(choices: list[int]) -> None:
    """E3: the outer kills only after the inner was lost, or in the same breath in which it kills a late one."""
    out_of_the_way = False
    for event, actions in run(OUTER, lifecycle.RUNNING, choices):
        out_of_the_way = out_of_the_way or event == lifecycle.INNER_LOST or lifecycle.KILL_INNER in actions
        assert out_of_the_way or lifecycle.KILL not in actions


@settings(deadline=None)
@given(table=st.sampled_from(SIDECARS), start=st.sampled_from([lifecycle.FIRST, lifecycle.SECOND]), choices=SEQUENCES)
def test_a_sidecar_sends_no_second_first_signal(table: Table, start: str, choices: list[int]) -> None:
    """E3: one first signal at most, and none after a mate that had sent one was lost in the ending."""
    log = run(table, start, choices)
    firsts = [n for n, (_event, actions) in enumerate(log) if lifecycle.FIRST_SIGNAL in actions]
    assert len(firsts) <= 1
    died = [n for n, (event, _actions) in enumerate(log) if event == lifecycle.LAUNCHER_DIED]
    lost = [n for n, (event, _actions) in enumerate(log) if event == lifecycle.MATE_LOST and died and n > died[0]]
    assert not (firsts and lost)
