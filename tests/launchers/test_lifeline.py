"""A lifeline: whether its other end is closed, and which descriptors could never tell (E1, E6)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pdwrap import lifeline as lifelines
from pdwrap.exit_status import Refusal
from pdwrap.options import Settings


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_lifeline(kind: str, closed: bool) -> None:  # noqa: FBT001 - both ways
    """E1: the other end of the lifeline is closed, or not; data on it is not ours, and says nothing."""
    if kind == "pipe":
        here, there = os.pipe()
    else:
        here, there = (end.detach() for end in socket.socketpair())
    os.write(there, b"data")
    if closed:
        os.close(there)
    assert lifelines.is_closed(here) is closed
    if closed:
        with pytest.raises(Refusal, match=f"--lifeline {here}: closed already"):
            lifelines.check(lifeline(here))
    else:
        lifelines.check(lifeline(here))
        os.close(there)
    os.close(here)


def lifeline(descriptor: int | None) -> Settings:
    """Make settings with a lifeline."""
    settings = Settings()
    settings.lifeline = descriptor
    return settings


def test_no_lifeline() -> None:
    """Without one, nothing is closed."""
    assert not lifelines.is_closed(None)
    lifelines.check(lifeline(None))


def test_a_lifeline_that_cannot_tell() -> None:
    """T4: a lifeline that is not open, or whose other end could never be seen to close, is refused."""
    file = os.memfd_create("lifeline")
    with pytest.raises(Refusal, match=f"--lifeline {file}: not a pipe, socket or terminal"):
        lifelines.check(lifeline(file))
    os.close(file)
    with pytest.raises(Refusal, match=f"--lifeline {file}: not an open descriptor"):
        lifelines.check(lifeline(file))


def test_lifelines_that_stay_open() -> None:
    """E6: what would never say that the launcher is gone is refused: open both ways, listening, or without a peer."""
    with socket.socket() as listening, socket.socket(type=socket.SOCK_DGRAM) as lone:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        for end in (listening, lone):
            with pytest.raises(Refusal, match="not a connected stream socket"):
                lifelines.check(lifeline(end.fileno()))
            assert end.fileno() >= 0  # still open: it is the backend's, too


def test_a_fifo_that_is_open_both_ways(tmp_path: Path) -> None:
    """E6: with its other end open here as well, a pipe never ends."""
    os.mkfifo(tmp_path / "fifo")
    both = os.open(tmp_path / "fifo", os.O_RDWR)
    with pytest.raises(Refusal, match="open for reading and writing"):
        lifelines.check(lifeline(both))
    os.close(both)
