"""A process that does one thing and ends: what the doctor's probes and its proof are made of."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def fork(what: "Callable[[], object]") -> int:
    """Fork a process that calls `what`, and exits; give its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            what()
        finally:
            os._exit(0)
    return pid
