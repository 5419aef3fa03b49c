"""What roles.c is, for machines without a compiler: the same roles, the same words. See there."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

LIFE = 600


def spawn(command: list[str]) -> None:
    """Start `command` by plain fork and exec."""
    if os.fork() == 0:
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)


def rest() -> NoReturn:
    """Wait to be killed."""
    while True:
        signal.pause()


def ready(port: int = 0) -> NoReturn:
    """Say so, and wait."""
    os.write(1, b"ready %d %d\n" % (os.getpid(), port))
    rest()


def launch(count: str, *command: str) -> NoReturn:
    """Start `command` so many times."""
    for _ in range(int(count)):
        spawn(list(command))
    rest()


def listen() -> NoReturn:
    """Listen on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    ready(listener.getsockname()[1])


def tree(count: str) -> NoReturn:
    """Have so many sleepers; a pipe that is closed on exec tells when the last has been executed."""
    executed, ours = os.pipe()
    for _ in range(int(count)):
        spawn(["sleep", str(LIFE)])
    os.close(ours)
    os.read(executed, 1)
    ready()


ROLES: dict[str, Callable[..., NoReturn]] = {"launch": launch, "listen": listen, "idle": ready, "tree": tree}

if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.argv[1] != "launch":
        signal.alarm(LIFE)
    ROLES[sys.argv[1]](*sys.argv[2:])
