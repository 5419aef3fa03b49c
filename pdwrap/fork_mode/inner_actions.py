"""What the inner supervisor does to the tree: one method for each action of its table.

Runs in: the inner supervisor. Called by: `inner_table`'s actions, by way of its loop. Each takes the event that led to
it; none decides anything, and none waits.
"""

import os
import time

from pdwrap import messages
from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import Tree
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import KILL_TIME, BackendExited, Cause, Event, SignalReceived
from pdwrap.linux import procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pdwrap.options import Settings

MOST_COUNTED = 64  # processes that are counted one by one; of more, those that were reaped


class InnerActions:
    """The tree in the hands of the inner supervisor. Made in the inner's own process: the tree is its children.

    Args:
        settings: what to do.
        launcher: whose death counts, for the messages.
        outer: the outer supervisor's pid, our parent.
        reports: to the outer.
        log: what to say when.
        tree: our children.
        now: the monotonic clock, in seconds.

    Attributes:
        backend: its pid, once it is forked.
        status: its wait status, once it has exited.
        stopped: it is stopped.
        deadline: when the loop is to look again, on the clock; None is never.
        half_time: when half of the grace has passed; None is never.
        began: when the ending began; None while there is none.
        reason: why the tree is ended, in the words of `Log.ending`.
        announced: a line has told of the ending, so another tells of its end.
        seen: how many processes there were when it began: a backend reaps those of its own that end before it does.

    """

    def __init__(
        self,
        settings: "Settings",
        launcher: Launcher,
        outer: int,
        reports: pipes.Writer,
        log: messages.Log,
        tree: Tree,
        now: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.outer = outer
        self.reports = reports
        self.log = log
        self.tree = tree
        self.now = now
        self.backend = 0
        self.status: int | None = None
        self.stopped = False
        self.deadline: float | None = None
        self.half_time: float | None = None
        self.began: float | None = None
        self.reason = ""
        self.announced = False
        self.seen = 0

    def abandon(self, _event: Event) -> None:
        """Nothing to do: the held backend sees end-of-file when we exit."""

    def forward(self, event: SignalReceived) -> None:
        """Send the backend a signal that the outer received: to its pid alone, one cannot tell which was meant."""
        self._send_backend(event.number)

    def forward_to_leftovers(self, event: SignalReceived) -> None:
        """Send it to what the backend left (`--leftovers wait`)."""
        self.tree.signal(event.number, ends=event.ends)

    def set_deadline(self, _event: Event) -> None:
        """One deadline for all: the grace from now. One that runs already is not put off."""
        self._end_by(self.now() + self.settings.grace)
        self.half_time = self.now() + self.settings.grace / 2

    def set_stop_deadline(self, _event: Event) -> None:
        """The same for a tree that was asked to end by a forwarded signal: `--stop-grace`, which may be for ever."""
        self._end_by(self.now() + self.settings.stop_grace)

    def report_ending(self, event: Cause) -> None:
        """Tell the outer: it sees neither a farther launcher nor a lifeline nor a sweep."""
        self.reason = event.reason
        self.began = self.now()
        self.tree.reaped = 0
        self.continue_outer()
        self.report(pipes.REPORT_ENDING, self.began if self.deadline is None else self.deadline)
        self.seen = self.tree.count(MOST_COUNTED)

    def first_signal(self, _event: Event) -> None:
        """Ask the backend alone to end: it may have workers to drain."""
        self._send_backend(self.settings.signal)
        self._send_backend(signals.SIGCONT)

    def continue_backend(self, _event: Event) -> None:
        """A stopped process acts on a signal only after SIGCONT (signal(7))."""
        self._send_backend(signals.SIGCONT)

    def ask_leftovers(self, _event: Event) -> None:
        """Ask each child that has not been asked."""
        self.tree.ask(self.settings.signal)

    def ask_below(self, _event: Event) -> None:
        """Ask what the backend, a shell or a runner, keeps the first signal from."""
        if self.status is None:
            self.tree.ask_below(self.backend, self.settings.signal)

    def set_kill_deadline(self, _event: Event) -> None:
        """Bound the wait for what cannot die (E7)."""
        self.deadline = self.now() + KILL_TIME
        self.half_time = None

    def report_killing(self, _event: Event) -> None:
        """Tell the outer, which would step in otherwise."""
        self.report(pipes.REPORT_KILLING)

    def kill(self, _event: Event) -> None:
        """Kill every child; theirs are ours when they are reaped."""
        self.tree.kill()

    def kill_below(self, _event: Event) -> None:
        """Kill what a child that does not die keeps from us."""
        self.tree.kill_below()

    def name_survivors(self, _event: Event) -> None:
        """Say what could not be killed (E7)."""
        self.log.survivors([(pid, procfs.name(pid)) for pid in self.tree.living()])

    def report_done(self, _event: Event) -> None:
        """Say that it is over, and hand the backend's status up."""
        if self.began is not None or self.stopped:
            self.continue_outer()
        self.report(pipes.REPORT_DONE, signals.SIGKILL if self.status is None else self.status)
        if self.began is not None and self.announced:
            self.log.done(max(self.tree.reaped, self.seen), self.now() - self.began)

    def announce(self, event: Cause) -> None:
        """Say that the tree has been asked to end."""
        self._announce(event, signals.name(self.settings.signal), self.settings.grace)

    def announce_kill(self, event: Cause) -> None:
        """Say that the tree is killed, without a grace."""
        self._announce(event, "SIGKILL", 0.0)

    def _announce(self, event: Cause, signal_name: str, grace: float) -> None:
        if isinstance(event, BackendExited) and not event.left:
            return  # somebody else's SIGKILL is ending it already: nothing to say of it
        self.announced = True
        launcher, *through = self.launcher.people()
        backend = (self.backend, self.log.backend_name)
        left = event.left if isinstance(event, BackendExited) else 0
        self.log.ending(event.reason, launcher, backend, signal_name, grace, left, through)

    def report(self, *words: object) -> None:
        """Tell the outer something, and wake it: it waits for signals, and a byte in a pipe is none."""
        self.reports.send(*words)
        self._signal_outer(signals.SIGCHLD)

    def continue_outer(self) -> None:
        """Continue the outer, which stops when the backend is stopped, or may have been stopped by somebody."""
        self._signal_outer(signals.SIGCONT)

    def _end_by(self, deadline: float) -> None:
        self.deadline = deadline if self.deadline is None else min(deadline, self.deadline)

    def _send_backend(self, number: int) -> None:
        if self.status is None:  # from its end on, its number may be another's (N3)
            self.tree.send(self.backend, number)

    def _signal_outer(self, number: int) -> None:
        # While it is our parent its pid is not reused: that takes its death, which changes our parent first.
        if os.getppid() == self.outer:
            self.tree.send(self.outer, number)
