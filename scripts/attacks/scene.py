"""One launcher with pdwrap and a backend below it, and the kernel's account of what became of them.

Who runs a scene is a child subreaper with no other children: whatever the scene loses falls to it, and `ECHILD` says
that nothing is left. It is no leader of a session, so that a pdwrap that falls to it can tell (the launcher leads one).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.processes import below, environment, pidfd_open

from .account import Account
from .beside import Beside, Patience
from .build import program

LOOK = 0.002
STDERR = ("file", "closed", "full", "blocked", "unread")


def describe(pid: int) -> str:
    """Say who that is: pid, state, whether it is one of pdwrap's or which program, what it waits in."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as name:
            who = "pdwrap" if is_python(pid) else name.read().strip()
        with open(f"/proc/{pid}/wchan", encoding="ascii") as place:
            return f"{pid} {state(pid)} {who} ({place.read()})"
    except OSError:
        return f"{pid} gone"


def state(pid: int) -> str:
    """Give the state as proc(5) has it, X if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def is_python(pid: int) -> bool:
    """Tell a process of pdwrap's from an actor."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("python")
    except OSError:
        return False


def is_actor(pid: int) -> bool:
    """Tell an actor from a wrapper of any kind."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("actors-")
    except OSError:
        return False


def send(pid: int, number: int) -> bool:
    """Signal a process of the scene; a number that has come round is nobody's."""
    try:
        fd = pidfd_open(pid)
    except OSError:
        return False
    try:
        if pid not in below(os.getpid()):
            return False
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class Scene:
    """Started at once; `close` ends all that is left of it."""

    def __init__(
        self,
        beside: Beside,
        kind: str,
        command: Sequence[str],
        *,
        stderr: str = "file",
        extra: dict[str, str] | None = None,
    ) -> None:
        self.beside = beside
        self.place = Path(tempfile.mkdtemp(prefix="pdwrap-attack-"))
        self.place.chmod(0o755)
        self._account = self.place / "account"
        self._account.touch()
        self._account.chmod(0o666)
        self._said = self.place / "stderr"
        self._fds: list[int] = []
        self.helpers: set[int] = set()
        """Processes of ours below us that are no part of it."""
        self.struck_alone = False
        """Whether pdwrap was struck before it had started anything."""
        self.stopped_last = False
        """Whether nothing of pdwrap was left but the process that the launcher knows, when that had been stopped."""
        self.go = -1
        variables = {**environment(), "ATTACK_ACCOUNT": str(self._account), **(extra or {})}
        words = [program("actors"), "launch", kind, *command]
        self.launcher = os.posix_spawn(
            words[0],
            words,
            variables,
            file_actions=self._files(kind, stderr),
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        for fd in self._fds:
            os.close(fd)

    def _files(self, kind: str, stderr: str) -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
        files: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
        if "B" in kind:
            reader, self.go = os.pipe()
            self._fds.append(reader)
            files.append((os.POSIX_SPAWN_DUP2, reader, 0))
        else:
            files.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0))
        files.append((os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_RDWR, 0))
        if stderr in ("blocked", "unread"):
            reader, writer = os.pipe()
            self._fds.append(writer)
            files.append((os.POSIX_SPAWN_DUP2, writer, 2))
            if stderr == "unread":
                os.close(reader)
            else:
                self._reader = reader
                os.write(writer, bytes(fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)))
        elif stderr == "closed":
            files.append((os.POSIX_SPAWN_CLOSE, 2))
        else:
            path = "/dev/full" if stderr == "full" else str(self._said)
            files.append((os.POSIX_SPAWN_OPEN, 2, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
        return files

    _reader = -1

    def release(self) -> None:
        """Let a launcher that waits go on, unless it is dead already."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, b"!")

    @property
    def account(self) -> Account:
        """What the actors have seen so far."""
        return Account(self._account)

    @property
    def said(self) -> str:
        """What was written to stderr, where that is a file."""
        return self._said.read_text(encoding="utf-8", errors="replace") if self._said.exists() else ""

    def left(self) -> list[int]:
        """List what lives of the scene, but for strangers. Dead ones are reaped."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        others = {*self.account.strangers, *self.helpers}
        return sorted(pid for pid in below(os.getpid()) if pid not in others and state(pid) not in "ZX")

    def supervisors(self) -> list[int]:
        """List pdwrap's processes: what is a Python."""
        return sorted(pid for pid in below(os.getpid()) if is_python(pid) and state(pid) not in "ZX")

    def until(self, what: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so; False if it is not after so many seconds of a machine that runs."""
        patience = Patience(self.beside, seconds)
        while not what():
            if patience.over:
                return what()
            time.sleep(LOOK)
        return True

    def gone(self, seconds: float) -> list[int]:
        """Wait until all but strangers have ended: whoever has not."""
        return [] if self.until(self.is_empty, seconds) else self.left()

    def is_empty(self) -> bool:
        """Tell whether all but strangers have ended."""
        # Twice: who gets a new parent between two looks at /proc is in neither of them.
        return not self.left() and not self.left()

    def close(self) -> list[int]:
        """End the strangers, and say what is left then: nothing, if `gone` was right. End that too."""
        if not self.place.exists():
            return []
        others = {*self.account.strangers, *self.helpers, self.launcher}
        end = time.monotonic() + 30
        found: set[int] = set()
        while time.monotonic() < end:
            for pid in (there := below(os.getpid())):
                send(pid, signal.SIGKILL)
            found |= {pid for pid in there if pid not in others and state(pid) not in "ZX"}
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                break
            time.sleep(LOOK)
        for fd in (self.go, self._reader):
            if fd >= 0:
                os.close(fd)
        shutil.rmtree(self.place, ignore_errors=True)
        return sorted(found)
