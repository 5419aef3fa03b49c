"""A sidecar's loop (exec mode): it waits beside the backend, and ends it when the launcher dies.

There are two, mother and child, that wait on the launcher, on the backend and on each other. The first acts, the
second checks that it does: two equals would send two first signals (17 of 40 trials). Whichever is lost while the
launcher lives is replaced by the other, so a loop of kills one after the other gets nowhere.

Runs in: both sidecars. Called by: `sidecar_start`. If a sidecar dies at any point, its mate's poll returns. Where there
is no mate (yet, or any more), the kernel kills the backend (`sidecar_pipes`).
"""

import os
from select import POLLIN, poll

from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exec_mode.sidecar_pipes import REPORT_ANNOUNCED, REPORT_FINISHED, REPORT_KILLING
from pdwrap.exec_mode.sidecar_table import (
    CHECKS,
    FIRST,
    SECOND,
    BecameMate,
    DeadlinePassedUnsaid,
    FinishReported,
    KillReported,
    Looked,
    MateFinished,
    MateLost,
    MateLostUnsaid,
    MateLostUnsent,
    MemberFound,
    sidecar_table,
)
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import (
    ALONE_STEP,
    DONE,
    KILL_STEP,
    KILLING,
    LONGEST_WAIT,
    STEP,
    BackendExited,
    DeadlinePassed,
    HalfTime,
    KillStalled,
    LauncherDied,
    Lifecycle,
    TreeEmpty,
)
from pdwrap.linux import descriptors


class Sidecar:
    """One sidecar's state. Forked into its mate, which then is the second.

    Args:
        actions: the tree and the mate, and what can be done to them.
        launcher: whose death counts.

    """

    def __init__(self, actions: SidecarActions, launcher: Launcher) -> None:
        self.actions = actions
        self.launcher = launcher
        self.backend = actions.members.backend
        self.life = Lifecycle(sidecar_table(graceless=actions.settings.grace == 0), FIRST, actions)
        self.launcher_dead = False
        self.backend_gone = False
        actions.members.ours = {os.getpid()}

    def run(self) -> None:
        """Wait, ask the table, act, until the backend has ended by itself or its tree has been ended."""
        while self.life.state != DONE:
            if self.actions.mate < 0:
                self._miss_mate()
                if self.life.state == DONE:
                    return
            ready = self._wait()
            for look in (
                self._take_mate,
                self._take_backend,
                self._take_launcher,
                self._take_reports,
                self._take_members,
                self._take_time,
            ):
                if self.life.state == DONE:
                    return
                look(ready)

    # -- what the kernel says ---------------------------------------------------------------------------------------

    def _wait(self) -> "set[int]":
        waiting = poll()
        if self.actions.mate >= 0:
            waiting.register(self.actions.mate, POLLIN)
        if not self.backend_gone and self.backend.descriptor is not None:
            waiting.register(self.backend.descriptor, POLLIN)
        if self.launcher_dead:
            for member in self.actions.members.living():
                if member.descriptor is not None:
                    waiting.register(member.descriptor, POLLIN)
        else:
            for descriptor in self.launcher.descriptors:
                waiting.register(descriptor, POLLIN)
        if not self.launcher_dead and self.actions.settings.lifeline is not None:
            waiting.register(self.actions.settings.lifeline, descriptors.HANG_UP)
        return {descriptor for descriptor, _event in waiting.poll(self._patience())}

    def _patience(self) -> int | None:
        until: list[float] = []
        if self.actions.deadline is not None:
            until.append(self.actions.deadline - self.actions.now())
        if self.launcher_dead:
            until.append(KILL_STEP if self.life.state == KILLING else STEP)
        elif self.launcher.interval is not None:
            until.append(self.launcher.interval)
        if self.actions.alone:
            until.append(ALONE_STEP)
        return max(0, int(min(*until, LONGEST_WAIT) * 1000) + 1) if until else None

    def _take_mate(self, ready: "set[int]") -> None:
        if self.actions.mate in ready:
            self.actions.lose_mate()

    def _miss_mate(self) -> None:
        """Say that the mate is lost, once this look at everything has told whether the launcher is, too."""
        me = os.getpid()
        self._take_reports(set())
        if REPORT_FINISHED in self.actions.pipes.heard:
            self.life.feed(MateFinished())
        elif REPORT_ANNOUNCED in self.actions.pipes.heard:
            self.life.feed(MateLost())
        else:
            self.life.feed(MateLostUnsaid() if self.actions.pipes.has_asked() else MateLostUnsent())
        if os.getpid() != me:
            self.life.feed(BecameMate())

    def _take_backend(self, ready: "set[int]") -> None:
        if not self.backend_gone and self.backend.descriptor in ready:
            # What it started is not ours to end while the launcher lives (E5 is fork mode's); but did it die first?
            self._take_launcher(ready)
            if self.life.state != DONE:
                self.backend_gone = True
                self.life.feed(BackendExited())

    def _take_launcher(self, ready: "set[int]") -> None:
        if self.launcher_dead:
            return
        closed = self.actions.settings.lifeline in ready
        if not closed and not self.launcher.is_dead():
            return
        self.launcher_dead = True
        if self.life.state == SECOND:
            # Both wake at once, and the first one's listing is what the backend's end waits for: 0.2 ms (measured).
            poll().poll(1)
        self.actions.list_tree()  # before the first signal: a child is below the backend only while that lives
        if self.actions.nothing_left():
            self.backend_gone = True  # by itself, a moment ago: nothing to end, and nothing to say
            self.life.feed(BackendExited())
        else:
            self.life.feed(LauncherDied("lifeline-closed") if closed else LauncherDied())

    def _take_reports(self, _ready: "set[int]") -> None:
        if self.life.state in CHECKS:  # else what is there is our own, for the mate to hear
            for report in self.actions.pipes.hear():
                if report == REPORT_KILLING:
                    self.life.feed(KillReported())
                elif report == REPORT_FINISHED:
                    self.life.feed(FinishReported())

    def _take_members(self, _ready: "set[int]") -> None:
        if not self.launcher_dead:
            return
        self.life.feed(Looked())
        if self.actions.find_more(by_group=self.backend_gone):
            self.life.feed(MemberFound())  # if it has ended by now, it may have forked before: look again
        elif self.backend_gone and not self.actions.members.living():
            self.life.feed(TreeEmpty())

    def _take_time(self, _ready: "set[int]") -> None:
        if self.actions.deadline is not None and self.actions.now() >= self.actions.deadline:
            self.actions.deadline = self.actions.half_time = None
            unsaid = self.life.state in CHECKS and REPORT_ANNOUNCED not in self.actions.pipes.heard
            self.life.feed(DeadlinePassedUnsaid() if unsaid else DeadlinePassed())
        elif self.actions.half_time is not None and self.actions.now() >= self.actions.half_time:
            self.actions.half_time = None
            self.life.feed(HalfTime())
        elif self.actions.stalled is not None and self.actions.now() >= self.actions.stalled:
            self.life.feed(KillStalled())
