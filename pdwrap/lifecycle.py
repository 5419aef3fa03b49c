"""The lifecycle of a backend under pdwrap: its words, and how a run goes through a table (`tables`) of them.

Nothing here does anything: no clock, no process, no descriptor. A supervisor turns what the kernel says into events,
asks its table, and carries out the actions in order. A cell that is missing cannot happen; asking for it raises
`Impossible`, and the supervisor then ends the tree (E8).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# All times, in seconds. E7's sum with the default grace: 5 of grace, PATIENCE for a late supervisor, KILL_TIME: 9.
# Where the inner is late in killing, the outer steps in KILL_TIME + PATIENCE - LAST after "killing", and leaves LAST
# later.
#: From SIGKILL until what is still there is named and left: a process that is frozen or in uninterruptible sleep (a
#: hung driver) does not die of it until it wakes.
KILL_TIME = 3.0
PATIENCE = 1.0  # how late one of pdwrap's processes may be before another does its work
LAST = 0.5  # what is left of PATIENCE for processes that fall to the outer from an inner that was late in killing
STALL_TIME = 0.2  # between two searches for children of a process that will not die
RECHECK_TIME = 0.2  # in which an outer that stops late is continued
RECHECK_STEP = 0.02
BACKLOG_WAIT = 0.01  # between two tries to send what a full pipe did not take
TWIN_TIME = 0.0002  # a repeat of a signal later than this was sent on purpose
STEP = 0.02  # between two listings of a tree that is being ended from beside it (exec mode)
KILL_STEP = 0.002  # ... while it is being killed
ALONE_STEP = 1.0  # between two tries to replace a lost mate, where a try has failed
STOP_TIME = 0.1  # that a member may take to stop before it is killed unlisted (uninterruptible sleep)
STOP_STEP = 0.001  # between two looks whether all have stopped
LOOK_TIME = 0.05  # how long to chase processes that fork and exit faster than /proc can be read
LONGEST_WAIT = 86_400.0  # poll(2) takes an int of milliseconds

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
LATE_TERMINATION = "late termination"  # from the launcher, before it died, and we saw its death first
KILL_STALLED = "kill stalled"  # something that was killed does not die, and may hide what is below it
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
KILL_BELOW = "kill_below"  # also what is not our child
NAME_SURVIVORS = "name_survivors"
REPORT_DONE = "report_done"

# States, events and actions of the outer supervisor, which forwards, mirrors, and steps in.
ENDING_REPORTED = "ending reported"
KILLING_REPORTED = "killing reported"
INNER_DONE = "inner done"
INNER_LOST = "inner lost"
TELL_INNER = "tell_inner"
ALLOW_GRACE = "allow_grace"  # the inner is late a second after the grace
ALLOW_LAST = "allow_last"  # ... and what is left of that second to what falls to us then
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
