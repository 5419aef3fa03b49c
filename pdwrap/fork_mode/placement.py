"""Who is in which process group (setpgid(2), setsid(2)).

The outer supervisor stays in the group that the launcher gave it. The inner leaves it, so that a SIGKILL to that
group spares it. The backend has a group of its own, so that a signal to the launcher's group reaches it once, through
us; unless we are the foreground of a terminal: there it stays, with its shell, its script and its pipeline.
"""

import os

from pdwrap.exit_status import OWN_FAILURE
from pdwrap.linux import prctl, signals, terminal


class Placement:
    """What the outer supervisor's place says of where the others go; looked at once, before anything is forked.

    Attributes:
        shared: the backend stays in our group, the terminal's foreground.
        led: we lead our group, so the backend may lead its own.
        orphaned: nobody of our session could continue our group.

    """

    __slots__ = ("led", "orphaned", "shared")

    def __init__(self) -> None:
        self.shared = terminal.in_foreground()
        self.led = os.getpgrp() == os.getpid()
        self.orphaned = terminal.is_orphaned_group()

    def leave(self) -> None:
        """Take the inner supervisor out of our group.

        Into a session of its own where our group is orphaned: a parent in another group of the same session would
        make the backend's group look cared for, and Ctrl-Z would stop it for ever. Elsewhere it must look cared for.
        """
        if self.orphaned:
            os.setsid()
        else:
            os.setpgid(0, 0)


def start_leader(close_first: int) -> int:
    """Fork a throw-away process that leads a new group, until the backend has joined it; give its pid.

    A group leader may not call setsid(2), and a program that was started by plain fork and exec may: where pdwrap
    leads no group, neither must the backend. The caller kills and reaps the leader when the backend is in.

    Args:
        close_first: a descriptor that the leader must not hold.

    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(close_first)
            try:
                prctl.set_parent_death_signal(signals.SIGKILL)
            except OSError:
                pass  # refused: the loop below ends it as well
            while os.getppid() == parent:
                signals.wait((), 1.0)
        finally:
            os._exit(OWN_FAILURE)
    os.setpgid(pid, pid)  # ours to do: it stands when we return
    return pid


def move(pid: int, leader: int) -> None:
    """Put our child `pid` into the group of `leader`. Before its exec: afterwards the kernel refuses."""
    os.setpgid(pid, leader)


def dismiss(leader: int) -> None:
    """End the throw-away leader; its group lives on in the backend."""
    os.kill(leader, signals.SIGKILL)
    os.waitpid(leader, 0)
