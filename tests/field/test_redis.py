"""redis with blocked clients and a child that saves; in the foreground and as a daemon."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Starter, wait_until

from .daemons import assert_ended_with_starter, assert_out_of_reach, start_kept
from .load import Held, Load
from .service import LOADING, Service, free_port

BOTH = pytest.mark.modes("fork", "exec")
COUNT = 8
AT_ITS_END = ["--save", "3600 1000000"]
"""There is a rule for saving, which is never met: redis saves when it is asked to end, and at no other time."""

SLOWLY = ["--rdb-key-save-delay", "100000000"]
"""Microseconds: redis's own tests keep a saving child at work with it."""


def redis(folder: Path, port: int, *options: str, daemon: bool = False) -> list[str]:
    """Its command line."""
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    return [*command, "--pidfile", str(folder / "pid"), "--daemonize", "yes" if daemon else "no", *options]


def ask(service: Service, *commands: str) -> list[str]:
    """The first lines of the answers to *commands*."""
    with service.connect() as link, link.makefile("r", newline="\r\n") as answers:
        lines = []
        for command in commands:
            link.sendall(f"{command}\r\n".encode())
            lines.append(answers.readline().strip())
        return lines


def figure(service: Service, section: str, name: str) -> str:
    """One line of INFO."""
    with service.connect() as link, link.makefile("r", newline="\r\n") as answers:
        link.sendall(f"INFO {section}\r\n".encode())
        length = int(answers.readline()[1:])
        return dict(line.partition(":")[::2] for line in answers.read(length).split("\r\n"))[name]


class Blocked(Held):
    """A client that waits for an element of a list."""

    def _begin(self) -> bytes:
        self._link.sendall(b"BLPOP nothing 0\r\n")
        return b"working 0"


@contextlib.contextmanager
def block(service: Service) -> Iterator[Load]:
    """Clients that wait."""
    with Load(service, COUNT, Blocked) as load:
        wait_until(
            lambda: figure(service, "clients", "blocked_clients") == str(COUNT), lambda: f"not {COUNT} wait", LOADING
        )
        yield load


@BOTH
def test_launcher_dies_while_it_saves(start: Starter, tmp_path: Path) -> None:
    """E1, E2: clients wait, and a child is writing the data: without a grace all are killed at once."""
    port = free_port()
    service = Service(start, redis(tmp_path, port, "--save", "", *SLOWLY), port, options=["--grace", "0"])
    with block(service) as load:
        assert ask(service, "SET key value", "BGSAVE") == ["+OK", "+Background saving started"]
        assert len(service.hold_family()) == 1
        service.assert_gone_with_launcher()
        load.assert_cut()


@BOTH
def test_launcher_dies_and_the_deadline_holds(start: Starter, tmp_path: Path) -> None:
    """E1: asked to end, it saves for longer than the grace."""
    port = free_port()
    service = Service(start, redis(tmp_path, port, *AT_ITS_END, *SLOWLY), port, options=["--grace", "0.3s"])
    with block(service) as load:
        assert ask(service, "SET key value") == ["+OK"]
        service.assert_gone_with_launcher()
        load.assert_cut()
    assert not (tmp_path / "dump.rdb").exists()


@BOTH
def test_launcher_dies_and_the_data_is_saved(start: Starter, tmp_path: Path) -> None:
    """E3: asked first, it saves its data, and the next one has them."""
    port = free_port()
    service = Service(start, redis(tmp_path, port, *AT_ITS_END), port, options=["--grace", "100s"])
    with block(service):
        assert ask(service, "SET key value") == ["+OK"]
        assert not (tmp_path / "dump.rdb").exists()
        service.assert_gone_with_launcher()
    service = Service(start, redis(tmp_path, port, *AT_ITS_END), port)
    assert ask(service, "STRLEN key") == [":5"]
    service.assert_gone_with_launcher()


def test_daemon_ends_with_its_starter(start: Starter, tmp_path: Path) -> None:
    """E5: `redis-server --daemonize yes` exits at once, and its daemon is a leftover."""
    port = free_port()
    assert_ended_with_starter(start, redis(tmp_path, port, daemon=True), port)


def test_daemon_that_is_kept(start: Starter, tmp_path: Path) -> None:
    """E1, E3: `--leftovers wait` keeps it until the launcher dies; then it is asked first, and saves its data."""
    port = free_port()
    service = start_kept(start, redis(tmp_path, port, *AT_ITS_END, daemon=True), port, tmp_path / "pid")
    with block(service) as load:
        assert ask(service, "SET key value") == ["+OK"]
        service.assert_gone_with_launcher()
        load.assert_cut()
    assert (tmp_path / "dump.rdb").exists()


@pytest.mark.modes("exec")
@pytest.mark.limit
def test_daemon_is_out_of_reach(start: Starter, tmp_path: Path) -> None:
    """Exec mode does not reach what has detached itself: `--daemonize no`, or fork mode."""
    port = free_port()
    assert_out_of_reach(start, redis(tmp_path, port, daemon=True), port, tmp_path / "pid")
