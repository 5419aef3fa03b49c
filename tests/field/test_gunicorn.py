"""gunicorn as a daemon, whose workers each have a request in flight, and replacing itself; else: `test_web_servers`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import Starter, children, wait_until

from .daemons import assert_ended_with_starter, assert_out_of_reach, pid_in, start_kept
from .load import DONE, HeldPost, Load, wait_for_words
from .service import LOADING, Service, assert_bindable, free_port
from .web_servers import TERM_SEEN, WORKER_COUNT, gunicorn

COUNT = WORKER_COUNT
SHORT = ["--grace", "0.3s"]


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
        wait_for_words(tmp_path / "log", TERM_SEEN)
        assert load.finish() == [DONE] * COUNT
        assert service.tree.status() == 0
        service.tree.assert_gone()
    assert_bindable(service.port)


@pytest.mark.modes("exec")
@pytest.mark.limit
def test_daemon_is_out_of_reach(start: Starter, tmp_path: Path) -> None:
    """Exec mode does not reach what has detached itself: use fork mode for `gunicorn -D`."""
    assert_out_of_reach(start, *daemon(tmp_path))


def test_master_that_replaces_itself(start: Starter, tmp_path: Path) -> None:
    """E1, E2, T2: after SIGUSR2 and SIGQUIT the new master is a leftover; `--leftovers wait` stays with it."""
    port, pid_file = free_port(), tmp_path / "pid"
    service = Service(start, gunicorn(port, "--pid", str(pid_file)), port, options=["--leftovers", "wait", *SHORT])
    old = service.tree.hold(pid_in(pid_file))
    service.tree.wrapper.signal(signal.SIGUSR2)
    new = pid_in(tmp_path / "pid.2")
    service.tree.wrapper.signal(signal.SIGQUIT)
    assert old.is_dead()
    (inner,) = children(service.tree.wrapper.pid)
    wait_until(lambda: children(inner) == [new], lambda: f"{children(inner)} are left, not {new} alone", LOADING)
    service.connect().close()
    service.hold_family()
    service.assert_gone_with_launcher()
