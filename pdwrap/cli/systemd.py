"""What systemd says of a unit; an empty text where there is no systemctl, or it does not answer."""

import os
from select import POLLIN, poll

from pdwrap.linux import signals

PATIENCE = 0.5  # seconds


def kill_mode(unit: str, *, of_user: bool) -> str:
    """Give a unit's KillMode (systemd.kill(5)).

    Args:
        unit: its name.
        of_user: it is one of the user's own manager.

    """
    manager = ["--user"] if of_user else []
    said = _output(["systemctl", *manager, "show", "--property=KillMode", "--", unit])
    return next((line.partition("=")[2] for line in said.splitlines() if line.startswith("KillMode=")), "")


def _output(command: list[str]) -> str:
    """Run a program, and give what it writes to stdout."""
    read, write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    try:
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    except OSError:
        os.close(read)
        return ""
    finally:
        os.close(write)
    said = b""
    waiting = poll()
    waiting.register(read, POLLIN)
    while waiting.poll(int(PATIENCE * 1000)) and (part := os.read(read, 4096)):
        said += part
    os.kill(child, signals.SIGKILL)  # not reaped yet, so it is ours
    os.waitpid(child, 0)
    os.close(read)
    return said.decode(errors="replace")
