"""What /proc says of processes (proc(5)): parents, children, names, start times.

Everything here may be out of date when it is read. Only what is said of our own children stays true until we reap
them, so only those are ever signalled by number (N3).
"""

import os

ROOT = "/proc"
ZOMBIE_STATES = "ZXx"


class Stat:
    """The fields of /proc/PID/stat that matter here."""

    __slots__ = ("group", "name", "parent", "session", "started", "state", "threads")

    def __init__(self, raw: bytes) -> None:
        # The name may itself hold blanks and parentheses: the last one closes it.
        head, _, tail = raw.rpartition(b")")
        fields = tail.split()
        self.name = head.partition(b"(")[2].decode("utf-8", "replace")
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.session = int(fields[3])
        self.threads = int(fields[17])
        self.started = int(fields[19])  # clock ticks after boot: with the pid, an identity

    @property
    def alive(self) -> bool:
        """Whether the process lives: a leader that has ended is a zombie while its other threads go on (N2)."""
        return self.state not in ZOMBIE_STATES or self.threads > 1


#: A descriptor of ROOT, from `hold` on.
_held: "list[int]" = []


def hold() -> None:
    """Hold ROOT open from now on, and look there: the backend may unmount it (`umount -l`), or mount over it.

    Raises:
        OSError: it is not there; no descriptor is left.

    """
    _held.append(os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def held() -> set[int]:
    """Give the descriptor that `hold` has opened, to be kept open."""
    return set(_held)


def _open(path: str, flags: int = 0) -> int:
    """Open `path`; what is below ROOT by way of the descriptor, where that is held."""
    flags |= os.O_RDONLY | os.O_CLOEXEC
    if _held and path.startswith(ROOT):
        return os.open(f".{path[len(ROOT) :]}", flags, dir_fd=_held[-1])
    return os.open(path, flags)


def entries(path: str) -> list[str]:
    """List a folder of /proc."""
    descriptor = _open(path, os.O_DIRECTORY)  # of its own each time: a descriptor that is shared has one place in it
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def read(path: str) -> bytes:
    """Read a whole file of /proc."""
    descriptor = _open(path)
    try:
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """Read `descriptor` from its start to its end."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts = []
    while part := os.read(descriptor, 65536):
        parts.append(part)
    return b"".join(parts)


def stat(pid: int) -> Stat | None:
    """Look at process `pid`; None where there is none (any more), or it may not be seen."""
    try:
        return Stat(read(f"{ROOT}/{pid}/stat"))
    except (FileNotFoundError, ProcessLookupError, PermissionError, IndexError):
        return None


def words(pid: int) -> tuple[str, ...]:
    """Give the command line of `pid`; empty where there is none (any more), or it may not be seen."""
    try:
        raw = read(f"{ROOT}/{pid}/cmdline")
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def signal_sets(pid: int) -> tuple[int, int] | None:
    """Give the signals that `pid` ignores and those that it catches, as bit masks; None where they may not be seen."""
    ignored = caught = None
    try:
        raw = read(f"{ROOT}/{pid}/status")
    except OSError:
        return None
    for line in raw.splitlines():
        if line.startswith(b"SigIgn:"):
            ignored = int(line.split()[1], 16)
        elif line.startswith(b"SigCgt:"):
            caught = int(line.split()[1], 16)
    return None if ignored is None or caught is None else (ignored, caught)


def open_file(pid: int, descriptor: int) -> str | None:
    """Name what a descriptor of `pid` is, as its link in /proc does; empty where it is closed; None if unknown.

    The link is read, not followed: a look at a file may wait for a server for ever.
    """
    try:
        return os.readlink(f"{ROOT}/{pid}/fd/{descriptor}")
    except FileNotFoundError:
        return ""
    except OSError:
        return None


def parent(pid: int) -> int:
    """Give the parent of `pid`, 0 where it cannot be told."""
    seen = stat(pid)
    return seen.parent if seen else 0


def name(pid: int) -> str:
    """Give the name of `pid` for a message."""
    seen = stat(pid)
    return seen.name if seen else "?"


def called(pid: int, wanted: str) -> bool:
    """Tell whether process `pid` is called `wanted`.

    The kernel keeps 15 bytes of a name (TASK_COMM_LEN, proc(5)): a longer one is also compared with the last part of
    the program's path as it was given.
    """
    seen = stat(pid)
    if seen is None:
        return False
    if seen.name == wanted:
        return True
    try:
        program = read(f"{ROOT}/{pid}/cmdline").partition(b"\0")[0]
    except OSError:
        return False
    return os.fsdecode(program).rpartition("/")[2] == wanted


def open_children() -> int:
    """Open the list of our own children, close-on-exec, to be read again and again.

    Kept open from the start, so that listing them needs neither a free descriptor nor a mounted /proc (E8). The list
    is that of the thread that opens it; a supervisor has one.

    Raises:
        OSError: /proc is not there, or the kernel has no such file (CONFIG_PROC_CHILDREN).

    """
    return os.open(f"{ROOT}/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)


def children(descriptor: int) -> list[int]:
    """List the children by a descriptor from `open_children`, zombies included.

    proc(5): the list may lack some while children come and go. Callers list again whenever one has been reaped.
    """
    return [int(word) for word in read_all(descriptor).split()]


def children_of(pid: int) -> list[int]:
    """List the children of any process, of all its threads; none where there is no such process (any more)."""
    found: list[int] = []
    try:
        for task in entries(f"{ROOT}/{pid}/task"):
            found += map(int, read(f"{ROOT}/{pid}/task/{task}/children").split())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return found


def pidfds_of(pid: int) -> set[int]:
    """Give the processes that `pid` holds pidfds of (proc(5), fdinfo); none where that may not be read."""
    found: set[int] = set()
    try:
        for entry in entries(f"{ROOT}/{pid}/fdinfo"):
            _, pidfd, rest = read(f"{ROOT}/{pid}/fdinfo/{entry}").partition(b"\nPid:")
            if pidfd:
                found.add(int(rest.split()[0]))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return found


def is_being_killed(pid: int) -> bool:
    """Tell whether process `pid` has ended, or has been sent SIGKILL and is about to."""
    try:
        # Of its first thread, and of all together: there it stays while the process gives back its memory.
        pending = read(f"{ROOT}/{pid}/status").partition(b"\nSigPnd:")[2].split()[:3:2]
    except OSError:
        return True
    seen = stat(pid)
    return seen is None or not seen.alive or any(int(each, 16) >> (9 - 1) & 1 for each in pending)


def time_kept_waiting(pid: int) -> float:
    """Give how long `pid` has been ready to run without a processor to run on, in seconds; 0 where it cannot be told.

    (Documentation/scheduler/sched-stats.rst: the second field of /proc/PID/schedstat, in nanoseconds.)
    """
    try:
        return int(read(f"{ROOT}/{pid}/schedstat").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def all_processes() -> list[int]:
    """List every process that can be seen."""
    return [int(entry) for entry in entries(ROOT) if entry.isdigit()]


def cannot_fork(pid: int) -> bool:
    """Tell whether process `pid` forks no more: stopped, traced, ended, or not there."""
    seen = stat(pid)
    return seen is None or seen.state in "Tt" or not seen.alive


def descendants(pid: int) -> list[int]:
    """List everything below `pid` at this moment."""
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children_of(todo.pop())
        found += below
        todo += below
    return found
