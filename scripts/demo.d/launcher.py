# ruff: noqa: INP001 - a folder that Python is given to run, not a package
"""A launcher that starts a backend as LocalAI does.

    launcher.py LOG COMMAND [ARG...]

The backend gets a process group of its own and writes to a file, and its descriptor 0 is closed. Closed, not
/dev/null: the first thing that the backend opens becomes descriptor 0. The launcher prints the pid that it started
and, when that ends, its exit code (-N: killed by signal N).
"""

from __future__ import annotations

import os
import signal
import sys


def main(log: str, command: list[str]) -> None:
    """Start *command* and wait for its end."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    backend = os.fork()
    if backend == 0:
        try:
            os.setpgid(0, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(0)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so in exec
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)
    print(backend, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(backend, 0)[1]), flush=True)


main(sys.argv[1], sys.argv[2:])
