"""A sidecar (exec mode): it waits beside the backend, and ends it when the launcher dies.

There are two, mother and child, that wait on the launcher, on the backend and on each other. The first acts, the
second vouches: two equals would send two first signals (17 of 40 trials). Whichever is lost while the launcher lives
is replaced by the other, so a loop of kills one after the other gets nowhere.

If a sidecar dies at any point, its mate's poll returns. Where there is no mate (yet, or any more), the kernel kills the
backend (`marks`).
"""

import errno
import os
import time
from select import POLLIN, POLLRDHUP, poll

from pdwrap import lifecycle, messages
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exec_mode.sidecar_table import sidecar_table
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import ALONE_STEP, KILL_STEP, LONGEST_WAIT, STEP, Lifecycle
from pdwrap.linux import pidfd, signals

TYPE_CHECKING = False


class Sidecar:
    """One sidecar's state. Forked into its mate, which then is the second.

    Args:
        actions: the tree, what can be done to it, and the marks that both see.
        launcher: whose death counts.

    """

    def __init__(self, actions: SidecarActions, launcher: Launcher) -> None:
        self.actions = actions
        self.launcher = launcher
        self.marks = actions.marks
        self.backend = actions.members.backend
        self.mate = -1  # a pidfd
        self.life = Lifecycle(sidecar_table(graceless=actions.settings.grace == 0), lifecycle.FIRST)
        self.launcher_dead = False
        self.backend_gone = False
        self.alone = False
        actions.members.ours = {os.getpid()}

    def run(self) -> None:
        """Wait, ask the table, act, until the backend has ended by itself or its tree has been ended."""
        while self.life.state != lifecycle.DONE:
            if self.mate < 0:
                self._miss_mate()
                if self.life.state == lifecycle.DONE:
                    return
            ready = self._wait()
            for look in (self._take_mate, self._take_backend, self._take_launcher, self._take_members, self._take_time):
                if self.life.state == lifecycle.DONE:
                    return
                look(ready)

    # -- what the kernel says ---------------------------------------------------------------------------------------

    def _wait(self) -> "set[int]":
        waiting = poll()
        if self.mate >= 0:
            waiting.register(self.mate, POLLIN)
        if not self.backend_gone and self.backend.descriptor is not None:
            waiting.register(self.backend.descriptor, POLLIN)
        if self.launcher_dead:
            for member in self.actions.members.living():
                if member.descriptor is not None:
                    waiting.register(member.descriptor, POLLIN)
        elif self.launcher.descriptor is not None:
            waiting.register(self.launcher.descriptor, POLLIN)
        if not self.launcher_dead and self.actions.settings.lifeline is not None:
            waiting.register(self.actions.settings.lifeline, POLLRDHUP)
        return {descriptor for descriptor, _event in waiting.poll(self._patience())}

    def _patience(self) -> int | None:
        until: list[float] = []
        if self.actions.deadline is not None:
            until.append(self.actions.deadline - time.monotonic())
        if self.launcher_dead:
            until.append(KILL_STEP if self.life.state == lifecycle.KILLING else STEP)
        elif self.launcher.interval is not None:
            until.append(self.launcher.interval)
        if self.alone:
            until.append(ALONE_STEP)
        return max(0, int(min(*until, LONGEST_WAIT) * 1000) + 1) if until else None

    def _take_mate(self, ready: "set[int]") -> None:
        if self.mate not in ready:
            return
        os.close(self.mate)
        self.mate = -1
        self.actions.members.ours = {os.getpid()}
        try:
            os.waitpid(-1, os.WNOHANG)  # where it was our child
        except ChildProcessError:
            pass

    def _miss_mate(self) -> None:
        """Tell the table that the mate is lost, once this look at everything has told whether the launcher is, too."""
        if self.life.state in (lifecycle.FIRST, lifecycle.SECOND):
            self._feed(lifecycle.MATE_LOST)
        elif self.life.state == lifecycle.VOUCHING:
            self.actions.members.adopt(self.marks.passed_on())
            if self.marks.has_finished():
                self._feed(lifecycle.MATE_FINISHED)
            else:
                self._feed(lifecycle.MATE_LOST if self.marks.has_asked() else lifecycle.MATE_LOST_UNSENT)
                if self.backend_gone:
                    self._feed(lifecycle.BACKEND_EXITED)  # it came while we only vouched

    def _take_backend(self, ready: "set[int]") -> None:
        if not self.backend_gone and self.backend.descriptor in ready:
            # What it started is not ours to end while the launcher lives (E5 is fork mode's); but did it die first?
            self._take_launcher(ready)
            if self.life.state != lifecycle.DONE:
                self.backend_gone = True
                self._feed(lifecycle.BACKEND_EXITED)

    def _take_launcher(self, ready: "set[int]") -> None:
        if self.launcher_dead:
            return
        if self.actions.settings.lifeline in ready:
            self.actions.reason = "lifeline-closed"
        elif not self.launcher.is_dead():
            return
        self.launcher_dead = True
        if self.life.state == lifecycle.SECOND:
            # Both wake at once, and the first one's listing is what the backend's end waits for: 0.2 ms (measured).
            poll().poll(1)
        self.actions.list_tree()  # before the first signal: a child is below the backend only while that lives
        if self.life.state == lifecycle.FIRST:
            self.marks.pass_on(self.actions.members.news())
        else:
            self.actions.members.adopt(self.marks.passed_on())  # the backend may have gone before we could list
        if self.life.state in (lifecycle.FIRST, lifecycle.SECOND) and self.actions.nothing_left():
            self.backend_gone = True  # by itself, a moment ago: nothing to end, and nothing to say
            self._feed(lifecycle.BACKEND_EXITED)
        else:
            self._feed(lifecycle.LAUNCHER_DIED)

    def _take_members(self, _ready: "set[int]") -> None:
        if not self.launcher_dead:
            return
        if self.life.state == lifecycle.VOUCHING:
            self.continue_mate()  # again and again: it may be stopped at any moment
        if self.actions.find_more(by_group=self.backend_gone):
            if self.life.state != lifecycle.VOUCHING:
                self.marks.pass_on(self.actions.members.news())
            self._feed(lifecycle.MEMBER_FOUND)  # if it has ended by now, it may have forked before: look again
        elif self.backend_gone and self.life.state != lifecycle.VOUCHING and not self.actions.members.living():
            self._feed(lifecycle.TREE_EMPTY)

    def _take_time(self, _ready: "set[int]") -> None:
        if self.actions.deadline is not None and time.monotonic() >= self.actions.deadline:
            self.actions.deadline = None
            self._feed(lifecycle.DEADLINE_PASSED)

    # -- acting -------------------------------------------------------------------------------------------------------

    def _feed(self, event: str) -> None:
        had_begun = self.actions.began is not None
        for action in self.life.feed(event):
            getattr(self if hasattr(self, action) else self.actions, action)()
        if self.actions.began is not None and not had_begun:
            self.actions.announce(at_once=self.life.state == lifecycle.KILLING)

    def replace_mate(self) -> None:
        """Fork the mate. In it, this object is the second sidecar, and its mate is who made it."""
        me = -1
        try:
            maker = os.getpid()
            me = _pidfd_of(maker)
            child = os.fork()
        except OSError as error:
            if me >= 0:
                os.close(me)
            if not self.alone:
                messages.complain(
                    f"cannot replace a lost sidecar ({error.strerror}): one watches alone, and tries again"
                )
            self.alone = True
            return
        self.alone = False
        if child == 0:
            os.setsid()  # a signal to the first one's group or session must not take both
            self.mate = me
            self.actions.members.ours = {maker, os.getpid()}
            self.life.state = lifecycle.SECOND
        else:
            os.close(me)
            self.mate = _pidfd_of(child)
            self.actions.members.ours = {maker, child}

    def continue_mate(self) -> None:
        """Continue the first, in case somebody has stopped it."""
        self._signal_mate(signals.SIGCONT)

    def kill_mate(self) -> None:
        """End the first, which is late: nothing of pdwrap may stay behind either."""
        self._signal_mate(signals.SIGKILL)

    def _signal_mate(self, number: int) -> None:
        if self.mate >= 0:
            try:
                pidfd.pidfd_send_signal(self.mate, number)
            except ProcessLookupError:
                pass


def _pidfd_of(pid: int) -> int:
    descriptor = pidfd.pidfd_open(pid)
    if descriptor is None:
        raise OSError(errno.ENOSYS, "the kernel has begun to refuse pidfds")
    return descriptor
