"""A Python gRPC server of several processes on one port, as a backend of LocalAI, with calls in flight.

Started as LocalAI starts one: in a process group of its own, with descriptor 0 closed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.harness import Running, Starter, Voice

from .load import wait_for_words
from .service import Service, assert_bindable, free_port, worker

BOTH = pytest.mark.modes("fork", "exec")
COUNT = 3
LOCALAI = ["group", "close=0"]


class Calls:
    """The client (workers/grpc_client.py), a process of its own, with a call in flight to each of the servers."""

    def __init__(self, port: int) -> None:
        """Wait until the calls are worked on."""
        self._voice = Voice()
        reads, self._orders = os.pipe()
        self._client = Running(worker("grpc_client", port, COUNT), fds={0: reads, 1: self._voice.writes})
        os.close(reads)
        self._voice.give_away()
        self._voice.next("ready")
        begun = self._voice.all("working")
        self.pids = {int(words[0]) for words in begun}
        self.count = len(begun)
        self.looks = int(begun[-1][1])

    def finish(self) -> None:
        """Send the second halves."""
        os.write(self._orders, b"\n")

    def ends(self) -> set[str]:
        """Wait for the end of all: ``done``, ``cut``."""
        assert self._client.wait().code == 0, self._voice.lines
        assert self._voice.ended()
        return set(self._voice.lines[-self.count :])

    def close(self) -> None:
        """Let go of it."""
        os.close(self._orders)
        self._voice.close()


@pytest.fixture
def call() -> Iterator[list[Calls]]:
    """What has been called, to be closed."""
    made: list[Calls] = []
    yield made
    for each in made:
        each.close()


def start_server(start: Starter, *arguments: str, options: list[str]) -> Service:
    """All of its processes serve."""
    port = free_port()
    argv = worker("grpc_server", port, COUNT, *arguments)
    service = Service(start, argv, port, launcher=LOCALAI, options=options)
    wait_for_words(service.tree, "serving", count=COUNT)
    return service


@BOTH
def test_launcher_dies_under_load(start: Starter, call: list[Calls]) -> None:
    """E1, E2: SIGTERM ends the master alone, at once; its servers, which hold the port, are asked too."""
    service = start_server(start, options=["--grace", "100s"])
    call.append(Calls(service.port))
    assert {each.pid for each in service.hold_family()} == call[0].pids
    service.tree.launcher.kill()
    assert call[0].ends() == {"cut"}
    service.tree.assert_gone()
    assert_bindable(service.port)


@BOTH
def test_group_is_stopped(start: Starter, call: list[Calls]) -> None:
    """T2, T3, E5: as LocalAI stops it, by SIGTERM to its group: nothing is left, and the status is the master's."""
    service = start_server(start, options=["--grace", "100s"])
    call.append(Calls(service.port))
    service.hold_family()
    service.tree.order(f"group {signal.SIGTERM:d}")
    assert service.tree.status() == signal.SIGTERM
    assert call[0].ends() == {"cut"}
    service.tree.assert_gone()
    assert_bindable(service.port)


@BOTH
def test_watcher_of_its_own(start: Starter, mode: str, call: list[Calls]) -> None:
    """T2, N2, E1: a thread of the backend's that looks for its parent sees none change while the launcher lives."""
    service = start_server(start, "--watch", "0.02", options=["--grace", "100s"])
    call.append(Calls(service.port))
    while call[-1].looks < call[0].looks + 5:
        assert len(call) < 20
        call.append(Calls(service.port))
    for each in call:
        each.finish()
        assert each.ends() == {"done"}
    assert "the parent has changed" not in service.tree.stderr
    service.hold_family()
    service.assert_gone_with_launcher()
    if mode == "fork":  # in exec mode its parent is the launcher itself
        assert "the parent has changed" not in service.tree.stderr
