"""In LocalAI's place, doing as go-processmanager does: ``python -I -S local_ai.py FOLDER ADDRESS``.

It makes itself a subreaper, starts ``run.sh`` in the folder, in a group of its own, with descriptor 0 closed, and
reaps whatever it gets for as long as that one lives. On SIGTERM, or told ``stop`` on descriptor 7, it sends SIGTERM to
the group, and 15 s later SIGKILL; on SIGTERM it exits then. Told ``oom`` it runs out of memory, and ends without a
teardown, as Go's runtime does. It says ``child PID of ITS-OWN`` and ``stopped`` on descriptor 8.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PATIENCE, PAUSE = 15, 0.02
ending = False


def end(_number: int, _frame: object) -> None:
    """Note that it was asked to."""
    global ending  # noqa: PLW0603 - a handler has no other place
    ending = True


def start(folder: str, address: str) -> int:
    """Start the backend."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for fd in (0, 7, 8):
            os.close(fd)
        os.chdir(folder)
        os.execv("run.sh", ["run.sh", "--addr", address])
    return child


def reap(child: int) -> bool:
    """Reap all that has ended; tell whether the backend has."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == child:
            return True
        if not pid:
            return False


def stop(child: int) -> None:
    """Stop the backend."""
    os.killpg(child, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while not reap(child):
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(PAUSE)
    os.write(8, b"stopped\n")


def run_out_of_memory() -> None:
    """Ask for more than there is."""
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    try:
        bytearray(1 << 31)
    except MemoryError:
        os._exit(2)


signal.signal(signal.SIGTERM, end)
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
os.set_blocking(7, False)
running = start(*sys.argv[1:])
os.write(8, f"child {running} of {os.getpid()}\n".encode())
lives = True
while not ending:
    if lives:
        lives = not reap(running)
    try:
        order = os.read(7, 100)
    except BlockingIOError:
        order = b""
    if order == b"stop\n":
        stop(running)
        lives = False  # and nobody is reaped any more
    elif order == b"oom\n":
        run_out_of_memory()
    time.sleep(PAUSE)
if lives:
    stop(running)
