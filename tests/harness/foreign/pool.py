"""Starts a command with Python's subprocess from a thread that ends: ``python pool.py HOW COMMAND [ARG ...]``.

HOW, words with commas between: ``plain``; ``session`` (start_new_session); ``group`` (setpgid before the exec);
``shell`` (COMMAND is one line of shell); ``asyncio``; ``worker`` (from a process of multiprocessing's pool, which gets
its last task on the first line, and is replaced by another; then says ``replaced``). It says ``started PID`` on
descriptor 5, ``alone`` when the thread of the pool is gone, and obeys:

``terminate``, ``kill``: the methods of Popen, then waits; says ``ended STATUS``
``group N``: signal N to the child's process group
``exit``, ``raise``, ``signal N``: its own end: orderly, by an exception, by signal N
``exec``, ``exec-thread``: executes a program that says ``replaced`` in its own place, from its main or another thread
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SAYS, TREE = 5, 9


def say(*words: object) -> None:
    """One line to the test."""
    os.write(SAYS, (" ".join(map(str, words)) + "\n").encode())


def start(how: str, command: list[str]) -> subprocess.Popen[bytes]:
    """In a thread of the pool."""
    known: dict[str, dict[str, Any]] = {
        "plain": {},
        "session": {"start_new_session": True},
        "group": {"preexec_fn": os.setpgrp},  # process_group= is Python 3.11's
        "shell": {"shell": True},
    }
    special: dict[str, Any] = {}
    for word in how.split(","):
        special.update(known[word])
    line = command[0] if "shell" in special else command
    assert threading.current_thread() is not threading.main_thread()
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, pass_fds=[TREE], **special)


def serve_from_worker(command: list[str]) -> None:
    """Start it in a process of multiprocessing's pool that ends after three tasks; another takes its place."""
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=3) as pool:
        first = pool.apply(os.getpid)
        say("started", pool.apply(start_quietly, (command,)))
        say("alone")
        sys.stdin.readline()
        pool.apply(os.getpid)
        assert pool.apply(os.getpid) != first
        say("replaced")
        sys.stdin.readline()


def start_quietly(command: list[str]) -> int:
    """Start it, and let it be."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[TREE]).pid


async def serve(command: list[str]) -> None:
    """Start it with asyncio, whose child watcher is a thread or a pidfd; obey until there are no more lines."""
    child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, pass_fds=[TREE])
    say("started", child.pid)
    say("alone")
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() in ("terminate", "kill"):
            getattr(child, line.strip())()
            say("ended", await child.wait())
        else:
            end(line.split())


def end(words: list[str]) -> None:
    """End this process."""
    if words[0] == "exit":
        sys.exit(0)
    if words[0] == "raise":
        raise RuntimeError("as asked")
    if words[0] == "signal":
        os.kill(os.getpid(), int(words[1]))
    if words[0] == "exec":
        become_another()
    if words[0] == "exec-thread":
        threading.Thread(target=become_another).start()


def become_another() -> None:
    """Execute a program that ends with our input."""
    os.set_inheritable(SAYS, True)
    os.execvp("sh", ["sh", "-c", f"echo replaced >&{SAYS}; exec cat"])


def main() -> None:
    """Start the command, then serve the test."""
    how, command = sys.argv[1], sys.argv[2:]
    if how == "asyncio":
        asyncio.run(serve(command))
        return
    if how == "worker":
        serve_from_worker(command)
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        child = pool.submit(start, how, command).result()
        say("started", child.pid)
    while len(os.listdir("/proc/self/task")) > 1:  # joined is a moment before gone
        os.sched_yield()
    say("alone")
    for line in sys.stdin:
        words = line.split()
        if words[0] in ("terminate", "kill"):
            getattr(child, words[0])()
            say("ended", child.wait())
        elif words[0] == "group":
            os.killpg(child.pid, int(words[1]))
            say("done")
        else:
            end(words)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
