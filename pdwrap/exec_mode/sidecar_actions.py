"""What a sidecar does to the tree, one method for each action of its table (`tables.SIDECAR`)."""

import time
from select import poll

from pdwrap import messages
from pdwrap.exec_mode.members import Members
from pdwrap.exec_mode.sidecar_pipes import SidecarPipes
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import KILL_TIME, PATIENCE
from pdwrap.linux import procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.options import Settings


class SidecarActions:
    """The tree in the hands of a sidecar.

    Args:
        settings: what to do.
        launcher: whose death counts, for the messages.
        members: the tree.
        log: what to say when.

    Attributes:
        deadline: when the loop is to look again, on the monotonic clock; None is never.
        began: when this sidecar began to end the tree.
        reason: why, in the words of `Log.ending`.
        marks: what both sidecars see; made by the first.

    """

    marks: SidecarPipes

    def __init__(self, settings: "Settings", launcher: Launcher, members: Members, log: messages.Log) -> None:
        self.settings = settings
        self.launcher = launcher
        self.members = members
        self.log = log
        self.deadline: float | None = None
        self.grace_ends: float | None = None
        self.began: float | None = None
        self.reason = "launcher-died"

    def list_tree(self) -> None:
        """Hold every member by pidfd; the grace runs from now."""
        self.grace_ends = time.monotonic() + self.settings.grace
        self.members.refresh()

    def nothing_left(self) -> bool:
        """Tell whether the backend has exited, and nothing of its tree can be found."""
        return not self.members.backend.alive() and not self.members.find_by_group() and not self.members.living()

    def find_more(self, *, by_group: bool) -> bool:
        """List again; tell whether something new was found."""
        self.members.forget_free_numbers()
        below = self.members.refresh()
        return (by_group and self.members.find_by_group()) or below

    def set_deadline(self) -> None:
        """One deadline for all: the grace, from the launcher's death."""
        self.deadline = self.grace_ends

    def allow_grace(self) -> None:
        """Step in a second after the grace."""
        self.deadline = (self.grace_ends or time.monotonic()) + PATIENCE

    def report_ending(self) -> None:
        """Note the time; nobody is to be told but by a line on stderr."""
        self.began = time.monotonic()

    def first_signal(self) -> None:
        """Ask the backend alone to end: it may have workers to drain."""
        self.members.backend.told = True
        self.marks.ask()
        self.continue_backend()

    def continue_backend(self) -> None:
        """A stopped process acts on a signal only after SIGCONT (signal(7))."""
        self.members.backend.send(signals.SIGCONT)

    def tell_leftovers(self) -> None:
        """Ask each member that has not been asked."""
        self.members.tell(self.settings.signal)

    def set_kill_deadline(self) -> None:
        """Bound the wait for what cannot die (E7)."""
        self.deadline = time.monotonic() + KILL_TIME

    def kill(self) -> None:
        """Stop, list and kill."""
        self.members.kill()

    def name_survivors(self) -> None:
        """Say what could not be killed (E7)."""
        self.log.survivors([(member.pid, procfs.name(member.pid)) for member in self.members.living()])

    def report_done(self) -> None:
        """Tell the mate that it is over, then people."""
        self.marks.finish()
        if self.began is not None:
            self.log.done(self.members.count - len(self.members.living()), time.monotonic() - self.began)

    def announce(self, *, at_once: bool) -> None:
        """Say what has been done: words come after deeds, they may fail."""
        self.log.ending(
            self.reason,
            (self.launcher.pid, self.launcher.name),
            (self.members.backend.pid, self.log.backend_name),
            signals.name(signals.SIGKILL if at_once else self.settings.signal),
            0.0 if at_once else self.settings.grace,
        )

    def kill_until_empty(self) -> None:
        """Kill what can be found, without a table, for a sidecar whose own state can no longer be trusted (E8)."""
        began = time.monotonic()
        listed = False
        while time.monotonic() < began + KILL_TIME:
            try:
                # What is killed before it was listed hides what is below it: a lack (memory, files) may pass.
                if not listed and time.monotonic() < began + PATIENCE:
                    self.members.hold()
                    listed = True
                self.members.kill()
                if not self.members.living():
                    return
            except (OSError, MemoryError):
                pass  # what was known has been killed; the next round may find the rest
            poll().poll(2)
        self.name_survivors()
