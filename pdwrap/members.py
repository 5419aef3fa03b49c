"""A tree seen from beside it: its members by pidfd, for a sidecar, whose children they are not.

A pid that is not our child's can be reused at any moment, so members are held by pidfd, opened while the process is
known to belong to the tree, and signalled through it (N3). What detaches itself from the tree before it is listed is
out of reach; what the backend forks in its last instant is found by the groups and sessions that members led.
"""

import errno
import os
import time
from select import POLLIN, poll

from pdwrap import kernel, procfs, signals

STOP_TIME = 0.1  # seconds that a member may take to stop before it is killed unlisted (uninterruptible sleep)
STOP_ROUNDS = 20  # one that may not be stopped (set-uid, EPERM) can fork for ever
SPARE = 8  # descriptors that are left to read /proc with, when there are more members than we may have descriptors
STOP_STEP = 1  # milliseconds between two looks whether all have stopped


class Member:
    """One process of the tree.

    Attributes:
        pid: its number.
        descriptor: a pidfd of it; None where we ran out of descriptors: then its start time identifies it.
        started: its start time.
        told: it has had its first signal.

    """

    __slots__ = ("_ended", "descriptor", "pid", "started", "told")

    def __init__(self, pid: int, descriptor: int | None, started: int) -> None:
        self.pid = pid
        self.descriptor = descriptor
        self.started = started
        self.told = False
        self._ended = False

    def alive(self) -> bool:
        """Tell whether it has not ended (a zombie has)."""
        if not self._ended:
            if self.descriptor is not None:
                waiting = poll()
                waiting.register(self.descriptor, POLLIN)
                self._ended = bool(waiting.poll(0))
            else:
                seen = procfs.stat(self.pid)
                self._ended = seen is None or seen.started != self.started or not seen.alive
        return not self._ended

    def send(self, number: int) -> None:
        """Send it a signal; one that is gone or not ours to signal is passed over."""
        try:
            if self.descriptor is not None:
                kernel.pidfd_send_signal(self.descriptor, number)
            elif self.alive():
                os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


class Members:
    """The backend and what is below it. To be made while the backend is still pdwrap.

    Args:
        backend: its pid.
        descriptor: a pidfd of it.

    """

    __slots__ = ("_led", "_members", "_most", "_since", "backend")

    def __init__(self, backend: int, descriptor: int) -> None:
        seen = procfs.stat(backend)
        self._most = os.sysconf("SC_OPEN_MAX") - SPARE  # the limit on descriptors (RLIMIT_NOFILE); below 0: none
        self.backend = Member(backend, descriptor, seen.started if seen else 0)
        self._members: dict[int, Member] = {backend: self.backend}
        self._led: dict[int, int] = {}  # groups and sessions led by members: number, the leader's start time
        # Before the backend's exec, in the clock ticks of start times: what is older is none of its descendants.
        self._since = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        self._note_leader(self.backend)

    def refresh(self, *, stopping: bool = False) -> bool:
        """List what is below the known members now; tell whether anything was found that was not known.

        Args:
            stopping: stop each one found, so that it forks no more.

        """
        found = False
        todo = [member.pid for member in self._members.values()]
        while todo:
            above = todo.pop()
            for pid in procfs.children_of(above):
                if pid not in self._members and (member := self._open(pid, above)) is not None:
                    if stopping:
                        member.send(signals.SIGSTOP)
                    todo.append(pid)
                    found = True
        for member in self._members.values():
            self._note_leader(member)
        return found

    def find_by_group(self, *, stopping: bool = False) -> bool:
        """Find what is left in groups and sessions that members led: orphaned before it could be listed.

        Only what is younger than the backend: what its launcher put into such a group (the rest of a pipeline) is
        older, and not the backend's.
        """
        found = False
        led = {number for number, started in self._led.items() if self._still_means(number, started)}
        if led:
            for pid in procfs.all_processes():
                seen = None if pid in self._members else procfs.stat(pid)
                if seen and seen.started >= self._since and (seen.group in led or seen.session in led) and seen.alive:
                    member = self._open(pid, None)
                    if member is not None and stopping:
                        member.send(signals.SIGSTOP)
                    found = found or member is not None
        return found

    def tell(self, number: int) -> None:
        """Send `number` and SIGCONT to every living member that has had none."""
        for member in self._members.values():
            if not member.told and member.alive():
                member.told = True
                member.send(number)
                member.send(signals.SIGCONT)

    def kill(self) -> None:
        """Stop, list, until nothing new appears; then kill. A stopped process forks nothing that would be missed."""
        try:
            for member in self._members.values():
                member.send(signals.SIGSTOP)
            for _round in range(STOP_ROUNDS):
                self._wait_until_stopped()
                below = self.refresh(stopping=True)
                if not self.find_by_group(stopping=True) and not below:
                    break
        finally:  # what has been stopped does not stay so, whatever went wrong
            for member in self._members.values():
                member.send(signals.SIGKILL)

    def living(self) -> list[Member]:
        """List the members that have not ended."""
        return [member for member in self._members.values() if member.alive()]

    @property
    def count(self) -> int:
        """How many have been found, the backend included."""
        return len(self._members)

    def _open(self, pid: int, above: int | None) -> Member | None:
        """Hold `pid`, a child of `above`, if it still is that when we hold it."""
        before = procfs.stat(pid)
        try:
            descriptor = kernel.pidfd_open(pid)
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

    def _note_leader(self, member: Member) -> None:
        try:
            if member.pid in (os.getpgid(member.pid), os.getsid(member.pid)) and member.alive():
                self._led[member.pid] = member.started
        except OSError:
            pass

    def _still_means(self, number: int, started: int) -> bool:
        """Tell that the number of a led group has not been reused: a new group needs a new process of that number."""
        seen = procfs.stat(number)
        return seen is None or seen.started == started

    def _wait_until_stopped(self) -> None:
        waiting = poll()
        for _step in range(int(STOP_TIME * 1000 / STOP_STEP)):
            if all(procfs.is_stopped(member.pid) for member in self._members.values()):
                return
            waiting.poll(STOP_STEP)
