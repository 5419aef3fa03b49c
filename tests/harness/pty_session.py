"""A terminal with a shell, a script or pdwrap itself on it; what happens there is heard, never waited for by time.

Two ways lead out of a session. The *voice* (descriptor 9) is where shells and players (terminal_player.py) say
what they did; it is what tests wait for. The *screen* is what was written to the terminal. Two ways lead in: keys,
which the terminal turns into input and signals, and orders to the player (descriptor 8), which are neither.

Exactly-once is proven by a fence: what was to arrive has arrived; FENCE is then sent on the same way, through pdwrap,
and overtakes nothing. What the player has said until it says FENCE is all that there was.
"""

from __future__ import annotations

import fcntl
import os
import select
import shlex
import struct
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import (
    PYTHON,
    Patience,
    Process,
    Voice,
    clean_environment,
    describe,
    is_readable,
    parent_of,
    reap_all,
    spawn,
    wait_until,
)
from .terminal_player import FENCE, ORDERS, VOICE

CTRL_C, CTRL_Z, CTRL_BACKSLASH, CTRL_D = "\x03", "\x1a", "\x1c", "\x04"
BASH = ("bash", "--norc", "--noprofile", "--noediting", "-i")
PLAYER = (*PYTHON, str(Path(__file__).with_name("terminal_player.py")))


class Command(list[str]):
    """The player behind pdwrap, or without it: a test runs both, so that "as without pdwrap" is not just an opinion.

    `supervisors` says how many processes of pdwrap stand between the player and the pid that a shell knows.
    """

    def __init__(self, prefix: Sequence[str], supervisors: int) -> None:
        """*prefix* goes before every command: pdwrap with its options and ``--``, or nothing."""
        super().__init__(prefix)
        self.supervisors = supervisors

    def player(self, name: str, *orders: str) -> list[str]:
        """Words of a command: a player under this prefix."""
        return [*self, *PLAYER, name, *orders]

    def line(self, name: str, *orders: str) -> str:
        """The same as a shell reads it."""
        return shlex.join(self.player(name, *orders))

    def outermost(self, player: int) -> Process:
        """The process that the shell knows: pdwrap's outer supervisor, or the player itself."""
        for _ in range(self.supervisors):
            player = parent_of(player)
        return Process(player)


class PtySession:
    """A new session with a new terminal, and *argv* as its leader."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start it; the terminal does not echo, so that the screen shows only what programs wrote."""
        self.voice = Voice()
        obeyed, self._orders = os.pipe()
        self._master, slave = os.openpty()
        modes = termios.tcgetattr(slave)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.resize(24, 80)
        self._screen = b""

        def prepare() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        plain = {"PS1": "", "PS2": "", "TERM": "dumb", "HISTFILE": "", "PYTHONIOENCODING": "utf-8"}
        self.leader = Process(
            spawn(
                argv,
                fds={0: slave, 1: slave, 2: slave, ORDERS: obeyed, VOICE: self.voice.writes},
                env={**clean_environment(plain), **(env or {})},
                before_exec=prepare,
            )
        )
        os.close(slave)
        os.close(obeyed)
        self.voice.give_away()
        self._closed = False

    # -- in -----------------------------------------------------------------------------------------------------

    def keys(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def order(self, order: str) -> None:
        """Have the player do something."""
        os.write(self._orders, f"{order}\n".encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal's other side, as a terminal emulator does with its window."""
        self.look()
        os.close(self._master)
        self._closed = True

    # -- out ----------------------------------------------------------------------------------------------------

    def look(self) -> str:
        """What has been written to the terminal so far."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        while not self._closed and any(event & select.POLLIN for _fd, event in poll.poll(0)):
            try:
                self._screen += os.read(self._master, 65536)
            except OSError:  # EIO: nobody has it open
                break
        return self._screen.decode(errors="replace")

    def expect(self, text: str) -> str:
        """Wait until *text* is on the screen; give what is on it."""
        patience = Patience()
        while text not in self.look():
            assert is_readable(self._master, patience), f"no {text!r} on the screen: {self.look()!r}"
        return self.look()

    def hear(self, *words: str) -> list[str]:
        """Wait for a line on the voice that begins with *words*; give the rest of it."""
        try:
            return self.voice.next(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}; screen: {self.look()!r}; {describe(self.leader.pid)}") from None

    def started(self, name: str = "b") -> int:
        """Wait until player *name* is ready; give its pid."""
        return int(self.hear(name, "ready")[0])

    def all_started(self, *names: str) -> dict[str, int]:
        """Wait until all these players are ready, in whatever order; give their pids."""
        while True:
            ready = {name: int(words[0]) for name in names for words in self.voice.all(name, "ready")}
            if len(ready) == len(names):
                return ready
            self.hear()

    def signals(self, name: str = "b") -> list[int]:
        """What player *name* said it got, in order, and all of it once the fence is heard."""
        return [int(words[0]) for words in self.voice.all(name, "got")]

    def fence(self, outermost: Process, name: str = "b") -> list[int]:
        """Send FENCE on the way that signals take to player *name*; give all that it got before."""
        before = self.signals(name).count(FENCE)
        outermost.signal(FENCE)
        while self.signals(name).count(FENCE) == before:
            self.hear(name, "got", str(FENCE))
        return [number for number in self.signals(name) if number != FENCE]

    @property
    def foreground(self) -> int:
        """The foreground process group."""
        return os.tcgetpgrp(self._master)

    def wait_foreground(self, group: int) -> None:
        """Look until *group* is the foreground process group: the kernel offers nothing to wait on."""
        wait_until(
            lambda: self.foreground == group,
            lambda: f"foreground is {self.foreground}, not {group}; {self.look()!r}",
        )

    @property
    def modes(self) -> list[object]:
        """The terminal's settings."""
        return list(termios.tcgetattr(self._master))

    def status(self) -> int:
        """Wait for the session leader's end; give its exit status, or -N for death by signal N."""
        assert self.leader.is_dead(), f"still there: {self.leader!r}; screen: {self.look()!r}"
        return os.waitstatus_to_exitcode(os.waitpid(self.leader.pid, 0)[1])

    # -- its end ------------------------------------------------------------------------------------------------

    def assert_gone(self) -> None:
        """Nobody is left who could speak, and nothing has fallen to us."""
        assert self.voice.ended(), f"still there: {self.leader!r}; heard: {self.voice.lines}; screen: {self.look()!r}"
        left = reap_all()[1]
        assert not left, f"left behind: {left}; screen: {self.look()!r}"

    def close(self) -> None:
        """Let go of all descriptors; what still lives is the business of the harness."""
        if not self._closed:
            os.close(self._master)
        os.close(self._orders)
        self.voice.close()
        self.leader.close()


class Shell(PtySession):
    """A session of an interactive shell with job control."""

    def __init__(self, argv: Sequence[str] = BASH, env: Mapping[str, str] | None = None) -> None:
        """Start the shell, and wait until it obeys."""
        super().__init__(argv, env)
        self._said = 0
        self.at_prompt()

    def type(self, line: str) -> None:
        """Type a line."""
        self.keys(f"{line}\n")

    def at_prompt(self) -> int:
        """Wait until the shell obeys again; give the status of the command before."""
        self._said += 1
        self.type(f"echo shell {self._said} $? >&{VOICE}")
        return int(self.hear("shell", str(self._said))[0])

    def leave(self) -> None:
        """Have the shell exit, and see that all is gone."""
        self.type("exit 0")
        assert self.status() == 0
        self.assert_gone()


@contextmanager
def job_control(argv: Sequence[str] = BASH) -> Iterator[Shell]:
    """An interactive shell for one test."""
    session = Shell(argv)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def terminal(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[PtySession]:
    """A terminal with *argv* as session leader for one test."""
    session = PtySession(argv, env)
    try:
        yield session
    finally:
        session.close()
