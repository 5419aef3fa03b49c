"""The lifecycle of a backend under pdwrap, as tables: state and event give actions and the next state.

Whatever decides what pdwrap does next stands in this file, and nothing here does anything: no clock, no process, no
descriptor. A supervisor turns what the kernel says into events, asks its table, and carries out the actions in order.
A cell that is missing cannot happen; asking for it raises `Impossible`, and the supervisor then ends the tree (E8).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# States of the inner supervisor, which ends the tree.
STARTING = "starting"  # the backend is held before its exec
RUNNING = "running"
TOLD = "told"  # running, and a terminating signal has been forwarded to it
WAITING = "waiting"  # the backend has exited; `--leftovers wait`
ENDING = "ending"  # the backend has had its first signal; the deadline runs
SWEEPING = "sweeping"  # the backend has exited; its leftovers have had their first signal; the same deadline runs
KILLING = "killing"  # the deadline has passed; SIGKILL until nothing is left
DONE = "done"

# Events that both supervisors know.
LAUNCHER_DIED = "launcher died"
DEADLINE_PASSED = "deadline passed"
TREE_EMPTY = "tree empty"

# Events of the inner supervisor.
RELEASED = "released"  # the backend may exec
OUTER_LOST = "outer lost"  # ... while the launcher lives: the caller wants it gone at once
SIGNAL_RECEIVED = "signal received"  # to forward
TERMINATION_RECEIVED = "termination received"  # to forward, and it counts as the first signal (E3)
BACKEND_EXITED = "backend exited"  # ... and something of the tree is left
CHILD_REAPED = "child reaped"  # ... that was not the backend: its children are ours now

# Actions of the inner supervisor; each is a method of what carries them out.
ABANDON = "abandon"  # never release the held backend
FORWARD = "forward"
FORWARD_TO_LEFTOVERS = "forward_to_leftovers"
SET_DEADLINE = "set_deadline"  # the grace from now
REPORT_ENDING = "report_ending"
FIRST_SIGNAL = "first_signal"  # the backend alone, and SIGCONT
CONTINUE_BACKEND = "continue_backend"  # a stopped process acts on a signal only after SIGCONT
TELL_LEFTOVERS = "tell_leftovers"  # each child that has not had one: first signal and SIGCONT
SET_KILL_DEADLINE = "set_kill_deadline"
REPORT_KILLING = "report_killing"
KILL = "kill"
NAME_SURVIVORS = "name_survivors"
REPORT_DONE = "report_done"

# States, events and actions of the outer supervisor, which forwards, mirrors, and steps in.
ENDING_REPORTED = "ending reported"
KILLING_REPORTED = "killing reported"
INNER_DONE = "inner done"
INNER_LOST = "inner lost"
TELL_INNER = "tell_inner"
ALLOW_GRACE = "allow_grace"  # the inner is late a second after the grace
ALLOW_KILL = "allow_kill"  # ... and a second after the time that killing may take
KILL_INNER = "kill_inner"
MIRROR = "mirror"

# States, events and actions of a sidecar (exec mode): the first acts, the second vouches.
FIRST = "first"  # watching; on the launcher's death it ends the tree
SECOND = "second"  # watching; on the launcher's death it sees that the first does
VOUCHING = "vouching"
MATE_LOST = "mate lost"
MATE_LOST_UNSENT = "mate lost before its first signal"
MATE_FINISHED = "mate finished"
MEMBER_FOUND = "member found"  # something of the tree that was not known
REPLACE_MATE = "replace_mate"
CONTINUE_MATE = "continue_mate"  # in case somebody stopped it
KILL_MATE = "kill_mate"

Cell = tuple[tuple[str, ...], str]
Table = dict[tuple[str, str], Cell]

_END = (SET_DEADLINE, REPORT_ENDING)
_KILL = (SET_KILL_DEADLINE, REPORT_KILLING, KILL)

#: The inner supervisor, with `--leftovers end` and a grace.
INNER: Table = {
    (STARTING, RELEASED): ((), RUNNING),
    (STARTING, LAUNCHER_DIED): ((ABANDON,), DONE),
    (STARTING, OUTER_LOST): ((ABANDON,), DONE),
    #
    (RUNNING, SIGNAL_RECEIVED): ((FORWARD,), RUNNING),
    (RUNNING, TERMINATION_RECEIVED): ((FORWARD,), TOLD),
    (RUNNING, CHILD_REAPED): ((), RUNNING),
    (RUNNING, LAUNCHER_DIED): ((*_END, FIRST_SIGNAL), ENDING),
    (RUNNING, OUTER_LOST): ((REPORT_ENDING, *_KILL), KILLING),
    (RUNNING, BACKEND_EXITED): ((*_END, TELL_LEFTOVERS), SWEEPING),
    (RUNNING, TREE_EMPTY): ((REPORT_DONE,), DONE),
    #
    (TOLD, SIGNAL_RECEIVED): ((FORWARD,), TOLD),
    (TOLD, TERMINATION_RECEIVED): ((FORWARD,), TOLD),
    (TOLD, CHILD_REAPED): ((), TOLD),
    (TOLD, LAUNCHER_DIED): ((*_END, CONTINUE_BACKEND), ENDING),
    (TOLD, OUTER_LOST): ((REPORT_ENDING, *_KILL), KILLING),
    (TOLD, BACKEND_EXITED): ((*_END, TELL_LEFTOVERS), SWEEPING),
    (TOLD, TREE_EMPTY): ((REPORT_DONE,), DONE),
    #
    (WAITING, SIGNAL_RECEIVED): ((FORWARD_TO_LEFTOVERS,), WAITING),
    (WAITING, TERMINATION_RECEIVED): ((FORWARD_TO_LEFTOVERS,), WAITING),
    (WAITING, CHILD_REAPED): ((), WAITING),
    (WAITING, LAUNCHER_DIED): ((*_END, TELL_LEFTOVERS), SWEEPING),
    (WAITING, OUTER_LOST): ((REPORT_ENDING, *_KILL), KILLING),
    (WAITING, TREE_EMPTY): ((REPORT_DONE,), DONE),
    #
    (ENDING, SIGNAL_RECEIVED): ((FORWARD,), ENDING),
    (ENDING, TERMINATION_RECEIVED): ((FORWARD,), ENDING),
    (ENDING, CHILD_REAPED): ((), ENDING),
    (ENDING, LAUNCHER_DIED): ((), ENDING),
    (ENDING, OUTER_LOST): (_KILL, KILLING),
    (ENDING, BACKEND_EXITED): ((TELL_LEFTOVERS,), SWEEPING),
    (ENDING, DEADLINE_PASSED): (_KILL, KILLING),
    (ENDING, TREE_EMPTY): ((REPORT_DONE,), DONE),
    #
    (SWEEPING, SIGNAL_RECEIVED): ((), SWEEPING),
    (SWEEPING, TERMINATION_RECEIVED): ((), SWEEPING),
    (SWEEPING, CHILD_REAPED): ((TELL_LEFTOVERS,), SWEEPING),
    (SWEEPING, LAUNCHER_DIED): ((), SWEEPING),
    (SWEEPING, OUTER_LOST): (_KILL, KILLING),
    (SWEEPING, DEADLINE_PASSED): (_KILL, KILLING),
    (SWEEPING, TREE_EMPTY): ((REPORT_DONE,), DONE),
    #
    (KILLING, SIGNAL_RECEIVED): ((), KILLING),
    (KILLING, TERMINATION_RECEIVED): ((), KILLING),
    (KILLING, LAUNCHER_DIED): ((), KILLING),
    (KILLING, OUTER_LOST): ((), KILLING),
    (KILLING, BACKEND_EXITED): ((KILL,), KILLING),
    (KILLING, CHILD_REAPED): ((KILL,), KILLING),
    (KILLING, DEADLINE_PASSED): ((NAME_SURVIVORS, REPORT_DONE), DONE),
    (KILLING, TREE_EMPTY): ((REPORT_DONE,), DONE),
}

#: What `--leftovers` makes of a backend that exits by itself and leaves something behind.
AFTER_BACKEND: dict[str, Cell] = {
    "end": INNER[RUNNING, BACKEND_EXITED],
    "wait": ((), WAITING),
    "leave": ((REPORT_DONE,), DONE),
}

#: The outer supervisor. ENDING and KILLING are what it believes of the inner; in SWEEPING it does the work itself.
OUTER: Table = {
    (RUNNING, LAUNCHER_DIED): ((TELL_INNER, ALLOW_GRACE), ENDING),
    (RUNNING, ENDING_REPORTED): ((ALLOW_GRACE,), ENDING),
    (RUNNING, INNER_DONE): ((MIRROR,), DONE),
    (RUNNING, INNER_LOST): ((SET_KILL_DEADLINE, KILL), SWEEPING),
    #
    (ENDING, LAUNCHER_DIED): ((TELL_INNER,), ENDING),
    (ENDING, ENDING_REPORTED): ((ALLOW_GRACE,), ENDING),
    (ENDING, KILLING_REPORTED): ((ALLOW_KILL,), KILLING),
    (ENDING, INNER_DONE): ((MIRROR,), DONE),
    (ENDING, INNER_LOST): ((SET_KILL_DEADLINE, KILL), SWEEPING),
    (ENDING, DEADLINE_PASSED): ((KILL_INNER, SET_KILL_DEADLINE, KILL), SWEEPING),
    #
    (KILLING, LAUNCHER_DIED): ((), KILLING),
    (KILLING, INNER_DONE): ((MIRROR,), DONE),
    (KILLING, INNER_LOST): ((SET_KILL_DEADLINE, KILL), SWEEPING),
    (KILLING, DEADLINE_PASSED): ((KILL_INNER, KILL, NAME_SURVIVORS, MIRROR), DONE),
    #
    (SWEEPING, LAUNCHER_DIED): ((), SWEEPING),
    (SWEEPING, INNER_LOST): ((KILL,), SWEEPING),
    (SWEEPING, CHILD_REAPED): ((KILL,), SWEEPING),
    (SWEEPING, TREE_EMPTY): ((MIRROR,), DONE),
    (SWEEPING, DEADLINE_PASSED): ((NAME_SURVIVORS, MIRROR), DONE),
}


_ACT = (SET_DEADLINE, REPORT_ENDING, FIRST_SIGNAL)

#: A sidecar, with a grace. It knows the tree's members before the first signal is sent; the loop sees to that.
SIDECAR: Table = {
    (FIRST, LAUNCHER_DIED): (_ACT, ENDING),
    (FIRST, BACKEND_EXITED): ((), DONE),
    (FIRST, MATE_LOST): ((REPLACE_MATE,), FIRST),
    (FIRST, MATE_LOST_UNSENT): ((REPLACE_MATE,), FIRST),
    #
    (SECOND, LAUNCHER_DIED): ((CONTINUE_MATE, ALLOW_GRACE), VOUCHING),
    (SECOND, BACKEND_EXITED): ((), DONE),
    (SECOND, MATE_LOST): ((REPLACE_MATE,), FIRST),
    (SECOND, MATE_LOST_UNSENT): ((REPLACE_MATE,), FIRST),
    #
    (VOUCHING, BACKEND_EXITED): ((), VOUCHING),
    (VOUCHING, MEMBER_FOUND): ((), VOUCHING),
    (VOUCHING, MATE_FINISHED): ((), DONE),
    (VOUCHING, MATE_LOST): ((SET_DEADLINE, REPORT_ENDING, CONTINUE_BACKEND), ENDING),
    (VOUCHING, MATE_LOST_UNSENT): (_ACT, ENDING),
    (VOUCHING, DEADLINE_PASSED): ((KILL_MATE, REPORT_ENDING, SET_KILL_DEADLINE, KILL), KILLING),
    #
    (ENDING, MEMBER_FOUND): ((), ENDING),
    (ENDING, BACKEND_EXITED): ((TELL_LEFTOVERS,), SWEEPING),
    (ENDING, DEADLINE_PASSED): ((SET_KILL_DEADLINE, KILL), KILLING),
    #
    (SWEEPING, MEMBER_FOUND): ((TELL_LEFTOVERS,), SWEEPING),
    (SWEEPING, TREE_EMPTY): ((REPORT_DONE,), DONE),
    (SWEEPING, DEADLINE_PASSED): ((SET_KILL_DEADLINE, KILL), KILLING),
    #
    (KILLING, BACKEND_EXITED): ((), KILLING),
    (KILLING, MEMBER_FOUND): ((KILL,), KILLING),
    (KILLING, TREE_EMPTY): ((REPORT_DONE,), DONE),
    (KILLING, DEADLINE_PASSED): ((NAME_SURVIVORS, REPORT_DONE), DONE),
}


class Impossible(Exception):  # noqa: N818 - it names the cell
    """A state met an event for which the table has no cell: an error of pdwrap's own."""


class Lifecycle:
    """One run through a table.

    Args:
        table: the cells, by state and event.
        state: where it begins.

    """

    __slots__ = ("_table", "state")

    def __init__(self, table: "Mapping[tuple[str, str], Cell]", state: str) -> None:
        self._table = table
        self.state = state

    def feed(self, event: str) -> tuple[str, ...]:
        """Take `event`: change the state, and give the actions to carry out, in order.

        Raises:
            Impossible: the table has no such cell.

        """
        cell = self._table.get((self.state, event))
        if cell is None:
            raise Impossible(f"{event} while {self.state}")
        actions, self.state = cell
        return actions


def inner_table(leftovers: str, *, graceless: bool) -> Table:
    """Make the inner supervisor's table for its settings.

    Args:
        leftovers: `end`, `wait` or `leave`.
        graceless: the grace is 0: what would get a first signal is killed at once.

    """
    table = dict(INNER)
    table[RUNNING, BACKEND_EXITED] = table[TOLD, BACKEND_EXITED] = AFTER_BACKEND[leftovers]
    if graceless:
        for key, (_actions, state) in table.items():
            if key[0] in (RUNNING, TOLD, WAITING) and state in (ENDING, SWEEPING):
                table[key] = ((REPORT_ENDING, *_KILL), KILLING)
    return table


def sidecar_table(*, graceless: bool) -> Table:
    """Make a sidecar's table; without a grace there is no first signal (see `inner_table`)."""
    table = dict(SIDECAR)
    if graceless:
        table[FIRST, LAUNCHER_DIED] = ((REPORT_ENDING, SET_KILL_DEADLINE, KILL), KILLING)
        for event in (MATE_LOST, MATE_LOST_UNSENT):
            table[VOUCHING, event] = table[FIRST, LAUNCHER_DIED]
    return table
