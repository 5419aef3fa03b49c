"""The chain: from who started us to the launcher, through what only waits (E9), and no farther (N4).

The first member is our parent. As long as the last one only waits for the process below it - a runner, or a shell that
has it in its foreground - its parent is one, too. Where in doubt, the chain ends *before* the one in doubt.

Imported only where our parent may be such a one (`launcher`): any other start pays nothing for it.
"""

import os

from pdwrap import messages, runners, shells
from pdwrap.linux import kcmp, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPT = 1 << (signals.SIGINT - 1)
QUIT = 1 << (signals.SIGQUIT - 1)
MOST_MEMBERS = 64  # nobody is nested so deeply; a /proc that changes while it is read must not hold us


class Process:
    """A process as /proc shows it; what is dear is read when it is asked for, once."""

    __slots__ = ("_signals", "_stdin", "_words", "pid", "seen")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.seen = procfs.stat(pid) if pid > 0 else None
        self._words: tuple[str, ...] | None = None
        self._signals: tuple[tuple[int, int] | None] | None = None
        self._stdin: tuple[str | None] | None = None

    @property
    def group(self) -> int:
        """Its process group."""
        return self.seen.group if self.seen else 0

    @property
    def words(self) -> tuple[str, ...]:
        """Its command line."""
        if self._words is None:
            self._words = procfs.words(self.pid)
        return self._words

    @property
    def ignores_interrupt(self) -> bool | None:
        """Whether it ignores SIGINT."""
        return self._has(0, INTERRUPT)

    @property
    def ignores_quit(self) -> bool | None:
        """Whether it ignores SIGQUIT."""
        return self._has(0, QUIT)

    @property
    def ignores_both(self) -> bool | None:
        """Whether it ignores SIGINT and SIGQUIT."""
        return self._has(0, INTERRUPT | QUIT)

    @property
    def catches_interrupt(self) -> bool | None:
        """Whether it has a handler for SIGINT."""
        return self._has(1, INTERRUPT)

    def _has(self, which: int, bits: int) -> bool | None:
        if self._signals is None:
            self._signals = (procfs.signal_sets(self.pid),)
        sets = self._signals[0]
        return None if sets is None else sets[which] & bits == bits

    @property
    def stdin(self) -> str | None:
        """What its descriptor 0 is."""
        if self._stdin is None:
            self._stdin = (procfs.open_file(self.pid, 0),)
        return self._stdin[0]

    @property
    def stdout(self) -> str | None:
        """What its descriptor 1 is."""
        return procfs.open_file(self.pid, 1)


def find_members(first: int, is_adopted: "Callable[[int, int], bool]") -> tuple[list[Process], str]:
    """Find the members of the chain.

    Args:
        first: our parent, which is a member whatever it does.
        is_adopted: tells of a process and its parent whether that is certain to have adopted it.

    Returns:
        The members, nearest first; and why there are no more, for a person, where that is not plain.

    """
    below = [Process(os.getpid())]
    members = [Process(first)]
    waits, why = _judge(members[0], below)
    if waits == shells.DOUBT:
        return members, f"whether it only waits cannot be told ({why}): --parent names another"
    while waits == shells.WAITS and len(members) < MOST_MEMBERS:
        last = members[-1]
        above = Process(last.seen.parent if last.seen else 0)
        below.insert(0, last)
        if end := _end_before(last, above, is_adopted):
            return members, end
        waits, why = _judge(above, below)
        if waits == shells.DOUBT:
            name = messages.quoted(above.seen.name if above.seen else "?")
            return members, f"whether {name} (pid {above.pid}) only waits cannot be told ({why}): --parent {above.pid}"
        if waits == shells.GOES_ON and (shells.name_of_shell(above.words) or _has_adopted(above, below)):
            return members, ""
        members.append(above)
    return members, ""


def why_it_ends(pids: "list[int]") -> str:
    """Say why the last member is the last, for a person who asks; where `find_members` has nothing to say.

    Args:
        pids: the members, nearest first.

    """
    members = [Process(pid) for pid in pids]
    below = [*reversed(members[:-1]), Process(os.getpid())]
    last = members[-1]
    if last.seen is None:
        return "it may not be seen"
    waits, why = _judge(last, below)
    if waits == shells.GOES_ON:
        return why or "it is neither a shell nor a runner: it goes on with work of its own"
    above = Process(last.seen.parent)
    who = f"{messages.quoted(above.seen.name)} (pid {above.pid})" if above.seen else f"pid {above.pid}"
    if above.pid <= 1:
        return f"it was started by {who}" if above.pid else "who started it cannot be seen from this pid namespace"
    waits, why = _judge(above, [last, *below])
    return f"{who} above it goes on with work of its own{f': {why}' if why else ''}"


def _end_before(last: Process, above: Process, is_adopted: "Callable[[int, int], bool]") -> str:
    """Say why nobody above the last member can be one, whatever he does."""
    if above.pid == 0:
        return "who started it cannot be seen from this pid namespace: use --lifeline"
    if above.pid == 1:
        return "PID 1 started it"
    if above.seen is None:
        return f"its parent (pid {above.pid}) may not be seen"
    return "it had lost its launcher before" if is_adopted(last.pid, above.pid) else ""


def _judge(process: Process, below: "list[Process]") -> tuple[str, str]:
    if shells.name_of_shell(process.words):
        return shells.judge(process, below, lambda: _others(process, below[0].pid), kcmp.is_same_open_file)
    runner = runners.find_runner(process.words)
    if runner is None:
        return shells.GOES_ON, ""
    children = procfs.children_of(process.pid)
    if below[0].pid not in children or (len(children) > 1 and not runner.others):
        return shells.GOES_ON, ""  # it may be called like a runner, but is none
    return shells.WAITS, ""


def _others(process: Process, child: int) -> "list[Process]":
    return [Process(pid) for pid in procfs.children_of(process.pid) if pid != child]


def _has_adopted(above: Process, below: "list[Process]") -> bool:
    """Tell of a process that is no shell whether it has adopted what a shell had in its background.

    Nobody but a shell makes a child ignore both signals that it does not ignore itself. Whose group has lost its
    leader had a shell with job control above it, which is gone, too.
    """
    if above.ignores_both is False and shells.has_background(below):
        return True
    child = below[0]
    return child.group not in (child.pid, above.group) and procfs.stat(child.group) is None
