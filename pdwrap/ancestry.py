"""Which of our ancestors is the launcher, and whether pdwrap was orphaned before it could look.

By default it is our parent, and who started that, for as long as it only waits (`chain`); `--parent` names one.
"""

import os

from pdwrap.exit_status import Refusal
from pdwrap.launcher import GONE, Launcher, Link
from pdwrap.linux import pidfd, prctl, procfs, signals
from pdwrap.messages import USE_LIFELINE, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.options import Settings

ADOPTED = "the launcher died before pdwrap could look at it (pid {} has adopted pdwrap): nothing was started"
#: Whoever may only wait has one of these names in the first words of its command line; then `chain` looks closely, and
#: only then is it imported. The names of `runners` and `shells` (a test holds it).
MAY_WAIT = frozenset(
    (
        *("ash", "bash", "busybox", "dash", "ksh", "mksh", "sh", "zsh"),
        *("bunx", "bwrap", "catatonit", "chronic", "conda", "dbus-run-session", "doas", "dumb-init", "firejail"),
        *("flock", "hatch", "ltrace", "mamba", "micromamba", "npm", "npx", "nsenter", "pdm", "pipenv", "pixi", "pnpm"),
        *("poetry", "runuser", "script", "setsid", "strace", "su", "sudo", "time", "timeout", "tini", "unbuffer"),
        *("unshare", "uv", "uvx", "yarn"),
    )
)
FIRST_WORDS = 4  # an interpreter, its options, its script


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
    if _session(child) is None:
        raise Refusal(GONE.format(parent))
    if _is_certainly_adopted(child, parent):
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
    if settings.watch == "off":
        return _nobody(f"{settings.explicit.get('watch', 'LOCALAI_BACKEND_PARENT_WATCH')} off")
    if settings.parent == 0:
        given = settings.explicit.get("parent", "--parent")
        return _nobody(f"{given} 0 lives outside this pid namespace{USE_LIFELINE}")
    parent = os.getppid()
    if parent != first_parent:
        raise Refusal(GONE.format(first_parent))
    if settings.parent is None:
        _refuse_if_adopted(os.getpid(), parent)
        if parent == 0:
            return _nobody(f"who started pdwrap lives outside this pid namespace{USE_LIFELINE}")
        if parent == 1:
            return _nobody("PID 1 is the container's; it ends with it")
        farther, why_not = _find_farther(parent)
        return _begin(settings, [parent, *farther], why_not, direct=True, hint=hint)
    pid, child = _ancestor(settings.parent, settings.explicit.get("parent", "--parent"))
    if isinstance(settings.parent, int):
        # A shell's $PPID is read after the fork: it may name who adopted the shell.
        _refuse_if_adopted(child, pid)
    return _begin(settings, [pid], "", direct=pid == parent, hint=hint)


def _nobody(why_not: str) -> Launcher:
    nobody = Launcher(0, direct=False, descriptor=None, interval=None)
    nobody.why_not = why_not
    return nobody


def _find_farther(parent: int) -> "tuple[list[int], str]":
    """List who started our parent, and so on, as long as they only wait; and say why there are no more."""
    words = procfs.words(parent)
    # A title (`npm run x`) is one word with blanks; `-bash` a login shell; npx-cli.js a script in a known language.
    names = {part.rpartition("/")[2] for word in words[:FIRST_WORDS] for part in (word, word.partition(" ")[0])}
    if MAY_WAIT.isdisjoint(name.partition(".")[0].removesuffix("-cli").removeprefix("-") for name in names):
        return [], ""
    from pdwrap import chain  # only where it is needed: it costs a millisecond

    members, why_not = chain.find_members(parent, _is_certainly_adopted)
    return [member.pid for member in members[1:]], why_not


def _is_certainly_adopted(child: int, parent: int) -> bool:
    session = _session(child)
    return session is None or is_adopted(
        session, child_leads=session == child, parent=parent, parent_session=_session(parent)
    )


def _begin(settings: "Settings", pids: "list[int]", why_not: str, *, direct: bool, hint: bool) -> Launcher:
    """Hold every member, nearest first, and see that none has died meanwhile."""
    descriptors = [_hold(settings, pid) for pid in pids]
    interval = settings.interval if None in descriptors else None
    found = Launcher(pids[0], direct=direct, descriptor=descriptors[0], interval=interval)
    found.members += map(Link, pids[1:], descriptors[1:])
    found.why_not = why_not
    if hint and direct and settings.watch == "auto":
        found.hinted = _ask_for_hint()
    # A pid may have been reused before its pidfd was opened, and the launcher may have died before the signal was
    # asked for. If all are still our ancestors after both steps, in this order, neither race has happened (N3).
    for number, pid in enumerate(pids):
        above = procfs.parent(pids[number - 1]) if number else os.getppid() if direct else pid
        if above != pid:
            raise Refusal(GONE.format(pid))
    if not direct and pids[0] not in (ancestor for ancestor, _child in _ancestors()):
        raise Refusal(GONE.format(pids[0]))
    return found


def _hold(settings: "Settings", pid: int) -> int | None:
    try:
        return pidfd.pidfd_open(pid) if settings.watch == "auto" else None
    except ProcessLookupError:
        raise Refusal(GONE.format(pid)) from None


def _ask_for_hint() -> bool:
    try:
        prctl.set_parent_death_signal(signals.SIGCONT)  # one that is stopped must see it, too (E4)
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
    above = ", ".join(f"{quoted(procfs.name(pid))} ({pid})" for pid, _child in ancestors) or "none that can be seen"
    raise Refusal(f"{given} {wanted}: not an ancestor of pdwrap (any more); its ancestors are: {above}")
