"""The launcher of the tests: ``python -I -S launcher.py [OPTION ...] -- COMMAND [ARG ...]``.

It starts COMMAND by plain fork and exec, says ``child PID`` on descriptor 8, then ``status RAW`` (as
waitpid gives it) whenever the child stops, goes on or ends. COMMAND inherits descriptor 9 (the tree pipe) and
whatever else was inherited, but not 7 and 8; the launcher itself closes 9.

Options, for the child: ``group`` (a process group of its own), ``session`` (a session of its own), ``ignore=N``,
``block=N``, ``alarm=SECONDS``, ``close=FD``. For the launcher: ``thread`` (forks from a thread that lives until told to
end), ``threads`` (has three idle threads), ``times=N`` (forks N times), ``detach=FD`` (closes it when it has forked),
``die=SECONDS`` (SIGKILLs itself so long after it has forked), ``exit`` (forks, then exits).

After all of them it obeys the lines on descriptor 7 and answers each with ``done LINE``: ``thread-end``, ``setsid``,
``setuid N``, ``exec`` (executes itself anew, same pid), ``thread-exec`` (the same by another thread than the first),
``first-thread-end`` (its first thread ends alone, another goes on), ``signal N``, ``group N`` (to the child, to its
group); and without an answer ``signal-and-die N``. At the end of the lines it exits.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from typing import NoReturn

COMMANDS, REPORTS, TREE = 7, 8, 9


def say(*words: object) -> None:
    """One line to the test."""
    os.write(REPORTS, (" ".join(map(str, words)) + "\n").encode())


def become(options: list[str], command: list[str]) -> NoReturn:
    """In the child: what was asked for, then exec."""
    try:
        for name, _, value in (each.partition("=") for each in options):
            if name == "group":
                os.setpgid(0, 0)
            elif name == "session":
                os.setsid()
            elif name == "ignore":
                signal.signal(int(value), signal.SIG_IGN)
            elif name == "block":
                signal.pthread_sigmask(signal.SIG_BLOCK, {int(value)})
            elif name == "alarm":
                signal.setitimer(signal.ITIMER_REAL, float(value))
            elif name == "close":
                os.close(int(value))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvp(command[0], command)
    finally:
        os._exit(98)


class Launcher:
    """The child, and the thread that forked it."""

    def __init__(self, child: int = 0) -> None:
        """*child* is known already after ``exec``."""
        self.child = child
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)

    def start(self, options: list[str], command: list[str]) -> None:
        """Fork, here or in a thread."""
        if "threads" in options:
            for _ in range(3):
                threading.Thread(target=signal.pause, daemon=True).start()
        if "thread" in options:
            forked = threading.Event()
            self._thread = threading.Thread(target=self._fork_in_thread, args=(options, command, forked), daemon=True)
            self._thread.start()
            forked.wait()
            say("child", self.child)
        else:
            for _ in range(int(dict(each.partition("=")[::2] for each in options).get("times", "1"))):
                self._fork(options, command)
                say("child", self.child)
        for fd in [TREE, *(int(each[7:]) for each in options if each.startswith("detach="))]:
            os.close(fd)
        self._after(options)

    def _fork(self, options: list[str], command: list[str]) -> None:
        self.child = os.fork()
        if self.child == 0:
            become(options, command)

    def _after(self, options: list[str]) -> None:
        for name, _, value in (each.partition("=") for each in options):
            if name == "die":
                time.sleep(float(value))
                os.kill(os.getpid(), signal.SIGKILL)
            elif name == "exit":
                os._exit(0)

    def _fork_in_thread(self, options: list[str], command: list[str], forked: threading.Event) -> None:
        self._fork(options, command)
        forked.set()
        self._end.wait()

    def obey(self, line: str) -> None:
        """Carry out one line of the test's."""
        word, _, value = line.partition(" ")
        if word == "thread-end" and self._thread is not None:
            self._end.set()
            self._thread.join()
            while len(os.listdir("/proc/self/task")) > 1:  # joined is a moment before gone
                os.sched_yield()
        elif word == "setsid":
            os.setsid()
        elif word == "setuid":
            os.setgroups([])
            os.setresgid(int(value), int(value), int(value))
            os.setresuid(int(value), int(value), int(value))
        elif word in ("exec", "thread-exec", "first-thread-end"):
            self._become_another(line)
        elif word == "signal":
            os.kill(self.child, int(value))
        elif word == "group":
            os.killpg(self.child, int(value))
        elif word == "signal-and-die":
            os.kill(self.child, int(value))
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise ValueError(line)
        say("done", line)

    def _become_another(self, line: str) -> NoReturn:
        if line == "thread-exec":
            threading.Thread(target=self._execute, args=(line,)).start()
            threading.Event().wait()  # execve(2) ends all other threads; the one that calls it gets our pid
        elif line == "first-thread-end":
            import ctypes  # takes milliseconds, and few need it

            threading.Thread(target=self._go_on, args=(line,)).start()
            ctypes.CDLL(None).pthread_exit(None)
        self._execute(line)

    def _execute(self, line: str) -> NoReturn:
        os.set_inheritable(COMMANDS, True)
        os.set_inheritable(REPORTS, True)
        argv = [sys.executable, "-I", "-S", __file__, f"resume={self.child}", line]
        os.execv(sys.executable, argv)

    def _go_on(self, line: str) -> NoReturn:
        """In another thread: serve the test when the first has ended."""
        while True:  # until the first has become the zombie that stands for the process (proc(5))
            with open("/proc/self/stat", encoding="ascii") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    break
            os.sched_yield()
        say("done", line)
        self.serve()
        os._exit(0)

    def serve(self) -> None:
        """Report on the child and obey the test, until it lets go."""
        poll = select.poll()
        poll.register(COMMANDS, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        pending = b""
        while True:
            self.report()
            for fd, _ in poll.poll():
                if fd == self._woken:
                    os.read(self._woken, 4096)
                    continue
                data = os.read(COMMANDS, 4096)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self.obey(line.decode())

    def report(self) -> None:
        """Say what became of the child."""
        while self.child:
            try:
                pid, raw = os.waitpid(self.child, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                pid, self.child = 0, 0
            if not pid:
                return
            say("status", raw)
            if not (os.WIFSTOPPED(raw) or os.WIFCONTINUED(raw)):
                self.child = 0


def main() -> None:
    """Start the command, then serve the test until it lets go."""
    words = sys.argv[1:]
    for fd in (COMMANDS, REPORTS):
        os.set_inheritable(fd, False)
    if words[0].startswith("resume="):
        launcher = Launcher(int(words[0].partition("=")[2]))
        say("done", words[1])
    else:
        at = words.index("--")
        launcher = Launcher()
        launcher.start(words[:at], words[at + 1 :])
    launcher.serve()


if __name__ == "__main__":
    main()
