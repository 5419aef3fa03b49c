"""What the inner supervisor does first: it forks the backend, holds it until all is in place, and lets it go.

Runs in: the inner supervisor, and in what it forks. Called by: `start`.

If this process dies before the release, the backend sees end-of-file on the pipe that holds it, and is never executed.
"""

import os

from pdwrap import messages
from pdwrap.backend import become
from pdwrap.exit_status import OWN_FAILURE, Refusal, not_started
from pdwrap.fork_mode import pipes, placement
from pdwrap.fork_mode.children import Tree, adopt_orphans, kill_until_empty
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.inner_loop import Inner
from pdwrap.fork_mode.inner_table import STARTING, Released
from pdwrap.linux import prctl, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.inherited import Inherited
    from pdwrap.launcher import Launcher
    from pdwrap.options import Settings


RELEASE = b"x"


def start(inner: Inner, command: "list[str]", inherited: "Inherited", place: placement.Placement) -> None:
    """Fork the backend, see to the process groups, look once more, and let it go.

    Raises:
        Refusal: the launcher, the lifeline or the outer supervisor was lost before the backend's exec.
        OSError: no process, no descriptor to be had. The held backend ends with us.

    """
    hold, release = os.pipe()
    leader = placement.start_leader(release) if not place.shared and not place.led else 0
    me = os.getpid()
    backend = os.fork()
    if backend == 0:
        try:
            wait_for_release(me, hold, release)
            if not place.shared:
                drop_copies(me)
            become(command, inherited)
        except BaseException as error:  # noqa: BLE001 - never back into our own code
            messages.complain(f"internal error ({type(error).__name__}: {error}): nothing was started")
        finally:
            os._exit(OWN_FAILURE)
    if not place.shared:
        placement.move(backend, leader or backend)
        inner.actions.tree.own_group = leader or backend
    place.leave()
    if leader:
        placement.dismiss(leader)
    try:
        os.chdir("/")  # the backend has its own; ours would keep a file system busy
    except OSError:
        pass
    inner.actions.backend = backend
    inner.look_once_more()
    inner.life.feed(Released())
    inner.actions.report(pipes.REPORT_BACKEND, backend)  # before it may run: if we are lost, it is not denied (T4)
    os.write(release, RELEASE)
    os.close(release)
    os.close(hold)


def wait_for_release(parent: int, hold: int, release: int) -> None:
    """In the backend's process, before its exec: go on only when the inner supervisor says so.

    Args:
        parent: the inner supervisor.
        hold: a pipe that it writes RELEASE to.
        release: its write end, of which our copy would keep end-of-file away.

    """
    released = b""
    try:
        os.close(release)
        try:
            prctl.set_parent_death_signal(signals.SIGKILL)
        except OSError:
            pass  # refused: an orphaned backend falls to the outer supervisor, which ends it
        if os.getppid() == parent:  # else it died before the kernel was asked
            released = os.read(hold, len(RELEASE))
    finally:
        if released != RELEASE:
            os._exit(OWN_FAILURE)


def drop_copies(parent: int) -> None:
    """Drop what was sent to the launcher's group while we were held in it: the outer has had it, and forwards it (T2).

    Only real-time signals are queued; of the others a copy and the forwarded one are one pending signal (signal(7)).
    """
    forwarded = []
    while info := signals.wait(signals.QUEUED, 0):
        if info.si_pid == parent:
            forwarded.append(int(info.si_signo))
    for number in forwarded:
        os.kill(os.getpid(), number)


def run_inner(
    settings: "Settings",
    command: "list[str]",
    launcher: "Launcher",
    inherited: "Inherited",
    log: messages.Log,
    outer: int,
    place: placement.Placement,
    ends: tuple[int, int, int],
) -> "NoReturn":
    """Be the inner supervisor, to the end. Whatever goes wrong ends the tree (E8).

    Args:
        settings: what to do.
        command: the backend and its arguments.
        launcher: whose death counts.
        inherited: what the backend is to find unchanged.
        log: what to say when.
        outer: the outer supervisor's pid, our parent.
        place: who is to be in which process group.
        ends: the read end of the command pipe, the write end of the report pipe, and one to be held to the end.

    Raises:
        Refusal: nothing of the tree has been made yet, and pdwrap cannot keep its promise here.
        OSError: the same; a lack of descriptors, or of memory.

    """
    adopt_orphans()
    try:
        prctl.set_parent_death_signal(signals.SIGCONT)  # one that is stopped must see it, too (E4)
    except OSError:
        pass  # one mechanism less: the command pipe tells the same
    actions = InnerActions(settings, launcher, outer, pipes.Writer(ends[1]), log, Tree())
    inner = Inner(actions, launcher, pipes.Reader(ends[0]), ends[2])
    try:
        start(inner, command, inherited, place)
        inner.run()
        os._exit(0)
    except Refusal as refusal:
        messages.complain(str(refusal))
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, nothing may be left behind
        try:
            if inner.life.state == STARTING and isinstance(error, OSError):
                messages.complain(str(not_started("cannot start", error)))
            else:
                log.error(error)
        finally:
            kill_until_empty(actions.tree, log)
    finally:
        os._exit(OWN_FAILURE)
