"""The outer supervisor's loop: the process that the launcher knows. It forwards, mirrors, and steps in.

Runs in: the outer supervisor. Called by: `start`, once the inner is forked.

It waits for signals (sigwaitinfo), all of them blocked, because only that tells who sent one: typed keys and hang-ups
come from the kernel (si_code > 0), the rest from a process (sigaction(2)). A byte in a pipe wakes it as little as a
dead launcher does: SIGCHLD is the parent-death signal, the end of a child, and the inner's poke after each report.
Each is one more reason to look at everything, none a verdict. What must be seen by a process that is stopped comes with
SIGCONT (E4): the parent-death signal (`prctl`), the inner's loss, the waker's word (`pipe_signal`).

If the process dies at any point, the inner sees end-of-file on the command pipe, and ends the tree.
"""

import os

from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.children import has_ended
from pdwrap.fork_mode.outer_actions import OuterActions
from pdwrap.fork_mode.outer_table import OUTER, TAKING_OVER, InnerDone, InnerLost, KillingReported
from pdwrap.lifecycle import (
    BACKLOG_WAIT,
    DONE,
    LONGEST_WAIT,
    MOST_PUT_OFF,
    RUNNING,
    STALL_TIME,
    TWIN_TIME,
    ChildReaped,
    DeadlinePassed,
    EndingReported,
    KillStalled,
    LauncherDied,
    Lifecycle,
    TreeEmpty,
)
from pdwrap.linux import parent_thread, pipe_signal, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

AWAITED = signals.ALL - {signals.SIGKILL, signals.SIGSTOP}


class Outer:
    """The loop: what the kernel and the inner say becomes events, the table's actions are carried out.

    Args:
        actions: the tree, and what can be done to it.
        reports: from the inner.
        loss: a pipe's end of which the inner holds the other one.

    """

    def __init__(self, actions: OuterActions, reports: pipes.Reader, loss: int = -1) -> None:
        self.actions = actions
        self.settings = actions.settings
        self.launcher = actions.launcher
        self.job = actions.job
        self.reports = reports
        self.loss = loss
        self.life = Lifecycle(OUTER, RUNNING, actions)
        self.launcher_dead = False
        self.put_off = 0.0
        self.inner_ends = False  # the kernel says so; its status is about to come, unless a tracer holds it back

    def run(self) -> None:
        """Wait, ask the table, act; does not return but by an error."""
        if self.launcher.hinted:  # the end of our parent thread still looks like a SIGCONT of the launcher's
            self._tell_threads_apart()
        while self.life.state != DONE:
            self._take_children()
            self._read_reports()
            self._take_inner()
            self._take_launcher()
            self._take_time()
            self._take_stop()
            if self.life.state != DONE:
                self._wait()

    def _patience(self) -> float | None:
        """Seconds until something is to be looked at that no signal tells of."""
        until = [] if self.actions.deadline is None else [self.actions.deadline - self.actions.now()]
        if self.launcher.interval is not None and not self.launcher_dead:
            until.append(self.launcher.interval)
        if self.life.state == TAKING_OVER:
            until.append(STALL_TIME)
        if self.actions.tree.more:
            until.append(0)
        if not self.actions.commands.flush() or (self.inner_ends and self.actions.inner_status is None):
            until.append(BACKLOG_WAIT)
        return max(0.0, min(*until, LONGEST_WAIT)) if until else None

    def _wait(self) -> None:
        info = signals.wait(AWAITED, self._patience())
        if info is None:
            if self.life.state == TAKING_OVER:
                self._take_stall()
        elif info.si_signo == signals.SIGCHLD:
            if info.si_pid != self.actions.inner and (sent := self.job.take_sent(info)) is not None:
                self._received(sent)
        else:
            twin = signals.take_twin(info, TWIN_TIME)
            self._received(info)
            if twin is not None:
                self._received(twin)

    # -- what the kernel says -------------------------------------------------------------------------------------

    def _received(self, info: "signal.struct_siginfo") -> None:
        number = int(info.si_signo)
        if info.si_pid in (self.actions.inner, os.getpid()) and info.si_code <= 0:
            self.job.stopped = False
            return  # the inner continues us; a write to its closed pipe is our own SIGPIPE
        if number == signals.SIGCONT and (self._is_from_a_pipe(info) or self._is_for_a_death(info)):
            return
        if info.si_code > 0:
            if self.job.shared_group and number in signals.FROM_TERMINAL:
                return  # the kernel sent it to the whole group, the backend included
            if number == signals.SIGHUP and os.getsid(0) != os.getpid():
                return  # not a hang-up of ours: our stopped group has become an orphaned one (setpgid(2))
        sent = self.settings.rewrite.get(number, number)
        if sent == signals.SIGCONT and self.job.hand_over(self.actions.backend):
            return
        if sent:
            self.actions.commands.send(pipes.COMMAND_FORWARD, sent, number, self._circumstance(number))

    def _is_from_a_pipe(self, info: "signal.struct_siginfo") -> bool:
        """Tell the SIGCONT of a lost inner, or of a waker, from one that was sent: it has the code of a descriptor."""
        if not 0 < info.si_code < signals.BY_KERNEL:
            return False
        self.inner_ends = pipe_signal.other_end_is_closed(self.loss)
        self.job.continued_unsent()
        return True

    def _is_for_a_death(self, info: "signal.struct_siginfo") -> bool:
        """Tell the SIGCONT of a dead launcher: where it had dropped its uid, its mark was refused (kill(2), EPERM)."""
        return info.si_pid == self.launcher.pid and self.launcher.is_dead(os.getpid())

    def _tell_threads_apart(self) -> None:
        """From now on tell the end of one of the launcher's threads from a launcher that continues us.

        A SIGCONT from before may be either: a stopped backend gets it; one that runs has no handler yet. Not later: a
        launcher may execute another program by a new thread at once.
        """
        try:
            parent_thread.mark_its_end()
        except (OSError, ImportError):
            return  # one mechanism less
        if (info := signals.wait({signals.SIGCONT}, 0)) is not None:
            self.job.maybe_unsent = info.si_pid == self.launcher.pid
            self._received(info)
            self.job.maybe_unsent = False

    def _circumstance(self, number: int) -> str:
        if number == signals.SIGCONT:
            stopped, self.job.stopped = self.job.stopped, False
            # `fg` continues the whole foreground group: then the backend has had it.
            had = stopped and self.job.shared_group
            return pipes.ONLY_IF_STOPPED if had or self.job.maybe_unsent else pipes.PLAIN
        return pipes.PLAIN

    def _take_children(self) -> None:
        reaped = False
        before = self.actions.tree.reaped
        for pid, raw in self.actions.tree.reap():
            if not has_ended(raw):
                if pid == self.actions.inner and os.WIFSTOPPED(raw):
                    self.actions.tree.send(self.actions.inner, signals.SIGCONT)
                continue
            if pid == self.actions.inner and self.actions.inner_status is None:
                self.actions.inner_status = raw
                self.actions.not_counted = before + 1
            elif pid == self.actions.backend and self.actions.backend_status is None:
                self.actions.backend_status = raw
            reaped = True
        if self.life.state == TAKING_OVER:
            if not self.actions.tree.children():
                self.life.feed(TreeEmpty())
            elif reaped:
                self.life.feed(ChildReaped())

    def _take_stall(self) -> None:
        """Say that nothing more dies, or that nothing is left but what another is to reap (a tracer's zombies)."""
        self.life.feed(KillStalled() if self.actions.tree.living() else TreeEmpty())

    def _read_reports(self) -> None:
        if self.reports.ended:
            return
        for word, *said in self.reports.receive():
            if word == pipes.REPORT_BACKEND:
                self.actions.backend = int(said[0])
            elif word == pipes.REPORT_STOPPED:
                self.job.reported(int(said[0]))
            elif word == pipes.REPORT_CONTINUED:
                self.job.reported(0)
            elif word == pipes.REPORT_ENDING:
                self.life.feed(EndingReported(float(said[0])))
            elif word == pipes.REPORT_KILLING:
                self.life.feed(KillingReported())
            elif word == pipes.REPORT_DONE:
                self.actions.finished = int(said[0])
            else:
                raise pipes.UnknownWord(word)

    def _take_stop(self) -> None:
        """Follow the backend's stop. Last: whoever has died is a reason not to."""
        follow = self.job.stop_pending and self.life.state == RUNNING and not self.inner_ends
        if not follow or self.job.hand_over(self.actions.backend):
            return
        # SIGCHLD is taken before SIGCONT where both are pending: one of the inner's is older than this stop.
        info = signals.wait({signals.SIGCONT}, 0)
        if info is not None and info.si_pid != self.actions.inner and not self._is_from_a_pipe(info):
            if self.job.is_marked(info):
                return
            self.job.stop_pending = False
            self._received(info)
            return
        number = self.job.backend_stop
        self.job.stop(lambda: self._goes_on_from(number), self.actions.inner, self.launcher)

    def _goes_on_from(self, number: int) -> bool:
        self._read_reports()
        return self.job.backend_stop != number or self.life.state != RUNNING

    def _take_inner(self) -> None:
        """Tell a normal end of the inner from its loss. After its reports have been read: they may say it all."""
        if self.inner_ends and self.actions.inner_status is None:
            self._look_at_inner()
        if self.actions.inner_status is None or self.life.state in (TAKING_OVER, DONE):
            return
        if self.actions.finished is not None:
            self.life.feed(InnerDone())
        else:
            self.life.feed(InnerLost())
            self._take_children()

    def _look_at_inner(self) -> None:
        """See that an inner has ended though a tracer keeps its status (ptrace(2)). Its children are ours by then."""
        seen = procfs.stat(self.actions.inner)
        if seen is not None and not seen.alive:
            self._take_children()
            if self.actions.inner_status is None:
                self.actions.inner_status = signals.SIGKILL

    def _take_launcher(self) -> None:
        if not self.launcher_dead and self.life.state != DONE and self.launcher.is_dead(os.getpid()):
            self.launcher_dead = True
            self.life.feed(LauncherDied())

    def _take_time(self) -> None:
        deadline = self.actions.deadline
        if deadline is not None and self.actions.now() >= deadline and self.life.state != DONE:
            self.actions.deadline = None
            if not self._wait_for_a_starved_inner():
                self.life.feed(DeadlinePassed())

    def _wait_for_a_starved_inner(self) -> bool:
        """Put a deadline off by the time for which the inner had no processor: it is not late, the machine is.

        (With a load of 35, one tree in 14 was taken away from an inner that was doing its work.) Time is put off at
        most MOST_PUT_OFF in all: a machine that has none is no reason to leave a tree for ever (E7).
        """
        if self.life.state == TAKING_OVER or self.actions.inner_status is not None:
            return False
        starved = procfs.time_kept_waiting(self.actions.inner)
        lost, self.actions.starved = starved - self.actions.starved, starved
        lost = min(lost, MOST_PUT_OFF - self.put_off)
        if lost < STALL_TIME / 2:
            return False
        self.put_off += lost
        self.actions.deadline = self.actions.now() + lost
        return True
