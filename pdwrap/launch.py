"""From pdwrap to the backend: what CPython's start changed is undone, then exec (T1, T4).

`os.execv` hands on the C environment as it is, duplicate names and entries without `=` included; `os.execvp` would
import `warnings` for its search, and lets a script without `#!` fail that execvp(3) runs.
"""

import errno
import os
import sys

from pdwrap import kernel, messages, procfs, signals, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

RELEASE = b"x"
SHELL = "/bin/sh"
DEFAULT_PATH = "/bin:/usr/bin"  # confstr(3), _CS_PATH
#: Variables by which systemd names the process that it means by its pid (sd_listen_fds(3), sd_watchdog_enabled(3)).
NAMES_PROCESS = ("LISTEN_PID", "WATCHDOG_PID")


class Inherited:
    """What the launcher handed on that pdwrap has to change for itself, and hands on unchanged.

    Making one blocks every signal: from here on none is lost, and none ends pdwrap by its default action.
    """

    __slots__ = ("_locale", "_mask", "_sigchld_ignored", "_wrapper")

    def __init__(self) -> None:
        self._mask = signals.api.pthread_sigmask(signals.api.SIG_BLOCK, signals.ALL)
        # With SIGCHLD ignored the kernel reaps our children itself, and waitpid(2) has nothing to tell.
        self._sigchld_ignored = signals.api.getsignal(signals.SIGCHLD) == signals.api.SIG_IGN
        signals.api.signal(signals.SIGCHLD, signals.api.SIG_DFL)
        self._locale = _locale_before_python()
        self._wrapper = os.getpid()

    def restore(self) -> None:
        """In the backend's process: make everything as the launcher handed it on."""
        if "faulthandler" in sys.modules:  # PYTHONFAULTHANDLER, PYTHONDEVMODE: gives back what it replaced
            sys.modules["faulthandler"].disable()
        for number in signals.IGNORED_BY_PYTHON:
            signals.api.signal(number, signals.api.SIG_DFL)
        if self._sigchld_ignored:
            signals.api.signal(signals.SIGCHLD, signals.api.SIG_IGN)
        if self._locale is None:
            os.unsetenv("LC_CTYPE")
        elif self._locale != os.environb.get(b"LC_CTYPE"):
            os.putenv(b"LC_CTYPE", self._locale)
        for name in NAMES_PROCESS:
            if os.environ.get(name) == str(self._wrapper) and os.getpid() != self._wrapper:
                os.putenv(name, str(os.getpid()))
                if name == "LISTEN_PID":
                    os.unsetenv("LISTEN_PIDFDID")  # means the wrapper, too; checked only where it is set
        signals.api.pthread_sigmask(signals.api.SIG_SETMASK, self._mask)


def _locale_before_python() -> bytes | None:
    """Give LC_CTYPE as it was when we were started; None where it was not there. CPython coerces C, POSIX (PEP 538)."""
    now = os.environb.get(b"LC_CTYPE")
    if now is None:
        return None
    try:
        at_exec = procfs.read(f"{procfs.ROOT}/self/environ").split(b"\0")
    except OSError:
        return now
    return next((entry.partition(b"=")[2] for entry in at_exec if entry.startswith(b"LC_CTYPE=")), None)


def hold_standard_descriptors() -> None:
    """Fill what the launcher closed of descriptors 0, 1 and 2, so that none of ours lands there.

    Close-on-exec: the backend finds closed what the launcher closed. `/` opens everywhere, also without /dev.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the lowest free one: this one


def close_all_but(kept: "set[int]") -> None:
    """Close every descriptor but `kept`: what a supervisor holds open it keeps alive (a port, a pipe's end)."""
    for entry in os.listdir(f"{procfs.ROOT}/self/fd"):
        descriptor = int(entry)
        if descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass  # the one that listed the folder


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
            kernel.set_parent_death_signal(signals.SIGKILL)
        except OSError:
            pass  # refused: an orphaned backend falls to the outer supervisor, which ends it
        if os.getppid() == parent:  # else it died before the kernel was asked
            released = os.read(hold, len(RELEASE))
    finally:
        if released != RELEASE:
            os._exit(status.OWN_FAILURE)


def drop_copies(parent: int) -> None:
    """Drop what was sent to the launcher's group while we were held in it: the outer has had it, and forwards it (T2).

    Only real-time signals are queued; of the others a copy and the forwarded one are one pending signal (signal(7)).
    """
    forwarded = []
    while info := signals.api.sigtimedwait(signals.QUEUED, 0):
        if info.si_pid == parent:
            forwarded.append(int(info.si_signo))
    for number in forwarded:
        os.kill(os.getpid(), number)


def become(command: "list[str]", inherited: Inherited) -> "NoReturn":
    """Turn this process into the backend; if that fails, say so and exit (127, 126)."""
    try:
        inherited.restore()
        error = _exec(command)
        messages.complain(f"{command[0]}: {_reason(command[0], error)}")
        os._exit(status.of_exec_failure(error.errno or 0))
    except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
        messages.complain(f"{command[0]}: {type(error).__name__}: {error}")
    os._exit(status.OWN_FAILURE)


def _reason(program: str, error: OSError) -> str:
    if error.errno == errno.ENOENT and "/" not in program:
        return "command not found"
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
