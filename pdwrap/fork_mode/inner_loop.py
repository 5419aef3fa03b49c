"""The inner supervisor: the backend's parent, and the one that ends the tree.

It waits for descriptors (poll): the launcher's pidfd, the lifeline, the outer's commands, and SIGCHLD's wake-up pipe.
All other signals stay blocked, so what was not meant for it does not matter (T2).

If the process dies at any point, the kernel kills the backend (parent-death signal, our one thread), and all orphans
fall to the outer supervisor, which ends them. Before the release: see `release`.
"""

import os
import time
from select import POLLIN, POLLRDHUP, poll

from pdwrap import lifecycle, lifeline
from pdwrap.exit_status import Refusal
from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import has_ended
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.inner_table import inner_table
from pdwrap.launcher import GONE, Launcher
from pdwrap.lifecycle import BACKLOG_WAIT, LONGEST_WAIT, RECHECK_STEP, RECHECK_TIME, STALL_TIME, Lifecycle
from pdwrap.linux import descriptors, procfs, signals
from pdwrap.stderr import STDERR


class Inner:
    """The loop: what the kernel says becomes events, the table's actions are carried out.

    Args:
        actions: the tree, and what can be done to it.
        launcher: whose death counts.
        commands: from the outer.

    """

    def __init__(self, actions: InnerActions, launcher: Launcher, commands: pipes.Reader) -> None:
        self.actions = actions
        self.settings = actions.settings
        self.launcher = launcher
        self.commands = commands
        table = inner_table(self.settings.leftovers, graceless=self.settings.grace == 0)
        self.life = Lifecycle(table, lifecycle.STARTING)
        self.waiting = poll()
        self.bell = os.pipe()  # SIGCHLD's; made now, when an error is still one of the start
        for descriptor in self.bell:
            os.set_blocking(descriptor, False)
        self.recheck_until = 0.0
        self.early: list[list[str]] = []  # commands that came before the release

    def is_done(self) -> bool:
        """Tell whether there is nothing left to do."""
        return self.life.state == lifecycle.DONE

    # -- the last look before the release ------------------------------------------------------------------------

    def look_once_more(self) -> None:
        """See that nobody was lost while pdwrap started.

        Raises:
            Refusal: the launcher, the lifeline or the outer supervisor was.

        """
        self.early = self.commands.receive()
        told = pipes.LAUNCHER_GONE in (words[0] for words in self.early)
        if self.commands.ended:
            self._feed(lifecycle.OUTER_LOST)
            raise Refusal("the outer supervisor was lost while pdwrap started: nothing was started")
        if told or self.launcher.is_dead(self.actions.outer):
            self._feed(lifecycle.LAUNCHER_DIED)
            raise Refusal(GONE.format(self.launcher.pid))
        if lifeline.is_closed(self.settings.lifeline):
            self._feed(lifecycle.LAUNCHER_DIED)
            raise Refusal("the lifeline was closed while pdwrap started: nothing was started")

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Wait, ask the table, act; until nothing is left, or what is left cannot be killed."""
        wake, ring = self.bell
        self._hold_only(wake, ring)
        signals.api.signal(signals.SIGCHLD, lambda _number, _frame: None)
        signals.api.set_wakeup_fd(ring, warn_on_full_buffer=False)
        signals.api.pthread_sigmask(signals.api.SIG_UNBLOCK, {signals.SIGCHLD})
        ready = {wake}  # whatever came before the handler stood
        while True:
            if wake in ready:
                _drain(wake)
            for look in (self._take_children, self._take_commands, self._take_losses, self._take_time):
                look(ready)
                if self.is_done():
                    return
            ready = {descriptor for descriptor, _event in self.waiting.poll(self._patience())}

    def _hold_only(self, wake: int, ring: int) -> None:
        """Wait for our own descriptors, and close every other: what we hold we keep alive."""
        actions = self.actions
        self.waiting.register(wake, POLLIN)
        self.waiting.register(self.commands.descriptor, POLLIN)
        keep = {
            STDERR,
            wake,
            ring,
            self.commands.descriptor,
            actions.reports.descriptor,
            actions.tree.descriptor,
        }
        if self.launcher.descriptor is not None:
            self.waiting.register(self.launcher.descriptor, POLLIN)
            keep.add(self.launcher.descriptor)
        if self.settings.lifeline is not None:
            self.waiting.register(self.settings.lifeline, POLLRDHUP)  # not POLLIN: its data is the backend's
            keep.add(self.settings.lifeline)
        actions.log.leave_stderr()
        descriptors.close_all_but(keep)

    def _patience(self) -> int | None:
        """Milliseconds until something is to be looked at that no descriptor tells of."""
        until = [] if self.actions.deadline is None else [self.actions.deadline - time.monotonic()]
        if self.launcher.interval is not None and self.actions.began is None:
            until.append(self.launcher.interval)
        if self.life.state == lifecycle.KILLING:
            until.append(STALL_TIME)
        elif self.recheck_until:
            until.append(RECHECK_STEP)
        if self.actions.tree.more:
            until.append(0)
        if not self.actions.reports.flush():
            until.append(BACKLOG_WAIT)
        return max(0, int(min(*until, LONGEST_WAIT) * 1000) + 1) if until else None

    def _take_children(self, _ready: "set[int]") -> None:
        actions = self.actions
        exited = reaped = False
        for pid, raw in actions.tree.reap():
            if not has_ended(raw):
                if pid == actions.backend and actions.status is None:
                    self._stopped_or_continued(raw)
            elif pid == actions.backend and actions.status is None:  # afterwards its number may be an orphan's
                actions.status = raw
                exited = True
            else:
                reaped = True
        if actions.status is not None and not actions.tree.children():
            self._feed(lifecycle.TREE_EMPTY)
        elif exited:
            self._end("leftovers", lifecycle.BACKEND_EXITED)
        elif reaped:
            self._feed(lifecycle.CHILD_REAPED)

    def _stopped_or_continued(self, raw: int) -> None:
        self.actions.stopped = os.WIFSTOPPED(raw)
        if self.actions.began is not None:
            return  # the outer is not to stop any more
        if self.actions.stopped:
            self.actions.report(pipes.STOPPED, os.WSTOPSIG(raw))
        else:
            self.actions.report(pipes.CONTINUED)
            self.recheck_until = time.monotonic() + RECHECK_TIME
            self._recheck_outer()

    def _recheck_outer(self) -> None:
        """Continue the outer if it is stopped though the backend goes on.

        Not where it is not stopped: the SIGCONT would discard a stop signal that it has not taken yet (signal(7)). It
        may be about to stop, by a report that is out of date: so this is done again for a while.
        """
        if not self.actions.stopped and procfs.is_stopped(self.actions.outer):
            self.actions.continue_outer()

    def _take_commands(self, ready: "set[int]") -> None:
        commands = self.early + self.commands.receive()
        self.early = []
        for words in commands:
            if words[0] == pipes.LAUNCHER_GONE:
                self._end("launcher-died", lifecycle.LAUNCHER_DIED)
                continue
            self._take_children(ready)  # has it exited, or has somebody else continued it?
            if self.is_done():
                return
            _forward, sent, received, flag = words
            self.actions.to_forward = int(sent)
            self.actions.only_if_stopped = flag == pipes.ONLY_IF_STOPPED
            self.actions.ends = not {int(sent), int(received)}.isdisjoint((signals.SIGTERM, self.settings.signal))
            ending = self.actions.began is not None and self.actions.reason == "launcher-died"
            self._feed(self._kind_of_signal(late=ending and flag == pipes.FROM_LAUNCHER))

    def _kind_of_signal(self, *, late: bool) -> str:
        if not self.actions.ends:
            return lifecycle.SIGNAL_RECEIVED
        return lifecycle.LATE_TERMINATION if late else lifecycle.TERMINATION_RECEIVED

    def _take_losses(self, ready: "set[int]") -> None:
        if self.actions.began is None:
            if self.launcher.is_dead(self.actions.outer):
                self._end("launcher-died", lifecycle.LAUNCHER_DIED)
            elif self.settings.lifeline in ready:
                self._end("lifeline-closed", lifecycle.LAUNCHER_DIED)
        for descriptor in (self.launcher.descriptor, self.settings.lifeline):
            if descriptor in ready:
                self.waiting.unregister(descriptor)  # it has said all that it can
        if self.commands.ended and self.commands.descriptor in ready:
            self.waiting.unregister(self.commands.descriptor)
            # The launcher lives, and has killed what it knows of us: it counts the backend as dead, and may start the
            # next one on the same port. With the launcher gone as well, nobody waits, and the grace stands.
            if not self.launcher.pid or not self.launcher.is_dead(self.actions.outer):
                self._end("outer-lost", lifecycle.OUTER_LOST)

    def _take_time(self, ready: "set[int]") -> None:
        if self.actions.deadline is not None and time.monotonic() >= self.actions.deadline:
            self.actions.deadline = None
            self._feed(lifecycle.DEADLINE_PASSED)
        elif self.life.state == lifecycle.KILLING and not ready:
            self._feed(lifecycle.KILL_STALLED)
        if self.recheck_until:
            self._recheck_outer()
            if time.monotonic() >= self.recheck_until or self.actions.began is not None:
                self.recheck_until = 0.0

    # -- the table ------------------------------------------------------------------------------------------------

    def _end(self, reason: str, event: str) -> None:
        if self.actions.began is None:
            self.actions.reason = reason
        self._feed(event)

    def _feed(self, event: str) -> None:
        had_begun = self.actions.began is not None
        left = len(self.actions.tree.children()) if event == lifecycle.BACKEND_EXITED else 0
        for action in self.life.feed(event):
            getattr(self.actions, action)()
        if self.actions.began is not None and not had_begun:
            self.actions.announce(left, at_once=self.life.state == lifecycle.KILLING)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass
