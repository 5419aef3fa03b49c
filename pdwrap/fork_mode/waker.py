"""The waker: a process that stands by while the outer supervisor is stopped with the backend, and sees nothing (E4).

If it dies, the outer stays stopped until somebody continues it: the inner does when it ends the tree. If it is stopped
and the outer goes on, or is killed, the kernel ends it: it holds copies of what the outer holds.
"""

import os
from select import POLLIN, poll

from pdwrap.exit_status import OWN_FAILURE
from pdwrap.launcher import Launcher
from pdwrap.linux import pidfd, pipe_signal, procfs, signals


def start_waker(inner: int, launcher: Launcher) -> tuple[int, int]:
    """Fork a process that continues us when the inner supervisor or the launcher dies while we are stopped (E4).

    Returns:
        Its pid, and a descriptor: it goes off duty, and exits, when that is closed.

    """
    outer = os.getpid()
    ended = pidfd.pidfd_open(inner)
    duty, on_duty = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(duty)
        os.close(on_duty)
        raise
    finally:
        if ended is not None and os.getpid() == outer:
            os.close(ended)
    if pid == 0:
        try:
            os.close(on_duty)
            pipe_signal.die_when_closed(duty)  # off duty it is gone, though somebody has stopped it (E4)
            _stand_by(outer, inner, launcher, duty, ended)
        finally:
            os._exit(OWN_FAILURE)
    os.close(duty)
    return pid, on_duty


def _stand_by(outer: int, inner: int, launcher: Launcher, duty: int, ended: int | None) -> None:
    waiting = poll()
    for descriptor in (duty, ended, *launcher.descriptors):
        if descriptor is not None:
            waiting.register(descriptor, POLLIN)
    pause = None if launcher.interval is None else int(launcher.interval * 1000) + 1
    while True:
        ready = {descriptor for descriptor, _event in waiting.poll(pause)}
        if duty in ready or os.getppid() != outer:
            return
        seen = procfs.stat(inner)
        if ready or seen is None or not seen.alive or launcher.is_dead():
            os.kill(outer, signals.SIGCONT)
            return
