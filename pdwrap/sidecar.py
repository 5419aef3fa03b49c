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

from pdwrap import kernel, launch, lifecycle, messages, signals
from pdwrap.lifecycle import Lifecycle
from pdwrap.marks import Marks, disarm, end_with
from pdwrap.status import OWN_FAILURE
from pdwrap.sweep import Sweep
from pdwrap.tables import sidecar_table
from pdwrap.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

LONGEST_WAIT = 86_400.0  # seconds
STEP = 0.02  # seconds between two listings of the tree while it is being ended
KILL_STEP = 0.002  # ... while it is being killed
STANDS = b"\0"  # what a sidecar says when it does; anything else is why it does not
ALONE_STEP = 1.0  # seconds between two tries to replace a lost mate, where a try has failed


class Sidecar:
    """One sidecar's state. Forked into its mate, which then is the second.

    Args:
        sweep: the tree, what can be done to it, and the marks that both see.
        watch: the launcher.

    """

    def __init__(self, sweep: Sweep, watch: Watch) -> None:
        self.sweep = sweep
        self.watch = watch
        self.marks = sweep.marks
        self.backend = sweep.members.backend
        self.mate = -1  # a pidfd
        self.life = Lifecycle(sidecar_table(graceless=sweep.settings.grace == 0), lifecycle.FIRST)
        self.launcher_dead = False
        self.backend_gone = False
        self.alone = False
        sweep.members.ours = {os.getpid()}

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
            for member in self.sweep.members.living():
                if member.descriptor is not None:
                    waiting.register(member.descriptor, POLLIN)
        elif self.watch.descriptor is not None:
            waiting.register(self.watch.descriptor, POLLIN)
        if not self.launcher_dead and self.sweep.settings.lifeline is not None:
            waiting.register(self.sweep.settings.lifeline, POLLRDHUP)
        return {descriptor for descriptor, _event in waiting.poll(self._patience())}

    def _patience(self) -> int | None:
        until: list[float] = []
        if self.sweep.deadline is not None:
            until.append(self.sweep.deadline - time.monotonic())
        if self.launcher_dead:
            until.append(KILL_STEP if self.life.state == lifecycle.KILLING else STEP)
        elif self.watch.interval is not None:
            until.append(self.watch.interval)
        if self.alone:
            until.append(ALONE_STEP)
        return max(0, int(min(*until, LONGEST_WAIT) * 1000) + 1) if until else None

    def _take_mate(self, ready: "set[int]") -> None:
        if self.mate not in ready:
            return
        os.close(self.mate)
        self.mate = -1
        self.sweep.members.ours = {os.getpid()}
        try:
            os.waitpid(-1, os.WNOHANG)  # where it was our child
        except ChildProcessError:
            pass

    def _miss_mate(self) -> None:
        """Tell the table that the mate is lost, once this look at everything has told whether the launcher is, too."""
        if self.life.state in (lifecycle.FIRST, lifecycle.SECOND):
            self._feed(lifecycle.MATE_LOST)
        elif self.life.state == lifecycle.VOUCHING:
            self.sweep.members.adopt(self.marks.passed_on())
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
        if self.sweep.settings.lifeline in ready:
            self.sweep.reason = "lifeline-closed"
        elif not self.watch.gone(-1):
            return
        self.launcher_dead = True
        if self.life.state == lifecycle.SECOND:
            # Both wake at once, and the first one's listing is what the backend's end waits for: 0.2 ms (measured).
            poll().poll(1)
        self.sweep.list_tree()  # before the first signal: a child is below the backend only while that lives
        if self.life.state == lifecycle.FIRST:
            self.marks.pass_on(self.sweep.members.news())
        else:
            self.sweep.members.adopt(self.marks.passed_on())  # the backend may have gone before we could list
        if self.life.state in (lifecycle.FIRST, lifecycle.SECOND) and self.sweep.nothing_left():
            self.backend_gone = True  # by itself, a moment ago: nothing to end, and nothing to say
            self._feed(lifecycle.BACKEND_EXITED)
        else:
            self._feed(lifecycle.LAUNCHER_DIED)

    def _take_members(self, _ready: "set[int]") -> None:
        if not self.launcher_dead:
            return
        if self.life.state == lifecycle.VOUCHING:
            self.continue_mate()  # again and again: it may be stopped at any moment
        if self.sweep.find_more(by_group=self.backend_gone):
            if self.life.state != lifecycle.VOUCHING:
                self.marks.pass_on(self.sweep.members.news())
            self._feed(lifecycle.MEMBER_FOUND)  # if it has ended by now, it may have forked before: look again
        elif self.backend_gone and self.life.state != lifecycle.VOUCHING and not self.sweep.members.living():
            self._feed(lifecycle.TREE_EMPTY)

    def _take_time(self, _ready: "set[int]") -> None:
        if self.sweep.deadline is not None and time.monotonic() >= self.sweep.deadline:
            self.sweep.deadline = None
            self._feed(lifecycle.DEADLINE_PASSED)

    # -- acting -------------------------------------------------------------------------------------------------------

    def _feed(self, event: str) -> None:
        had_begun = self.sweep.began is not None
        for action in self.life.feed(event):
            getattr(self if hasattr(self, action) else self.sweep, action)()
        if self.sweep.began is not None and not had_begun:
            self.sweep.announce(at_once=self.life.state == lifecycle.KILLING)

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
            self.sweep.members.ours = {maker, os.getpid()}
            self.life.state = lifecycle.SECOND
        else:
            os.close(me)
            self.mate = _pidfd_of(child)
            self.sweep.members.ours = {maker, child}

    def continue_mate(self) -> None:
        """Continue the first, in case somebody has stopped it."""
        self._signal_mate(signals.SIGCONT)

    def kill_mate(self) -> None:
        """End the first, which is late: nothing of pdwrap may stay behind either."""
        self._signal_mate(signals.SIGKILL)

    def _signal_mate(self, number: int) -> None:
        if self.mate >= 0:
            try:
                kernel.pidfd_send_signal(self.mate, number)
            except ProcessLookupError:
                pass


def _pidfd_of(pid: int) -> int:
    descriptor = kernel.pidfd_open(pid)
    if descriptor is None:
        raise OSError(errno.ENOSYS, "the kernel has begun to refuse pidfds")
    return descriptor


def tell_failure(ready: int, error: BaseException) -> None:
    """Tell the process that waits for a sidecar to stand why there will be none."""
    reason = error.strerror if isinstance(error, OSError) else None
    os.write(ready, (reason or type(error).__name__).encode())


def watch_over(sweep: Sweep, watch: Watch, ready: int, kept: "set[int]", helper: int | None) -> "NoReturn":
    """Be a sidecar, to the end. Whatever goes wrong ends the tree (E8).

    Args:
        sweep: the tree, and what to do to it.
        watch: the launcher.
        ready: the write end of a pipe, told when the sidecar stands, or why it does not: then nothing is started.
        kept: descriptors to keep open.
        helper: a pidfd of our parent.

    """
    stands = False
    try:
        end_with(ready)
        if helper is not None:
            # As long as it lives, we are below the backend, and would stop ourselves with the rest of the tree.
            waiting = poll()
            waiting.register(helper, POLLIN)
            waiting.poll()
        launch.close_all_but(kept | {ready})
        os.chdir("/")  # no directory is kept busy
        sweep.marks = Marks(sweep.members.backend, sweep.settings.signal)
        sidecar = Sidecar(sweep, watch)
        stands = True
        disarm(ready)
        try:
            os.write(ready, STANDS)
        except BrokenPipeError:
            os._exit(0)  # pdwrap was killed meanwhile: nothing was started
        os.close(ready)
        sidecar.run()
        sidecar.continue_mate()  # one that is stopped would stay behind: it has what it waits for, too
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, the protection does not end in silence
        if not stands:
            tell_failure(ready, error)
            os._exit(OWN_FAILURE)
        try:
            sweep.log.error(error)
        finally:
            sweep.kill_until_empty()
    finally:
        os._exit(OWN_FAILURE)
