"""What CPython's start, and pdwrap, change of what the launcher handed on; undone before the backend's exec (T1)."""

import os
import sys

from pdwrap.linux import procfs, signals

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
