"""How a sidecar begins: it leaves all that is the backend's, says that it stands, and watches.

If it dies before that, the process that waits for its word sees end-of-file, and starts nothing.
"""

import os
from select import POLLIN, poll

from pdwrap.exec_mode.sidecar_loop import Sidecar
from pdwrap.exec_mode.sidecar_pipes import SidecarPipes
from pdwrap.exec_mode.sidecar_table import BecameMate
from pdwrap.exit_status import OWN_FAILURE, not_started
from pdwrap.linux import descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.exec_mode.sidecar_actions import SidecarActions
    from pdwrap.launcher import Launcher

STANDS = b"\0"  # sent when ready; any other text is why nothing is started
LOST = "the sidecar was lost while pdwrap started"


def tell_failure(ready: int, error: BaseException) -> None:
    """Tell the process that waits for a sidecar to stand why there will be none."""
    if isinstance(error, OSError):
        text = str(not_started(LOST, error))
    else:
        text = f"{LOST} ({type(error).__name__}): nothing was started"
    os.write(ready, text.encode(errors="replace"))


def _see_to_room(actions: "SidecarActions") -> None:
    try:
        actions.members.check_room()
    except OSError:
        actions.members.make_room()
        actions.members.check_room()


def _say_that_it_stands(actions: "SidecarActions", ready: int) -> None:
    try:
        os.write(ready, STANDS)
    except BrokenPipeError:  # pdwrap was killed meanwhile: nothing was started
        actions.continue_mate()
        os._exit(0)


def run_sidecar(
    actions: "SidecarActions", launcher: "Launcher", ready: int, kept: "set[int]", helper: int | None
) -> "NoReturn":
    """Be a sidecar, to the end. Whatever goes wrong ends the tree (E8).

    Args:
        actions: the tree, and what to do to it.
        launcher: the launcher.
        ready: the write end of a pipe, told when the sidecar stands, or why it does not: then nothing is started.
        kept: descriptors to keep open.
        helper: a pidfd of our parent.

    """
    stands = False
    pipes: SidecarPipes | None = None
    try:
        if helper is not None:
            # As long as it lives, we are below the backend, and would stop ourselves with the rest of the tree.
            waiting = poll()
            waiting.register(helper, POLLIN)
            waiting.poll()
        actions.log.leave_stderr()
        descriptors.close_all_but(kept | {ready})
        os.chdir("/")  # no directory is kept busy
        pipes = actions.pipes = SidecarPipes(actions.members.backend, actions.settings.signal)
        sidecar = Sidecar(actions, launcher)
        _see_to_room(actions)
        me = os.getpid()
        actions.make_mate()  # before the word: from the backend's first moment on there are two
        stands = True
        if os.getpid() == me:
            _say_that_it_stands(actions, ready)
        os.close(ready)
        if os.getpid() != me:
            sidecar.life.feed(BecameMate())
        actions.members.make_room()
        sidecar.run()
        actions.continue_mate()  # one that is stopped would stay behind: it has what it waits for, too
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, the protection does not end in silence
        if not stands:
            if pipes is not None:
                pipes.let_go()  # of pdwrap, which is to say why nothing is started
            tell_failure(ready, error)
            os._exit(OWN_FAILURE)
        try:
            actions.log.error(error)
        finally:
            actions.kill_until_empty()
    finally:
        os._exit(OWN_FAILURE)
