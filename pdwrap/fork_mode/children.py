"""The tree below a supervisor: its children, and as a subreaper every orphan of theirs.

Only our own children are signalled: their pids cannot be reused before we reap them, so no stranger is ever hit (N3).
It suffices: what a killed child leaves behind is our child by the time that we can reap its parent (the kernel
reparents before it notifies, kernel/exit.c), so "kill the children, reap, again, until none is left" ends any tree.
"""

import os
import time

from pdwrap.exit_status import Refusal
from pdwrap.lifecycle import KILL_TIME, STALL_TIME
from pdwrap.linux import pidfd, prctl, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.messages import Log

#: Changes of state taken in one go: a tree that forks without end must not keep us from looking at the clock.
MOST_AT_ONCE = 256
DEEPEST = 50  # levels below a child that is not reaped, in one look


def adopt_orphans() -> None:
    """Become a subreaper: what detaches itself from the backend is our child in the end.

    Raises:
        Refusal: the kernel says no.

    """
    if prctl.PRCTL_WAY == "none":
        raise ImportError(name="ctypes")
    try:
        prctl.become_subreaper()
    except OSError as error:
        raise Refusal(
            f"the kernel refuses prctl(PR_SET_CHILD_SUBREAPER) ({error.strerror}): what detaches itself from the "
            "backend could not be ended; allow prctl in the seccomp profile"
        ) from None


class Tree:
    """The children of the process that makes this.

    Args:
        older: children that are not ours to signal or to wait for (made before us: `exec > >(tee log); exec pdwrap`).

    Attributes:
        reaped: how many have been reaped.
        more: the last `reap` left something to be taken.
        own_group: the process group that pdwrap made for the backend; 0 where it made none.

    Raises:
        OSError: the kernel does not list our children.

    """

    __slots__ = (
        "_asked",
        "_continued",
        "_descriptor",
        "_killed",
        "_older",
        "_outside",
        "more",
        "own_group",
        "reaped",
    )

    def __init__(self, older: frozenset[int] = frozenset()) -> None:
        self._descriptor = procfs.open_children()
        self._older = set(older)
        self._asked: set[int] = set()
        self._continued: set[int] = set()
        self._killed: set[int] = set()
        self.reaped = 0
        self.more = False
        self.own_group = 0
        self._outside = os.getsid(0)  # the launcher's session: groups of it may not be the tree's alone

    @property
    def descriptor(self) -> int:
        """The open list of children, to be kept open."""
        return self._descriptor

    def children(self) -> list[int]:
        """List our children, zombies included."""
        return [pid for pid in procfs.children(self._descriptor) if pid not in self._older]

    def count_lasting(self) -> int:
        """Count the children that have not ended, and have not been sent SIGKILL by anybody."""
        return sum(not procfs.is_being_killed(pid) for pid in self.children())

    def count(self, most: int) -> int:
        """Count what lives in the tree, children and all below them; 0 where there are more than `most`."""
        todo = self.living()
        found = 0
        while todo and found <= most:
            found += 1
            todo += procfs.children_of(todo.pop())
        return 0 if todo else found

    def reap(self) -> list[tuple[int, int]]:
        """Take every change of a child's state: pid and wait status; ended, stopped and continued ones."""
        changes: list[tuple[int, int]] = []
        self.more = False
        while True:
            if len(changes) == MOST_AT_ONCE:
                self.more = True
                return changes
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return changes
            if not pid:
                return changes
            if has_ended(status):
                self.reaped += pid not in self._older
                for pids in (self._asked, self._continued, self._killed, self._older):
                    pids.discard(pid)  # from now on the number may be another's
            changes.append((pid, status))

    def send(self, pid: int, number: int) -> None:
        """Send a signal to a child of ours. One that may not be signalled (set-uid, EPERM) is named at the end (E7)."""
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def signal(self, number: int, *, ends: bool) -> None:
        """Send signal `number` to every child; where it `ends`, it counts as asked."""
        for pid in self.children():
            self.send(pid, number)
            if ends:
                self._asked.add(pid)

    def ask(self, number: int) -> None:
        """Send `number` to each child that has been sent none, and SIGCONT: a stopped one actions only then."""
        for pid in self.children():
            if pid not in self._asked:
                self._asked.add(pid)
                self.send(pid, number)
            if pid not in self._continued:
                self._continued.add(pid)
                self.send(pid, signals.SIGCONT)

    def ask_below(self, backend: int, number: int) -> None:
        """Send `number` and SIGCONT to what a shell or a runner keeps it from; by pidfd, they are not our children."""
        from pdwrap import unasked  # its tables are not needed at the start

        for pid, above in unasked.find_unasked(backend):
            descriptor = pidfd.hold_child_of(pid, above)
            if descriptor is None:
                continue
            self._asked.add(pid)  # it is ours when the one above it ends
            try:
                pidfd.pidfd_send_signal(descriptor, number)
                pidfd.pidfd_send_signal(descriptor, signals.SIGCONT)
            except (ProcessLookupError, PermissionError):
                pass
            finally:
                os.close(descriptor)

    def kill(self) -> None:
        """Send SIGKILL to each child that has not been sent it, and to the groups that are the tree's own.

        One that forks and exits, again and again, has another number by the time that its number is known; a group
        is killed as a whole, forks under way included (kernel/fork.c, signal_pending).
        """
        groups = set()
        for pid in self.children():
            if pid not in self._killed:
                self._killed.add(pid)
                groups.add(self._own_group_of(pid))
                self.send(pid, signals.SIGKILL)
        for group in groups - {0}:
            try:
                os.killpg(group, signals.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _own_group_of(self, pid: int) -> int:
        """Give the group of a child if all its members are the tree's: it was made for, or in a session of, the tree.

        The child has not been reaped, and even as a zombie keeps the number of its group from being another's (N3).
        """
        try:
            group = os.getpgid(pid)
            if group == self.own_group or os.getsid(pid) not in (self._outside, os.getsid(0)):
                return group
        except (ProcessLookupError, PermissionError):
            pass
        return 0

    def kill_below(self) -> None:
        """Send SIGKILL to all that is below our children, too: a child that is never reaped keeps its children from us.

        (One that cannot die, or that a tracer holds as a zombie.) They are not ours, so each is held by pidfd before it
        is signalled, and is signalled only if it is a child of the one above it, and that one lives: else one of the
        two numbers may be another's by now (N3). What comes too late for this look is found by the next.
        """
        for child in self.children():
            _kill_below(child, -1, DEEPEST)

    def living(self) -> list[int]:
        """List the children that have not ended."""
        return [pid for pid in self.children() if (seen := procfs.stat(pid)) is None or seen.alive]


def has_ended(status: int) -> bool:
    """Tell an end from a stop or a continuation, in a wait status."""
    return os.WIFEXITED(status) or os.WIFSIGNALED(status)


def _kill_below(above: int, held: int, deeper: int) -> None:
    """Kill what is below `above`.

    Args:
        above: our own child, whose number is its own until we reap it, or one that is held.
        held: a pidfd of it; -1 for our own child.
        deeper: how many levels to go down, each of which holds a descriptor.

    """
    for pid in procfs.children_of(above):
        descriptor = pidfd.hold_child_of(pid, above)
        if descriptor is None:
            continue
        try:
            if held >= 0 and pidfd.has_ended(held):
                return  # `above` may be another's number, and these a stranger's children
            pidfd.pidfd_send_signal(descriptor, signals.SIGKILL)
            if deeper:
                _kill_below(pid, descriptor, deeper - 1)
        except (ProcessLookupError, PermissionError):
            pass
        finally:
            os.close(descriptor)


def kill_until_empty(tree: Tree, log: "Log") -> None:
    """Kill and reap until no child is left, or KILL_TIME has passed; name what is left then.

    The plain way, without a table, for a supervisor whose own state can no longer be trusted (E8). Needs nothing but
    what it has: SIGCHLD is waited for as a pending signal.
    """
    until = time.monotonic() + KILL_TIME
    signals.api.pthread_sigmask(signals.api.SIG_BLOCK, signals.ALL)
    stalled = False
    while True:
        for pid in tree.children():
            tree.send(pid, signals.SIGKILL)
        if stalled:
            tree.kill_below()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if not tree.children() or (stalled and not tree.living()):
            return
        left = until - time.monotonic()
        if left <= 0:
            log.survivors([(pid, procfs.name(pid)) for pid in tree.living()])
            return
        stalled = signals.wait({signals.SIGCHLD}, min(left, STALL_TIME)) is None
