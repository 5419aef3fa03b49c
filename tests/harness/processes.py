"""What the tests ask the kernel: who is there, who is gone, who fell to us.

The test process is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER). Whatever a tree loses becomes its child,
so "no child left" proves that nothing survived, and "a child left" names what did.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal

from .patience import LIMIT, Patience, is_readable, wait_until

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Let the orphans of every tree fall to this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(pid: int | None = None) -> list[int]:
    """Children of *pid* (default: this process), zombies included; of all its threads."""
    who = "self" if pid is None else str(pid)
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{who}/task"):
            with open(f"/proc/{who}/task/{task}/children", encoding="ascii") as listing:
                found += map(int, listing.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on: state, ppid, pgrp, session, ... (proc(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as line:
        return line.read().rpartition(")")[2].split()


def parent_of(pid: int) -> int:
    """The present parent of *pid*."""
    return int(stat(pid)[1])


def describe(pid: int) -> str:
    """One process in words, for messages of failed tests."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            argv = line.read().replace(b"\0", b" ").decode(errors="replace").strip()
        state, ppid, pgrp, session = stat(pid)[:4]
    except (FileNotFoundError, ProcessLookupError):
        return f"{pid} (gone)"
    return f"{pid} [{state} ppid={ppid} pgrp={pgrp} sid={session}] {argv}"


class Process:
    """A process held by its pidfd: never a stranger that got the same pid."""

    def __init__(self, pid: int) -> None:
        """Open the pidfd of *pid*, which must exist."""
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def __repr__(self) -> str:
        """As in failed assertions."""
        return f"<{describe(self.pid)}>"

    def signal(self, number: int) -> None:
        """Send it signal *number*; nothing happens if it is gone."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            pass

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.signal(signal.SIGKILL)

    def is_dead(self, within: float = LIMIT) -> bool:
        """Wait until it is dead (a zombie is); False if it still lives after *within* seconds."""
        return is_readable(self._fd, within)

    @property
    def alive(self) -> bool:
        """True while it lives."""
        return not self.is_dead(0)

    def wait_stopped(self) -> None:
        """Wait until it is in state T. Not our child: the kernel offers nothing to wait on, so look again and again.

        With all its threads: its parent is told, and a shell knows of it, when the last one has stopped (signal.c,
        task_participate_group_stop).
        """
        self.wait_state("T", "t")
        wait_until(self._all_threads_stopped, lambda: f"not wholly stopped: {describe(self.pid)}")

    def _all_threads_stopped(self) -> bool:
        try:
            tasks = os.listdir(f"/proc/{self.pid}/task")
            return all(stat(int(task))[0] in "TtZX" for task in tasks)
        except FileNotFoundError:
            return True

    def wait_state(self, *states: str) -> None:
        """Look until its state (proc(5)) is one of *states*."""
        wait_until(lambda: stat(self.pid)[0] in states, lambda: f"not in state {states}: {describe(self.pid)}")

    def wait_reaped(self) -> None:
        """Look until its parent has reaped it: a zombie still takes signals (pidfd_send_signal(2))."""
        wait_until(self._is_reaped, lambda: f"not reaped: {describe(self.pid)}")

    def _is_reaped(self) -> bool:
        try:
            signal.pidfd_send_signal(self._fd, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        """Let go of the pidfd."""
        os.close(self._fd)


def reap_all(within: float = LIMIT) -> tuple[dict[int, int], list[str]]:
    """Reap our children until there are none (ECHILD): their raw statuses, and in words those that never ended."""
    statuses: dict[int, int] = {}
    patience = Patience(within)
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return statuses, []
        if pid:
            statuses[pid] = raw
            continue
        living = children()
        poll = select.poll()
        fds = []
        for child in living:
            try:
                fds.append(os.pidfd_open(child))
            except ProcessLookupError:
                continue
            poll.register(fds[-1], select.POLLIN)
        ended = poll.poll((left := patience.left()) * 1000)
        for fd in fds:
            os.close(fd)
        if not ended and fds and not left:
            return statuses, [describe(child) for child in living]


def kill_what_is_left() -> list[str]:
    """Kill and reap whatever is left below this process, and name it."""
    left: dict[int, str] = {}
    patience = Patience()
    while (found := children()) and patience.left():
        for pid in found:
            left.setdefault(pid, describe(pid))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap_all(0.05)
    reap_all(0)
    return list(left.values())
