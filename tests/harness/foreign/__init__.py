"""Launchers that are not ours: programs of their own here, and what starts each in the place of the harness's own.

    with Foreign(mode, ["xargs", ..., *pdwrap, "--", *role("reporter")]) as tree:
        tree.program.kill()                 # the launcher under test; tree.launcher is above it
        tree.assert_gone()

`launcher.go`, `launcher.js`, `pool.py` and `supervisor.py` each start one command, say ``started PID`` on descriptor 5
(`says`), and obey lines on their standard input.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.harness import Process, Started, Voice, parent_of, role
from tests.harness.roles import FENCE
from tests.harness.started import Setting

__all__ = ["CONT", "FENCE", "PROGRAMS", "SHORT", "TERM", "Foreign", "reporter"]

PROGRAMS = Path(__file__).resolve().parent
SAYS = 5
TERM, CONT = int(signal.SIGTERM), int(signal.SIGCONT)
SHORT = {"PDWRAP_GRACE": "0.5s"}
"""For a tree with somebody in it who ignores SIGTERM."""


def reporter(*arguments: str) -> list[str]:
    """A backend that says what it gets, and ends when it has got the second signal of an ending, SIGCONT."""
    return role("reporter", f"exit={CONT}", *arguments)


class Foreign(Started):
    """launcher.py -> `program`, the launcher under test -> whatever it starts, pdwrap and a backend in the end.

    Standard input of `program` is a pipe of ours, for `tell`; `says` is what it says on descriptor 5.
    """

    def __init__(
        self, mode: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        """Start *argv*; pdwrap, somewhere below, is in *mode*; its stderr may go to the file *log*."""
        self._log = log
        self.says = Voice()
        reads, self._line = os.pipe()
        fds = {0: reads, SAYS: self.says.writes}
        super().__init__(Setting(pdwrap=argv[:1], backend=argv[1:], ready="backend", fds=fds, env=env, mode=mode))
        os.close(reads)
        self.says.give_away()

    def __enter__(self) -> Foreign:  # noqa: PYI034 - `Self` is Python 3.11's
        """Close it at the end of the block; what is left by a test that failed is the business of the harness."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self.tell_no_more()
        self.says.close()
        self.close()

    @property
    def program(self) -> Process:
        """The launcher under test."""
        return self.wrapper

    @property
    def outer(self) -> Process:
        """What was started as pdwrap: the outer supervisor; in exec mode the backend."""
        if self.setting.mode == "exec":
            return self.backend
        pid = parent_of(self.inner.pid)
        # Without two supervisors above the backend this would be somebody else, and we are going to signal it.
        assert pid != self.launcher.pid, "no pdwrap above the backend"
        assert os.getpid() in ancestors(pid), "no pdwrap above the backend"
        return self.hold(pid)

    @property
    def stderr(self) -> str:
        """What launcher, pdwrap and backend wrote to stderr."""
        return super().stderr + (self._log.read_text() if self._log is not None and self._log.exists() else "")

    def tell(self, line: str) -> None:
        """Have the launcher under test do something."""
        os.write(self._line, f"{line}\n".encode())

    def tell_no_more(self) -> None:
        """Its standard input ends."""
        if self._line >= 0:
            os.close(self._line)
        self._line = -1

    def fence(self) -> None:
        """Wait until the backend has got what was sent to it before; pdwrap has looked at everything twice by then."""
        for _ in range(2):
            self.outer.signal(FENCE)
            self.got(FENCE)

    def heard(self) -> list[int]:
        """The signals that the backend (a reporter) said it got, fences left out."""
        return [number for number in self.signals() if number != FENCE]

    def assert_asked_once_and_gone(self) -> None:
        """E1, E3: a `reporter` got one SIGTERM, then SIGCONT, and nothing is left."""
        self.assert_gone()
        assert self.heard() == [TERM, CONT], self.stderr


def ancestors(pid: int) -> list[int]:
    """Its parent, and on up to PID 1."""
    found = []
    while pid > 1:
        pid = parent_of(pid)
        found.append(pid)
    return found
