"""Wrapped backends under a launcher that does what LocalAI's go-processmanager does.

It starts `run.sh` by its bare name in the backend's folder, in a process group of its own, with descriptor 0 closed; it
is a subreaper, and reaps whatever it gets; it stops a backend by SIGTERM to the group, and after 15 s by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pdwrap.localai import command
from tests.harness import CLOSED, PYTHON, Process, clean_environment, is_readable, reap_all, spawn

LAUNCHER = """
import ctypes, os, select, signal, sys
folder, address = sys.argv[1:]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.close(0)
    os.close(8)
    os.chdir(folder)
    os.execv("run.sh", ["run.sh", "--addr", address])
try:
    os.setpgid(pid, pid)
except OSError:
    pass
os.close(1)
print_to = lambda *words: os.write(8, (" ".join(map(str, words)) + "\\n").encode())
print_to("child", pid)
held = os.pidfd_open(pid)
poll = select.poll()
poll.register(held, select.POLLIN)
if os.read(0, 100) == b"stop\\n":
    os.killpg(pid, signal.SIGTERM)
    if not poll.poll(15000):
        os.killpg(pid, signal.SIGKILL)
        print_to("killed")
    poll.poll(5000)
    print_to("stopped")
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
"""
SERVER = """
import os, signal, socket, sys
host, _, port = sys.argv[sys.argv.index("--addr") + 1].rpartition(":")
try:
    os.fstat(0)
    zero = "open"
except OSError:
    zero = "closed"
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind((host, int(port)))
listening.listen()
def end(number, _frame):
    os.write(1, b"got %d\\n" % number)
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = os.fork()  # holds the port, too, and does not end when asked
if worker == 0:
    while True:
        signal.pause()
os.setpgid(worker, worker)
signal.signal(signal.SIGTERM, end)
os.write(1, f"ready {os.getpid()} {os.getppid()} {worker} {zero} {os.getcwd()}\\n".encode())
while True:
    signal.pause()
"""
RUN = """#!/bin/bash
set -e
CURDIR=$(dirname "$(realpath "$0")")
cd /
exec {python} "$CURDIR"/server.py "$@"
"""


class Started:
    """The launcher, and what it and the backend say."""

    def __init__(self, folder: Path, address: str) -> None:
        """Start it."""
        orders, self._orders = os.pipe()
        self._reports, reports = os.pipe()
        self._voice, voice = os.pipe()
        self._said = {self._reports: b"", self._voice: b""}
        self._stderr = os.memfd_create("stderr")
        argv = [*PYTHON, "-c", LAUNCHER, str(folder), address]
        fds = {0: orders, 1: voice, 2: self._stderr, 8: reports, self._orders: CLOSED, self._reports: CLOSED}
        self.launcher = Process(spawn(argv, fds=fds, env=clean_environment({"PATH": os.defpath})))
        for fd in (orders, reports, voice):
            os.close(fd)

    def report(self) -> str:
        """The launcher's next line; empty at the end."""
        return self._line(self._reports)

    def voice(self) -> str:
        """The backend's next line; empty when neither it nor a child of it is left."""
        return self._line(self._voice)

    def stop(self) -> None:
        """Have the launcher stop the backend as LocalAI does."""
        os.write(self._orders, b"stop\n")

    def _line(self, fd: int) -> str:
        while b"\n" not in self._said[fd]:
            assert is_readable(fd), f"nothing heard; stderr: {self.stderr}"
            data = os.read(fd, 4096)
            if not data:
                return ""
            self._said[fd] += data
        line, _, self._said[fd] = self._said[fd].partition(b"\n")
        return line.decode(errors="surrogateescape")

    @property
    def stderr(self) -> str:
        """What anybody wrote to stderr."""
        return os.pread(self._stderr, 1 << 16, 0).decode()

    def close(self) -> None:
        """Let go of it."""
        self.launcher.close()
        for fd in (self._orders, self._reports, self._voice, self._stderr):
            os.close(fd)


@pytest.fixture
def launch() -> Iterator[Callable[[Path, str], Started]]:
    """Starts launchers."""
    started: list[Started] = []

    def call(folder: Path, address: str) -> Started:
        started.append(Started(folder, address))
        return started[-1]

    yield call
    for each in started:
        each.close()


@pytest.fixture
def address() -> str:
    """A free address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """A backend of the usual form, in a folder of unusual names."""
    folder = tmp_path / "back ends" / "it's größe"
    folder.mkdir(parents=True)
    (folder / "run.sh").write_text(RUN.format(python=f"{sys.executable} -I -S"))
    (folder / "run.sh").chmod(0o755)
    (folder / "server.py").write_text(SERVER)
    return folder


def assert_port_free(address: str) -> None:
    """The next backend could have it."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, int(port)))


EXEC = ["--", "--exec", "--grace", "1s"]
MODES = pytest.mark.parametrize("options", [EXEC, ["--", "--grace", "1s"]], ids=["exec", "fork"])


@MODES
def test_launcher_is_killed(
    backend: Path, address: str, launch: Callable[[Path, str], Started], options: list[str]
) -> None:
    """E1, E2: the wrapped backend and its worker are gone, and the port is free, when the launcher was killed."""
    assert command.main([str(backend.parent), *options]) == 0
    started = launch(backend, address)
    child = int(started.report().split()[1])
    words = started.voice().split(" ")
    assert words[0] == "ready"
    assert words[4:] == ["closed", "/"]
    if options is EXEC:
        # T6; LocalAI reads the memory of the pid that it started.
        assert [int(word) for word in words[1:3]] == [child, started.launcher.pid]
    with pytest.raises(OSError, match="in use"):
        assert_port_free(address)
    started.launcher.kill()
    assert started.voice() == f"got {signal.SIGTERM.value}"
    assert started.voice() == ""
    assert not reap_all()[1]  # a process that ends closes its pipe before its socket
    assert_port_free(address)
    assert "died: ending" in started.stderr


@MODES
def test_launcher_stops_the_backend(
    backend: Path, address: str, launch: Callable[[Path, str], Started], options: list[str]
) -> None:
    """T2: SIGTERM to the group arrives once, and LocalAI's stop is as quick as without pdwrap."""
    assert command.main([str(backend.parent), *options]) == 0
    started = launch(backend, address)
    started.report()
    worker = int(started.voice().split(" ")[3])
    started.stop()
    assert started.voice() == f"got {signal.SIGTERM.value}"
    assert started.report() == "stopped"
    if options is EXEC:
        # Exec mode does not see the backend exit by itself (E5): its worker stays, as it does without pdwrap.
        os.kill(worker, signal.SIGKILL)
    assert started.voice() == ""
    assert started.launcher.is_dead()
    assert not reap_all()[1]


def test_by_name(backend: Path, address: str, launch: Callable[[Path, str], Started]) -> None:
    """E1: `--parent NAME` names the launcher, whoever the shell's parent is."""
    name = Path(sys.executable).name  # that of the launcher, too
    assert command.main([str(backend), "--", "--parent", name, "--grace", "1s"]) == 0
    started = launch(backend, address)
    started.report()
    assert started.voice().startswith("ready")
    started.launcher.kill()
    assert started.voice() == f"got {signal.SIGTERM.value}"
    assert started.voice() == ""
    assert not reap_all()[1]
