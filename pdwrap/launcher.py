"""The launcher: who it is, whether pdwrap was orphaned before it could look, and whether it is gone.

Mechanisms, of which one at least must hold:

| mechanism            | tells                          | fails                                              |
|----------------------|--------------------------------|----------------------------------------------------|
| pidfd                | the process is dead, at once   | old kernel, seccomp profile                        |
| parent-death signal  | look again (a hint)            | the launcher changed its uid (kernel/signal.c)     |
| polling              | the same, within the interval  | never, where `getppid()` or /proc can be read      |
"""

import os
from select import POLLIN, poll

from pdwrap.exit_status import Refusal
from pdwrap.linux import pidfd, prctl, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.options import Settings

ADOPTED = "the launcher died before pdwrap could look at it (pid {} has adopted pdwrap): nothing was started"
GONE = "the launcher (pid {}) died while pdwrap started: nothing was started"


class Launcher:
    """One launcher, seen from both supervisors.

    Attributes:
        pid: the launcher; 0 where none is watched.
        name: its name when it was found.
        descriptor: a pidfd of it, or None.
        direct: it is the outer supervisor's parent, so that `getppid()` and the parent-death signal speak of it.
        hinted: the kernel sends the outer supervisor SIGCHLD when our parent thread ends.
        interval: seconds between two looks; None where the kernel wakes us.

    """

    __slots__ = ("_started", "descriptor", "direct", "hinted", "interval", "name", "pid")

    def __init__(self, pid: int, *, direct: bool, descriptor: int | None, interval: float | None) -> None:
        seen = procfs.stat(pid) if pid else None
        self.pid = pid
        self.name = seen.name if seen else "?" if pid else ""
        self._started = seen.started if seen else None
        self.direct = direct
        self.descriptor = descriptor
        self.interval = interval
        self.hinted = False

    def is_dead(self, outer: int = -1) -> bool:
        """Tell whether the launcher is dead, for certain.

        Args:
            outer: the pid of the outer supervisor, whose parent a direct launcher is; either supervisor may ask.
                Where there is none (a sidecar asks), -1.

        """
        if not self.pid:
            return False
        if self.direct and outer == os.getpid():
            # Changes when the process has died, not when one of its threads has (measured; getppid(2)).
            return os.getppid() != self.pid
        if self.descriptor is not None:
            waiting = poll()
            waiting.register(self.descriptor, POLLIN)
            return bool(waiting.poll(0))
        if self.direct and os.getppid() == outer:
            return procfs.parent(outer) not in (self.pid, 0)  # 0: /proc cannot be read; the outer will tell us
        seen = procfs.stat(self.pid)
        if seen is None or self._started is None:
            return not _exists(self.pid)  # hidden from us (hidepid, proc(5)), or gone
        return not seen.alive or seen.started != self._started

    @property
    def mechanisms(self) -> str:
        """Name what is in force, for a person; empty where no launcher is watched."""
        ways = [
            "pidfd" if self.descriptor is not None else "",
            "parent-death signal" if self.hinted else "",
            f"polling every {self.interval:g}s" if self.interval is not None else "",
        ]
        return " and ".join(way for way in ways if way)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_adopted(child_session: int, *, child_leads: bool, parent: int, parent_session: int | None) -> bool:
    """Tell for certain whether `parent` is not the process that forked the child, but adopted it.

    A process that leads no session shares its session with whoever forked it. Another session then means that the
    present parent adopted it, or called setsid() after forking it, which would have made it a session leader. Such
    a one is watched: it cannot be told. So is what shares our session.

    Args:
        child_session: the child's session.
        child_leads: the child leads it, and says nothing.
        parent: the pid of the present parent; 0 lives in an outer pid namespace.
        parent_session: its session; None where it is gone already.

    """
    if parent == 0 or child_leads:
        return False
    if parent_session is None:
        return True
    return parent_session != child_session and (parent == 1 or parent_session != parent)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
    except PermissionError:  # some security modules; getsid(2) allows it on Linux otherwise
        return os.getsid(0)


def _refuse_if_adopted(child: int, parent: int) -> None:
    session = _session(child)
    if session is None:
        raise Refusal(GONE.format(parent))
    if is_adopted(session, child_leads=session == child, parent=parent, parent_session=_session(parent)):
        raise Refusal(ADOPTED.format(parent))


def find_launcher(settings: "Settings", first_parent: int, *, hint: bool) -> Launcher:
    """Find the launcher, look whether it still is ours, and begin to watch it.

    Args:
        settings: whom to watch, and how.
        first_parent: what `getppid()` said when pdwrap began.
        hint: ask for the parent-death signal, too; it would outlive an exec of this process.

    Raises:
        Refusal: it is gone, no ancestor, or cannot be watched.

    """
    if settings.watch == "off" or settings.parent == 0:
        return Launcher(0, direct=False, descriptor=None, interval=None)
    parent = os.getppid()
    if parent != first_parent:
        raise Refusal(GONE.format(first_parent))
    if settings.parent is None:
        _refuse_if_adopted(os.getpid(), parent)
        if parent <= 1:  # a container's init, an outer namespace: what is ours ends with it anyway
            return Launcher(0, direct=False, descriptor=None, interval=None)
        return _begin(settings, parent, direct=True, hint=hint)
    pid, child = _ancestor(settings.parent, settings.explicit.get("parent", "--parent"))
    if isinstance(settings.parent, int):
        # A shell's $PPID is read after the fork: it may name who adopted the shell.
        _refuse_if_adopted(child, pid)
    return _begin(settings, pid, direct=pid == parent, hint=hint)


def _begin(settings: "Settings", pid: int, *, direct: bool, hint: bool) -> Launcher:
    try:
        descriptor = pidfd.pidfd_open(pid) if settings.watch == "auto" else None
    except ProcessLookupError:
        raise Refusal(GONE.format(pid)) from None
    interval = settings.interval if descriptor is None else None
    found = Launcher(pid, direct=direct, descriptor=descriptor, interval=interval)
    if hint and direct and settings.watch == "auto":
        found.hinted = _ask_for_hint()
    # The pid may have been reused before the pidfd was opened, and the launcher may have died before the signal was
    # asked for. Who is our ancestor now, after both, has been all the time.
    if os.getppid() != pid if direct else pid not in (found for found, _child in _ancestors()):
        raise Refusal(GONE.format(pid))
    return found


def _ask_for_hint() -> bool:
    try:
        prctl.set_parent_death_signal(signals.SIGCHLD)
    except OSError:
        return False
    return True


def _ancestors() -> list[tuple[int, int]]:
    """List our ancestors, nearest first, each with the child of it that leads down to us."""
    found = []
    child = os.getpid()
    pid = os.getppid()
    while pid > 0:
        found.append((pid, child))
        child, pid = pid, procfs.parent(pid)
    return found


def _ancestor(wanted: int | str, given: str) -> tuple[int, int]:
    ancestors = _ancestors()
    for pid, child in ancestors:
        if pid == wanted or (isinstance(wanted, str) and procfs.called(pid, wanted)):
            return pid, child
    above = ", ".join(f"{procfs.name(pid)} ({pid})" for pid, _child in ancestors) or "none that can be seen"
    raise Refusal(f"{given} {wanted}: not an ancestor of pdwrap (any more); its ancestors are: {above}")
