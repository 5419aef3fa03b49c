"""What the outer supervisor does: one method for each action of its table.

Runs in: the outer supervisor. Called by: `outer_table`'s actions, by way of its loop. Most of it is needed only when
the inner is lost or late: then the outer does its work. Each takes the event that led to it; none waits. Only `mirror`
decides anything: as what to exit.
"""

import os
import time

from pdwrap import messages
from pdwrap.exit_status import OWN_FAILURE
from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import Tree
from pdwrap.fork_mode.job_control import Job
from pdwrap.fork_mode.mirror import mirror
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import KILL_TIME, LAST, PATIENCE, EndingReported, Event
from pdwrap.linux import procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from pdwrap.options import Settings


class OuterActions:
    """The inner supervisor, and what may fall to the outer one.

    Args:
        settings: what to do.
        launcher: whose death counts.
        inner: the inner supervisor's pid, our child.
        commands: to the inner.
        tree: our children.
        log: what to say when.
        job: stops and the terminal.
        end_as: ends this process as a wait status says.
        now: the monotonic clock, in seconds.

    Attributes:
        backend: its pid, once the inner has released it.
        backend_status: its wait status, where it fell to us and we reaped it.
        inner_status: the inner's wait status, once it has ended.
        finished: the backend's wait status, as the inner reported it.
        deadline: when the loop is to look again, on the clock; None is never.
        starved: for how long the inner has had no processor, in seconds, when the deadline was set.
        began: when we began to take over.
        not_counted: how many had been reaped by then, the inner included.

    """

    def __init__(
        self,
        settings: "Settings",
        launcher: Launcher,
        inner: int,
        commands: pipes.Writer,
        tree: Tree,
        log: messages.Log,
        job: Job,
        end_as: "Callable[[int, frozenset[int]], NoReturn]" = mirror,
        now: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.inner = inner
        self.commands = commands
        self.tree = tree
        self.log = log
        self.job = job
        self.end_as = end_as
        self.now = now
        self.backend = 0
        self.backend_status: int | None = None
        self.inner_status: int | None = None
        self.finished: int | None = None
        self.deadline: float | None = None
        self.starved = 0.0
        self.began: float | None = None
        self.not_counted = 0

    def announce(self, _event: Event) -> None:
        """Say that the inner is lost, and what has been done about it."""
        self.began = self.now()
        if not self.backend:
            if self.inner_status is not None and os.WIFSIGNALED(self.inner_status):
                messages.complain("a supervisor was lost while pdwrap started: nothing was started")
            return
        if self.inner_status is None or os.WIFSIGNALED(self.inner_status):
            launcher, *through = self.launcher.people()
            backend = (self.backend, self.log.backend_name)
            self.log.ending("supervisor-lost", launcher, backend, "SIGKILL", 0.0, through=through)

    def inform_inner(self, _event: Event) -> None:
        """The launcher was our parent: the inner may have no other way to see that it died."""
        self.commands.send(pipes.COMMAND_LAUNCHER_GONE)

    def allow_grace(self, _event: Event) -> None:
        """Step in a second after the grace, unless the inner says that it kills."""
        self.starved = procfs.time_kept_waiting(self.inner)
        self.deadline = self.now() + self.settings.grace + PATIENCE

    def allow_reported_grace(self, event: EndingReported) -> None:
        """The same, by the inner's own count."""
        self.starved = procfs.time_kept_waiting(self.inner)
        self.deadline = max(event.until, self.now()) + PATIENCE

    def allow_kill(self, _event: Event) -> None:
        """Step in a second after what killing may take."""
        self.starved = procfs.time_kept_waiting(self.inner)
        self.deadline = self.now() + KILL_TIME + PATIENCE - LAST

    def set_takeover_deadline(self, _event: Event) -> None:
        """Bound the wait for what falls to us from an inner that was late in killing."""
        self.deadline = self.now() + LAST

    def set_kill_deadline(self, _event: Event) -> None:
        """Bound our own killing (E7)."""
        self.deadline = self.now() + KILL_TIME

    def kill_inner(self, _event: Event) -> None:
        """End a late inner; the kernel then kills the backend, and the rest falls to us."""
        if self.inner_status is None:
            self.tree.send(self.inner, signals.SIGKILL)

    def kill(self, _event: Event) -> None:
        """Kill what is ours now."""
        self.tree.kill()

    def kill_below(self, _event: Event) -> None:
        """Kill what a child that does not die keeps from us."""
        self.tree.kill_below()

    def name_survivors(self, _event: Event) -> None:
        """Say what could not be killed."""
        if left := self.tree.living():
            self.log.survivors([(pid, procfs.name(pid)) for pid in left])

    def mirror(self, _event: Event) -> None:
        """End as the backend did; as SIGKILL where nobody knows; as a failure of ours where nothing was started.

        Only what the backend itself gave can count as success.
        """
        self.job.leave()
        if self.began is not None and self.backend and self.finished is None:
            self.log.done(self.tree.reaped - self.not_counted, self.now() - self.began)
        for raw in (self.finished, self.backend_status):
            if raw is not None:
                self.end_as(raw, self.settings.success)
        if not self.backend or (self.inner_status is not None and os.WIFEXITED(self.inner_status)):
            self.end_as(OWN_FAILURE << 8, frozenset())
        self.end_as(signals.SIGKILL, frozenset())
