"""The outer supervisor: the process that the launcher knows. It forwards, mirrors, and steps in.

It waits for signals (sigwaitinfo), all of them blocked, because only that tells who sent one: typed keys and hang-ups
come from the kernel (si_code > 0), the rest from a process (sigaction(2)). A byte in a pipe wakes it as little as a
dead launcher does: SIGCHLD is the parent-death signal, the end of a child, and the inner's poke after each report.
Each is one more reason to look at everything, none a verdict.

If the process dies at any point, the inner sees end-of-file on the command pipe, and ends the tree.
"""

import os
import time

from pdwrap import launch, lifecycle, messages, procfs, signals, wire
from pdwrap.jobs import Job
from pdwrap.lifecycle import Lifecycle
from pdwrap.mirror import mirror
from pdwrap.status import OWN_FAILURE
from pdwrap.tables import OUTER
from pdwrap.tree import KILL_TIME, Tree, has_ended, kill_until_empty, send
from pdwrap.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn

    from pdwrap.options import Settings

PATIENCE = 1.0  # seconds that the inner may be late before the outer does its work
LAST = 0.5  # seconds of them that are left to what falls to us when the inner was late in killing
STALL_TIME = 0.2  # seconds between two looks below what does not die
LONGEST_WAIT = 86_400.0  # seconds
AWAITED = signals.ALL - {signals.SIGKILL, signals.SIGSTOP}


class Outer:
    """State of the outer supervisor.

    Args:
        settings: what to do.
        watch: the launcher.
        inner: the inner supervisor's pid, our child.
        commands: to the inner.
        reports: from the inner.
        tree: our children.
        log: what to say when.
        shared_group: the backend is in our own process group.

    """

    def __init__(
        self,
        settings: "Settings",
        watch: Watch,
        inner: int,
        commands: wire.Writer,
        reports: wire.Reader,
        tree: Tree,
        log: messages.Log,
        *,
        shared_group: bool,
    ) -> None:
        self.settings = settings
        self.watch = watch
        self.inner = inner
        self.commands = commands
        self.reports = reports
        self.tree = tree
        self.log = log
        self.job = Job(shared_group=shared_group)
        self.life = Lifecycle(OUTER, lifecycle.RUNNING)
        self.backend = 0
        self.backend_status: int | None = None  # where it fell to us and we reaped it
        self.inner_status: int | None = None
        self.finished: int | None = None  # the backend's wait status, as the inner reported it
        self.launcher_dead = False
        self.ending_until = 0.0
        self.deadline: float | None = None
        self.began: float | None = None

    def run(self) -> None:
        """Wait, ask the table, act; does not return but by an error."""
        while self.life.state != lifecycle.DONE:
            self._take_children()
            self._take_reports()
            self._take_inner()
            self._take_launcher()
            self._take_time()
            if self.life.state != lifecycle.DONE:
                self._wait()

    def _wait(self) -> None:
        until = [] if self.deadline is None else [self.deadline - time.monotonic()]
        if self.watch.interval is not None and not self.launcher_dead:
            until.append(self.watch.interval)
        if self.life.state == lifecycle.SWEEPING:
            until.append(STALL_TIME)
        if not self.commands.flush():
            until.append(0.01)
        if until:
            info = signals.api.sigtimedwait(AWAITED, max(0.0, min(*until, LONGEST_WAIT)))
        else:
            info = signals.api.sigwaitinfo(AWAITED)
        if info is None and self.life.state == lifecycle.SWEEPING:
            self._feed(lifecycle.KILL_STALLED)
        elif info is not None and info.si_signo != signals.SIGCHLD:
            self._received(info)

    # -- what the kernel says -------------------------------------------------------------------------------------

    def _received(self, info: "signal.struct_siginfo") -> None:
        number = int(info.si_signo)
        if info.si_pid in (self.inner, os.getpid()) and info.si_code <= 0:
            self.job.stopped = False
            return  # the inner continues us; a write to its closed pipe is our own SIGPIPE
        if info.si_code > 0:
            if self.job.shared_group and number in signals.FROM_TERMINAL:
                return  # the kernel sent it to the whole group, the backend included
            if number == signals.SIGHUP and os.getsid(0) != os.getpid():
                return  # not a hang-up of ours: our stopped group has become an orphaned one (setpgid(2))
        sent = self.settings.rewrite.get(number, number)
        if sent == signals.SIGCONT and self.job.hand_over(self.backend):
            return
        if sent:
            self.commands.send(wire.FORWARD, sent, number, self._circumstance(number, info.si_pid))

    def _circumstance(self, number: int, sender: int) -> str:
        if number == signals.SIGCONT:
            stopped, self.job.stopped = self.job.stopped, False
            # `fg` continues the whole foreground group: then the backend has had it.
            return wire.ONLY_IF_STOPPED if stopped and self.job.shared_group else "-"
        return wire.FROM_LAUNCHER if sender and sender == self.watch.pid else "-"

    def _take_children(self) -> None:
        reaped = False
        for pid, raw in self.tree.reap():
            if not has_ended(raw):
                if pid == self.inner and os.WIFSTOPPED(raw):
                    send(self.inner, signals.SIGCONT)
                continue
            if pid == self.inner:
                self.inner_status = raw
            elif pid == self.backend:
                self.backend_status = raw
            reaped = True
        if self.life.state == lifecycle.SWEEPING:
            if not self.tree.children():
                self._feed(lifecycle.TREE_EMPTY)
            elif reaped:
                self._feed(lifecycle.CHILD_REAPED)

    def _take_reports(self) -> None:
        self._read_reports()
        if self.job.news and self.life.state == lifecycle.RUNNING and not self.job.hand_over(self.backend):
            self._stop_with_backend()

    def _read_reports(self) -> None:
        if self.reports.ended:
            return
        for words in self.reports.receive():
            if words[0] == wire.BACKEND:
                self.backend = int(words[1])
            elif words[0] == wire.STOPPED:
                self.job.reported(int(words[1]))
            elif words[0] == wire.CONTINUED:
                self.job.reported(0)
            elif words[0] == wire.FINISHED:
                self.finished = int(words[1])
            elif self.life.state == lifecycle.SWEEPING:
                pass  # said before it was lost; we do the work now
            elif words[0] == wire.ENDING:
                self.ending_until = float(words[1])
                self._feed(lifecycle.ENDING_REPORTED)
            elif words[0] == wire.KILLING:
                self._feed(lifecycle.KILLING_REPORTED)

    def _stop_with_backend(self) -> None:
        # SIGCHLD is taken before SIGCONT where both are pending: one of the inner's is older than this stop.
        info = signals.api.sigtimedwait({signals.SIGCONT}, 0)
        if info is not None and info.si_pid != self.inner:
            self.job.news = False
            self._received(info)
            return
        number = self.job.backend_stop
        self.job.stop(lambda: self._goes_on_from(number))

    def _goes_on_from(self, number: int) -> bool:
        self._read_reports()
        return self.job.backend_stop != number or self.life.state != lifecycle.RUNNING

    def _take_inner(self) -> None:
        """Tell a normal end of the inner from its loss. After its reports have been read: they may say it all."""
        if self.inner_status is None or self.life.state in (lifecycle.SWEEPING, lifecycle.DONE):
            return
        if self.finished is not None:
            self._feed(lifecycle.INNER_DONE)
        else:
            self._feed(lifecycle.INNER_LOST)
            self._announce()
            self._take_children()

    def _take_launcher(self) -> None:
        if not self.launcher_dead and self.life.state != lifecycle.DONE and self.watch.gone(os.getpid()):
            self.launcher_dead = True
            self._feed(lifecycle.LAUNCHER_DIED)

    def _take_time(self) -> None:
        if self.deadline is not None and time.monotonic() >= self.deadline and self.life.state != lifecycle.DONE:
            self.deadline = None
            self._feed(lifecycle.DEADLINE_PASSED)
            if self.life.state == lifecycle.SWEEPING:
                self._announce()

    # -- acting ---------------------------------------------------------------------------------------------------

    def _feed(self, event: str) -> None:
        for action in self.life.feed(event):
            getattr(self, action)()

    def _announce(self) -> None:
        self.began = time.monotonic()
        self.tree.reaped = 0
        if not self.backend:
            if self.inner_status is not None and os.WIFSIGNALED(self.inner_status):
                messages.complain("a supervisor was lost while pdwrap started: nothing was started")
            return
        if self.inner_status is None or os.WIFSIGNALED(self.inner_status):
            launcher = (self.watch.pid, self.watch.name)
            self.log.ending("supervisor-lost", launcher, (self.backend, self.log.backend_name), "SIGKILL", 0.0)

    def tell_inner(self) -> None:
        """The launcher was our parent: the inner may have no other way to see that it died."""
        self.commands.send(wire.LAUNCHER_GONE)

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
        """End as the backend did; as SIGKILL where nobody knows; as a failure of ours where nothing was started."""
        self.job.leave()
        if self.began is not None and self.backend and self.finished is None:
            self.log.done(self.tree.reaped, time.monotonic() - self.began)
        for raw in (self.finished, self.backend_status):
            if raw is not None:
                mirror(raw)
        if not self.backend or (self.inner_status is not None and os.WIFEXITED(self.inner_status)):
            os._exit(OWN_FAILURE)
        mirror(signals.SIGKILL)


def supervise(outer: Outer, keep: "set[int]") -> "NoReturn":
    """Be the outer supervisor, to the end. Whatever goes wrong ends the tree (E8).

    Args:
        outer: its state.
        keep: the descriptors to keep open: what a supervisor holds open it keeps alive.

    """
    try:
        launch.close_all_but(keep)
        outer.run()
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, nothing may be left behind
        try:
            outer.log.error(error)
        finally:
            kill_until_empty(outer.tree, outer.log)
    finally:
        os._exit(OWN_FAILURE)
