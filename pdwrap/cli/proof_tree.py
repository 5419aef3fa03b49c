"""The backend of the live proof, and what it starts: this program once more, so that no other one is needed.

    backend    plain    setsid    group    double (forked twice)    deaf (ignores SIGTERM)

Each says on a pipe who it is, and waits. It ends by itself when nobody holds the other end of the *lease* any more, or
after LONGEST seconds: whatever becomes of the proof, nothing of it stays.

Runs in: the backend, which pdwrap has executed, and its children. Called by: `doctor`.
"""

import os
from select import POLLHUP, poll

from pdwrap.cli.forked import fork
from pdwrap.exit_status import Refusal
from pdwrap.linux import signals

#: What stands before the descriptors on the command line of the backend.
WORD = "proof-tree"
BACKEND = "backend"
DEAF = "deaf"
DOUBLE = "double"
KINDS = (BACKEND, "plain", "setsid", "group", DOUBLE, DEAF)
#: Those that end by SIGKILL alone. What has forked itself away exec mode finds only then, by the group that it is in.
KILLED = {"fork": (DEAF,), "exec": (DEAF, DOUBLE)}
LONGEST = 60.0  # seconds


def be_backend(words: list[str]) -> None:
    """Be the backend, to the end.

    Args:
        words: pdwrap's mode; the descriptors of the lease, of a pipe that those hold who end when they are asked to,
            and of one that all hold.

    Raises:
        Refusal: a person has typed this.

    """
    try:
        mode, *numbers = words
        killed = KILLED[mode]
        lease, most, every = map(int, numbers)
        for descriptor in (lease, most, every):
            os.fstat(descriptor)
    except (KeyError, ValueError, OSError):
        raise Refusal(f"--doctor: {WORD} is for its own use: leave it out") from None

    def wait_as(kind: str) -> None:
        if kind == "setsid":
            os.setsid()
        elif kind == "group":
            os.setpgid(0, 0)
        elif kind == DEAF:
            signals.api.signal(signals.SIGTERM, signals.api.SIG_IGN)
        if kind in killed:
            os.close(most)
        os.write(every, f"{kind} {os.getpid()}\n".encode())
        waiting = poll()
        waiting.register(lease, POLLHUP)
        waiting.poll(int(LONGEST * 1000))

    for kind in KINDS[1:]:
        if kind == DOUBLE:
            os.waitpid(fork(lambda: fork(lambda: wait_as(DOUBLE))), 0)
        else:
            fork(lambda kind=kind: wait_as(kind))  # type: ignore[misc]
    wait_as(BACKEND)
