"""Python's multiprocessing: helpers one by one, in a Pool and in a ProcessPoolExecutor, by each start method.

SIGTERM ends the master alone, at once. What stays: the helpers with the port, the fork server, and the resource
tracker, which ignores SIGTERM: it removes the shared memory when everybody else is gone.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Process, Started, Starter, describe, wait_for_sidecars

from .load import DONE, Load, wait_for_words
from .service import Service, assert_bindable, free_port, worker

BOTH = pytest.mark.modes("fork", "exec")
COUNT = 3
KINDS = pytest.mark.parametrize("kind", ["process", "pool", "executor"])
METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


@contextlib.contextmanager
def start_busy(
    start: Starter, kind: str, method: str, *arguments: str, options: list[str]
) -> Iterator[tuple[Service, Load]]:
    """Every helper has a request in flight."""
    port = free_port()
    service = Service(start, worker("helpers_by_method", port, kind, method, *arguments), port, options=options)
    with Load(service, COUNT) as load:
        assert len(load.pids) == COUNT
        kinds = [describe(each.pid) for each in service.hold_family()]
        assert sum("resource_tracker" in each for each in kinds) == 1, kinds
        assert len(kinds) == COUNT + 1 + (method == "forkserver"), kinds
        yield service, load


def memory(tree: Started) -> Path:
    """Where the master's shared memory is (shm_open(3))."""
    wait_for_words(tree, "memory psm_")
    words = tree.stderr.split()
    return Path("/dev/shm", words[words.index("memory") + 1])  # noqa: S108 - glibc's place for it


@BOTH
@KINDS
@METHODS
def test_launcher_dies_under_load(start: Starter, kind: str, method: str) -> None:
    """E1, E2, E3: all go when they are asked, without SIGKILL: the tracker has the time to remove the memory."""
    with start_busy(start, kind, method, options=["--grace", "100s"]) as (service, load):
        place = memory(service.tree)
        assert place.exists()
        service.assert_gone_with_launcher()
        load.assert_cut()
        assert not place.exists()


@BOTH
@METHODS
def test_launcher_dies_and_the_deadline_holds(start: Starter, method: str) -> None:
    """E1, E2: helpers that ignore SIGTERM, as those that wait for a device do, are killed at the deadline."""
    with start_busy(start, "process", method, "stubborn", options=["--grace", "0.3s"]) as (service, load):
        place = memory(service.tree)
        try:
            service.assert_gone_with_launcher()
            load.assert_cut()
        finally:
            place.unlink(missing_ok=True)  # the tracker may have been killed with the others


@KINDS
@METHODS
def test_master_is_stopped(start: Starter, kind: str, method: str) -> None:
    """E5, T3: the launcher's SIGTERM ends the master alone; what it leaves is ended, and the status is its."""
    with start_busy(start, kind, method, options=["--grace", "100s"]) as (service, load):
        place = memory(service.tree)
        service.tree.order(f"signal {signal.SIGTERM:d}")
        assert service.tree.status() == signal.SIGTERM
        assert_bindable(service.port)
        service.tree.assert_gone()
        load.assert_cut()
        assert not place.exists()


@pytest.mark.modes("exec")
@pytest.mark.limit
def test_stopped_master_leaves_its_helpers(start: Starter) -> None:
    """Exec mode does not reach what survives a backend that ends first: use fork mode for such masters."""
    with start_busy(start, "process", "spawn", options=[]) as (service, load):
        helpers = [Process(pid) for pid in load.pids]
        sidecars = [service.tree.hold(pid) for pid in wait_for_sidecars(service.backend)]
        service.tree.order(f"signal {signal.SIGTERM:d}")
        assert service.tree.status() == signal.SIGTERM
        assert all(each.is_dead() for each in sidecars)
        service.tree.launcher.kill()
        assert load.finish() == [DONE] * COUNT
        for each in helpers:
            each.kill()
            each.close()
        service.tree.assert_gone()
