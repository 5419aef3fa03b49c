"""What the inner supervisor does to the tree: one method for each action of its table (`lifecycle.INNER`).

No decision is taken here, and nothing is waited for.
"""

import os
import time

from pdwrap import messages
from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import Tree, send
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import KILL_TIME
from pdwrap.linux import procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.options import Settings


class InnerActions:
    """The tree in the hands of the inner supervisor. Made in the inner's own process: the tree is its children.

    Args:
        settings: what to do.
        launcher: whose death counts, for the messages.
        outer: the outer supervisor's pid, our parent.
        reports: to the outer.
        log: what to say when.

    Attributes:
        backend: its pid, once it is forked.
        status: its wait status, once it has exited.
        stopped: it is stopped.
        to_forward: the signal that `forward` sends; `only_if_stopped`: unless somebody has continued the backend.
        ends: it asks to end.
        deadline: when the loop is to look again, on the monotonic clock; None is never.
        began: when the ending began; None while there is none.
        reason: why the tree is ended, in the words of `Log.ending`.

    """

    def __init__(
        self, settings: "Settings", launcher: Launcher, outer: int, reports: pipes.Writer, log: messages.Log
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.outer = outer
        self.reports = reports
        self.log = log
        self.tree = Tree()
        self.backend = 0
        self.status: int | None = None
        self.stopped = False
        self.to_forward = 0
        self.only_if_stopped = False
        self.ends = False
        self.deadline: float | None = None
        self.began: float | None = None
        self.reason = ""

    def abandon(self) -> None:
        """Nothing to do: the held backend sees end-of-file when we exit."""

    def forward(self) -> None:
        """Send the backend a signal that the outer received: to its pid alone, one cannot tell which was meant."""
        if self.status is None and (self.stopped or not self.only_if_stopped):
            send(self.backend, self.to_forward)

    def forward_to_leftovers(self) -> None:
        """Send it to what the backend left (`--leftovers wait`)."""
        self.tree.signal(self.to_forward, ends=self.ends)

    def set_deadline(self) -> None:
        """One deadline for all: the grace from now."""
        self.deadline = time.monotonic() + self.settings.grace

    def report_ending(self) -> None:
        """Tell the outer: it sees neither a farther launcher nor a lifeline nor a sweep."""
        self.began = time.monotonic()
        self.tree.reaped = 0
        self.continue_outer()
        self.report(pipes.ENDING, self.began if self.deadline is None else self.deadline)

    def first_signal(self) -> None:
        """Ask the backend alone to end: it may have workers to drain."""
        send(self.backend, self.settings.signal)
        self.continue_backend()

    def continue_backend(self) -> None:
        """A stopped process actions on a signal only after SIGCONT (signal(7))."""
        send(self.backend, signals.SIGCONT)

    def tell_leftovers(self) -> None:
        """Ask each child that has not been asked."""
        self.tree.tell(self.settings.signal)

    def set_kill_deadline(self) -> None:
        """Bound the wait for what cannot die (E7)."""
        self.deadline = time.monotonic() + KILL_TIME

    def report_killing(self) -> None:
        """Tell the outer, which would step in otherwise."""
        self.report(pipes.KILLING)

    def kill(self) -> None:
        """Kill every child; theirs are ours when they are reaped."""
        self.tree.kill()

    def kill_below(self) -> None:
        """Kill what a child that does not die keeps from us."""
        self.tree.kill_below()

    def name_survivors(self) -> None:
        """Say what could not be killed (E7)."""
        self.log.survivors([(pid, procfs.name(pid)) for pid in self.tree.living()])

    def report_done(self) -> None:
        """Say that it is over, and hand the backend's status up."""
        if self.began is not None:
            self.log.done(self.tree.reaped, time.monotonic() - self.began)
        if self.began is not None or self.stopped:
            self.continue_outer()
        self.report(pipes.FINISHED, signals.SIGKILL if self.status is None else self.status)

    def announce(self, leftovers: int, *, at_once: bool) -> None:
        """Say what has been done: words come after deeds, they may fail.

        Args:
            leftovers: how many children were left when the backend exited by itself.
            at_once: SIGKILL was sent, without a grace.

        """
        self.log.ending(
            self.reason,
            (self.launcher.pid, self.launcher.name),
            (self.backend, self.log.backend_name),
            signals.name(signals.SIGKILL if at_once else self.settings.signal),
            0.0 if at_once else self.settings.grace,
            leftovers,
        )

    def report(self, *words: object) -> None:
        """Tell the outer something, and wake it: it waits for signals, and a byte in a pipe is none."""
        self.reports.send(*words)
        self._signal_outer(signals.SIGCHLD)

    def continue_outer(self) -> None:
        """Continue the outer, which stops when the backend is stopped, or may have been stopped by somebody."""
        self._signal_outer(signals.SIGCONT)

    def _signal_outer(self, number: int) -> None:
        # While it is our parent its pid is not reused: that takes its death, which changes our parent first.
        if os.getppid() == self.outer:
            send(self.outer, number)
