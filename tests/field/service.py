"""A server that is not ours, in pdwrap, below the launcher of the tests: reach it, kill its launcher, see it gone."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.harness import Process, Started, Starter, children, wait_until

WORKERS = Path(__file__).resolve().parent / "workers"
LOADING = 60.0
"""Seconds that a server may take until it listens. A watchdog only."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody holds now; below the ephemeral ports, so that no client's end takes it."""
    for port in range(21000 + os.getpid() % 1000 * 10, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def worker(name: str, *arguments: object) -> list[str]:
    """The command line of a worker, by the Python that has the engines."""
    return [sys.executable, "-I", str(WORKERS / f"{name}.py"), *map(str, arguments)]


class Service:
    """`tree` is the launcher, pdwrap and the backend (tests.harness); `port` is where the backend listens."""

    def __init__(
        self,
        start: Starter,
        argv: Sequence[str],
        port: int,
        *,
        options: Sequence[str] = (),
        launcher: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        within: float = LOADING,
        daemon: bool = False,
    ) -> None:
        """Start ``launcher -> pdwrap [options] -- argv``, and wait until somebody listens on *port*.

        *launcher* are options of the launcher's (tests/harness/launcher.py). A *daemon* may listen later than the
        command that made it has exited.
        """
        self.port, self.daemon = port, daemon
        self.tree: Started = start(argv=argv, options=list(options), launcher=launcher, env=env, settle=False)
        self._wait_until_listening(within)

    def _wait_until_listening(self, within: float) -> None:
        def said() -> str:
            return f"stderr: {self.tree.stderr[-3000:]!r}; stdout: {self.tree.stdout[-1000:]!r}"

        def listens() -> bool:  # a server that is not ours has no other way to say that it does
            try:
                self.connect().close()
            except OSError:
                assert self.daemon or self.tree.wrapper.alive, f"it has ended; {said()}"
                return False
            return True

        wait_until(listens, lambda: f"it does not listen; {said()}", within, pause=0.02)

    @property
    def backend(self) -> int:
        """The backend's pid: the only child of the inner supervisor; in exec mode the pid that the launcher knows."""
        pid = self.tree.wrapper.pid
        if self.tree.setting.mode == "fork":
            (inner,) = children(pid)
            (pid,) = children(inner)
        return pid

    def hold_family(self) -> list[Process]:
        """Every process below the backend, held from now on: `assert_gone` sees the end of each."""
        waiting, found = [self.tree.hold(self.backend).pid], []
        while waiting:
            below = children(waiting.pop())
            found += [self.tree.hold(pid) for pid in below]
            waiting += below
        return found

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=LOADING)

    def ask(self, path: str, body: str | None = None) -> tuple[int, bytes]:
        """One HTTP request, whole: the answer's status and body."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LOADING)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            link.request("GET" if body is None else "POST", path, body, headers)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def assert_gone_with_launcher(self) -> None:
        """E1, E2: SIGKILL the launcher; the port can be bound again, and no process is left."""
        self.tree.launcher.kill()
        self.tree.assert_gone()
        assert_bindable(self.port)


def assert_bindable(port: int) -> None:
    """Nobody listens on *port*: it can be bound, as a server binds it (SO_REUSEADDR, past TIME_WAIT)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
