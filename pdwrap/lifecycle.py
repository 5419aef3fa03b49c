"""The lifecycle of a backend under pdwrap: how each of pdwrap's processes goes through its table, and by which clock.

A table says, for each state and each event, which actions follow and which state comes next. The law: whatever decides
what pdwrap does next stands in one of the three tables (`inner_table`, `outer_table`, `sidecar_table`). A loop turns
what the kernel says into events, with all that is known about them, and feeds them to a `Lifecycle`; an action does one
thing and decides nothing. What the law leaves out, by name:

- how a job follows its backend's stop (`job_control`, a machine of its own that ends nothing),
- as what pdwrap exits (`OuterActions.mirror`), once all is over,
- what happens where a table cannot be trusted any more (E8): all that is left is killed (`kill_until_empty`).

Nothing in this file does anything by itself: no process, no descriptor, no clock. A cell that is missing cannot happen;
asking for it raises `Impossible`, and the process then ends the tree (E8).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    A = TypeVar("A")
    E = TypeVar("E", bound="Event")

# All times, in seconds. E7's sum with the default grace: 5 of grace, PATIENCE for a late supervisor, KILL_TIME: 9.
# Where the inner is late in killing, the outer steps in KILL_TIME + PATIENCE - LAST after "killing", and leaves LAST
# later.
#: From SIGKILL until what is still there is named and left: a process that is frozen or in uninterruptible sleep (a
#: hung driver) does not die of it until it wakes.
KILL_TIME = 3.0
PATIENCE = 1.0  # how late one of pdwrap's processes may be before another does its work
MOST_PUT_OFF = 10.0  # how much of a machine's own stalls is added to PATIENCE and KILL_TIME, in all
LAST = 0.5  # what is left of PATIENCE for processes that fall to the outer from an inner that was late in killing
STALL_TIME = 0.2  # between two tries to kill what does not die, and two searches for its children
RECHECK_TIME = 0.2  # in which an outer that stops late is continued
RECHECK_STEP = 0.02
BACKLOG_WAIT = 0.01  # between two tries to send what a full pipe did not take
MARK_TIME = 0.001  # in which the kernel sends the second of two signals of one event
TWIN_TIME = 0.0002  # a repeat of a signal later than this was sent on purpose
STEP = 0.02  # between two listings of a tree that is being ended from beside it (exec mode)
KILL_STEP = 0.002  # ... while it is being killed
ALONE_STEP = 1.0  # between two tries to replace a lost mate, where a try has failed
STOP_TIME = 0.1  # that a member may take to stop before it is killed unlisted (uninterruptible sleep)
STOP_STEP = 0.001  # between two looks whether all have stopped
LOOK_TIME = 0.05  # how long to chase processes that fork and exit faster than /proc can be read
LONGEST_WAIT = 86_400.0  # poll(2) takes an int of milliseconds


class State(str):
    """A state, by its name; a class of its own, so that no other text is taken for one."""

    __slots__ = ()


RUNNING = State("running")
ENDING = State("ending")  # the backend has had its first signal; the deadline runs
KILLING = State("killing")  # the deadline has passed; SIGKILL until nothing is left
DONE = State("done")


class Event:
    """Something that has happened. Its kind is its class; what it is about travels with it."""

    __slots__ = ()


class Cause(Event):
    """What an ending may begin with.

    Attributes:
        reason: why, in the words of `Log.ending`.

    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class LauncherDied(Cause):
    """The launcher has died, or its lifeline has been closed."""

    __slots__ = ()

    def __init__(self, reason: str = "launcher-died") -> None:
        super().__init__(reason)


class BackendExited(Cause):
    """The backend has exited, and something of its tree is left.

    Attributes:
        left: how many children it has left behind that nobody is killing already, as far as they are known.

    """

    __slots__ = ("left",)

    def __init__(self, left: int = 0) -> None:
        super().__init__("leftovers")
        self.left = left


class SignalReceived(Event):
    """The outer supervisor has received a signal that is to be forwarded.

    Attributes:
        number: the signal to send.
        ends: it asks to end: SIGTERM or the one of `--signal`, as it came or as it is sent.

    """

    __slots__ = ("ends", "number")

    def __init__(self, number: int, *, ends: bool) -> None:
        self.number = number
        self.ends = ends


class EndingReported(Event):
    """The inner supervisor says that it ends the tree.

    Attributes:
        until: until when it gives grace, on the monotonic clock.

    """

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until


class ChildReaped(Event):
    """A child that was not the backend has been reaped: its children are ours now."""

    __slots__ = ()


class DeadlinePassed(Event):
    """The deadline that an action has set has passed."""

    __slots__ = ()


class HalfTime(Event):
    """Half of the grace has passed."""

    __slots__ = ()


class KillStalled(Event):
    """Something that was sent SIGKILL does not die, and may hide what is below it."""

    __slots__ = ()


class TreeEmpty(Event):
    """Nothing of the tree is left."""

    __slots__ = ()


if TYPE_CHECKING:
    Action = Callable[[Any, Any], object]
    Cell = tuple[tuple[Action, ...], State]
    Row = dict[type[Event], Cell]
    Table = dict[State, Row]


class Impossible(Exception):  # noqa: N818 - it names the cell
    """A state met an event for which the table has no cell: an error of pdwrap's own."""


def on(kind: "type[E]", state: State, *actions: "Callable[[A, E], object]") -> "tuple[type[Event], Cell]":
    """Make a cell: an event of this kind leads to `state`, and is handed to each of the actions, in order.

    A type checker sees that each action is one of the same process, and takes events of this kind.
    """
    return kind, (actions, state)


def row(*cells: "tuple[type[Event], Cell]") -> "Row":
    """Make the row of a state.

    Raises:
        ValueError: two cells for one kind of event.

    """
    made = dict(cells)
    if len(made) != len(cells):
        raise ValueError("two cells for one kind of event")
    return made


class Lifecycle:
    """One run through a table.

    Args:
        table: the cells, by state and kind of event.
        state: where it begins.
        hands: what the actions are carried out on.

    """

    __slots__ = ("_hands", "_table", "state")

    def __init__(self, table: "Mapping[State, Row]", state: State, hands: object = None) -> None:
        self._table = table
        self._hands = hands
        self.state = state

    def take(self, event: Event) -> "tuple[Action, ...]":
        """Take `event`: change the state, and give the actions to carry out, in order.

        Raises:
            Impossible: the table has no such cell.

        """
        cell = self._table.get(self.state, {}).get(type(event))
        if cell is None:
            raise Impossible(f"{type(event).__name__} while {self.state}")
        actions, self.state = cell
        return actions

    def feed(self, event: Event) -> None:
        """Take `event`, and have its actions carried out. The one way in which a loop says that something happened."""
        for action in self.take(event):
            action(self._hands, event)
