"""The tracer (tracer.c) beside a scene: it strikes one process of it at one of its system calls."""

from __future__ import annotations

import os
import signal

from .build import program
from .scene import Scene


class Tracer:
    """Follows the launcher of a scene, which must still wait for its byte."""

    def __init__(self, scene: Scene, *words: str) -> None:
        # Not a pipe: a list is longer than what one holds.
        self._said = scene.place / "tracer"
        command = [program("tracer"), str(scene.launcher), *words]
        to_file = (os.POSIX_SPAWN_OPEN, 1, str(self._said), os.O_WRONLY | os.O_CREAT, 0o600)
        self._pid = os.posix_spawn(command[0], command, dict(os.environ), file_actions=[to_file])
        self._closed = ""
        scene.helpers.add(self._pid)
        if not scene.until(lambda: "seized" in self.text, 10.0):
            raise RuntimeError("the tracer does not stand")

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self._said.read_text(encoding="ascii") if self._said.exists() else self._closed

    @property
    def is_over(self) -> bool:
        """Whether it has struck, or can no more."""
        return self.text.endswith("end\n") or "\nhit " in self.text

    @property
    def hit(self) -> int | None:
        """The number of the system call at which it has struck."""
        last = self.text.rpartition("hit ")
        return int(last[2]) if last[1] else None

    def close(self) -> None:
        """Let go of all that it holds."""
        if not self._closed:
            self._closed = self.text
            try:
                os.kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
