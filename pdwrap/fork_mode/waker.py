"""The waker: a process that stands by while the outer supervisor is stopped with the backend, and sees nothing (E4).

It sees what the kernel does not tell a stopped process of: a farther launcher's death while the inner is stopped, too.
It wakes by its end: the kernel continues the outer, whose signal so is told from one that was sent, and who is killed
while it stands by is replaced. If it is stopped and the outer goes on, or is killed, the kernel ends it: it holds
copies of what the outer holds.
"""

import os
from select import POLLIN, poll

from pdwrap.exit_status import OWN_FAILURE
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import RECHECK_STEP
from pdwrap.linux import pidfd, pipe_signal, procfs


def start_waker(inner: int, launcher: Launcher) -> int:
    """Fork a process that has us continued when the inner supervisor or the launcher dies while we are stopped (E4).

    Returns:
        A descriptor: it goes off duty, and exits, when that is closed.

    Raises:
        OSError: there is no process or no descriptor to be had, or the kernel would not continue us.

    """
    outer = os.getpid()
    ended = pidfd.pidfd_open(inner)
    duty, on_duty = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os.close(on_duty)
                pipe_signal.die_when_closed(duty)  # off duty it is gone, though somebody has stopped it (E4)
                _stand_by(outer, inner, launcher, duty, ended)
            finally:
                os._exit(OWN_FAILURE)
        if not pipe_signal.continue_when_closed(on_duty, outer):
            raise OSError("nobody would continue us")  # noqa: TRY301 - handled as the others are
    except BaseException:
        os.close(on_duty)
        raise
    finally:
        os.close(duty)
        if ended is not None:
            os.close(ended)
    return on_duty


def _stand_by(outer: int, inner: int, launcher: Launcher, duty: int, ended: int | None) -> None:
    """Return when there is something to see."""
    waiting = poll()
    for descriptor in (duty, ended, *launcher.descriptors):
        if descriptor is not None:
            waiting.register(descriptor, POLLIN)
    pause = None if launcher.interval is None else int(launcher.interval * 1000) + 1
    while os.getppid() == outer:
        ready = {descriptor for descriptor, _event in waiting.poll(pause)}
        seen = procfs.stat(inner)
        if duty in ready:
            return
        if ready or seen is None or not seen.alive or launcher.is_dead():
            break
    # A stop signal would discard our SIGCONT: it may be under way (signal(7)).
    off_duty = poll()
    off_duty.register(duty, POLLIN)
    while os.getppid() == outer and not procfs.cannot_fork(outer) and not off_duty.poll(int(RECHECK_STEP * 1000)):
        pass
