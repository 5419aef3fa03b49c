"""Runs through the lifecycle tables: what no sequence of events may lead to (E3, E4, E7, E8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap.exec_mode import sidecar_table as sidecar
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exec_mode.sidecar_table import (
    CHECKING_END,
    CHECKING_FIRST,
    CHECKING_KILL,
    CHECKING_SWEEP,
    FIRST,
    SECOND,
    SIDECAR,
    MateLost,
    MateLostUnsaid,
)
from pdwrap.fork_mode import inner_table as inner
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.inner_table import INNER, STARTING, OuterKilled, TerminationReceived
from pdwrap.fork_mode.outer_actions import OuterActions
from pdwrap.fork_mode.outer_table import OUTER, TAKING_OVER, InnerLost
from pdwrap.lifecycle import (
    DONE,
    ENDING,
    KILLING,
    RUNNING,
    DeadlinePassed,
    Event,
    HalfTime,
    LauncherDied,
    Lifecycle,
    State,
)
from tests.pure.test_lifecycle import LEFTOVERS, happen, in_words, keys

if TYPE_CHECKING:
    from pdwrap.lifecycle import Action, Table


def reach(table: Table, start: State) -> set[State]:
    """Give all states that can come after `start`, itself included."""
    seen = {start}
    todo = [start]
    while todo:
        after = {state for _actions, state in table.get(todo.pop(), {}).values()}
        todo += after - seen
        seen |= after
    return seen


TABLES = [inner.inner_table(leftovers, graceless=graceless) for leftovers in LEFTOVERS for graceless in (False, True)]
SIDECARS = [sidecar.sidecar_table(graceless=graceless) for graceless in (False, True)]


@pytest.mark.parametrize("table", [INNER, OUTER, SIDECAR, *TABLES, *SIDECARS])
def test_done_can_always_be_reached_and_never_left(table: Table) -> None:
    """E7, E8: whatever has happened, there is an end; after it there is nothing."""
    assert all(DONE in reach(table, state) for state in table)
    assert DONE not in table


def deadlines_until_done(table: Table, start: State) -> int:
    """Count the deadlines that must pass, and nothing else happen, for the end."""
    life = Lifecycle(table, start)
    passed = 0
    while life.state != DONE:
        life.take(DeadlinePassed())
        passed += 1
    return passed


@pytest.mark.parametrize("table", [*TABLES, *SIDECARS])
def test_an_ending_is_bounded(table: Table) -> None:
    """E7: each state with a deadline has a cell for its passing, and two of them at most lead to the end."""
    starts = {ENDING, inner.SWEEPING, KILLING, *sidecar.CHECKS} & set(table)
    assert len(starts) >= 3
    assert all(deadlines_until_done(table, start) <= 2 for start in starts)


@pytest.mark.parametrize("leftovers", LEFTOVERS)
def test_without_a_grace_nothing_is_waited_for(leftovers: str) -> None:
    """E3: with `--grace 0` the states that wait for a grace cannot be reached."""
    table = inner.inner_table(leftovers, graceless=True)
    assert not reach(table, STARTING) & {ENDING, inner.SWEEPING}


def test_the_outer_is_bounded() -> None:
    """E7: from its first deadline on, two of them at most lead the outer supervisor to the end."""
    assert all(deadlines_until_done(OUTER, start) <= 2 for start in (ENDING, KILLING, TAKING_OVER))


Log = list[tuple[type[Event], "tuple[Action, ...]", State]]


def run(table: Table, start: State, choices: list[int]) -> Log:
    """Feed one sequence of possible events, each choice one of those that the state allows; give what it led to."""
    life = Lifecycle(table, start)
    log: Log = []
    for choice in choices:
        possible = sorted(table.get(life.state, {}), key=in_words)
        if not possible:
            break
        kind = possible[choice % len(possible)]
        log.append((kind, life.take(happen(kind)), life.state))
    return log


SEQUENCES = st.lists(st.integers(0, 1000), max_size=40)


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_never_a_second_terminating_signal(table: Table, choices: list[int]) -> None:
    """E3: one first signal at most, none after a forwarded termination, none once the outer was killed."""
    log = run(table, STARTING, choices)
    firsts = [n for n, (_kind, actions, _state) in enumerate(log) if InnerActions.first_signal in actions]
    assert len(firsts) <= 1
    barred = [n for n, (kind, _actions, _state) in enumerate(log) if kind in (TerminationReceived, OuterKilled)]
    assert not firsts or not any(n < firsts[0] for n in barred)


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_what_was_sent_beside_the_death_is_not_sent_again(table: Table, choices: list[int]) -> None:
    """E3: of the terminating signals after a first signal of pdwrap's, the first is not forwarded; later ones are."""
    log = run(table, STARTING, choices)
    asked = [n for n, (_kind, actions, _state) in enumerate(log) if InnerActions.first_signal in actions]
    late = [
        InnerActions.forward in actions
        for (kind, actions, state) in log
        if kind is inner.LateTermination and state in (ENDING, inner.SETTLED)
    ]
    assert late == ([not asked] + [True] * len(late))[: len(late)]


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_what_is_below_is_asked_before_the_end_of_the_grace(table: Table, choices: list[int]) -> None:
    """E3: half way through the grace, while the backend lives; never where it has exited, or all is being killed."""
    log = run(table, STARTING, choices)
    for kind, actions, state in log:
        assert (InnerActions.ask_below in actions) == (kind is HalfTime and state in (ENDING, inner.SETTLED))


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_an_ending_is_reported_once(table: Table, choices: list[int]) -> None:
    """E4: the outer hears once of the ending, of the killing, of the end, in this order, whatever is done."""
    do = InnerActions
    done = [action for _kind, actions, _state in run(table, STARTING, choices) for action in actions]
    for report in (do.report_ending, do.report_killing, do.report_done):
        assert done.count(report) <= 1
    assert done.count(do.announce) + done.count(do.announce_kill) == done.count(do.report_ending)
    for acted, reported in (
        (do.first_signal, do.report_ending),
        (do.set_deadline, do.report_ending),
        (do.kill, do.report_killing),
    ):
        if acted in done:
            assert reported in done
    if do.report_killing in done:
        assert do.report_ending in done[: done.index(do.report_killing)]


@settings(deadline=None)
@given(table=st.sampled_from(TABLES), choices=SEQUENCES)
def test_a_wait_for_the_tree_always_has_a_deadline(table: Table, choices: list[int]) -> None:
    """E7: a deadline is set on the way into each state that waits for an end, and set anew for the kill alone."""
    setters = (InnerActions.set_deadline, InnerActions.set_kill_deadline)
    deadline = None
    for _kind, actions, state in run(table, STARTING, choices):
        for action in actions:
            if action in setters:
                assert deadline is not action, "a deadline must not be put off"
                deadline = action
        if state in (ENDING, inner.SETTLED, inner.SWEEPING):
            assert deadline is InnerActions.set_deadline
        elif state == KILLING:
            assert deadline is InnerActions.set_kill_deadline


@settings(deadline=None)
@given(choices=SEQUENCES)
def test_the_outer_signals_the_tree_only_when_the_inner_is_out_of_the_way(choices: list[int]) -> None:
    """E3: the outer kills only after the inner was lost, or in the same breath in which it kills a late one."""
    out_of_the_way = False
    for kind, actions, _state in run(OUTER, RUNNING, choices):
        out_of_the_way = out_of_the_way or kind is InnerLost or OuterActions.kill_inner in actions
        assert out_of_the_way or OuterActions.kill not in actions


HAD_ASKED = (MateLost, MateLostUnsaid)


@settings(deadline=None)
@given(table=st.sampled_from(SIDECARS), start=st.sampled_from([FIRST, SECOND]), choices=SEQUENCES)
def test_a_sidecar_sends_no_second_first_signal(table: Table, start: State, choices: list[int]) -> None:
    """E3: one first signal at most, and none after a mate that had sent one was lost in the ending."""
    log = run(table, start, choices)
    firsts = [n for n, (_kind, actions, _state) in enumerate(log) if SidecarActions.first_signal in actions]
    assert len(firsts) <= 1
    died = [n for n, (kind, _actions, _state) in enumerate(log) if kind is LauncherDied]
    lost = [n for n, (kind, _actions, _state) in enumerate(log) if kind in HAD_ASKED and died and n > died[0]]
    assert not (firsts and lost and lost[0] < firsts[0])


@settings(deadline=None)
@given(table=st.sampled_from(SIDECARS), start=st.sampled_from([FIRST, SECOND]), choices=SEQUENCES)
def test_a_sidecars_wait_always_has_a_deadline(table: Table, start: State, choices: list[int]) -> None:
    """E7: beside the backend, too, each state that waits for an end has been given its deadline on the way into it."""
    do = SidecarActions
    setters = (do.set_deadline, do.allow_grace, do.set_kill_deadline, do.allow_kill, do.allow_last)
    wanted = {
        CHECKING_FIRST: {do.allow_grace},
        CHECKING_SWEEP: {do.allow_grace},
        CHECKING_KILL: {do.allow_kill},
        CHECKING_END: {do.allow_grace, do.allow_kill},
        ENDING: {do.set_deadline},
        sidecar.SWEEPING: {do.set_deadline},
        KILLING: {do.set_kill_deadline, do.allow_last},
    }
    deadline = None
    for _kind, actions, state in run(table, start, choices):
        deadline = next((action for action in reversed(actions) if action in setters), deadline)
        if state in wanted:
            assert deadline in wanted[state]


def test_every_kind_of_event_is_tried() -> None:
    """The runs above choose among all cells of the tables: an event that none of them knows would go untested."""
    for table in (INNER, OUTER, SIDECAR):
        assert all(Lifecycle(table, state).take(happen(kind)) is not None for state, kind in keys(table))
