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

FIRST = State("first")  # watching; on the launcher's death it ends the tree
SECOND = State("second")  # watching; on the launcher's death it sees that the first does
CHECKING_FIRST = State("checking first")
CHECKING_SWEEP = State("checking sweep")  # ... and the backend has exited
CHECKING_KILL = State("checking kill")  # ... and the first says that it kills
CHECKING_END = State("checking end")  # ... and that it has ended the tree: it has only to exit, and to end us
CHECKS = (CHECKING_FIRST, CHECKING_SWEEP, CHECKING_KILL, CHECKING_END)
SWEEPING = State("sweeping")  # the backend has exited; its leftovers have had their first signal; the deadline runs


class MateLost(Event):
    """The mate is lost, had sent the first signal, and told people."""

    __slots__ = ()


class MateLostUnsaid(Event):
    """The mate is lost, had sent the first signal, and told nobody."""

    __slots__ = ()


class MateLostUnsent(Event):
    """The mate is lost, and had sent no first signal."""

    __slots__ = ()


class MateFinished(Event):
    """The mate has ended, and had ended the tree."""

    __slots__ = ()


class DeadlinePassedUnsaid(DeadlinePassed):
    """The deadline that an action has set has passed, and the first has told nobody what it does."""

    __slots__ = ()


class KillReported(Event):
    """The first says that it kills."""

    __slots__ = ()


class FinishReported(Event):
    """The first says that it has ended the tree."""

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
_KILL = (Do.set_kill_deadline, Do.report_killing, Do.kill)
_KILL_AT_ONCE = (*_KILL, Do.note_beginning, Do.announce_kill)
_END_FIRST = (Do.kill_mate, Do.take_over_list)
# Again and again: it may be stopped at any moment. And whom it holds, so that there is always room to say that.
_CHECK = (Do.continue_mate, Do.take_over_list)

#: With a grace.
SIDECAR: "Table" = {
    FIRST: row(
        on(LauncherDied, ENDING, Do.note_cause, Do.pass_on_list, *_BEGIN, Do.announce),
        on(BackendExited, DONE),
        on(MateLost, FIRST, Do.replace_mate),
        on(MateLostUnsaid, FIRST, Do.replace_mate),
        on(MateLostUnsent, FIRST, Do.replace_mate),
        on(BecameMate, SECOND),
    ),
    SECOND: row(
        on(LauncherDied, CHECKING_FIRST, Do.note_cause, Do.continue_mate, Do.allow_grace),
        on(BackendExited, DONE),
        on(MateLost, FIRST, Do.replace_mate),
        on(MateLostUnsaid, FIRST, Do.replace_mate),
        on(MateLostUnsent, FIRST, Do.replace_mate),
    ),
    CHECKING_FIRST: row(
        on(BackendExited, CHECKING_SWEEP),
        on(Looked, CHECKING_FIRST, *_CHECK),
        on(MemberFound, CHECKING_FIRST),
        on(KillReported, CHECKING_KILL, Do.allow_kill),
        on(FinishReported, CHECKING_END),
        on(MateFinished, DONE),
        on(MateLost, ENDING, Do.take_over_list, *_GO_ON),
        on(MateLostUnsaid, ENDING, Do.take_over_list, *_GO_ON, Do.announce),
        on(MateLostUnsent, ENDING, Do.take_over_list, *_BEGIN, Do.announce),
        on(DeadlinePassed, KILLING, *_END_FIRST, *_KILL, Do.note_beginning),
        on(DeadlinePassedUnsaid, KILLING, *_END_FIRST, *_KILL_AT_ONCE),
    ),
    CHECKING_SWEEP: row(
        on(Looked, CHECKING_SWEEP, *_CHECK),
        on(MemberFound, CHECKING_SWEEP),
        on(TreeEmpty, CHECKING_SWEEP),
        on(KillReported, CHECKING_KILL, Do.allow_kill),
        on(FinishReported, CHECKING_END),
        on(MateFinished, DONE),
        on(MateLost, SWEEPING, Do.take_over_list, *_GO_ON, Do.ask_leftovers),
        on(MateLostUnsaid, SWEEPING, Do.take_over_list, *_GO_ON, Do.ask_leftovers, Do.announce),
        on(MateLostUnsent, SWEEPING, Do.take_over_list, *_BEGIN, Do.ask_leftovers, Do.announce),
        on(DeadlinePassed, KILLING, *_END_FIRST, *_KILL, Do.note_beginning),
        on(DeadlinePassedUnsaid, KILLING, *_END_FIRST, *_KILL_AT_ONCE),
    ),
    CHECKING_KILL: row(
        on(BackendExited, CHECKING_KILL),
        on(Looked, CHECKING_KILL, *_CHECK),
        on(MemberFound, CHECKING_KILL),
        on(TreeEmpty, CHECKING_KILL),
        on(KillReported, CHECKING_KILL),
        on(FinishReported, CHECKING_END),
        on(MateFinished, DONE),
        on(MateLost, KILLING, Do.take_over_list, *_KILL, Do.note_beginning),
        on(MateLostUnsaid, KILLING, Do.take_over_list, *_KILL_AT_ONCE),
        on(MateLostUnsent, KILLING, Do.take_over_list, *_KILL_AT_ONCE),
        on(DeadlinePassed, KILLING, *_END_FIRST, Do.kill, Do.allow_last, Do.note_beginning),
        on(DeadlinePassedUnsaid, KILLING, *_END_FIRST, Do.kill, Do.allow_last, Do.note_beginning, Do.announce_kill),
    ),
    CHECKING_END: row(
        on(BackendExited, CHECKING_END),
        on(Looked, CHECKING_END, *_CHECK),
        on(MemberFound, CHECKING_END),
        on(TreeEmpty, CHECKING_END),
        on(MateFinished, DONE),
        on(DeadlinePassed, DONE, Do.kill_mate),
        on(DeadlinePassedUnsaid, DONE, Do.kill_mate),
    ),
    ENDING: row(
        on(MateLost, ENDING),
        on(MateLostUnsaid, ENDING),
        on(MateLostUnsent, ENDING),
        on(Looked, ENDING),
        on(MemberFound, ENDING, Do.pass_on_list),
        on(BackendExited, SWEEPING, Do.ask_leftovers),
        on(HalfTime, ENDING, Do.ask_below),
        on(DeadlinePassed, KILLING, *_KILL),
    ),
    SWEEPING: row(
        on(MateLost, SWEEPING),
        on(MateLostUnsaid, SWEEPING),
        on(MateLostUnsent, SWEEPING),
        on(Looked, SWEEPING),
        on(MemberFound, SWEEPING, Do.pass_on_list, Do.ask_leftovers),
        on(TreeEmpty, DONE, Do.report_done, Do.kill_mate),
        on(HalfTime, SWEEPING),
        on(DeadlinePassed, KILLING, *_KILL),
    ),
    KILLING: row(
        on(BackendExited, KILLING),
        on(MateLost, KILLING),
        on(MateLostUnsaid, KILLING),
        on(MateLostUnsent, KILLING),
        on(Looked, KILLING),
        on(MemberFound, KILLING, Do.pass_on_list, Do.kill),
        on(KillStalled, KILLING, Do.kill_again),
        on(TreeEmpty, DONE, Do.report_done, Do.kill_mate),
        on(DeadlinePassed, DONE, Do.name_survivors, Do.report_done, Do.kill_mate),
    ),
}


def sidecar_table(*, graceless: bool) -> "Table":
    """Make a sidecar's table; without a grace there is no first signal, and what would send one kills."""
    table = {state: dict(cells) for state, cells in SIDECAR.items()}
    if graceless:
        table[FIRST][LauncherDied] = ((Do.note_cause, Do.pass_on_list, *_KILL_AT_ONCE), KILLING)
        for state in (CHECKING_FIRST, CHECKING_SWEEP):
            table[state][MateLost] = ((Do.take_over_list, *_KILL, Do.note_beginning), KILLING)
            for kind in (MateLostUnsaid, MateLostUnsent):
                table[state][kind] = ((Do.take_over_list, *_KILL_AT_ONCE), KILLING)
    return table
