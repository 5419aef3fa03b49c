"""What /proc says of processes that are not ours, for a person who looks: age, owner, environment, pids inside, unit.

Read when somebody asks, never on the way to a backend. What may not be seen is None, and said to be so.
"""

import os
import time

from pdwrap.linux import procfs

TICKS = os.sysconf("SC_CLK_TCK")
NULL = "/dev/null"
PIDFD = "pidfd"  # in the link of such a descriptor: `anon_inode:[pidfd]`, `pidfd:[N]`


def age(started: int) -> float:
    """Give how long ago a process was started, in seconds.

    Args:
        started: clock ticks after boot, as `procfs.Stat` has it; suspended time counts (CLOCK_BOOTTIME).

    """
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / TICKS)


def environment(pid: int, prefixes: "tuple[str, ...]") -> "dict[str, str] | None":
    """Give what `pid` was executed with, of the variables whose names begin so; None where that may not be read."""
    try:
        raw = procfs.read(f"{procfs.ROOT}/{pid}/environ")
    except OSError:
        return None
    begins = tuple(map(os.fsencode, prefixes))
    pairs = (os.fsdecode(entry).partition("=") for entry in raw.split(b"\0") if entry.startswith(begins))
    return {name: value for name, _, value in pairs}


def pidfds(pid: int) -> "set[int] | None":
    """Give the processes that `pid` holds pidfds of, -1 for one that is gone; None where that may not be read."""
    try:
        descriptors = procfs.entries(f"{procfs.ROOT}/{pid}/fd")
    except OSError:
        return None
    found: set[int] = set()
    for descriptor in descriptors:
        if PIDFD in (procfs.open_file(pid, int(descriptor)) or ""):
            try:
                rest = procfs.read(f"{procfs.ROOT}/{pid}/fdinfo/{descriptor}").partition(b"\nPid:")[2]
            except OSError:
                continue  # closed, or gone
            if rest:
                found.add(int(rest.split()[0]))
    return found


def pids_inside(pid: int) -> "list[int]":
    """Give the numbers of `pid`, ours first, then one for each pid namespace inward (proc(5), NSpid)."""
    return [int(word) for word in _status(pid, b"NSpid:")] or [pid]


def owner(pid: int) -> int | None:
    """Give the effective uid of `pid`; None where there is none (any more)."""
    words = _status(pid, b"Uid:")
    return int(words[1]) if len(words) > 1 else None


def _status(pid: int, field: bytes) -> "list[bytes]":
    try:
        raw = procfs.read(f"{procfs.ROOT}/{pid}/status")
    except OSError:
        return []
    return next((line.split()[1:] for line in raw.splitlines() if line.startswith(field)), [])


def unit(pid: int) -> str:
    """Give the innermost systemd unit whose cgroup `pid` is in, like `nginx.service`; empty where it is in none."""
    try:
        raw = procfs.read(f"{procfs.ROOT}/{pid}/cgroup").decode(errors="replace")
    except OSError:
        return ""
    for line in raw.splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):  # cgroups(7): version 2, or systemd's own of version 1
            units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
            if units:
                return units[-1]
    return ""


def is_detached_from_input(pid: int) -> bool:
    """Tell whether descriptor 0 of `pid` is /dev/null, as a daemon's mostly is (daemon(3))."""
    return procfs.open_file(pid, 0) == NULL
