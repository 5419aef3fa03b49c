"""The tracer (tracer.c) beside a scene: it strikes one process of it at one of its system calls."""

from __future__ import annotations

import os
import select
import signal

from .build import program
from .scene import Scene


class Tracer:
    """Follows the launcher of a scene, which must still wait for its byte."""

    def __init__(self, scene: Scene, *words: str) -> None:
        self._reader, writer = os.pipe()
        self._text = ""
        self._ended = False
        command = [program("tracer"), str(scene.launcher), *words]
        self._pid = os.posix_spawn(
            command[0], command, dict(os.environ), file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)]
        )
        scene.helpers.add(self._pid)
        os.close(writer)
        if not scene.until(lambda: "seized" in self.text, 10.0):
            raise RuntimeError("the tracer does not stand")

    @property
    def text(self) -> str:
        """What it has said so far."""
        while not self._ended and select.select([self._reader], [], [], 0)[0]:
            part = os.read(self._reader, 1 << 20)
            self._ended = not part
            self._text += part.decode()
        return self._text

    @property
    def is_over(self) -> bool:
        """Whether it has struck, or can no more."""
        return self.text.endswith("end\n") or "hit" in self._text or self._ended

    @property
    def hit(self) -> int | None:
        """The number of the system call at which it has struck."""
        last = self.text.rpartition("hit ")
        return int(last[2]) if last[1] else None

    def close(self) -> None:
        """Let go of all that it holds."""
        try:
            os.kill(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(self._reader)
