"""What a sidecar does to the tree and to its mate: one method for each action of its table.

Runs in: both sidecars. Called by: `sidecar_table`'s actions, by way of the loop. Each takes the event that led to it;
none decides anything, and none waits.
"""

import errno
import os
import time
from select import poll

from pdwrap import messages
from pdwrap.exec_mode.members import Members
from pdwrap.exec_mode.sidecar_pipes import REPORT_ANNOUNCED, REPORT_FINISHED, REPORT_KILLING, SidecarPipes
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import KILL_TIME, LAST, PATIENCE, STALL_TIME, Cause, Event
from pdwrap.linux import pidfd, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pdwrap.options import Settings


class SidecarActions:
    """The tree in the hands of a sidecar.

    Args:
        settings: what to do.
        launcher: whose death counts, for the messages.
        members: the tree.
        log: what to say when.
        now: the monotonic clock, in seconds.

    Attributes:
        deadline: when the loop is to look again, on the clock; None is never.
        half_time: when half of the grace has passed; None is never.
        stalled: when what was killed, and is there all the same, is killed again; None is never.
        began: when this sidecar began to end the tree.
        reason: why the tree is ended, in the words of `Log.ending`.
        mate: a pidfd of the other sidecar; -1 while there is none.
        alone: a lost mate could not be replaced.
        pipes: what both sidecars see; made by the first.

    """

    pipes: SidecarPipes

    def __init__(
        self,
        settings: "Settings",
        launcher: Launcher,
        members: Members,
        log: messages.Log,
        now: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.members = members
        self.log = log
        self.now = now
        self.deadline: float | None = None
        self.half_time: float | None = None
        self.stalled: float | None = None
        self.grace_ends: float | None = None
        self.began: float | None = None
        self.reason = ""
        self.mate = -1
        self.alone = False

    # -- looking, for the loop ----------------------------------------------------------------------------------------

    def list_tree(self) -> None:
        """Hold every member by pidfd, and whom the mate has held already; the grace runs from now."""
        self.grace_ends = self.now() + self.settings.grace
        self.members.refresh()
        self.members.take_over_list(self.pipes.passed_on())  # the backend may have gone before we could list

    def nothing_left(self) -> bool:
        """Tell whether the backend has exited, and nothing of its tree can be found."""
        return not self.members.backend.alive() and not self.members.find_by_group() and not self.members.living()

    def find_more(self, *, by_group: bool) -> bool:
        """List again; tell whether something new was found."""
        self.members.forget_free_numbers()
        below = self.members.refresh()
        return (by_group and self.members.find_by_group()) or below

    # -- the tree -----------------------------------------------------------------------------------------------------

    def note_cause(self, event: Cause) -> None:
        """Note why the tree is ended."""
        self.reason = event.reason

    def pass_on_list(self, _event: Event) -> None:
        """Tell the mate whom we hold: its own listing may come when the backend is gone."""
        self.pipes.pass_on(self.members.news())

    def take_over_list(self, _event: Event) -> None:
        """Hold whom a lost mate held."""
        self.members.take_over_list(self.pipes.passed_on())

    def set_deadline(self, _event: Event) -> None:
        """One deadline for all: the grace, from the launcher's death."""
        self.deadline = self.grace_ends
        half = None if self.grace_ends is None else self.grace_ends - self.settings.grace / 2
        self.half_time = half if half is not None and half > self.now() else None  # a lost mate may have used it

    def allow_grace(self, _event: Event) -> None:
        """Step in a second after the grace."""
        self.deadline = (self.grace_ends or self.now()) + PATIENCE

    def note_beginning(self, _event: Event) -> None:
        """Note the time; nobody is to be told but by a line on stderr."""
        self.began = self.now()

    def first_signal(self, _event: Event) -> None:
        """Ask the backend alone to end: it may have workers to drain."""
        self.members.backend.asked = True
        self.pipes.ask()
        self.members.backend.send(signals.SIGCONT)

    def continue_backend(self, _event: Event) -> None:
        """A stopped process acts on a signal only after SIGCONT (signal(7))."""
        self.members.backend.send(signals.SIGCONT)

    def ask_leftovers(self, _event: Event) -> None:
        """Ask each member that has not been asked."""
        self.members.ask(self.settings.signal, self.pipes.pass_on)

    def ask_below(self, _event: Event) -> None:
        """Ask what the backend, a shell or a runner, keeps the first signal from."""
        self.members.ask_below(self.settings.signal, self.pipes.pass_on)

    def set_kill_deadline(self, _event: Event) -> None:
        """Bound the wait for what cannot die (E7)."""
        self.half_time = None
        self.deadline = self.now() + KILL_TIME

    def allow_kill(self, _event: Event) -> None:
        """Step in when what killing may take has passed, and a little more."""
        self.deadline = self.now() + KILL_TIME + PATIENCE - LAST

    def allow_last(self, _event: Event) -> None:
        """Let what is left to us by then die."""
        self.deadline = self.now() + LAST

    def report_killing(self, _event: Event) -> None:
        """Tell the mate, which would step in otherwise. Before the deed, which may take long."""
        self.pipes.say(REPORT_KILLING)

    def kill(self, _event: Event) -> None:
        """Stop, list and kill."""
        self.members.kill()
        self.stalled = self.now() + STALL_TIME

    def kill_again(self, _event: Event) -> None:
        """Kill who lives: we may not have been allowed to (a set-uid program that has become its user's own since)."""
        for member in self.members.living():
            member.send(signals.SIGKILL)
        self.stalled = self.now() + STALL_TIME

    # -- the mate -----------------------------------------------------------------------------------------------------

    def make_mate(self) -> None:
        """Fork the mate: in it, the same object is that of the second sidecar, and its mate is who made it.

        Raises:
            OSError: there is none; no process or descriptor was left.

        """
        maker = os.getpid()
        me = _pidfd_of(maker)
        try:
            child = os.fork()
        except OSError:
            os.close(me)
            raise
        if child == 0:
            os.setsid()  # a signal to the first one's group or session must not take both
            self.mate = me
            self.members.ours = {maker, os.getpid()}
        else:
            os.close(me)
            self.mate = _pidfd_of(child)
            self.members.ours = {maker, child}

    def replace_mate(self, _event: Event) -> None:
        """Make another one, or watch alone for the time being."""
        try:
            self.make_mate()
        except OSError as error:
            if not self.alone:
                messages.complain(
                    f"cannot replace a lost sidecar ({error.strerror}): one watches alone, and tries again"
                )
            self.alone = True
        else:
            self.alone = False

    def lose_mate(self) -> None:
        """Let go of a mate that has ended, and reap it where it was our child."""
        os.close(self.mate)
        self.mate = -1
        self.members.ours = {os.getpid()}
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass

    def continue_mate(self, _event: "Event | None" = None) -> None:
        """Continue the mate, in case somebody has stopped it."""
        self._signal_mate(signals.SIGCONT)

    def kill_mate(self, _event: Event) -> None:
        """End the mate, which is late, or not needed any more: it may be stopped, and is not to stay behind (E4)."""
        self._signal_mate(signals.SIGKILL)

    def _signal_mate(self, number: int) -> None:
        if self.mate >= 0:
            try:
                pidfd.pidfd_send_signal(self.mate, number)
            except ProcessLookupError:
                pass

    # -- words --------------------------------------------------------------------------------------------------------

    def name_survivors(self, _event: "Event | None" = None) -> None:
        """Say what could not be killed (E7)."""
        self.log.survivors([(member.pid, procfs.name(member.pid)) for member in self.members.living()])

    def report_done(self, _event: Event) -> None:
        """Tell the mate that it is over, then people."""
        self.pipes.say(REPORT_FINISHED)
        if self.began is not None:
            self.log.done(self.members.count - len(self.members.living()), self.now() - self.began)

    def announce(self, _event: Event) -> None:
        """Say that the tree has been asked to end."""
        self._announce(signals.name(self.settings.signal), self.settings.grace)

    def announce_kill(self, _event: Event) -> None:
        """Say that the tree is killed, without a grace."""
        self._announce("SIGKILL", 0.0)

    def _announce(self, signal_name: str, grace: float) -> None:
        launcher, *through = self.launcher.people()
        backend = (self.members.backend.pid, self.log.backend_name)
        self.log.ending(self.reason, launcher, backend, signal_name, grace, through=through)
        self.pipes.say(REPORT_ANNOUNCED)

    # -- without the table --------------------------------------------------------------------------------------------

    def kill_until_empty(self) -> None:
        """Kill what can be found, without a table, for a sidecar whose own state can no longer be trusted (E8)."""
        began = self.now()
        listed = False
        while self.now() < began + KILL_TIME:
            try:
                # What is killed before it was listed hides what is below it: a lack (memory, files) may pass.
                if not listed and self.now() < began + PATIENCE:
                    self.members.freeze()
                    listed = True
                self.members.kill()
                if not self.members.living():
                    return
            except (OSError, MemoryError):
                pass  # what was known has been killed; the next round may find the rest
            poll().poll(2)
        self.name_survivors()


def _pidfd_of(pid: int) -> int:
    descriptor = pidfd.pidfd_open(pid)
    if descriptor is None:
        raise OSError(errno.ENOSYS, "the kernel has begun to refuse pidfds")
    return descriptor
