"""From pdwrap to the backend: its program is found and executed as execvp(3) does it, or the line says why not (T4).

`os.execv` hands on the C environment as it is, duplicate names and entries without `=` included; `os.execvp` would
import `warnings` for its search, and lets a script without `#!` fail that execvp(3) runs.
"""

import errno
import os

from pdwrap import exit_status, messages
from pdwrap.inherited import Inherited, ignore_own_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

SHELL = "/bin/sh"
DEFAULT_PATH = "/bin:/usr/bin"  # confstr(3), _CS_PATH


def become(command: "list[str]", inherited: Inherited) -> "NoReturn":
    """Turn this process into the backend; if that fails, say so and exit (127, 126)."""
    try:
        inherited.restore()
        error = _exec(command)
        ignore_own_signals()  # at their default by now
        messages.complain(f"{command[0]}: {_reason(command[0], error)}")
        os._exit(exit_status.of_exec_failure(error.errno or 0))
    except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
        ignore_own_signals()
        messages.complain(f"{command[0]}: {type(error).__name__}: {error}")
    os._exit(exit_status.OWN_FAILURE)


def _reason(program: str, error: OSError) -> str:
    if error.errno == errno.ENOENT and "/" not in program:
        here = f"./{program}"
        is_here = os.path.isfile(here) and os.access(here, os.X_OK)
        return f"command not found ({here} is here: write that)" if is_here else "command not found"
    return os.strerror(error.errno or 0)


def _exec(command: "list[str]") -> OSError:
    """Search and exec as execvp(3) does; returns only the error that it ends with."""
    program = command[0]
    worst: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not program:
        return worst
    if "/" in program:
        return _exec_file(program, command)
    for folder in os.environ.get("PATH", DEFAULT_PATH).split(":"):
        error = _exec_file(f"{folder}/{program}" if folder else program, command)
        if error.errno == errno.EACCES:
            worst = error  # found, but not executable: go on, another may be (execvp(3))
        elif error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT):
            return error
    return worst


def _exec_file(path: str, command: "list[str]") -> OSError:
    try:
        os.execv(path, command)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            return error
    except ValueError as error:  # an embedded zero byte cannot come from a command line
        return OSError(errno.EINVAL, str(error))
    try:
        os.execv(SHELL, [SHELL, path, *command[1:]])
    except OSError as error:
        return error
