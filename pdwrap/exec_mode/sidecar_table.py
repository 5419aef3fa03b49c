"""A sidecar's table (exec mode): the first acts, the second checks that it does.

It knows the tree's members before the first signal is sent; the loop sees to that. Whatever decides what a sidecar does
next stands here, and nothing here does anything (`lifecycle`).
"""

from pdwrap.exec_mode.sidecar_actions import SidecarActions as Do
from pdwrap.lifecycle import (
    DONE,
    ENDING,
    KILLING,
    BackendExited,
    DeadlinePassed,
    Event,
    HalfTime,
    LauncherDied,
    State,
    TreeEmpty,
    on,
    row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.lifecycle import Table

FIRST = State("first")  # watching; on the launcher's death it ends the tree
SECOND = State("second")  # watching; on the launcher's death it sees that the first does
CHECKING_FIRST = State("checking first")
CHECKING_SWEEP = State("checking sweep")  # ... and the backend has exited
SWEEPING = State("sweeping")  # the backend has exited; its leftovers have had their first signal; the deadline runs


class MateLost(Event):
    """The mate is lost; if the tree is being ended, the backend has had its first signal."""

    __slots__ = ()


class MateLostUnsent(Event):
    """The mate is lost, and had sent no first signal."""

    __slots__ = ()


class MateFinished(Event):
    """The mate has ended, and had ended the tree."""

    __slots__ = ()


class BecameMate(Event):
    """This process has been forked as the mate of the one whose state it has."""

    __slots__ = ()


class MemberFound(Event):
    """Something of the tree that was not known."""

    __slots__ = ()


class Looked(Event):
    """The tree has been looked at once more."""

    __slots__ = ()


# Words last: they may fail.
_BEGIN = (Do.set_deadline, Do.first_signal, Do.note_beginning)
_GO_ON = (Do.set_deadline, Do.continue_backend, Do.note_beginning)  # with what a lost mate has begun
_KILL = (Do.set_kill_deadline, Do.kill)
_KILL_AT_ONCE = (*_KILL, Do.note_beginning, Do.announce_kill)

#: With a grace.
SIDECAR: "Table" = {
    FIRST: row(
        on(LauncherDied, ENDING, Do.note_cause, Do.pass_on_list, *_BEGIN, Do.announce),
        on(BackendExited, DONE),
        on(MateLost, FIRST, Do.replace_mate),
        on(MateLostUnsent, FIRST, Do.replace_mate),
        on(BecameMate, SECOND),
    ),
    SECOND: row(
        on(LauncherDied, CHECKING_FIRST, Do.note_cause, Do.continue_mate, Do.allow_grace),
        on(BackendExited, DONE),
        on(MateLost, FIRST, Do.replace_mate),
        on(MateLostUnsent, FIRST, Do.replace_mate),
    ),
    CHECKING_FIRST: row(
        on(BackendExited, CHECKING_SWEEP),
        on(Looked, CHECKING_FIRST, Do.continue_mate),  # again and again: it may be stopped at any moment
        on(MemberFound, CHECKING_FIRST),
        on(MateFinished, DONE),
        on(MateLost, ENDING, Do.take_over_list, *_GO_ON, Do.announce),
        on(MateLostUnsent, ENDING, Do.take_over_list, *_BEGIN, Do.announce),
        on(DeadlinePassed, KILLING, Do.kill_mate, *_KILL_AT_ONCE),
    ),
    CHECKING_SWEEP: row(
        on(Looked, CHECKING_SWEEP, Do.continue_mate),
        on(MemberFound, CHECKING_SWEEP),
        on(TreeEmpty, CHECKING_SWEEP),
        on(MateFinished, DONE),
        on(MateLost, SWEEPING, Do.take_over_list, *_GO_ON, Do.ask_leftovers, Do.announce),
        on(MateLostUnsent, SWEEPING, Do.take_over_list, *_BEGIN, Do.ask_leftovers, Do.announce),
        on(DeadlinePassed, KILLING, Do.kill_mate, *_KILL_AT_ONCE),
    ),
    ENDING: row(
        on(MateLost, ENDING),
        on(MateLostUnsent, ENDING),
        on(Looked, ENDING),
        on(MemberFound, ENDING, Do.pass_on_list),
        on(BackendExited, SWEEPING, Do.ask_leftovers),
        on(HalfTime, ENDING, Do.ask_below),
        on(DeadlinePassed, KILLING, *_KILL),
    ),
    SWEEPING: row(
        on(MateLost, SWEEPING),
        on(MateLostUnsent, SWEEPING),
        on(Looked, SWEEPING),
        on(MemberFound, SWEEPING, Do.pass_on_list, Do.ask_leftovers),
        on(TreeEmpty, DONE, Do.report_done),
        on(HalfTime, SWEEPING),
        on(DeadlinePassed, KILLING, *_KILL),
    ),
    KILLING: row(
        on(BackendExited, KILLING),
        on(MateLost, KILLING),
        on(MateLostUnsent, KILLING),
        on(Looked, KILLING),
        on(MemberFound, KILLING, Do.pass_on_list, Do.kill),
        on(TreeEmpty, DONE, Do.report_done),
        on(DeadlinePassed, DONE, Do.name_survivors, Do.report_done),
    ),
}


def sidecar_table(*, graceless: bool) -> "Table":
    """Make a sidecar's table; without a grace there is no first signal, and what would send one kills."""
    table = {state: dict(cells) for state, cells in SIDECAR.items()}
    if graceless:
        table[FIRST][LauncherDied] = ((Do.note_cause, Do.pass_on_list, *_KILL_AT_ONCE), KILLING)
        for state in (CHECKING_FIRST, CHECKING_SWEEP):
            for kind in (MateLost, MateLostUnsent):
                table[state][kind] = ((Do.take_over_list, *_KILL_AT_ONCE), KILLING)
    return table
