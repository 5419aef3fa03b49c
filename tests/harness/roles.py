"""The backends of the tests: ``python -I -S roles.py ROLE [key=value ...]``.

Every role holds the write end of the tree pipe (descriptor 9) and speaks on it, one line at a time: ``ready backend
PID`` (a child of it: ``ready ROLE PID``) when its handlers stand, ``got PID SIGNAL`` for a signal, ``port N`` for a
listening socket. End-of-file on that pipe says that the whole tree is gone.

For every role: ``child=[KIND:]ROLE`` starts a child first (several times for several) and waits until it is ready.
KIND is ``setsid`` (a session of its own), ``group`` (a process group of its own) or ``double`` (forked twice, so
orphaned and adopted by the nearest subreaper). A child's own options follow in brackets: ``child=reporter[exit=15]``.

A role ends by itself after ten minutes, in case the test that started it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import NoReturn

TREE = 9
LIFETIME = 600
FENCE = signal.SIGRTMAX  # sigwait gives the lowest pending number first, so the highest comes after all others

Options = list[tuple[str, str]]


def say(*words: object) -> None:
    """One line to the test; short enough to be written in one piece (pipe(7), PIPE_BUF)."""
    os.write(TREE, (" ".join(map(str, words)) + "\n").encode())


def option(options: Options, key: str, default: str = "") -> str:
    """The value of *key*."""
    return dict(options).get(key, default)


class Role:
    """What a role's function gets: its options, and a way to say that it is ready."""

    def __init__(self, name: str, options: Options, stands: int) -> None:
        """*stands* is the pipe on which the parent waits, or -1."""
        self.name, self.options, self._stands = name, options, stands

    def get(self, key: str, default: str = "") -> str:
        """The value of an option."""
        return option(self.options, key, default)

    def ready(self) -> None:
        """Say that the handlers stand."""
        say("ready", self.name, os.getpid())
        if self._stands >= 0:
            os.write(self._stands, b"!")
            os.close(self._stands)


def forever() -> NoReturn:
    """Live on, as long as tests may take."""
    signal.alarm(LIFETIME)
    while True:
        signal.pause()


def plain(role: Role) -> None:
    """Default dispositions: dies of SIGTERM."""
    role.ready()
    forever()


def stubborn(role: Role) -> None:
    """Ignores what asks it to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    role.ready()
    forever()


def reporter(role: Role) -> None:
    """Says each signal that it gets, in order, and ends with ``code`` on signal ``exit``.

    ``fence=yes``: on ``exit``, first sends FENCE to its children and waits for their answer, so that
    whatever they got before is on record before this process is gone.
    """
    watched = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    answers, answer = os.pipe()
    children = start_children(role.options, answer)
    role.ready()
    last, deadline = int(role.get("exit", "0")), time.monotonic() + LIFETIME
    while (info := signal.sigtimedwait(watched, max(0, deadline - time.monotonic()))) is not None:
        if info.si_signo == signal.SIGCHLD and children:
            continue
        say("got", os.getpid(), info.si_signo)
        if info.si_signo == FENCE and role.get("answer"):
            os.write(int(role.get("answer")), b"!")
        if info.si_signo == last:
            if role.get("fence"):
                for child in children:
                    os.kill(child, FENCE)
                    os.read(answers, 1)
            say("leaving", os.getpid())
            os._exit(int(role.get("code", "0")))


def catcher(role: Role) -> None:
    """Says each SIGTERM and SIGINT by an ordinary handler, which (unlike sigwait) needs the process to run."""

    def note(number: int, _frame: object) -> None:
        say("got", os.getpid(), number)
        if number == int(role.get("exit", "0")):
            os._exit(0)

    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT, FENCE):
        signal.signal(number, note)
    role.ready()
    forever()


def runner(role: Role) -> None:
    """Always one process, never for long the same: forks, and lets the child go on."""
    role.ready()
    end = time.monotonic() + LIFETIME / 10
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)


def breeder(role: Role) -> None:
    """Forks on and on, children in sessions of their own that ignore SIGTERM; 400 at most, to spare the machine."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    role.ready()
    for _ in range(400):
        if os.fork() == 0:
            os.setsid()
            forever()
        time.sleep(0.001)
    forever()


def listener(role: Role) -> None:
    """Listens on a free port of 127.0.0.1."""
    import socket  # the dearest import here, and one role's alone

    with socket.create_server(("127.0.0.1", int(role.get("port", "0")))) as server:
        say("port", server.getsockname()[1])
        role.ready()
        forever()


def closer(role: Role) -> None:
    """Closes descriptor ``fd``, and says so."""
    os.close(int(role.get("fd")))
    role.ready()
    forever()


def daemon(role: Role) -> None:
    """Exits with ``code`` at once, or on SIGTERM if ``on=15``, whatever its children do."""
    number = int(role.get("on", "0"))
    if number:
        signal.signal(number, lambda *_: os._exit(int(role.get("code", "0"))))
    role.ready()
    if number:
        forever()
    os._exit(int(role.get("code", "0")))


def victim(role: Role) -> None:
    """Dies of signal ``by``."""
    number = int(role.get("by"))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    role.ready()
    os.kill(os.getpid(), number)
    forever()


def start_children(options: Options, answer: int = -1) -> list[int]:
    """Start each ``child``; return once all are ready."""
    wanted = [value for key, value in options if key == "child"]
    reads, writes = os.pipe()
    started = []
    for value in wanted:
        kind, _, text = value.rpartition(":") if ":" in value.split("[")[0] else ("", "", value)
        name, _, inner = text.partition("[")
        own = parse(inner.rstrip("]").split())
        if answer >= 0:
            own.append(("answer", str(answer)))
        pid = os.fork()
        if pid == 0:
            os.close(reads)
            leave(kind)
            os._exit(perform(name, own, writes))
        if kind == "double":
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass  # SIGCHLD was inherited as ignored: the kernel reaps
        else:
            started.append(pid)
    os.close(writes)
    for _ in wanted:
        if not os.read(reads, 1):
            say("error a child was lost before it was ready")
    os.close(reads)
    return started


def leave(kind: str) -> None:
    """Detach from the parent in the manner of *kind*."""
    if kind == "setsid":
        os.setsid()
    elif kind == "group":
        os.setpgid(0, 0)
    elif kind == "double":
        os.setsid()
        if os.fork():
            os._exit(0)


ROLES = {
    each.__name__: each
    for each in (plain, stubborn, reporter, catcher, runner, breeder, listener, closer, daemon, victim)
}


def perform(name: str, options: Options, stands: int = -1, called: str = "") -> int:
    """Play one role to its end; it says that it is ready as *called*, or by its own name."""
    if name != "reporter":  # which starts its own, with a pipe for their answers
        start_children(options)
    ROLES[name](Role(called or name, options, stands))
    return 0


def parse(words: list[str]) -> Options:
    """``key=value`` words as pairs."""
    return [(key, value) for key, _, value in (word.partition("=") for word in words)]


if __name__ == "__main__":
    sys.exit(perform(sys.argv[1], parse(sys.argv[2:]), called="backend"))
