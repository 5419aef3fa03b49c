"""Harness of the tests: real process trees, and proof of their end without sleeping.

What a test needs comes from two fixtures (conftest.py):

``pdwrap``  the command under test as a list: ``[*pdwrap, "--", "true"]``. Of the checkout, or what
            ``PDWRAP_TEST_COMMAND`` names (an installed wheel). It says the mode where needed: fork, or those that the
            marker ``modes`` names; ``mode`` tells which, and ``family`` which descendants it promises to end.
``start``   starts a tree and returns it when the backend is ready::

                tree = start("plain", "child=setsid:stubborn", options=["--grace", "0.1"])
                tree.launcher.kill()            # SIGKILL; also tree.wrapper, tree.backend, tree.supervisors
                tree.assert_gone()              # end-of-file on the tree pipe, every pidfd, ECHILD

The words after `start` are a small language (`roles`), and say who the backend is and what it starts first::

                start("reporter", "exit=15", "code=3", "child=setsid:reporter[exit=18]")

                reporter                        # the backend: it says on the tree pipe each signal that it gets
                exit=15 code=3                  # ... and on SIGTERM (15) it exits with status 3
                child=...                       # before it is ready it starts this, and waits until that is ready
                setsid:                         # ... in a session of its own (group: in a group of its own;
                                                #     double: forked twice, so orphaned; nothing: like any child)
                reporter[exit=18]               # ... another reporter, with its own options in the brackets: it
                                                #     ends on SIGCONT (18), the second signal of an ending

`ATTACHED`, `DETACHED` and `FAMILY` are lists of such children. Numbers are Linux's (`kill -l`). Players at a terminal
and scripts have orders of their own: `terminal_player`, `scripts`.

The pieces, one module each:

`started`   `Started`, which a test calls `tree`: the four processes, what they say (`voice`), what the launcher saw
            (`status`), `assert_gone`.
`sidecars`  exec mode: who watches over a backend.
`voice`     `Voice`: the pipe on which all of a tree speak, and whose end-of-file proves that none is left.
`roles`     the backends, a program of its own: plain, stubborn, reporter, runner, listener ... and their children.
`launcher`  the launcher, a program of its own: forks from a thread, drops its uid, calls setsid, executes itself.
`spawn`     `run`, `run_many`, `Running` for commands without a tree; `spawn` with exact descriptors.
`processes` `Process` (a pidfd), children, parents, states, and the reaping that proves that nothing is left.
`patience`  how long a wait may last: longer where the machine is busy. `wait_until`, `is_readable`.
`seccomp`   a real filter that makes the kernel deny named system calls, as a command prefix.
`faulty`    a pdwrap in which something fails, or somebody is lost, at a named place (fixture ``faulty``).
`foreign`   launchers that are programs of their own, in Python, Go and Node.
`freezer`   what no SIGKILL ends before it is thawed.
`scripts`   shell scripts that say ``pdwrap --``, run with these words and without.
`containers`, `pty_session`, `terminal_player`  what runs in a pid namespace, and at a terminal.
`fakes`, `fakes_sidecar`, `kinship`, `forked`   for tests of a part: doubles, a made-up process tree, a child; whether
            doubles are like what they double, `doubles` asks.

Every role holds the write end of the tree pipe, so its end-of-file proves that all of them are gone. The test process
is a child subreaper: what a tree loses falls to us, and after each test a fixture fails if anything did.
"""

from .patience import LIMIT, Patience, is_readable, wait_until
from .processes import Process, children, describe, kill_what_is_left, parent_of, reap_all, stat
from .sidecars import wait_for_sidecars, watchers
from .spawn import (
    ATTACHED,
    CLOSED,
    DETACHED,
    FAMILY,
    HERE,
    ONE_FILE,
    PYTHON,
    READY,
    ROOT,
    Outcome,
    Running,
    clean_environment,
    denied,
    pause_for,
    role,
    run,
    run_many,
    shell,
    spawn,
)
from .started import Started, Starter
from .voice import Voice

__all__ = [
    "ATTACHED",
    "CLOSED",
    "DETACHED",
    "FAMILY",
    "HERE",
    "LIMIT",
    "ONE_FILE",
    "PYTHON",
    "READY",
    "ROOT",
    "Outcome",
    "Patience",
    "Process",
    "Running",
    "Started",
    "Starter",
    "Voice",
    "children",
    "clean_environment",
    "denied",
    "describe",
    "is_readable",
    "kill_what_is_left",
    "parent_of",
    "pause_for",
    "reap_all",
    "role",
    "run",
    "run_many",
    "shell",
    "spawn",
    "stat",
    "wait_for_sidecars",
    "wait_until",
    "watchers",
]
