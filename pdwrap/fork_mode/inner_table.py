"""The inner supervisor's table: it holds the backend, and ends the tree.

Whatever decides what the inner supervisor does next stands here, and nothing here does anything (`lifecycle`).
"""

from pdwrap.fork_mode.inner_actions import InnerActions as Do
from pdwrap.lifecycle import (
    DONE,
    ENDING,
    KILLING,
    RUNNING,
    BackendExited,
    Cause,
    ChildReaped,
    DeadlinePassed,
    Event,
    HalfTime,
    KillStalled,
    LauncherDied,
    SignalReceived,
    State,
    TreeEmpty,
    on,
    row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.lifecycle import Cell, Table

STARTING = State("starting")  # the backend is held before its exec
TERM_FORWARDED = State("term forwarded")  # running, and a terminating signal has been forwarded to it
AWAITING_LEFTOVERS = State("awaiting leftovers")  # the backend has exited; `--leftovers wait`
SETTLED = State("settled")  # ending, and no terminating signal that belongs to the death is under way any more
SWEEPING = State("sweeping")  # the backend has exited; its leftovers have had their first signal; the deadline runs


class Released(Event):
    """The backend may exec."""

    __slots__ = ()


class TerminationReceived(SignalReceived):
    """A signal to forward that counts as the first signal (E3)."""

    __slots__ = ()


class LateTermination(SignalReceived):
    """A terminating signal while the tree is ended for a death in the chain: the first may belong to that death.

    A group's SIGTERM kills the shell above us, whose death we see first, and is sent to us as well.
    """

    __slots__ = ()


class StopOverdue(Cause):
    """The tree was asked to end by a forwarded signal, the launcher lives, and the deadline has passed."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("stop-overdue")


class OuterKilled(Cause):
    """The outer is lost while the launcher lives: the caller has killed what it knows of us, and counts it as dead."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("outer-lost")


class OuterFollowed(Event):
    """The outer is lost, and so is the launcher: nobody waits."""

    __slots__ = ()


# The deed before the report: the outer sends no first signal of its own, and finds a lost inner without one. Words
# last: they may fail.
_ASK_BACKEND = (Do.set_deadline, Do.first_signal, Do.report_ending, Do.announce)
_WAIT_FOR_BACKEND = (Do.set_deadline, Do.continue_backend, Do.report_ending, Do.announce)  # it has been asked
_ASK_LEFTOVERS = (Do.set_deadline, Do.ask_leftovers, Do.report_ending, Do.announce)
_KILL = (Do.set_kill_deadline, Do.kill, Do.report_killing)
_KILL_AT_ONCE = (Do.set_kill_deadline, Do.kill, Do.report_ending, Do.report_killing, Do.announce_kill)

#: With `--leftovers end` and a grace.
INNER: "Table" = {
    STARTING: row(
        on(Released, RUNNING),
        on(LauncherDied, DONE, Do.abandon),
        on(OuterKilled, DONE, Do.abandon),
    ),
    RUNNING: row(
        on(SignalReceived, RUNNING, Do.forward),
        on(TerminationReceived, TERM_FORWARDED, Do.forward, Do.set_stop_deadline),
        on(ChildReaped, RUNNING),
        on(OuterFollowed, RUNNING),  # the launcher's own death is about to be seen
        on(LauncherDied, ENDING, *_ASK_BACKEND),
        on(OuterKilled, KILLING, *_KILL_AT_ONCE),
        on(BackendExited, SWEEPING, *_ASK_LEFTOVERS),
        on(TreeEmpty, DONE, Do.report_done),
    ),
    TERM_FORWARDED: row(
        on(SignalReceived, TERM_FORWARDED, Do.forward),
        on(TerminationReceived, TERM_FORWARDED, Do.forward),
        on(ChildReaped, TERM_FORWARDED),
        on(OuterFollowed, TERM_FORWARDED),  # the launcher's own death is about to be seen
        on(LauncherDied, SETTLED, *_WAIT_FOR_BACKEND),
        on(StopOverdue, KILLING, *_KILL_AT_ONCE),
        on(OuterKilled, KILLING, *_KILL_AT_ONCE),
        on(BackendExited, SWEEPING, *_ASK_LEFTOVERS),
        on(TreeEmpty, DONE, Do.report_done),
    ),
    AWAITING_LEFTOVERS: row(
        on(SignalReceived, AWAITING_LEFTOVERS, Do.forward_to_leftovers),
        on(TerminationReceived, AWAITING_LEFTOVERS, Do.forward_to_leftovers, Do.set_stop_deadline),
        on(StopOverdue, KILLING, *_KILL_AT_ONCE),
        on(ChildReaped, AWAITING_LEFTOVERS),
        on(OuterFollowed, AWAITING_LEFTOVERS),  # the launcher's own death is about to be seen
        on(LauncherDied, SWEEPING, *_ASK_LEFTOVERS),
        on(OuterKilled, KILLING, *_KILL_AT_ONCE),
        on(TreeEmpty, DONE, Do.report_done),
    ),
    ENDING: row(
        on(SignalReceived, ENDING, Do.forward),
        on(TerminationReceived, ENDING, Do.forward),
        on(LateTermination, SETTLED),  # the first signal was it
        on(ChildReaped, ENDING),
        on(LauncherDied, ENDING),
        on(OuterKilled, KILLING, *_KILL),
        on(OuterFollowed, ENDING),
        on(BackendExited, SWEEPING, Do.ask_leftovers),
        on(HalfTime, ENDING, Do.ask_below),
        on(DeadlinePassed, KILLING, *_KILL),
        on(TreeEmpty, DONE, Do.report_done),
    ),
    SETTLED: row(
        on(SignalReceived, SETTLED, Do.forward),
        on(TerminationReceived, SETTLED, Do.forward),
        on(LateTermination, SETTLED, Do.forward),  # one that was meant
        on(ChildReaped, SETTLED),
        on(LauncherDied, SETTLED),
        on(OuterKilled, KILLING, *_KILL),
        on(OuterFollowed, SETTLED),
        on(BackendExited, SWEEPING, Do.ask_leftovers),
        on(HalfTime, SETTLED, Do.ask_below),
        on(DeadlinePassed, KILLING, *_KILL),
        on(TreeEmpty, DONE, Do.report_done),
    ),
    SWEEPING: row(
        on(SignalReceived, SWEEPING),
        on(TerminationReceived, SWEEPING),
        on(LateTermination, SWEEPING),
        on(ChildReaped, SWEEPING, Do.ask_leftovers),
        on(LauncherDied, SWEEPING),
        on(OuterKilled, KILLING, *_KILL),
        on(OuterFollowed, SWEEPING),
        on(HalfTime, SWEEPING),
        on(DeadlinePassed, KILLING, *_KILL),
        on(TreeEmpty, DONE, Do.report_done),
    ),
    KILLING: row(
        on(SignalReceived, KILLING),
        on(TerminationReceived, KILLING),
        on(LateTermination, KILLING),
        on(KillStalled, KILLING, Do.kill, Do.kill_below),
        on(LauncherDied, KILLING),
        on(OuterKilled, KILLING),
        on(OuterFollowed, KILLING),
        on(BackendExited, KILLING, Do.kill),
        on(ChildReaped, KILLING, Do.kill),
        on(DeadlinePassed, DONE, Do.name_survivors, Do.report_done),
        on(TreeEmpty, DONE, Do.report_done),
    ),
}

#: What `--leftovers` makes of a backend that exits by itself and leaves something behind: unasked, and asked to end.
AFTER_BACKEND: "dict[str, tuple[Cell, Cell]]" = {
    "end": (INNER[RUNNING][BackendExited], INNER[TERM_FORWARDED][BackendExited]),
    "wait": (((), AWAITING_LEFTOVERS), ((Do.ask_leftovers,), AWAITING_LEFTOVERS)),
    "leave": (((Do.report_done,), DONE), ((Do.report_done,), DONE)),
}


def inner_table(leftovers: str, *, graceless: bool) -> "Table":
    """Make the inner supervisor's table for its settings.

    Args:
        leftovers: `end`, `wait` or `leave`.
        graceless: the grace is 0: what would get a first signal is killed at once.

    """
    table = {state: dict(cells) for state, cells in INNER.items()}
    table[RUNNING][BackendExited], table[TERM_FORWARDED][BackendExited] = AFTER_BACKEND[leftovers]
    if graceless:
        for state in (RUNNING, TERM_FORWARDED, AWAITING_LEFTOVERS):
            for kind, (_actions, after) in table[state].items():
                if after in (ENDING, SETTLED, SWEEPING):
                    table[state][kind] = (_KILL_AT_ONCE, KILLING)
    return table
