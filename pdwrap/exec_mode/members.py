"""A tree seen from beside it: its members by pidfd, for a sidecar, whose children they are not.

A pid that is not our child's can be reused at any moment, so members are held by pidfd, opened while the process is
known to belong to the tree, and signalled through it (N3). What detaches itself from the tree before it is listed is
out of reach; what the backend forks in its last instant is found by the groups and sessions that members led.
"""

import errno
import os
import time
from select import poll

from pdwrap.exec_mode.member import Member
from pdwrap.lifecycle import LOOK_TIME, STOP_STEP, STOP_TIME
from pdwrap.linux import descriptors, pidfd, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Note = Callable[[list[tuple[int, int, bool]]], None]

STOP_ROUNDS = 20  # one that may not be stopped (set-uid, EPERM) can fork for ever
ROOM = 4  # descriptors that a sidecar needs besides its own: a mate's, and to list a folder of /proc
SPARE = 8  # descriptors that are left to read /proc with, when there are more members than we may have descriptors
QUIET_LOOKS = 3  # looks one after the other in which nothing new was there


class Members:
    """The backend and what is below it. To be made while the backend is still pdwrap.

    Args:
        backend: its pid.
        descriptor: a pidfd of it.

    """

    __slots__ = ("_led", "_members", "_most", "_since", "_told_of", "backend", "ours")

    def __init__(self, backend: int, descriptor: int) -> None:
        seen = procfs.stat(backend)
        self._most = _most_descriptors()
        self.backend = Member(backend, descriptor, seen.started if seen else 0)
        self._members: dict[int, Member] = {backend: self.backend}
        self.ours: set[int] = set()  # the sidecars: below a backend that is a subreaper, and none of its tree
        self._told_of = 0  # how many of them the mate has been told of
        self._led: dict[int, int] = {}  # groups and sessions led by members: number, the leader's start time
        # Before the backend's exec, in the clock ticks of start times: what is older is none of its descendants.
        self._since = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        self._note_leader(self.backend)

    def check_room(self) -> None:
        """See that there are descriptors for a mate, and to read /proc with.

        Raises:
            OSError: there are not; nothing could be listed when the launcher dies.

        """
        opened: list[int] = []
        try:
            while len(opened) < ROOM and self.backend.descriptor is not None:
                opened.append(os.dup(self.backend.descriptor))
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def make_room(self) -> None:
        """Raise our own soft limit to the hard one: a member without a descriptor is known by its number alone (N3)."""
        descriptors.raise_limit()
        self._most = _most_descriptors()

    def refresh(self, *, stopping: bool = False) -> bool:
        """List what is below the known members now; tell whether anything was found that was not known.

        Args:
            stopping: stop each one found, so that it forks no more.

        """
        found = False
        todo = list(self._members.values())
        while todo:
            above = todo.pop()
            below = procfs.children_of(above.pid)
            if not above.alive():
                continue  # its number may have been another's by then, and the children a stranger's (N3)
            for pid in below:
                if pid not in self._members and (member := self._open(pid, above.pid, procfs.stat(pid))) is not None:
                    if stopping:
                        member.send(signals.SIGSTOP)
                    todo.append(member)
                    found = True
        for member in self._members.values():
            self._note_leader(member)
        return found

    def find_by_group(self, *, stopping: bool = False) -> bool:
        """Find what is left in groups and sessions that members led: orphaned before it could be listed.

        Only what is younger than the backend: what its launcher put into such a group (the rest of a pipeline) is
        older, and not the backend's. What forks and exits, again and again, has another pid by the time that a listing
        is read: while a group is not empty, look again, and only at what was not there before.
        """
        passed: set[int] = set()
        quiet = 0
        until = time.monotonic() + LOOK_TIME
        while True:
            led = {number for number, started in self._led.items() if self._still_means(number, started)}
            new = {pid for pid in procfs.all_processes() if pid not in self._members} - passed if led else set()
            held = [member for pid in new if (member := self._open_in(led, pid, stopping=stopping)) is not None]
            if held or not any(_is_group(number) for number in led):
                return bool(held)
            passed |= new
            quiet = 0 if new else quiet + 1
            if quiet == QUIET_LOOKS or time.monotonic() > until:
                return False  # what is there are zombies, or older ones; or there is no end to what comes and goes

    def news(self) -> "list[tuple[int, int, bool]]":
        """Give pid and start time of those that have been found since the last call, and whether they were asked."""
        new = list(self._members.values())[self._told_of :]
        self._told_of = len(self._members)
        return [(member.pid, member.started, member.asked) for member in new]

    def take_over_list(self, known: "list[tuple[int, int, bool]]") -> None:
        """Hold whom the mate held; whom it asked is not asked again (E3)."""
        for pid, started, asked in known:
            seen = None if pid in self._members else procfs.stat(pid)
            if seen is not None and seen.started == started:
                self._open(pid, None, seen)
            if asked and (member := self._members.get(pid)) is not None and member.started == started:
                member.asked = True

    def ask(self, number: int, note: "Note") -> None:
        """Send `number` and SIGCONT to every living member that has had none; `note` is told of each just before."""
        for member in self._members.values():
            _ask(member, number, note)

    def ask_below(self, number: int, note: "Note") -> None:
        """Send `number` and SIGCONT to what a shell or a runner keeps it from, as far as we hold it (N3)."""
        from pdwrap import unasked  # its tables are not needed at the start

        if not self.backend.alive():
            return
        for pid, _above in unasked.find_unasked(self.backend.pid):
            if (member := self._members.get(pid)) is not None:
                _ask(member, number, note)

    def kill(self) -> None:
        """Stop, list, until nothing new appears; then kill. A stopped process forks nothing that would be missed."""
        try:
            self.freeze()
        finally:  # what has been stopped does not stay so, whatever went wrong
            # Those below first: the kernel continues what is stopped in a group that is orphaned (SIGHUP and SIGCONT,
            # setpgid(2)), and what is continued forks.
            for member in reversed(self._members.values()):
                member.send(signals.SIGKILL)

    def freeze(self) -> None:
        """Stop, and list, until nothing new appears."""
        for member in self._members.values():
            member.send(signals.SIGSTOP)
        for _round in range(STOP_ROUNDS):
            self._wait_until_stopped()
            below = self.refresh(stopping=True)
            if not self.find_by_group(stopping=True) and not below:
                break

    def living(self) -> list[Member]:
        """List the members that have not ended."""
        return [member for member in self._members.values() if member.alive()]

    @property
    def count(self) -> int:
        """How many have been found, the backend included."""
        return len(self._members)

    def _open(self, pid: int, above: int | None, before: procfs.Stat | None) -> Member | None:
        """Hold `pid`, a child of `above`, if it still is what was seen `before` when we hold it."""
        if pid in self.ours:
            return None
        try:
            descriptor = pidfd.pidfd_open(pid)
        except ProcessLookupError:
            return None
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            descriptor = None
        seen = procfs.stat(pid)
        if descriptor is not None and 0 <= self._most <= descriptor:
            os.close(descriptor)
            descriptor = None
        same = before is not None and seen is not None and seen.started == before.started
        # Its parent may have died in between, and others adopted it; the start time says that it is the same one.
        if not same or before is None or (above is not None and before.parent != above):
            if descriptor is not None:
                os.close(descriptor)
            return None
        member = self._members[pid] = Member(pid, descriptor, before.started)
        self._note_leader(member)
        return member

    def _open_in(self, led: "set[int]", pid: int, *, stopping: bool) -> Member | None:
        """Hold `pid` if it is a younger one of a group or session in `led`. Quickly: it may be gone in a moment."""
        if led.isdisjoint(_groups(pid)):  # asked first: of each process that there is, and that costs a fifteenth
            return None
        seen = procfs.stat(pid)
        if not seen or seen.started < self._since or not seen.alive or led.isdisjoint((seen.group, seen.session)):
            return None
        member = self._open(pid, None, seen)
        if member is not None and stopping:
            member.send(signals.SIGSTOP)
        return member

    def _note_leader(self, member: Member) -> None:
        if member.pid in _groups(member.pid) and member.alive():
            self._led[member.pid] = member.started

    def forget_free_numbers(self) -> None:
        """Forget the numbers of groups and sessions that nobody is in any more: they may be given to others (N3).

        `_still_means` knows another by its leader, and the leader of a stranger's daemon has ended, too.
        """
        free = {number for number in self._led if procfs.stat(number) is None and not _is_group(number)}
        if free:
            free -= {number for pid in procfs.all_processes() for number in _groups(pid)}
        for number in free:
            del self._led[number]

    def _still_means(self, number: int, started: int) -> bool:
        """Tell that the number of a led group has not been reused: a new group needs a new process of that number."""
        seen = procfs.stat(number)
        return seen is None or seen.started == started

    def _wait_until_stopped(self) -> None:
        waiting = poll()
        for _step in range(int(STOP_TIME / STOP_STEP)):
            if all(procfs.cannot_fork(member.pid) for member in self._members.values()):
                return
            waiting.poll(int(STOP_STEP * 1000))


def _ask(member: Member, number: int, note: "Note") -> None:
    if not member.asked and member.alive():
        member.asked = True
        note([(member.pid, member.started, True)])  # first: a mate that takes over must not ask again (E3)
        member.send(number)
        member.send(signals.SIGCONT)


def _most_descriptors() -> int:
    """Give how many descriptors are for members (RLIMIT_NOFILE); below 0: as many as you like."""
    return os.sysconf("SC_OPEN_MAX") - SPARE


def _groups(pid: int) -> tuple[int, ...]:
    """Give the numbers of a process's group and session; none if there is no such process."""
    try:
        return os.getpgid(pid), os.getsid(pid)
    except OSError:
        return ()


def _is_group(number: int) -> bool:
    """Tell whether process group `number` has members, zombies included (kill(2), signal 0)."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
