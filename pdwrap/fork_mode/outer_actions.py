"""What the outer supervisor does: one method for each action of its table (`tables.OUTER`).

Most of it is needed only when the inner is lost or late: then the outer stands in for it. No decision is taken here,
and nothing is waited for.
"""

import os
import time

from pdwrap import messages
from pdwrap.exit_status import OWN_FAILURE
from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import Tree, send
from pdwrap.fork_mode.job_control import Job
from pdwrap.fork_mode.mirror import mirror
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import KILL_TIME, LAST, PATIENCE
from pdwrap.linux import procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
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

    Attributes:
        backend: its pid, once the inner has released it.
        backend_status: its wait status, where it fell to us and we reaped it.
        inner_status: the inner's wait status, once it has ended.
        finished: the backend's wait status, as the inner reported it.
        ending_until: until when the inner gives grace, as it reported.
        deadline: when the loop is to look again, on the monotonic clock; None is never.
        began: when we began to stand in.
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
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.inner = inner
        self.commands = commands
        self.tree = tree
        self.log = log
        self.job = job
        self.backend = 0
        self.backend_status: int | None = None
        self.inner_status: int | None = None
        self.finished: int | None = None
        self.ending_until = 0.0
        self.deadline: float | None = None
        self.began: float | None = None
        self.not_counted = 0

    def announce(self) -> None:
        """Say that the inner is lost, and what has been done about it."""
        self.began = time.monotonic()
        if not self.backend:
            if self.inner_status is not None and os.WIFSIGNALED(self.inner_status):
                messages.complain("a supervisor was lost while pdwrap started: nothing was started")
            return
        if self.inner_status is None or os.WIFSIGNALED(self.inner_status):
            launcher = (self.launcher.pid, self.launcher.name)
            self.log.ending("supervisor-lost", launcher, (self.backend, self.log.backend_name), "SIGKILL", 0.0)

    def tell_inner(self) -> None:
        """The launcher was our parent: the inner may have no other way to see that it died."""
        self.commands.send(pipes.LAUNCHER_GONE)

    def allow_grace(self) -> None:
        """Step in a second after the grace, unless the inner says that it kills."""
        until = max(
            self.ending_until, time.monotonic() if self.ending_until else time.monotonic() + self.settings.grace
        )
        self.deadline = until + PATIENCE

    def allow_kill(self) -> None:
        """Step in a second after what killing may take."""
        self.deadline = time.monotonic() + KILL_TIME + PATIENCE - LAST

    def allow_last(self) -> None:
        """Let what falls to us now die."""
        self.deadline = time.monotonic() + LAST

    def set_kill_deadline(self) -> None:
        """Bound our own killing (E7)."""
        self.deadline = time.monotonic() + KILL_TIME

    def kill_inner(self) -> None:
        """End a late inner; the kernel then kills the backend, and the rest falls to us."""
        if self.inner_status is None:
            send(self.inner, signals.SIGKILL)

    def kill(self) -> None:
        """Kill what is ours now."""
        self.tree.kill()

    def kill_below(self) -> None:
        """Kill what a child that does not die keeps from us."""
        self.tree.kill_below()

    def name_survivors(self) -> None:
        """Say what could not be killed."""
        if left := self.tree.living():
            self.log.survivors([(pid, procfs.name(pid)) for pid in left])

    def mirror(self) -> None:
        """End as the backend did; as SIGKILL where nobody knows; as a failure of ours where nothing was started.

        Only what the backend itself gave can count as success.
        """
        self.job.leave()
        if self.began is not None and self.backend and self.finished is None:
            self.log.done(self.tree.reaped - self.not_counted, time.monotonic() - self.began)
        for raw in (self.finished, self.backend_status):
            if raw is not None:
                mirror(raw, self.settings.success)
        if not self.backend or (self.inner_status is not None and os.WIFEXITED(self.inner_status)):
            os._exit(OWN_FAILURE)
        mirror(signals.SIGKILL)
