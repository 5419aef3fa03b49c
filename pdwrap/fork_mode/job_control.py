"""The outer supervisor as a job of the shell above: it stops as the backend stops, and passes the terminal on.

A backend in the foreground shares our group, and the terminal serves both. One that was started in the background has
a group of its own; when our group comes to the foreground, it is given the terminal as soon as it stops for want of
it. Nothing tells us of the foreground earlier: `fg` on a running job sends no SIGCONT.
"""

import os

from pdwrap.launcher import Launcher
from pdwrap.lifecycle import MARK_TIME
from pdwrap.linux import signals, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable


class Job:
    """What the outer supervisor knows of stops and of the terminal.

    Args:
        shared_group: the backend is in our own process group.

    Attributes:
        backend_stop: the signal by which the backend is stopped, 0 while it goes on.
        stop_pending: ... and nothing has been done about it.
        stopped: we have stopped as the backend did, and nobody has continued us since.
        maybe_unsent: whether the SIGCONT at hand was sent cannot be told.

    """

    __slots__ = ("_terminal_group", "backend_stop", "maybe_unsent", "shared_group", "stop_pending", "stopped")

    def __init__(self, *, shared_group: bool) -> None:
        self.shared_group = shared_group
        self.backend_stop = 0
        self.stop_pending = False
        self.stopped = False
        self.maybe_unsent = False
        self._terminal_group = 0  # the backend's group, once it has been given the terminal

    def reported(self, number: int) -> None:
        """Take the inner's word: the backend was stopped by `number`, or (0) goes on."""
        self.backend_stop = number
        self.stop_pending = bool(number)

    def hand_over(self, backend: int) -> bool:
        """Give the terminal to a backend that stopped for want of it, and continue it; tell whether that was done."""
        wants = self.backend_stop in signals.WANTS_TERMINAL or (self._terminal_group and self.backend_stop)
        if self.shared_group or not wants or not terminal.in_foreground():
            return False
        try:
            group = os.getpgid(backend)
        except OSError:
            return False
        if not terminal.give(group):
            return False
        self._terminal_group = group
        self.reported(0)
        terminal.continue_group(group)
        return True

    def stop(self, goes_on: "Callable[[], bool]", inner: int, launcher: Launcher) -> None:
        """Stop by the same signal as the backend, so that the shell above sees a stopped job.

        A stop signal discards a pending SIGCONT and the other way round (signal(7)). So ours is made pending first,
        while it is blocked, and only then is the inner's word taken once more: a SIGCONT that it sends after that
        discards our stop. SIGSTOP cannot be held back; there a SIGCONT of the same microseconds is lost.

        Args:
            goes_on: takes the inner's word once more, and tells whether the backend goes on.
            inner: the inner supervisor, whose loss a stopped process would not see.
            launcher: whose death counts.

        """
        self.stop_pending = False
        try:
            from pdwrap.fork_mode.waker import start_waker  # not on the way to the backend

            on_duty = start_waker(inner, launcher)
        except (OSError, ImportError):
            return  # better to look alive than to leave the tree
        try:
            self._stop_as_backend(self.backend_stop, goes_on)
        finally:
            os.close(on_duty)

    def _stop_as_backend(self, number: int, goes_on: "Callable[[], bool]") -> None:
        self.stopped = True
        if number not in signals.STOPPING:
            os.kill(os.getpid(), signals.SIGSTOP)
            return
        # The kernel stops all of a background job that wants the terminal; from a group of its own the backend
        # has not taken what is around us along.
        around = not self.shared_group and number in signals.WANTS_TERMINAL and terminal.is_ours()
        signals.api.signal(number, signals.api.SIG_DFL)
        os.kill(0 if around else os.getpid(), number)
        if goes_on():
            signals.wait({number}, 0)
            self.stopped = False
            return
        signals.api.pthread_sigmask(signals.api.SIG_UNBLOCK, {number})
        signals.api.pthread_sigmask(signals.api.SIG_BLOCK, {number})

    def continued_unsent(self) -> None:
        """Take it that the kernel alone has continued us: where nothing else has happened, we stop again (N1)."""
        self.stop_pending |= self.stopped

    def take_sent(self, mark: "signal.struct_siginfo") -> "signal.struct_siginfo | None":
        """Take the SIGCONT that follows a mark, if there is one, and give it only if somebody has sent it.

        Where our parent thread has ended, its process may live on (N1): nobody has sent that SIGCONT (T2), and a job
        that is stopped stays so. The launcher then sees a job that was continued, and stopped again.

        Args:
            mark: a SIGCHLD that is not the inner's; it may be the one of `prctl.continue_at_parent_death`.

        """
        if mark.si_code != signals.BY_PROCESS:
            return None  # a child's
        follows = signals.wait({signals.SIGCONT}, MARK_TIME)
        if follows is None or not _are_one(mark, follows):
            return follows
        self.continued_unsent()
        return None

    def is_marked(self, info: "signal.struct_siginfo") -> bool:
        """Tell whether this SIGCONT, which was taken before its mark, is such a one."""
        mark = signals.wait({signals.SIGCHLD}, 0)
        if mark is None:
            return False
        os.kill(os.getpid(), signals.SIGCHLD)  # there may be more to it: the loop is to look once more
        return _are_one(mark, info)

    def leave(self) -> None:
        """Take the terminal back for who is left in our group: a script that goes on after us."""
        if self._terminal_group:
            terminal.take_back(self._terminal_group)


def _are_one(mark: "signal.struct_siginfo", info: "signal.struct_siginfo") -> bool:
    return mark.si_code == info.si_code == signals.BY_PROCESS and mark.si_pid == info.si_pid
