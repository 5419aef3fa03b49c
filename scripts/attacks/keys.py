"""What a person types at a terminal, and what comes of it below a prefix."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shlex
import shutil
import tempfile
from pathlib import Path

from benchmarks.processes import below, environment, sweep

from .beside import Beside, Patience
from .peers import Peer

WITHIN = 3.0
READY = 10.0
INTERRUPT, SUSPEND, END = b"\x03", b"\x1a", b"\x04"


class Terminal:
    """A session with a terminal of its own, in which a shell runs. Whoever makes one has no other children."""

    def __init__(self, beside: Beside, command: list[str]) -> None:
        self._beside = beside
        self._seen = b""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            try:
                os.execve(command[0], command, {**environment(), "PS1": "$ ", "TERM": "dumb"})
            finally:
                os._exit(127)

    def type(self, keys: bytes) -> None:
        """Press them."""
        with contextlib.suppress(OSError):
            os.write(self._fd, keys)

    def _read(self) -> None:
        if select.select([self._fd], [], [], 0.01)[0]:
            with contextlib.suppress(OSError):
                self._seen += os.read(self._fd, 65536)

    def until(self, text: bytes, seconds: float) -> bool:
        """Wait until that is on the screen, behind what was waited for before."""
        patience = Patience(self._beside, seconds)
        while text not in self._seen:
            if patience.over:
                return False
            self._read()
        self._seen = self._seen.partition(text)[2]
        return True

    def ended(self, seconds: float) -> bool:
        """Wait until no process is left."""
        patience = Patience(self._beside, seconds)
        while True:
            self._read()
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                self._read()
                return True
            if patience.over:
                return not below(os.getpid())

    def has_shown(self, text: bytes) -> bool:
        """Tell whether that is on the screen, behind what was waited for."""
        return text in self._seen

    def close(self) -> None:
        """End all that is left."""
        sweep()
        os.close(self._fd)


def below_prefix(peer: Peer, script: str) -> str:
    """Write a command for a shell: that script below the peer."""
    return shlex.join(peer.command(shutil.which("sh") or "/bin/sh", "-c", script))


def interrupt(peer: Peer, beside: Beside) -> bool:
    """Ctrl-C in a script ends the backend, and the script does not go on."""
    backend = below_prefix(peer, "echo re''ady; exec sleep 60")
    at = Terminal(beside, ["/bin/sh", "-c", f"{backend}; echo went on"])
    try:
        if not at.until(b"ready", READY):
            return False
        at.type(INTERRUPT)
        return at.ended(WITHIN) and not at.has_shown(b"went on")
    finally:
        at.close()


def suspend(peer: Peer, beside: Beside) -> bool:
    """Ctrl-Z gives the shell back, fg the backend its keyboard; and it ends as it should."""
    place = Path(tempfile.mkdtemp(prefix="pdwrap-attack-"))
    job = place / "job"
    backend = below_prefix(peer, "echo ready; exec sed -u s/^/heard:/")
    job.write_text(f"#!/bin/sh\nexec {backend}\n", encoding="utf-8")
    job.chmod(0o755)
    at = Terminal(beside, ["/bin/bash", "--norc", "--noprofile", "-i"])
    try:
        at.type(f"{job}\n".encode())
        if not at.until(b"ready", READY):
            return False
        at.type(SUSPEND)
        if not at.until(b"Stopped", WITHIN):
            return False
        at.type(b"fg\n")
        at.until(b"job\r\n", WITHIN)
        at.type(b"word\n")
        if not at.until(b"heard:word", WITHIN):
            return False
        at.type(END)
        if not at.until(b"$ ", WITHIN):
            return False
        at.type(b"exit\n")
        return at.ended(WITHIN)
    finally:
        at.close()
        shutil.rmtree(place, ignore_errors=True)


def hears_a_word(at: Terminal) -> bool:
    """Whether who says that it is ready hears what is typed then; close the terminal."""
    try:
        if not at.until(b"ready", READY):
            return False
        at.type(b"word\n")
        return at.until(b"heard:word", WITHIN)
    finally:
        at.close()


def pager(peer: Peer, beside: Beside) -> bool:
    """In `prefix x | less` the keyboard is less's."""
    backend = below_prefix(peer, "echo line; exec sleep 60")
    less = "read line; echo re''ady; read word </dev/tty; echo heard:$word"
    at = Terminal(beside, ["/bin/bash", "-c", f"{backend} | /bin/sh -c {shlex.quote(less)}"])
    return hears_a_word(at)


def afterwards(peer: Peer, beside: Beside) -> bool:
    """A script reads the terminal when the backend has ended."""
    backend = below_prefix(peer, "exit 0")
    at = Terminal(beside, ["/bin/sh", "-c", f"{backend}; echo ready; read word; echo heard:$word"])
    return hears_a_word(at)
