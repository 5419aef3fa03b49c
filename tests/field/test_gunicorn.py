"""gunicorn with four workers, which each have a request in flight; and as a daemon."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Starter

from .daemons import assert_ended_with_starter, assert_out_of_reach, start_kept
from .load import DONE, HeldPost, Load, wait_for_words
from .service import WORKERS, Service, assert_bindable, free_port

BOTH = pytest.mark.modes("fork", "exec")
COUNT = 4
SHORT = ["--grace", "0.3s"]
LONG = ["--grace", "100s"]
TOLD = "Handling signal: term"
"""It has got SIGTERM."""


def gunicorn(port: int, *options: str) -> list[str]:
    """Its command line. The control socket would be in the user's home."""
    command = [sys.executable, "-I", "-m", "gunicorn", "--no-control-socket", "--workers", str(COUNT)]
    return [*command, "--chdir", str(WORKERS), "--bind", f"127.0.0.1:{port}", *options, "wsgi_app:app"]


@contextlib.contextmanager
def start_busy(start: Starter, options: list[str]) -> Iterator[tuple[Service, Load]]:
    """Every worker has a request in flight: one of them can take no more."""
    port = free_port()
    service = Service(start, gunicorn(port), port, options=options)
    with Load(service, COUNT, HeldPost) as load:
        assert {each.pid for each in service.hold_family()} == load.pids
        yield service, load


@BOTH
def test_launcher_dies_under_load(start: Starter) -> None:
    """E1, E2: gunicorn waits for its workers, and they for their requests; the deadline ends all of them."""
    with start_busy(start, SHORT) as (service, load):
        service.assert_gone_with_launcher()
        load.assert_cut()


@BOTH
def test_launcher_dies_and_requests_are_answered(start: Starter) -> None:
    """E3: asked first, gunicorn answers what is in flight, and ends within the grace."""
    with start_busy(start, LONG) as (service, load):
        service.tree.launcher.kill()
        wait_for_words(service.tree, TOLD)
        assert load.finish() == [DONE] * COUNT
        service.tree.assert_gone()
        assert service.tree.stderr.count(TOLD) == 1
        assert_bindable(service.port)


@BOTH
def test_orderly_stop(start: Starter) -> None:
    """T2, T3: the launcher's SIGTERM comes once; no request is lost, and the status is gunicorn's."""
    with start_busy(start, SHORT) as (service, load):
        service.tree.order(f"signal {signal.SIGTERM:d}")
        wait_for_words(service.tree, TOLD)
        assert load.finish() == [DONE] * COUNT
        assert service.tree.status() == 0
        service.tree.assert_gone()
        assert service.tree.stderr.count(TOLD) == 1
        assert_bindable(service.port)


def daemon(folder: Path) -> tuple[list[str], int, Path]:
    """`gunicorn -D`, its port, and where it writes its pid."""
    port, pid_file = free_port(), folder / "pid"
    return gunicorn(port, "--daemon", "--pid", str(pid_file), "--log-file", str(folder / "log")), port, pid_file


def test_daemon_ends_with_its_starter(start: Starter, tmp_path: Path) -> None:
    """E5: `gunicorn -D` exits at once, and its daemon is a leftover."""
    argv, port, _ = daemon(tmp_path)
    assert_ended_with_starter(start, argv, port)


def test_daemon_that_is_kept(start: Starter, tmp_path: Path) -> None:
    """E1, E2: `--leftovers wait` keeps it until the launcher dies, under load."""
    service = start_kept(start, *daemon(tmp_path), options=SHORT)
    with Load(service, COUNT, HeldPost) as load:
        service.assert_gone_with_launcher()
        load.assert_cut()


def test_daemon_is_stopped(start: Starter, tmp_path: Path) -> None:
    """T2, T3: `--leftovers wait` forwards SIGTERM to the daemon, which answers what is in flight."""
    service = start_kept(start, *daemon(tmp_path))
    with Load(service, COUNT, HeldPost) as load:
        service.tree.order(f"signal {signal.SIGTERM:d}")
        wait_for_words(tmp_path / "log", TOLD)
        assert load.finish() == [DONE] * COUNT
        assert service.tree.status() == 0
        service.tree.assert_gone()
    assert_bindable(service.port)


@pytest.mark.modes("exec")
@pytest.mark.limit
def test_daemon_is_out_of_reach(start: Starter, tmp_path: Path) -> None:
    """Exec mode does not reach what has detached itself: use fork mode for `gunicorn -D`."""
    assert_out_of_reach(start, *daemon(tmp_path))
