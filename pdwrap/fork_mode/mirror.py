"""How pdwrap itself ends: so that its caller sees the backend's wait status (T3)."""

import os

from pdwrap.backend import SHELL
from pdwrap.linux import prctl, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def mirror(raw: int, success: frozenset[int] = frozenset()) -> "NoReturn":
    """End this process as wait status `raw` says: the same exit status, or death by the same signal.

    PID 1 cannot die of a signal that it sends itself (pid_namespaces(7)): 128+n there, as shells have it.

    Args:
        raw: the backend's wait status.
        success: exit statuses that count as 0; 128+n for death by signal n.

    """
    if os.waitstatus_to_exitcode(raw) in success or (os.WIFSIGNALED(raw) and 128 + os.WTERMSIG(raw) in success):
        os._exit(0)
    if os.WIFEXITED(raw):
        os._exit(os.WEXITSTATUS(raw))
    number = os.WTERMSIG(raw)
    if os.getpid() != 1:
        try:
            prctl.forbid_core()  # the backend has left its own
        except OSError:
            pass
        if number not in (signals.SIGKILL, signals.SIGSTOP):
            try:
                signals.api.signal(number, signals.api.SIG_DFL)
            except (OSError, ValueError):
                _die_of_a_kept_one(number)
        os.kill(os.getpid(), number)
        if number in signals.ALL:
            signals.api.pthread_sigmask(signals.api.SIG_UNBLOCK, {number})
    os._exit(128 + number)


def _die_of_a_kept_one(number: int) -> None:
    """Die of a signal that glibc keeps for itself (nptl(7)). With two threads it catches one; exec undoes that."""
    try:
        os.execv(SHELL, [SHELL, "-c", f"kill -{number} $$"])
    except OSError:
        pass
