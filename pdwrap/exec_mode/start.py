"""Exec mode: pdwrap becomes the backend, and two sidecars watch over it.

    launcher -- backend, in pdwrap's own process        init or the nearest subreaper -- sidecar -- its mate
                (pid, parent, group, session, terminal)

The order: signals blocked; launcher seen; a sidecar forked by a helper that exits, so that the backend has no child;
the sidecar says that it stands; launcher looked at once more; exec. The second sidecar is the first one's business.

If this process dies at any point, the sidecar sees the end of the backend's pidfd, and exits. If the helper or the
sidecar dies before it stands, end-of-file on the pipe says so, and nothing is started.
"""

import os
from select import POLLIN, poll

from pdwrap import messages
from pdwrap.backend import become
from pdwrap.exec_mode import sidecar_start
from pdwrap.exec_mode.members import Members
from pdwrap.exec_mode.sidecar_actions import SidecarActions
from pdwrap.exit_status import OWN_FAILURE, Refusal, not_started
from pdwrap.inherited import Inherited
from pdwrap.launcher import Launcher
from pdwrap.lifecycle import PATIENCE
from pdwrap.linux import pidfd, procfs, signals
from pdwrap.linux.pipe_signal import continue_when_closed
from pdwrap.stderr import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.options import Settings


def run(
    settings: "Settings", command: "list[str]", launcher: Launcher, inherited: Inherited, log: messages.Log
) -> "NoReturn":
    """Watch over this process by sidecars, and become `command`.

    Args:
        settings: what to do.
        command: the backend and its arguments.
        launcher: whose death counts.
        inherited: what the backend is to find unchanged.
        log: what to say when.

    Raises:
        Refusal: pdwrap cannot keep its promise here. Nothing has been started.

    """
    if os.getpid() == 1 and settings.lifeline is not None:
        # Nor by its own signal or the kernel's: PID 1 takes from inside only what it has a handler for.
        raise Refusal("as PID 1 the backend cannot be killed from inside its namespace: use --fork")
    if launcher.pid or settings.lifeline is not None:
        _start_sidecar(settings, launcher, log)
        if _is_lost(launcher, settings):
            # Nothing is started. The sidecar sees it too, asks us, and says so. Were we gone before it has looked, it
            # would take us for a backend that has ended by itself, and say nothing.
            signals.wait({settings.signal}, PATIENCE)
            os._exit(OWN_FAILURE)
    become(command, inherited)


def _start_sidecar(settings: "Settings", launcher: Launcher, log: messages.Log) -> None:
    me = os.getpid()
    try:
        os.close(procfs.open_children())
        procfs.hold()
        itself = pidfd.pidfd_open(me)
        stands, ready = os.pipe()
    except OSError as error:
        raise not_started("cannot start a sidecar", error, f"mount {procfs.ROOT}") from None
    if itself is None:
        raise Refusal("--exec needs pidfd_open (Linux 5.3, allowed by the seccomp profile): use --fork here")
    actions = SidecarActions(settings, launcher, Members(me, itself), log)
    kept = {STDERR, itself, *launcher.descriptors}
    if settings.lifeline is not None:
        kept.add(settings.lifeline)
    try:
        helper = os.fork()
    except OSError as error:
        raise not_started("cannot fork a sidecar", error) from None
    if helper == 0:
        os.close(stands)  # pdwrap's alone, so that its end is seen
        _be_helper(actions, launcher, ready, kept)
    os.close(ready)
    answer = _hear(stands, settings, launcher)
    os.kill(helper, signals.SIGKILL)  # where a sidecar stands it has ended; else somebody may have stopped it (E4)
    if answer is None:
        os._exit(OWN_FAILURE)  # which continues the sidecar (`continue_when_closed`), and it ends with us
    os.waitpid(helper, 0)
    # A blocked SIGCHLD stays pending through exec even where its action is to be ignored (signal(7), measured).
    signals.wait({signals.SIGCHLD}, 0)
    os.close(stands)
    if not answer:
        raise Refusal("the sidecar was lost while pdwrap started: nothing was started")
    if answer != sidecar_start.STANDS:
        raise Refusal(answer.decode(errors="replace"))


def _be_helper(actions: SidecarActions, launcher: Launcher, ready: int, kept: "set[int]") -> "NoReturn":
    """Fork the sidecar, and exit, so that it is nobody's child here."""
    try:
        os.setsid()  # out of reach of the signals that are meant for the backend's group and terminal
        continue_when_closed(ready, -os.getpgrp())
        _fork_sidecar(actions, launcher, ready, kept)
    except OSError as error:
        sidecar_start.tell_failure(ready, error)
    finally:
        os._exit(OWN_FAILURE)


def _fork_sidecar(actions: SidecarActions, launcher: Launcher, ready: int, kept: "set[int]") -> None:
    helper_ends = pidfd.pidfd_open(os.getpid())
    if os.fork() == 0:
        sidecar_start.run_sidecar(actions, launcher, ready, kept, helper_ends)


def _is_lost(launcher: Launcher, settings: "Settings") -> bool:
    if launcher.is_dead() or settings.lifeline is None:
        return launcher.is_dead()
    from pdwrap import lifeline  # only where there is one

    return lifeline.is_closed(settings.lifeline)


def _hear(stands: int, settings: "Settings", launcher: Launcher) -> bytes | None:
    """Read what the sidecar says; None where the launcher has died, and somebody has stopped it (E4)."""
    waiting = poll()
    waiting.register(stands, POLLIN)
    if launcher.descriptors and launcher.interval is None and settings.lifeline is None:
        watched = poll()  # no wake-ups: the kernel tells
        watched.register(stands, POLLIN)
        for descriptor in launcher.descriptors:
            watched.register(descriptor, POLLIN)
        watched.poll()
    while not waiting.poll(int(PATIENCE * 1000)):
        if _is_lost(launcher, settings):
            return None
    return os.read(stands, messages.LONGEST_TEXT)
