# ruff: noqa: INP001 - a folder that Python is given to run, not a package
"""What the demo asks of the kernel: who lives below it, who holds a port, and that nothing is left."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import socket
import time
from collections.abc import Iterable

HOST = "127.0.0.1"
PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Let all that loses its parent below this process fall to it, so that nothing gets away (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(pid: int) -> list[int]:
    """Children of *pid*, zombies included."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as listing:
                found += map(int, listing.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended meanwhile
    return found


def descendants(pid: int) -> list[int]:
    """Children of *pid*, their children and so on, parents first."""
    found = [pid]
    for each in found:
        found += children(each)
    return found[1:]


def memory(pid: int) -> int:
    """Resident memory of *pid* in bytes; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def listener(port: int, among: Iterable[int]) -> int | None:
    """Which process listens on *port* (proc(5), /proc/net/tcp: state 0A)."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    for pid in among:
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in sockets:
                    return pid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


def bind_error(port: int) -> str:
    """Why *port* cannot be bound, in the kernel's words; nothing if it can."""
    with socket.socket() as probe:
        # As servers do. It is no help against one who listens, only against what connections left behind.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return os.strerror(error.errno)
    return ""


def wait_for_port(port: int, within: float) -> bool:
    """Wait until *port* can be bound. The kernel offers nothing to wait on, so ask again and again."""
    deadline = time.monotonic() + within
    while bind_error(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


class Process:
    """A process held by its pidfd: never a stranger that got the same pid."""

    def __init__(self, pid: int) -> None:
        """Open the pidfd of *pid*, which must exist."""
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def gone(self, within: float) -> bool:
        """Wait until it is dead; False if it still lives after *within* seconds."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(within * 1000))

    def kill(self) -> None:
        """Send it SIGKILL."""
        signal.pidfd_send_signal(self._fd, signal.SIGKILL)


class Brood:
    """All children that this process gets from now on, adopted ones included."""

    def __init__(self) -> None:
        """Those that are there already are somebody else's: `exec > >(tee log); exec ./demo`."""
        become_subreaper()
        self._strangers = set(children(os.getpid()))

    def reap(self) -> list[int]:
        """Reap the dead; the living are returned."""
        while ours := set(children(os.getpid())) - self._strangers:
            if living := [pid for pid in ours if os.waitpid(pid, os.WNOHANG)[0] == 0]:
                return living
            # All have ended since they were listed, and what was below them has fallen to us: list again.
        return []

    def end(self) -> list[int]:
        """Kill all, what falls to us meanwhile too. Those that SIGKILL cannot end are returned."""
        deadline = time.monotonic() + 5
        while living := self.reap():
            if time.monotonic() > deadline:
                return living
            for pid in living:
                os.kill(pid, signal.SIGKILL)  # our own child, not yet reaped: it cannot be anybody else
            for pid in living:
                Process(pid).gone(within=1)
        return []
