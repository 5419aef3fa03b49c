"""A server that makes a daemon of itself: the command that was given exits at once, and what it forked serves on."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from tests.harness import Process, Starter, children, stat, wait_until

from .service import LOADING, Service, assert_bindable


def pid_in(path: Path) -> int:
    """The pid that the daemon writes into *path*: looked for, since it writes it when it wants to."""
    wait_until(
        lambda: path.exists() and path.read_text(encoding="ascii").endswith("\n"), lambda: f"no pid in {path}", LOADING
    )
    return int(path.read_text(encoding="ascii"))


def assert_ended_with_starter(start: Starter, argv: Sequence[str], port: int) -> None:
    """`--leftovers end`, the default: the command exits, and pdwrap ends the daemon before it gives the status."""
    tree = start(argv=argv, settle=False)
    assert tree.status() == 0
    assert_bindable(port)
    tree.assert_tree_gone()
    assert "exited and left" in tree.stderr
    assert tree.launcher.alive
    tree.assert_gone()


def start_kept(
    start: Starter, argv: Sequence[str], port: int, pid_file: Path, *, options: Sequence[str] = ()
) -> Service:
    """`--leftovers wait`: the command has exited, the daemon serves, and pdwrap is its parent."""
    service = Service(start, argv, port, options=["--leftovers", "wait", *options])
    pid = pid_in(pid_file)
    (inner,) = children(service.tree.wrapper.pid)
    wait_until(
        lambda: children(inner) == [pid], lambda: f"{children(inner)} are below {inner}, not {pid} alone", LOADING
    )
    service.hold_family()
    return service


def living_children() -> set[int]:
    """What lives of the test process's children: its own, and what fell to it."""
    return {pid for pid in children() if stat(pid)[0] != "Z"}


def assert_out_of_reach(start: Starter, argv: Sequence[str], port: int, pid_file: Path) -> None:
    """Exec mode: the daemon has detached itself, the backend has ended, and with it its sidecars: it serves on."""
    service = Service(start, argv, port, daemon=True)
    tree, server = service.tree, Process(pid_in(pid_file))
    try:
        assert tree.status() == 0
        wait_until(
            lambda: living_children() == {tree.launcher.pid, server.pid}, lambda: "the sidecars do not end", LOADING
        )
        tree.launcher.kill()
        assert tree.launcher.is_dead()
        service.connect().close()
        assert server.alive
    finally:
        server.signal(signal.SIGTERM)
        server.close()
    tree.assert_gone()
    assert_bindable(port)
