"""A backend that watches its parent itself, as LocalAI's do: a thread that asks getppid() and exits if it changes.

In fork mode its parent is a supervisor, which outlives it: the thread never fires. In exec mode it is the launcher.
"""

from __future__ import annotations

import socket

import pytest

from tests.harness import Starter

from .load import wait_for_words
from .service import Service, assert_bindable, free_port, worker

BOTH = pytest.mark.modes("fork", "exec")
SHORT = ["--grace", "0.5s"]
LONG = ["--grace", "100s"]
READY, STOPPING, FIRED = "worker: ready", "worker: stopping", "worker: parent changed"
OFTEN = {"LOCALAI_BACKEND_PARENT_WATCH_INTERVAL": "0.02"}
SELDOM = {"LOCALAI_BACKEND_PARENT_WATCH_INTERVAL": "100"}


def serve(start: Starter, options: list[str], interval: dict[str, str], *more: str) -> Service:
    """It is ready, and so is its child, which does not end on SIGTERM. The launcher forked it in a thread."""
    port = free_port()
    command = worker("parent_watcher", port, *more)
    service = Service(start, command, port, options=options, launcher=["thread"], env=interval)
    for words in (READY, "worker: child ready"):
        wait_for_words(service.tree, words)
    return service


def wait_until_it_has_looked(link: socket.socket) -> bool:
    """Ask it, and wait until it has looked for its parent ten times more; False if it ended instead."""
    link.sendall(b"\n")
    with link.makefile("rb") as answers:
        return answers.readline() == b"looked\n"


@BOTH
def test_does_not_fire(start: Starter) -> None:
    """N1: while the launcher lives its parent stays the same, the end of the thread that forked it included."""
    service = serve(start, SHORT, OFTEN)
    with service.connect() as link:
        assert wait_until_it_has_looked(link)
        service.tree.order("thread-end")
        assert wait_until_it_has_looked(link)
    assert FIRED not in service.tree.stderr
    service.hold_family()
    service.assert_gone_with_launcher()


def test_does_not_disturb_the_grace(start: Starter) -> None:
    """E3: fork mode: the launcher has died, the backend uses its grace, and its thread sees no other parent."""
    service = serve(start, ["--grace", "3s"], OFTEN)
    service.hold_family()
    with service.connect() as link:
        service.tree.launcher.kill()
        wait_for_words(service.tree, STOPPING)
        assert wait_until_it_has_looked(link)
    service.tree.assert_gone()
    assert service.tree.stderr.count(STOPPING) == 1
    assert FIRED not in service.tree.stderr
    assert_bindable(service.port)


@pytest.mark.modes("exec")
def test_fires_first(start: Starter) -> None:
    """E1, E2: exec mode: its thread may exit before it is asked; what it leaves behind is ended all the same."""
    service = serve(start, SHORT, OFTEN)
    service.hold_family()
    with service.connect():
        service.assert_gone_with_launcher()


@BOTH
def test_fires_too_late(start: Starter) -> None:
    """E1, E3: pdwrap does not wait for the thread, which looks every 100 s: the backend is asked at once."""
    service = serve(start, SHORT, SELDOM)
    service.hold_family()
    service.assert_gone_with_launcher()
    assert FIRED not in service.tree.stderr


def test_detached_child(start: Starter) -> None:
    """E2: a child with a session of its own, which the thread would have left behind, ends too."""
    service = serve(start, SHORT, OFTEN, "detached")
    service.hold_family()
    service.assert_gone_with_launcher()
    assert FIRED not in service.tree.stderr
