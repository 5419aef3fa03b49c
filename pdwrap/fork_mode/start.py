"""Fork mode: the order of steps from the first look at the launcher to the two supervisors.

    launcher -- outer supervisor -- inner supervisor -- backend -- its descendants
                (the pid that the    (a group or session  (parent-death
                launcher knows)      of its own)          signal KILL)

Both are subreapers, both know the launcher, each notices the loss of the other: the inner is the outer's child, the
outer holds the write end of the inner's command pipe.
"""

import os

from pdwrap import messages
from pdwrap.exit_status import OWN_FAILURE, Refusal, not_started
from pdwrap.fork_mode import inner_loop, inner_start, outer_loop, pipes
from pdwrap.fork_mode.children import Tree
from pdwrap.fork_mode.inner_actions import InnerActions
from pdwrap.fork_mode.job_control import Job
from pdwrap.fork_mode.outer_actions import OuterActions
from pdwrap.fork_mode.placement import Placement
from pdwrap.inherited import Inherited
from pdwrap.launcher import Launcher
from pdwrap.linux import prctl, procfs, signals
from pdwrap.stderr import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.options import Settings


def run(
    settings: "Settings", command: "list[str]", launcher: Launcher, inherited: Inherited, log: messages.Log
) -> "NoReturn":
    """Run `command` under two supervisors, and end as it does.

    Args:
        settings: what to do.
        command: the backend and its arguments.
        launcher: whose death counts.
        inherited: what the backend is to find unchanged.
        log: what to say when.

    Raises:
        Refusal: pdwrap cannot keep its promise here. Nothing has been started.

    """
    _adopt_orphans()
    tree = _own_children()
    place = Placement()
    me = os.getpid()
    try:
        commands_out, commands_in = os.pipe()
        reports_out, reports_in = os.pipe()
        child = os.fork()
    except OSError as error:
        raise not_started("cannot fork a supervisor", error) from None
    # If we die here or later, the child sees end-of-file on its command pipe, and releases or leaves nothing.
    if child == 0:
        _be_inner(settings, command, launcher, me, inherited, place, log, (commands_out, reports_in), commands_in)
    os.close(commands_out)
    os.close(reports_in)
    keep = {STDERR, commands_in, reports_out, tree.descriptor}
    if launcher.descriptor is not None:
        keep.add(launcher.descriptor)
    actions = OuterActions(
        settings, launcher, child, pipes.Writer(commands_in), tree, log, Job(shared_group=place.shared)
    )
    outer_loop.run_outer(outer_loop.Outer(actions, pipes.Reader(reports_out)), keep)


def _be_inner(
    settings: "Settings",
    command: "list[str]",
    launcher: Launcher,
    parent: int,
    inherited: Inherited,
    place: Placement,
    log: messages.Log,
    ends: tuple[int, int],
    not_ours: int,
) -> "NoReturn":
    try:
        os.close(not_ours)  # with it open, we would never see its end-of-file
        _adopt_orphans()
        try:
            prctl.set_parent_death_signal(signals.SIGCHLD)
        except OSError:
            pass  # one mechanism less: the command pipe tells the same
        actions = InnerActions(settings, launcher, parent, pipes.Writer(ends[1]), log)
        supervising = inner_loop.Inner(actions, launcher, pipes.Reader(ends[0]))
        inner_start.run_inner(supervising, command, inherited, place)
    except Refusal as refusal:
        messages.complain(str(refusal))
    except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
        log.error(error)
    os._exit(OWN_FAILURE)


def _adopt_orphans() -> None:
    if prctl.PRCTL_WAY == "none":
        raise ImportError(name="ctypes")
    try:
        prctl.become_subreaper()
    except OSError as error:
        raise Refusal(
            f"the kernel refuses prctl(PR_SET_CHILD_SUBREAPER) ({error.strerror}): what detaches itself from the "
            "backend could not be ended; allow prctl in the seccomp profile"
        ) from None


def _own_children() -> Tree:
    try:
        older = frozenset(procfs.descendants(os.getpid()))
        tree = Tree(older)
        procfs.hold()
    except OSError as error:
        raise not_started(f"cannot list children in {procfs.ROOT}", error, f"mount {procfs.ROOT}") from None
    return tree
