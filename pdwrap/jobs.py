"""The outer supervisor as a job of the shell above: it stops as the backend stops, and passes the terminal on.

A backend in the foreground shares our group, and the terminal serves both. One that was started in the background has
a group of its own; when our group comes to the foreground, it is given the terminal as soon as it stops for want of
it. Nothing tells us of the foreground earlier: `fg` on a running job sends no SIGCONT.
"""

import os

from pdwrap import signals, terminal


class Job:
    """What the outer supervisor knows of stops and of the terminal.

    Args:
        shared_group: the backend is in our own process group.

    Attributes:
        stopped: we have stopped as the backend did, and nobody has continued us since.

    """

    __slots__ = ("_backend_wants", "_terminal_group", "shared_group", "stopped")

    def __init__(self, *, shared_group: bool) -> None:
        self.shared_group = shared_group
        self.stopped = False
        self._backend_wants = 0  # the signal by which the backend stopped, until it is continued
        self._terminal_group = 0  # the backend's group, once it has been given the terminal

    def backend_stopped(self, backend: int, number: int) -> None:
        """Stop by the same signal, so that the shell above sees a stopped job; or give the backend the terminal."""
        self._backend_wants = number
        if not self.hand_over(backend):
            self.stopped = True
            _stop(number)

    def hand_over(self, backend: int) -> bool:
        """Give the terminal to a backend that stopped for want of it, and continue it; tell whether that was done."""
        wants = self._backend_wants in signals.WANTS_TERMINAL or (self._terminal_group and self._backend_wants)
        if self.shared_group or not wants or not terminal.in_foreground():
            return False
        try:
            group = os.getpgid(backend)
        except OSError:
            return False
        if not terminal.give(group):
            return False
        self._terminal_group = group
        self._backend_wants = 0
        terminal.continue_group(group)
        return True

    def leave(self) -> None:
        """Take the terminal back for who is left in our group: a script that goes on after us."""
        if self._terminal_group:
            terminal.take_back(self._terminal_group)


def _stop(number: int) -> None:
    """Stop this process by signal `number`, unless a SIGCONT has come in the meantime.

    A stop signal discards a pending SIGCONT and the other way round (signal(7)). So the stop signal is made pending
    first, while blocked: a SIGCONT that comes before we are stopped discards it.
    """
    if signals.SIGCONT in signals.api.sigpending():
        return
    if number not in signals.FROM_TERMINAL:
        os.kill(os.getpid(), signals.SIGSTOP)
        return
    signals.api.signal(number, signals.api.SIG_DFL)
    os.kill(os.getpid(), number)
    signals.api.pthread_sigmask(signals.api.SIG_UNBLOCK, {number})
    signals.api.pthread_sigmask(signals.api.SIG_BLOCK, {number})
