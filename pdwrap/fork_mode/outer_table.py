"""The outer supervisor's table: it forwards, mirrors, and steps in where the inner is lost or late.

ENDING and KILLING are what it believes of the inner; in TAKING_OVER it does the work itself. Whatever decides what the
outer supervisor does next stands here, but for the exceptions that `lifecycle` names; nothing here does anything.
"""

from pdwrap.fork_mode.outer_actions import OuterActions as Do
from pdwrap.lifecycle import (
    DONE,
    ENDING,
    KILLING,
    RUNNING,
    ChildReaped,
    DeadlinePassed,
    EndingReported,
    Event,
    KillStalled,
    LauncherDied,
    State,
    TreeEmpty,
    on,
    row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.lifecycle import Table

TAKING_OVER = State("taking over")  # the inner is lost, or late: what falls to us is killed


class KillingReported(Event):
    """The inner says that it kills."""

    __slots__ = ()


class InnerDone(Event):
    """The inner has ended, and had said that all is over."""

    __slots__ = ()


class InnerLost(Event):
    """The inner has ended without such a word."""

    __slots__ = ()


_TAKE_OVER = (Do.set_kill_deadline, Do.kill, Do.announce)

OUTER: "Table" = {
    RUNNING: row(
        on(LauncherDied, ENDING, Do.inform_inner, Do.allow_grace),
        on(EndingReported, ENDING, Do.allow_reported_grace),
        on(InnerDone, DONE, Do.mirror),
        on(InnerLost, TAKING_OVER, *_TAKE_OVER),
    ),
    ENDING: row(
        on(LauncherDied, ENDING, Do.inform_inner),
        on(EndingReported, ENDING, Do.allow_reported_grace),
        on(KillingReported, KILLING, Do.allow_kill),
        on(InnerDone, DONE, Do.mirror),
        on(InnerLost, TAKING_OVER, *_TAKE_OVER),
        on(DeadlinePassed, TAKING_OVER, Do.kill_inner, *_TAKE_OVER),
    ),
    KILLING: row(
        on(LauncherDied, KILLING),
        on(InnerDone, DONE, Do.mirror),
        on(InnerLost, TAKING_OVER, *_TAKE_OVER),
        on(DeadlinePassed, TAKING_OVER, Do.kill_inner, Do.kill, Do.set_takeover_deadline, Do.announce),
    ),
    TAKING_OVER: row(
        on(LauncherDied, TAKING_OVER),
        on(EndingReported, TAKING_OVER),  # said before it was lost
        on(KillingReported, TAKING_OVER),
        on(KillStalled, TAKING_OVER, Do.kill, Do.kill_below),
        on(ChildReaped, TAKING_OVER, Do.kill),
        on(TreeEmpty, DONE, Do.mirror),
        on(DeadlinePassed, DONE, Do.name_survivors, Do.mirror),
    ),
}
