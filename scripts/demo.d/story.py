# ruff: noqa: INP001 - a folder that Python is given to run, not a package
"""One half of the story: a launcher starts a backend, a question is asked, and the launcher is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from processes import HOST, Brood, Process, bind_error, descendants, listener, memory, wait_for_port

ROOT = Path(__file__).resolve().parent.parent.parent
CYLLAMA = [str(ROOT / ".demo/venv/bin/cyllama"), "server", "-m", str(ROOT / ".demo/model.gguf"), "--port"]
LAUNCHER = [sys.executable, "-I", str(Path(__file__).with_name("launcher.py"))]
QUESTION = "Who ends you?"
WATCHED = 1.0
"""Seconds for which an orphan is seen not to end by itself."""
PATIENCE = 12.0
"""Seconds until one who should have ended counts as a survivor: pdwrap takes up to 9 for what resists."""


class DemoError(Exception):
    """The story cannot be told: nothing is known about the promise."""


@dataclass
class Half:
    """What was seen."""

    command: list[str]
    port: int
    launcher_pid: int = 0
    pdwrap_pids: list[int] = field(default_factory=list)
    backend_pid: int = 0
    ready_ms: float = 0
    answer: str = ""
    memory_bytes: int = 0
    backend_alive: bool = False
    backend_answers: bool = False
    memory_bytes_after: int = 0
    port_error: str = ""
    backend_gone_ms: float | None = None
    port_free_ms: float | None = None
    survivors: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def port_free(self) -> bool:
        """Whether the port could be bound again."""
        return self.port_free_ms is not None


class Stage:
    """The processes of one half."""

    def __init__(self, brood: Brood, folder: Path, wrapper: list[str], port: int) -> None:
        """Start the launcher, which starts *wrapper* with the backend."""
        self.brood = brood
        self.seen = Half(command=[*wrapper, *CYLLAMA, str(port)], port=port)
        self.log = folder / ("with.log" if wrapper else "without.log")
        self._started = time.monotonic()
        # A session of its own: Ctrl-C is for the demo, which then ends all others.
        self.launcher = subprocess.Popen(
            [*LAUNCHER, str(self.log), *self.seen.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
        self._voice = cast(IO[bytes], self.launcher.stdout)
        self._launcher = Process(self.launcher.pid)
        self._tree: list[Process] = []

    def wait_until_ready(self) -> None:
        """Ask for /health until it answers, a bounded number of times, and find out who is who."""
        self._voice.readline()  # the pid that the launcher started: it is on its way
        poll = select.poll()
        poll.register(self._voice, select.POLLIN)
        for _ in range(1200):
            if self.healthy():
                break
            if poll.poll(50):  # the launcher speaks again, or is gone: no backend any more
                raise DemoError(self._early_end(self._voice.readline()))
        else:
            raise DemoError(f"the backend did not get ready within a minute.{self._last_words()}")
        seen = self.seen
        seen.ready_ms = since(self._started)
        tree = descendants(self.launcher.pid)
        backend = listener(seen.port, tree)
        if backend is None:
            raise DemoError(f"port {seen.port} is answered by a stranger")
        seen.launcher_pid, seen.backend_pid = self.launcher.pid, backend
        seen.pdwrap_pids = [pid for pid in tree if pid != backend]
        self._tree = [Process(pid) for pid in tree]
        self._backend = next(process for process in self._tree if process.pid == backend)
        seen.memory_bytes = memory(backend)

    def healthy(self, timeout: float = 5) -> bool:
        """Whether the backend says that it is well."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._ask("GET", "/health", None, timeout)[0] == 200
        return False

    def ask(self) -> None:
        """Have it complete something."""
        body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 40}
        status, answer = self._ask("POST", "/v1/chat/completions", body, 60)
        if status != 200:
            raise DemoError(f"the backend answered {status}.{self._last_words()}")
        self.seen.answer = str(json.loads(answer)["choices"][0]["message"]["content"]).strip()
        self.seen.memory_bytes = memory(self.seen.backend_pid)

    def kill_launcher(self, patience: float) -> None:
        """Kill it, and see for *patience* seconds what becomes of the backend, its port and all others."""
        seen = self.seen
        killed = time.monotonic()
        self._launcher.kill()
        if self._backend.gone(patience):
            seen.backend_gone_ms = since(killed)
        # Two questions: a descriptor that somebody else inherited would hold the port without the backend.
        if wait_for_port(seen.port, remaining(killed + patience)):
            seen.port_free_ms = since(killed)
        seen.survivors = [each.pid for each in self._tree if not each.gone(remaining(killed + patience))]
        seen.backend_alive = not self._backend.gone(0)
        seen.backend_answers = seen.backend_alive and self.healthy()
        seen.memory_bytes_after = memory(seen.backend_pid) if seen.backend_alive else 0
        seen.port_error = bind_error(seen.port)
        self.launcher.wait()
        seen.survivors += [pid for pid in self.brood.reap() if pid not in seen.survivors]
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        seen.messages = [line for line in lines if line.startswith("pdwrap: ")]

    def clean_up(self) -> None:
        """End what is left, and see that it is gone."""
        left = self.brood.end()
        self._voice.close()
        if left or not wait_for_port(self.seen.port, 5):
            raise DemoError(f"what is left cannot be ended: {left or self.seen.port}")

    def _ask(self, method: str, path: str, body: object, timeout: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.seen.port, timeout=timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _early_end(self, said: bytes) -> str:
        code = int(said or b"0")
        if code == -signal.SIGILL or code == 128 + signal.SIGILL:
            return "cyllama ended with SIGILL: this processor lacks instructions that its engine was built for"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"the backend ended {how} before it was ready.{self._last_words()}"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            if lines:
                return "".join(f"\n  {line}" for line in ["It said last:", *lines])
        return ""


def since(instant: float) -> float:
    """Milliseconds."""
    return round((time.monotonic() - instant) * 1000, 2)


def remaining(deadline: float) -> float:
    """Seconds until *deadline*, never less than none."""
    return max(0.0, deadline - time.monotonic())


def environment() -> dict[str, str]:
    """Without settings of pdwrap, of LocalAI and of Python, which would make another story of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PDWRAP_", "LOCALAI_", "PYTHON"))}


def free_port() -> int:
    """Below those that the kernel hands out (ip_local_port_range), so that nobody gets it before the backend does."""
    ports = random.SystemRandom().sample(range(20000, 32000), 50)
    port = next((each for each in ports if not bind_error(each)), None)
    if port is None:
        raise DemoError("no free port")
    return port
