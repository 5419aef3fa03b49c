"""What the inner supervisor does first: it forks the backend, holds it until all is in place, and lets it go.

If this process dies before the release, the backend sees end-of-file on the pipe that holds it, and is never executed.
"""

import os

from pdwrap import groups, launch, lifecycle, messages, wire
from pdwrap.inner import Inner
from pdwrap.status import OWN_FAILURE, Refusal
from pdwrap.tree import kill_until_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def start(inner: Inner, command: "list[str]", inherited: launch.Inherited, place: groups.Groups) -> None:
    """Fork the backend, see to the process groups, look once more, and let it go.

    Raises:
        Refusal: the launcher, the lifeline or the outer supervisor was lost before the backend's exec.
        OSError: no process, no descriptor to be had. The held backend ends with us.

    """
    hold, release = os.pipe()
    leader = groups.start_leader(release) if not place.shared and not place.led else 0
    me = os.getpid()
    backend = os.fork()
    if backend == 0:
        try:
            launch.wait_for_release(me, hold, release)
            if not place.shared:
                launch.drop_copies(me)
            launch.become(command, inherited)
        except BaseException as error:  # noqa: BLE001 - never back into our own code
            messages.complain(f"internal error ({type(error).__name__}: {error}): nothing was started")
        finally:
            os._exit(OWN_FAILURE)
    if not place.shared:
        groups.move(backend, leader or backend)
        inner.acts.tree.own_group = leader or backend
    place.leave()
    if leader:
        groups.dismiss(leader)
    inner.acts.backend = backend
    inner.look_once_more()
    inner.life.feed(lifecycle.RELEASED)
    os.write(release, launch.RELEASE)
    os.close(release)
    os.close(hold)
    inner.acts.report(wire.BACKEND, backend)


def supervise(inner: Inner, command: "list[str]", inherited: launch.Inherited, place: groups.Groups) -> "NoReturn":
    """Be the inner supervisor, to the end. Whatever goes wrong ends the tree (E8)."""
    try:
        start(inner, command, inherited, place)
        inner.run()
        os._exit(0)
    except Refusal as refusal:
        messages.complain(str(refusal))
    except BaseException as error:  # noqa: BLE001 - E8: whatever it is, nothing may be left behind
        try:
            if inner.life.state == lifecycle.STARTING and isinstance(error, OSError):
                messages.complain(
                    f"cannot start ({error.strerror}): nothing was started; raise that limit, or free some"
                )
            else:
                inner.acts.log.error(error)
        finally:
            kill_until_empty(inner.acts.tree, inner.acts.log)
    finally:
        os._exit(OWN_FAILURE)
