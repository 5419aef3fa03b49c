"""A backend that turns against pdwrap: ``python -I -S hostile.py DEED FILE``.

It says ``ready backend PID`` on the tree pipe, does its deed on SIGUSR1, to the pids in FILE where it needs some, and
says ``done``. What it starts says ``ready helper PID``, after that. All of it ends by itself after ten minutes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

TREE = 9
LIFETIME = 600
PR_SET_PDEATHSIG = 1
PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
CLONE_PARENT, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS = 0x8000, 0x20000, 0x20000000, 0x04000000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
NOBODY = 65534
FLOOD = 100_000
CHAINS = 4

libc = ctypes.CDLL(None, use_errno=True)


def say(*words: object) -> None:
    """One line to the test."""
    os.write(TREE, (" ".join(map(str, words)) + "\n").encode())


def live() -> NoReturn:
    """Stay, and ignore what asks to end."""
    signal.alarm(LIFETIME)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        signal.pause()


after_done: list[int] = []
"""A pipe that ends when the backend has said ``done``: what a deed has started speaks then."""


def helper(standing: int = -1) -> NoReturn:
    """Be something that the backend has started; say so, and if it is given, on that pipe, too."""
    if after_done:
        reader, writer = after_done
        os.close(writer)
        os.read(reader, 1)
    say("ready", "helper", os.getpid())
    if standing >= 0:
        os.write(standing, b"!")
    live()


def send(targets: list[int], number: int) -> None:
    """To all of them."""
    for pid in targets:
        os.kill(pid, number)


def kill(targets: list[int]) -> None:
    """Kill them."""
    send(targets, signal.SIGKILL)


def stop(targets: list[int]) -> None:
    """Stop them."""
    send(targets, signal.SIGSTOP)


def clear(targets: list[int]) -> None:
    """Do without the kernel's signal at the parent's death."""
    libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)


def clear_and_kill(targets: list[int]) -> None:
    """... and kill them all, none of which can do anything meanwhile."""
    clear(targets)
    stop(targets)
    kill(targets)


def seize(targets: list[int]) -> None:
    """Hold them as a debugger does."""
    for pid in targets:
        if libc.ptrace(PTRACE_SEIZE, pid, 0, 0) or libc.ptrace(PTRACE_INTERRUPT, pid, 0, 0):
            raise OSError(ctypes.get_errno(), "ptrace")
        os.waitpid(pid, WALL)


def breed(targets: list[int]) -> None:
    """Fork faster than anybody can look: some chains of processes, none of which lives for long. A session for each."""
    for _ in range(CHAINS):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            say("chain", os.getsid(0))
            end = time.monotonic() + LIFETIME / 10
            while time.monotonic() < end:
                if os.fork():
                    os._exit(0)
            os._exit(0)


def clone_sibling(targets: list[int]) -> None:
    """Start a sibling in place of a child."""
    if libc.syscall(SYS_CLONE[os.uname().machine], CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        helper()


def namespaces(targets: list[int]) -> None:
    """Have an init of one's own, and someone below it."""
    if libc.unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS):
        raise OSError(ctypes.get_errno(), "unshare")
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
        helper()


def change_uid(targets: list[int]) -> None:
    """Be somebody else, and so are the helpers."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if os.fork() == 0:
        os.setsid()
        helper()


def flood(targets: list[int]) -> None:
    """Signal them, time and again."""
    for _ in range(FLOOD // len(targets)):
        send(targets, signal.SIGUSR2)


DEEDS: dict[str, Callable[[list[int]], None]] = {
    deed.__name__: deed
    for deed in (
        kill,
        stop,
        clear,
        clear_and_kill,
        seize,
        breed,
        clone_sibling,
        namespaces,
        change_uid,
        flood,
    )
}


def main(deed: str, path: str) -> NoReturn:
    """Stand, do it, stay."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    stands, standing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        helper(standing)
    os.read(stands, 1)
    say("ready", "backend", os.getpid())
    signal.sigwait({signal.SIGUSR1})
    with open(path, encoding="ascii") as file:
        targets = [int(word) for word in file.read().split()]
    after_done.extend(os.pipe())
    try:
        DEEDS[deed](targets)
    except OSError as error:
        say("failed", error)
    else:
        say("done")
    os.close(after_done[1])
    live()


if __name__ == "__main__":
    main(*sys.argv[1:])
