"""The outer supervisor: the process that the launcher knows. It forwards, mirrors, and steps in.

It waits for signals (sigwaitinfo), all of them blocked, because only that tells who sent one: typed keys and hang-ups
come from the kernel (si_code > 0), the rest from a process (sigaction(2)). A byte in a pipe wakes it as little as a
dead launcher does: SIGCHLD is the parent-death signal, the end of a child, and the inner's poke after each report.
Each is one more reason to look at everything, none a verdict.

If the process dies at any point, the inner sees end-of-file on the command pipe, and ends the tree.
"""

import os
import time

from pdwrap import lifecycle, messages, procfs, signals, terminal, wire
from pdwrap.lifecycle import Lifecycle
from pdwrap.mirror import mirror
from pdwrap.status import OWN_FAILURE
from pdwrap.tree import KILL_TIME, Tree, has_ended, kill_until_empty, send
from pdwrap.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn

    from pdwrap.options import Settings

PATIENCE = 1.0  # seconds that the inner may be late before the outer does its work
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
        self.shared_group = shared_group
        self.life = Lifecycle(lifecycle.OUTER, lifecycle.RUNNING)
        self.backend = 0
        self.backend_status: int | None = None  # where it fell to us and we reaped it
        self.inner_status: int | None = None
        self.finished: int | None = None  # the backend's wait status, as the inner reported it
        self.stopped_by = 0
        self.terminal_group = 0  # the backend's group, once it has been given the terminal
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
        if not self.commands.flush():
            until.append(0.01)
        if until:
            info = signals.api.sigtimedwait(AWAITED, max(0.0, min(*until, LONGEST_WAIT)))
        else:
            info = signals.api.sigwaitinfo(AWAITED)
        if info is not None and info.si_signo != signals.SIGCHLD:
            self._received(info)

    # -- what the kernel says -------------------------------------------------------------------------------------

    def _received(self, info: "signal.struct_siginfo") -> None:
        number = int(info.si_signo)
        if info.si_pid in (self.inner, os.getpid()) and info.si_code <= 0:
            return  # the inner continues us; a write to its closed pipe is our own SIGPIPE
        if info.si_code > 0:
            if self.shared_group and number in signals.FROM_TERMINAL:
                return  # the kernel sent it to the whole group, the backend included
            if number == signals.SIGHUP and os.getsid(0) != os.getpid():
                return  # not a hang-up of ours: our stopped group has become an orphaned one (setpgid(2))
        number = self.settings.rewrite.get(number, number)
        if number == signals.SIGCONT and self._hand_over_terminal():
            return
        if number:
            self.commands.send(wire.FORWARD, number)

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
            reaped = reaped or pid != self.inner
        if self.life.state == lifecycle.SWEEPING:
            if not self.tree.children():
                self._feed(lifecycle.TREE_EMPTY)
            elif reaped:
                self._feed(lifecycle.CHILD_REAPED)

    def _take_reports(self) -> None:
        if self.reports.ended:
            return
        for words in self.reports.receive():
            if words[0] == wire.BACKEND:
                self.backend = int(words[1])
            elif words[0] == wire.STOPPED:
                self._backend_stopped(int(words[1]))
            elif words[0] == wire.FINISHED:
                self.finished = int(words[1])
            elif self.life.state == lifecycle.SWEEPING:
                pass  # said before it was lost; we do the work now
            elif words[0] == wire.ENDING:
                self.ending_until = float(words[1])
                self._feed(lifecycle.ENDING_REPORTED)
            elif words[0] == wire.KILLING:
                self._feed(lifecycle.KILLING_REPORTED)

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
        until = max(self.ending_until, time.monotonic() if self.ending_until else time.monotonic() + self.settings.grace)
        self.deadline = until + PATIENCE

    def allow_kill(self) -> None:
        """Step in a second after what killing may take."""
        self.deadline = time.monotonic() + KILL_TIME + PATIENCE

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

    def name_survivors(self) -> None:
        """Say what could not be killed."""
        if left := self.tree.living():
            self.log.survivors([(pid, procfs.name(pid)) for pid in left])

    def mirror(self) -> None:
        """End as the backend did; as SIGKILL where nobody knows; as a failure of ours where nothing was started."""
        if self.terminal_group:
            terminal.take_back(self.terminal_group)
        if self.began is not None and self.backend and self.finished is None:
            self.log.done(self.tree.reaped, time.monotonic() - self.began)
        for raw in (self.finished, self.backend_status):
            if raw is not None:
                mirror(raw)
        if not self.backend or (self.inner_status is not None and os.WIFEXITED(self.inner_status)):
            os._exit(OWN_FAILURE)
        mirror(signals.SIGKILL)

    # -- job control ----------------------------------------------------------------------------------------------

    def _backend_stopped(self, number: int) -> None:
        """Stop as the backend has, so that the shell above sees a stopped job; or give it the terminal it wants."""
        self.stopped_by = number
        if self.life.state == lifecycle.RUNNING and not self._hand_over_terminal():
            _stop(number)

    def _hand_over_terminal(self) -> bool:
        """Give the terminal to a backend in a group of its own that stopped for want of it, and continue it.

        It was started in the background; our group has come to the foreground since. Nothing tells us when that
        happens: `fg` on a running job sends no SIGCONT.
        """
        wants = self.stopped_by in signals.WANTS_TERMINAL or (self.terminal_group and self.stopped_by)
        if self.shared_group or not wants or not terminal.in_foreground():
            return False
        try:
            group = os.getpgid(self.backend)
        except OSError:
            return False
        if not terminal.give(group):
            return False
        self.terminal_group = group
        self.stopped_by = 0
        terminal.continue_group(group)
        return True


def _stop(number: int) -> None:
    """Stop this process by the same signal as the backend, unless a SIGCONT has come in the meantime.

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


def supervise(outer: Outer) -> "NoReturn":
    """Be the outer supervisor, to the end. Whatever goes wrong ends the tree (E8)."""
    try:
        outer.run()
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, nothing may be left behind
        try:
            outer.log.error(error)
        finally:
            kill_until_empty(outer.tree, outer.log)
    finally:
        os._exit(OWN_FAILURE)
