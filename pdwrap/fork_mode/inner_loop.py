"""The inner supervisor's loop: the backend's parent, and the one that ends the tree.

Runs in: the inner supervisor. Called by: `inner_start`, once the backend is forked; the last look before its release,
too.

It waits for descriptors (poll): the launcher's pidfd, the lifeline, the outer's commands, and SIGCHLD's wake-up pipe.
All other signals stay blocked, so what was not meant for it does not matter (T2).

If the process dies at any point, the kernel kills the backend (parent-death signal, our one thread), and all orphans
fall to the outer supervisor, which ends them. Before the release: see `release`.
"""

import os
from select import POLLIN, poll

from pdwrap.exit_status import Refusal
from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import has_ended
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.inner_table import (
    STARTING,
    LateTermination,
    OuterFollowed,
    OuterKilled,
    StopOverdue,
    TerminationReceived,
    inner_table,
)
from pdwrap.launcher import GONE, Launcher
from pdwrap.lifecycle import (
    BACKLOG_WAIT,
    DONE,
    KILLING,
    LONGEST_WAIT,
    RECHECK_STEP,
    RECHECK_TIME,
    STALL_TIME,
    BackendExited,
    ChildReaped,
    DeadlinePassed,
    HalfTime,
    KillStalled,
    LauncherDied,
    Lifecycle,
    SignalReceived,
    TreeEmpty,
)
from pdwrap.linux import descriptors, procfs, signals
from pdwrap.stderr import STDERR


class Inner:
    """The loop: what the kernel says becomes events, the table's actions are carried out.

    Args:
        actions: the tree, and what can be done to it.
        launcher: whose death counts.
        commands: from the outer.
        held: a descriptor whose end tells the outer of ours.

    """

    def __init__(self, actions: InnerActions, launcher: Launcher, commands: pipes.Reader, held: int) -> None:
        self.actions = actions
        self.settings = actions.settings
        self.launcher = launcher
        self.commands = commands
        self.held = held
        table = inner_table(self.settings.leftovers, graceless=self.settings.grace == 0)
        self.life = Lifecycle(table, STARTING, actions)
        self.waiting = poll()
        self.sigchld_pipe = os.pipe()  # made now, when an error is still one of the start
        for descriptor in self.sigchld_pipe:
            os.set_blocking(descriptor, False)
        self.recheck_until = 0.0
        self.early: list[list[str]] = []  # commands that came before the release

    def is_done(self) -> bool:
        """Tell whether there is nothing left to do."""
        return self.life.state == DONE

    # -- the last look before the release ------------------------------------------------------------------------

    def look_once_more(self) -> None:
        """See that nobody was lost while pdwrap started.

        Raises:
            Refusal: the launcher, the lifeline or the outer supervisor was.

        """
        self.early = self.commands.receive()
        told = pipes.COMMAND_LAUNCHER_GONE in (words[0] for words in self.early)
        if self.commands.ended:
            self.life.feed(OuterKilled())
            raise Refusal("the outer supervisor was lost while pdwrap started: nothing was started")
        if told or self.launcher.is_dead(self.actions.outer):
            self.life.feed(LauncherDied())
            raise Refusal(GONE.format(self.launcher.pid))
        if self._lifeline_closed():
            self.life.feed(LauncherDied("lifeline-closed"))
            raise Refusal("the lifeline was closed while pdwrap started: nothing was started")

    def _lifeline_closed(self) -> bool:
        if self.settings.lifeline is None:
            return False
        from pdwrap import lifeline

        return lifeline.is_closed(self.settings.lifeline)

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Wait, ask the table, act; until nothing is left, or what is left cannot be killed."""
        wake, ring = self.sigchld_pipe
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
            self.held,
            wake,
            ring,
            self.commands.descriptor,
            actions.reports.descriptor,
            actions.tree.descriptor,
        }
        for descriptor in self.launcher.descriptors:
            self.waiting.register(descriptor, POLLIN)
            keep.add(descriptor)
        if self.settings.lifeline is not None:
            self.waiting.register(self.settings.lifeline, descriptors.HANG_UP)  # not POLLIN: its data is the backend's
            keep.add(self.settings.lifeline)
        actions.log.leave_stderr()
        descriptors.close_all_but(keep)

    def _patience(self) -> int | None:
        """Milliseconds until something is to be looked at that no descriptor tells of."""
        times = (self.actions.deadline, self.actions.half_time)
        until = [moment - self.actions.now() for moment in times if moment is not None]
        if self.launcher.interval is not None and self.actions.began is None:
            until.append(self.launcher.interval)
        if self.life.state == KILLING:
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
            self.life.feed(TreeEmpty())
        elif exited:
            self.life.feed(BackendExited(actions.tree.count_lasting()))
        elif reaped:
            self.life.feed(ChildReaped())

    def _stopped_or_continued(self, raw: int) -> None:
        self.actions.stopped = os.WIFSTOPPED(raw)
        if self.actions.began is not None:
            return  # the outer is not to stop any more
        if self.actions.stopped:
            self.actions.report(pipes.REPORT_STOPPED, os.WSTOPSIG(raw))
        else:
            self.actions.report(pipes.REPORT_CONTINUED)
            self.recheck_until = self.actions.now() + RECHECK_TIME
            self._recheck_outer()

    def _recheck_outer(self) -> None:
        """Continue the outer if it is stopped though the backend goes on.

        Not where it is not stopped: the SIGCONT would discard a stop signal that it has not taken yet (signal(7)). It
        may be about to stop, by a report that is out of date: so this is done again for a while.
        """
        if not self.actions.stopped and procfs.cannot_fork(self.actions.outer):
            self.actions.continue_outer()

    def _take_commands(self, ready: "set[int]") -> None:
        commands = self.early + self.commands.receive()
        self.early = []
        for words in commands:
            if words == [pipes.COMMAND_LAUNCHER_GONE]:
                self.launcher.note_death_of_nearest()
                self.life.feed(LauncherDied())
            elif words[0] == pipes.COMMAND_FORWARD:
                self._take_children(ready)  # has it exited, or has somebody else continued it?
                if not self.is_done():
                    self._take_signal(int(words[1]), int(words[2]), words[3])
            else:
                raise pipes.UnknownWord(" ".join(words))
            if self.is_done():
                return

    def _take_signal(self, number: int, received: int, flag: str) -> None:
        """Say which kind of event a signal is.

        Args:
            number: the signal to send.
            received: the one that the outer got.
            flag: of `pipes`.

        """
        if flag == pipes.ONLY_IF_STOPPED and not self.actions.stopped:
            return  # the kernel gave it to the whole group, and the backend has had it
        if {number, received}.isdisjoint((signals.SIGTERM, self.settings.signal)):
            self.life.feed(SignalReceived(number, ends=False))
        elif self.actions.began is not None and self.actions.reason == "launcher-died":
            self.life.feed(LateTermination(number, ends=True))
        else:
            self.life.feed(TerminationReceived(number, ends=True))

    def _take_losses(self, ready: "set[int]") -> None:
        if self.actions.began is None:
            if self.launcher.is_dead(self.actions.outer):
                self.life.feed(LauncherDied())
            elif self.settings.lifeline in ready:
                self.life.feed(LauncherDied("lifeline-closed"))
        for descriptor in (*self.launcher.descriptors, self.settings.lifeline):
            if descriptor in ready:
                self.waiting.unregister(descriptor)  # it has said all that it can
        if self.commands.ended and self.commands.descriptor in ready:
            self.waiting.unregister(self.commands.descriptor)
            followed = self.launcher.pid and self.launcher.is_dead(self.actions.outer)
            self.life.feed(OuterFollowed() if followed else OuterKilled())

    def _take_time(self, ready: "set[int]") -> None:
        if self.actions.deadline is not None and self.actions.now() >= self.actions.deadline:
            self.actions.deadline = self.actions.half_time = None
            self.life.feed(StopOverdue() if self.actions.began is None else DeadlinePassed())
        elif self.actions.half_time is not None and self.actions.now() >= self.actions.half_time:
            self.actions.half_time = None
            self.life.feed(HalfTime())
        elif self.life.state == KILLING and not ready:
            # Nothing left but what another is to reap (a tracer's zombies) is as good as nothing.
            self.life.feed(KillStalled() if self.actions.tree.living() else TreeEmpty())
        if self.recheck_until:
            self._recheck_outer()
            if self.actions.now() >= self.recheck_until or self.actions.began is not None:
                self.recheck_until = 0.0


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass
