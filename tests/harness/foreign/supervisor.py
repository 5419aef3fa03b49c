"""A service manager: starts a command in a session of its own, as systemd(1) does: ``supervisor.py HOW COMMAND``.

HOW, words with commas between: ``single`` (fork, setsid, exec) or ``double`` (fork, setsid, fork, exec: the middle one
exits); ``leader`` (the manager leads a session itself); ``subreaper`` (what is orphaned falls to it, as to PID 1 and
to ``systemd --user``). It says ``started PID`` on descriptor 5. At the end of its input it asks the command to end
(SIGTERM to its pid), waits, and exits; ``exit`` makes it exit without that.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

SAYS = 5
PR_SET_CHILD_SUBREAPER = 36


def say(*words: object) -> None:
    """One line to the test."""
    os.write(SAYS, (" ".join(map(str, words)) + "\n").encode())


def become(command: list[str]) -> NoReturn:
    """In the child: systemd gives services no input."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvp(command[0], command)
    finally:
        os._exit(203)  # systemd.exec(5), EXIT_EXEC


def start_detached(command: list[str]) -> int:
    """Fork twice; the command begins only when its first parent is gone."""
    told, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        first_parent = os.getpid()
        grandchild = os.fork()
        if grandchild == 0:
            os.close(told)
            while os.getppid() == first_parent:
                os.sched_yield()
            become(command)
        os.write(tell, f"{grandchild}".encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told) as answer:
        pid = int(answer.read())
    os.waitpid(middle, 0)
    return pid


def start(command: list[str]) -> int:
    """Fork once."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        become(command)
    return pid


def main() -> None:
    """Start the command, then serve the test."""
    how, command = sys.argv[1].split(","), sys.argv[2:]
    if "leader" in how:
        os.setsid()
    if "subreaper" in how:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid = start_detached(command) if "double" in how else start(command)
    say("started", pid)
    if sys.stdin.readline() != "exit\n":
        os.kill(pid, signal.SIGTERM)
        try:
            say("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        except ChildProcessError:
            say("ended", "elsewhere")


if __name__ == "__main__":
    main()
