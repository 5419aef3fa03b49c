"""Containers for the tests: namespaces made by unshare(1), as a runtime makes them, and who is who inside.

A process has two pids here: the roles say the one inside; to hold or signal a process, the one out here is needed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import PYTHON, ROOT, Process, Running, Started, Starter, children, describe, stat, wait_until

CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

NO_PROC = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
"""A container without /proc."""

INIT = [*PYTHON, "-c"]
INIT += [
    """
import os, sys
if os.fork() == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
os.closerange(3, 256)
while True:
    try:
        os.wait()
    except ChildProcessError:
        os._exit(0)
"""
]
"""PID 1 of a container, which starts what follows. It reaps, and ends when nobody is left: so nobody was ended
by its end. A program, not a shell: a shell opens /dev/null for what it puts into the background."""

ENTER = [*PYTHON, "-c"]
ENTER += [
    """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for name in ("pid", "mnt"):
    fd = os.open(f"/proc/{sys.argv[1]}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(fd, 0):
        raise OSError(ctypes.get_errno(), name)
child = os.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
os.closerange(3, 256)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
"""
]
"""Run what follows a pid in the namespaces of that one, as a runtime does for `exec`: its parent is outside, and waits.
Not nsenter(1), which keeps descriptors open, and stops itself for good when its child is stopped and then killed."""

ORPHANS = """
import os, sys, time
for _ in range(100):                       # each a child of a child that is gone
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            time.sleep(0.01)
        os._exit(0)
    os.waitpid(child, 0)
while True:                                # pdwrap is killed by the test in the end if not
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    states = []
    for pid in pids:
        try:
            states.append(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0])
        except OSError:
            pass
    if len(pids) <= 3 and "Z" not in states:   # two supervisors and we
        print("clean")
        sys.exit(7)
    time.sleep(0.005)
"""
"""A program that makes a hundred orphans, and exits with 7 when all that is left is two supervisors and itself."""

BARE = """
set -e
root=$1; shift
mount -t tmpfs -o mode=755 none "$root"
for each in /bin /lib /lib32 /lib64 /libx32; do
    if [ -L "$each" ]; then cp -P "$each" "$root$each"; fi
done
mkdir "$root/proc" "$root/etc"
if [ -e /etc/ld.so.cache ]; then cp /etc/ld.so.cache "$root/etc"; fi
while [ "$1" != -- ]; do
    if [ -d "$1" ] && ! [ -L "$1" ]; then
        mkdir -p "$root$1"
        mount --bind "$1" "$root$1"
        mount -o remount,bind,ro "$root$1"
    fi
    shift
done
shift
mount -t proc -o ro proc "$root/proc"
mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""
OUTSIDE = "pdwrap: not watching: who started pdwrap lives outside this pid namespace: use --lifeline\n"
"""What `-v` says where the parent lives in an outer namespace, as PID 1's does."""

BELOW_PID_1 = "pdwrap: not watching: PID 1 is the container's; it ends with it\n"
"""... and where it is PID 1."""

PROBE = ["sh", "-c"]
PROBE += [
    """
for each in /x /proc/x /usr/x /tmp/x; do
    if (: >"$each") 2>&-; then exit 97; fi
done
if [ -e /dev ]; then exit 98; fi # a checkout may be below /tmp, which is there then, and empty but for it
exec "$@"
""",
    "sh",
]
"""A prefix that goes on only where nothing can be written, /tmp included, and where no /dev is."""


def bare(folder: Path) -> list[str]:
    """A prefix: a container whose root, read-only, holds programs and /proc and nothing else: no /tmp, /dev, /var.

    *folder* is where it is mounted, in the container's own mount namespace alone.
    """
    programs = ["/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", sys.base_prefix, sys.prefix, str(ROOT)]
    return [*CONTAINER, "sh", "-c", BARE, "sh", str(folder), *programs, "--"]


def inside(pid: int) -> int:
    """Tell the pid that the process, *pid* out here, has in its own pid namespace (proc(5), NSpid)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        line = next(each for each in status if each.startswith("NSpid:"))
    return int(line.split()[-1])


def find(tree: Started, pid: int, below: int | None = None) -> Process:
    """Hold the process below *below* (default: the tree's first) whose pid in a namespace is *pid*."""
    waiting, seen = [tree.launcher.pid if below is None else below], []
    while waiting:
        for each in children(waiting.pop()):
            try:
                within = inside(each)
            except (FileNotFoundError, ProcessLookupError):
                continue  # gone meanwhile
            if within == pid != each:
                return tree.hold(each)
            seen.append((each, within))
            waiting.append(each)
    raise AssertionError(f"no {pid} among {seen} (pid here, pid inside)")


def launcher_of(tree: Started) -> Process:
    """Hold the launcher in a container whose PID 1 is INIT: the first that it started; all others fell to it later."""
    return tree.hold(min(children(find(tree, 1).pid), key=inside))


class Told:
    """The backend in a container: its pid there, and the signals that it says it got."""

    def __init__(self, tree: Started) -> None:
        """Wait until it is ready."""
        self.tree = tree
        try:
            self.pid = int(tree.voice.next("ready", "backend")[0])
        except AssertionError as error:
            raise AssertionError(f"{error}; stderr: {tree.stderr!r}") from None

    def got(self, number: int) -> None:
        """Wait until it says that it got signal *number*."""
        self.tree.voice.next("got", str(self.pid), str(number))

    def signals(self) -> list[int]:
        """All that it said it got, in order."""
        return [int(words[0]) for words in self.tree.voice.all("got", str(self.pid))]


def assert_stops_in_order(tree: Started, told: Told, says: str) -> None:
    """T2, T3: SIGTERM to PID 1: it arrives once, the status is the backend's (``code=3``), `-v` said *says*."""
    find(tree, 1).signal(signal.SIGTERM)
    assert status_of(tree) == 3
    tree.assert_gone()
    assert told.signals() == [signal.SIGTERM]
    assert tree.stderr == says


def status_of(tree: Started) -> int:
    """Tell the exit status of the container, as the launcher out here saw it; -N for death by signal N."""
    return os.waitstatus_to_exitcode(tree.status())


def start_with_lifeline(start: Starter, *backend: str, options: Sequence[str], pdwrap_via: Sequence[str]) -> Started:
    """Start a tree whose launcher, which pdwrap cannot see, alone holds the other end of pdwrap's descriptor 5."""
    theirs, ours = os.pipe()
    tree = start(
        *backend,
        options=options,
        pdwrap_via=pdwrap_via,
        launcher=["close=6"],
        fds={5: theirs, 6: ours},
        env={"PDWRAP_GRACE": "0.2s"},
        settle=False,
    )
    os.close(theirs)
    os.close(ours)
    return tree


class Container:
    """A container that waits: `first` is its PID 1, which reaps, as a pod's does. It ends when `running` is told to."""

    def __init__(self, init: Sequence[str] = INIT) -> None:
        """Start it with *init* as PID 1, and wait until it has begun."""
        waits, self._end = os.pipe()
        reads, writes = os.pipe()
        script = "echo ready >&7; exec 7>&-; read _ <&6; exit 0"
        self.running = Running([*CONTAINER, *init, "sh", "-c", script], fds={6: waits, 7: writes})
        os.close(waits)
        os.close(writes)
        assert os.read(reads, 6) == b"ready\n", self.running.stderr
        os.close(reads)
        (pid,) = children(self.running.pid)
        self.first = Process(pid)

    @property
    def enter(self) -> list[str]:
        """A prefix that runs a command in it, from out here."""
        return [*ENTER, str(self.first.pid)]

    def end(self) -> None:
        """Let it end: it does when nobody is left in it, and PID 1 has no child any more."""
        os.close(self._end)
        assert self.running.wait().code == 0

    def assert_gone_with(self, tree: Started) -> None:
        """What was entered is gone, though the container goes on, until it is told to end."""
        tree.assert_tree_gone()
        assert self.first.alive
        self.end()
        tree.assert_gone()


def wait_without_zombies(pid: int) -> None:
    """Look until no child of *pid* is a zombie."""
    wait_until(lambda: not zombies(pid), lambda: f"not reaped: {zombies(pid)}")


def zombies(pid: int) -> list[str]:
    """The children of *pid* that it has not reaped, in words."""
    found = []
    for child in children(pid):
        try:
            if stat(child)[0] == "Z":
                found.append(describe(child))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found
