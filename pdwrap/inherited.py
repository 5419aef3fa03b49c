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

    __slots__ = ("_locale", "_mask", "_pending", "_sigchld_ignored", "_wrapper")

    def __init__(self) -> None:
        self._mask = signals.api.pthread_sigmask(signals.api.SIG_BLOCK, signals.ALL)
        self._pending = signals.api.sigpending()  # blocked by the launcher, and the backend's (execve(2))
        # With SIGCHLD ignored the kernel reaps our children itself, and waitpid(2) has nothing to tell.
        self._sigchld_ignored = signals.api.getsignal(signals.SIGCHLD) == signals.api.SIG_IGN
        signals.api.signal(signals.SIGCHLD, signals.api.SIG_DFL)
        self._locale = _locale_before_python()
        self._wrapper = os.getpid()

    def restore(self) -> None:
        """In the backend's process: make everything as the launcher handed it on."""
        if "faulthandler" in sys.modules:  # PYTHONFAULTHANDLER, PYTHONDEVMODE: gives back what it replaced
            sys.modules["faulthandler"].disable()
        self._drop_own_signals()
        for number in signals.IGNORED_BY_PYTHON:
            signals.api.signal(number, signals.api.SIG_IGN if number in _ignored_before() else signals.api.SIG_DFL)
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

    def _drop_own_signals(self) -> None:
        """Drop what a line of ours raised on a stderr that nobody reads, or at a file-size limit; keep all others'.

        Blocked, a signal is pending also where it is to be ignored (kernel/signal.c, sig_ignored), and goes on to the
        backend, or kills us when the mask is restored. Writing raises it in the name of the process that writes.
        """
        others = []
        while info := signals.wait(set(signals.IGNORED_BY_PYTHON) - self._pending, 0):
            if info.si_pid != os.getpid():
                others.append(int(info.si_signo))
        for number in others:
            os.kill(os.getpid(), number)


def ignore_own_signals() -> None:
    """After `restore`, where the backend is not to come: what a line of ours raises does not end us (T4)."""
    for number in signals.IGNORED_BY_PYTHON:
        signals.api.signal(number, signals.api.SIG_IGN)


def _ignored_before() -> "tuple[int, ...]":
    """Give what the launcher had ignored of what CPython ignores: the one file takes note of it, Python does not."""
    if "_pdwrap" not in sys.builtin_module_names:
        return ()
    import _pdwrap

    return _pdwrap.ignored  # type: ignore[no-any-return]


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
