"""Fork mode: the order of steps from the launcher, seen, to the two supervisors.

    launcher -- outer supervisor -- inner supervisor -- backend -- its descendants
                (pid that the        (a group or session  (parent-death
                launcher knows)      of its own)          signal KILL)

Both are subreapers, both know the launcher, each notices the loss of the other: the inner is the outer's child, the
outer holds the write end of the inner's command pipe.

Runs in: pdwrap, which becomes the outer supervisor. Called by: `entry`. All is imported before the fork: an import in
a forked child costs three times as much, since each page of the interpreter that it touches is copied (measured).
"""

import os

from pdwrap import messages
from pdwrap.exit_status import OWN_FAILURE, Refusal, not_started
from pdwrap.fork_mode import inner_start, pipes
from pdwrap.fork_mode.children import Tree, adopt_orphans, kill_until_empty
from pdwrap.fork_mode.job_control import Job
from pdwrap.fork_mode.outer_actions import OuterActions
from pdwrap.fork_mode.outer_loop import Outer
from pdwrap.fork_mode.placement import Placement
from pdwrap.linux import descriptors, pipe_signal, procfs, terminal
from pdwrap.stderr import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.inherited import Inherited
    from pdwrap.launcher import Launcher
    from pdwrap.options import Settings


def run(
    settings: "Settings", command: "list[str]", launcher: "Launcher", inherited: "Inherited", log: messages.Log
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
    adopt_orphans()
    tree = _own_children()
    place = Placement()
    me = os.getpid()
    try:
        commands_read, commands_write = os.pipe()
        reports_read, reports_write = os.pipe()
        held, loss = os.pipe()  # of which the inner holds one end, and nobody reads or writes
        child = os.fork()
    except OSError as error:
        raise not_started("cannot fork a supervisor", error) from None
    # If we die here or later, the child sees end-of-file on its command pipe, and releases or leaves nothing.
    if child == 0:
        try:
            os.close(commands_write)  # with it open, the inner would never see its end-of-file
            os.close(loss)
            inner_start.run_inner(
                settings, command, launcher, inherited, log, me, place, (commands_read, reports_write, held)
            )
        except Refusal as refusal:
            messages.complain(str(refusal))
        except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
            log.error(error)
        os._exit(OWN_FAILURE)
    try:
        os.close(commands_read)
        os.close(reports_write)
        os.close(held)
        _be_outer(settings, launcher, log, child, tree, place, (commands_write, reports_read, loss))
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, nothing may be left behind
        try:
            log.error(error)
        finally:
            kill_until_empty(tree, log)
    finally:
        os._exit(OWN_FAILURE)


def _be_outer(
    settings: "Settings",
    launcher: "Launcher",
    log: messages.Log,
    inner: int,
    tree: Tree,
    place: Placement,
    ends: tuple[int, int, int],
) -> None:
    commands, reports, loss = ends
    job = Job(shared_group=place.shared)
    outer = Outer(
        OuterActions(settings, launcher, inner, pipes.Writer(commands), tree, log, job), pipes.Reader(reports), loss
    )
    keep = {STDERR, *ends, tree.descriptor, *launcher.descriptors}
    pipe_signal.continue_when_closed(loss, os.getpid())  # the inner is lost: we may be stopped, and must see it (E4)
    if not terminal.is_ours():
        os.chdir("/")  # tmux asks the foreground group's leader for its working directory; else ours keeps one busy
    log.leave_stderr()
    descriptors.close_all_but(keep)  # what a supervisor holds open it keeps alive
    outer.run()


def _own_children() -> Tree:
    try:
        older = frozenset(procfs.descendants(os.getpid()))
        tree = Tree(older)
        procfs.hold()
    except OSError as error:
        raise not_started(f"cannot list children in {procfs.ROOT}", error, f"mount {procfs.ROOT}") from None
    return tree
