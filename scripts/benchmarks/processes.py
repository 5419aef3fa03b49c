"""Start programs, look at them in /proc (proc(5)), and make sure that none is left.

The benchmark is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): whatever loses its parent becomes its child. So
"everything below us" is all there is to end, and "no child left" (ECHILD) means that a tree is gone, zombies too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PATIENCE = 60.0
"""Seconds to wait for anything before giving up."""

PR_SET_CHILD_SUBREAPER = 36
SYS_PIDFD_OPEN = 434  # the same on every architecture (5.3)


class GaveUp(Exception):
    """Something did not happen in time, or not as it should."""


class Backend(NamedTuple):
    """A backend that has said "ready"."""

    pid: int
    port: int


def become_subreaper() -> None:
    """Let orphans fall to us. Kept through exec, not inherited by children."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def environment() -> dict[str, str]:
    """Give ours without what would change pdwrap's or Python's ways."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PDWRAP_", "LOCALAI_", "PYTHON", "VIRTUAL_ENV"))}


def start(command: list[str], *, stdout: int | None = None, group: int = 0) -> int:
    """Start `command`: descriptors 0 and 2 from and to nowhere, 1 as given, in the process group `group` (0: its own).

    A group that is never the terminal's foreground, so that it makes no difference whether there is one.
    posix_spawn(3) shares our memory until exec: the cost of copying a Python is in nobody's figures.
    """
    files: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 2),
        (os.POSIX_SPAWN_DUP2, 0 if stdout is None else stdout, 1),
    ]
    return os.posix_spawnp(
        command[0],
        command,
        environment(),
        file_actions=files,
        setpgroup=group,
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # CPython ignores both
    )


@contextlib.contextmanager
def launched(command: list[str], count: int = 1) -> Iterator[tuple[int, list[Backend]]]:
    """Start a launcher, wait until its `count` backends are ready; give its pid and them. End all afterwards."""
    reader, writer = os.pipe()
    try:
        try:
            launcher = start(command, stdout=writer)
        finally:
            os.close(writer)
        yield launcher, read_ready(reader, count)
    finally:
        os.close(reader)
        sweep()


def read_ready(reader: int, count: int) -> list[Backend]:
    """Read "ready PID PORT" `count` times."""
    deadline = time.monotonic() + PATIENCE
    text = b""
    while text.count(b"\n") < count:
        if not select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise GaveUp(f"only {len(text.splitlines())} of {count} backends are ready after {PATIENCE:g} s")
        if not (part := os.read(reader, 65536)):
            raise GaveUp(f"the backends ended before {count} were ready")
        text += part
    words = [line.split() for line in text.splitlines()]
    return [Backend(int(word[1]), int(word[2])) for word in words]


def children(pid: int) -> list[int]:
    """List the children of `pid`, of all its threads."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listing:
                found += map(int, listing.read().split())
    return found


def below(pid: int) -> set[int]:
    """List everything below `pid`."""
    found: set[int] = set()
    todo = [pid]
    while todo:
        new = children(todo.pop())
        found.update(new)
        todo += new
    return found


def wrappers(launcher: int, backends: Iterable[Backend], older: Iterable[int] = ()) -> set[int]:
    """List what is neither launcher nor backend, nor was there before: what the candidate costs.

    Found below *us*: what has detached itself from the launcher counts too.
    """
    return below(os.getpid()) - {launcher} - {backend.pid for backend in backends} - set(older)


def memory(pids: Iterable[int]) -> tuple[float, float]:
    """Sum up proportional and private memory of `pids` in KiB."""
    shares = private = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key == "Pss":
                    shares += int(value.split()[0])
                elif key in ("Private_Clean", "Private_Dirty"):
                    private += int(value.split()[0])
    return float(shares), float(private)


def switches(pids: Iterable[int]) -> int:
    """Sum up the context switches so far of all threads of `pids`, voluntary and not."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8", errors="replace") as lines:
                total += sum(int(line.split()[1]) for line in lines if "ctxt_switches:" in line)
    return total


def pidfd_open(pid: int) -> int:
    """Open a pidfd: readable when the process is dead. Not every Python was built where the headers knew of it."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    fd = int(ctypes.CDLL(None, use_errno=True).syscall(SYS_PIDFD_OPEN, pid, 0))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    return fd


class Deaths:
    """Waits for the death of some processes."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._fds = [pidfd_open(pid) for pid in pids]

    def wait(self, within: float) -> bool:
        """Wait until all are dead; False if some live on after `within` seconds."""
        deadline = time.monotonic() + within
        poll = select.poll()
        for fd in self._fds:
            poll.register(fd, select.POLLIN)
        left = len(self._fds)
        while left:
            ended = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ended:
                return False
            for fd, _ in ended:
                poll.unregister(fd)
            left -= len(ended)
        return True

    def close(self) -> None:
        """Let go of the pidfds."""
        for fd in self._fds:
            os.close(fd)


def reap_all() -> None:
    """Reap until there is no child left: waits until everything below us has ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def sweep() -> None:
    """Kill and reap whatever is below us, until nothing is."""
    deadline = time.monotonic() + PATIENCE
    while pids := below(os.getpid()):
        if time.monotonic() > deadline:
            raise GaveUp(f"cannot be killed: {sorted(pids)}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deaths = Deaths(children(os.getpid()))
        deaths.wait(1.0)
        deaths.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
