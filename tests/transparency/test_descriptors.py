"""T1: the backend has the descriptors that the launcher handed on, closed ones closed, and none of pdwrap's own."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
from itertools import product
from pathlib import Path

import pytest

from tests.harness import CLOSED, Starter
from tests.transparency.test_snapshot import Case

STANDARD = [tuple(number for number, bit in enumerate(bits) if bit) for bits in product((0, 1), repeat=3)]


@pytest.fixture
def case(pdwrap: list[str], tmp_path: Path) -> Case:
    """The same start, without pdwrap and with it."""
    return Case(pdwrap, tmp_path)


@pytest.mark.parametrize("closed", STANDARD, ids=lambda closed: "closed-" + ("".join(map(str, closed)) or "none"))
def test_standard_descriptors(case: Case, closed: tuple[int, ...]) -> None:
    """T1: 0, 1 and 2 are closed in every combination, and stay so."""
    case.descriptors = dict.fromkeys(closed, CLOSED)
    seen = case.compare()["descriptors"]
    assert not set(map(str, closed)) & set(seen)
    assert {"0", "1", "2"} - set(map(str, closed)) <= set(seen)


@pytest.mark.parametrize("closed", STANDARD[1:], ids=lambda closed: "closed-" + "".join(map(str, closed)))
def test_standard_descriptors_with_others(case: Case, closed: tuple[int, ...]) -> None:
    """T1: the same with others open in between, where pdwrap's own would land."""
    with open(__file__, "rb") as file:
        others = dict.fromkeys((3, 4, 6, 9), file.fileno())
        case.descriptors = {**others, **dict.fromkeys((*closed, 5), CLOSED)}
        seen = case.compare()["descriptors"]
    assert {"3", "4", "6", "9"} <= set(seen)
    assert "5" not in seen


def test_many_kinds(case: Case, tmp_path: Path) -> None:
    """T1: files at an offset, append-only ones, pipes that do not block, sockets, folders, high numbers."""
    (tmp_path / "file").write_bytes(b"0123456789")
    offset = os.open(tmp_path / "file", os.O_RDONLY)
    os.lseek(offset, 7, os.SEEK_SET)
    append = os.open(tmp_path / "file", os.O_WRONLY | os.O_APPEND)
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    only_path = os.open(tmp_path, os.O_PATH)
    with socket.create_server(("127.0.0.1", 0)) as server:
        numbers = (3, 5, 6, 8, 250, 1000, 1001)
        sources = (offset, append, reads, writes, folder, only_path, server.fileno())
        case.descriptors = dict(zip(numbers, sources, strict=True))
        seen = case.compare()["descriptors"]
    assert set(map(str, numbers)) <= set(seen)
    assert seen["3"][1]["pos"] == "7"
    assert int(seen["5"][1]["flags"], 8) & os.O_APPEND
    assert int(seen["8"][1]["flags"], 8) & os.O_NONBLOCK
    for source in sources[:-1]:
        os.close(source)


def test_highest(case: Case) -> None:
    """T1: the highest descriptor there may be, and as few as there may be beside it."""
    source = os.open(os.devnull, os.O_RDONLY)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def few() -> None:
        os.dup2(source, 60)
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))

    case.before_exec = few
    assert "60" in case.compare()["descriptors"]
    os.close(source)


def test_flags_of_shared_files_stay(case: Case) -> None:
    """T1: O_NONBLOCK belongs to the open file, which launcher and backend share: pdwrap does not touch it."""
    ends = [*os.pipe(), *os.pipe()]
    os.set_blocking(ends[2], False)
    case.descriptors = {0: ends[0], 1: ends[1], 2: ends[3], 7: ends[2]}
    for wrapped in (False, True):
        case.look(wrapped=wrapped)
        flags = [bool(fcntl.fcntl(end, fcntl.F_GETFL) & os.O_NONBLOCK) for end in ends]
        assert flags == [False, False, True, False]
    for end in ends:
        os.close(end)


def test_all_full(case: Case) -> None:
    """T1: hundreds of inherited descriptors are all there, and nothing beside them."""
    source = os.open(os.devnull, os.O_RDONLY)
    case.descriptors = dict.fromkeys(range(3, 400), source)
    assert len(case.compare()["descriptors"]) == 400
    os.close(source)


@pytest.mark.parametrize("closed", STANDARD[1:], ids=lambda closed: "closed-" + "".join(map(str, closed)))
def test_messages_with_closed_descriptors(start: Starter, closed: tuple[int, ...]) -> None:
    """T1, E1: where 2 is closed nothing of pdwrap's own has taken its place: what it says hurts nobody."""
    tree = start("plain", launcher=[f"close={number}" for number in closed], env={"PDWRAP_LOG": "json"})
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.stderr.count("\n") == (0 if 2 in closed else 2)
    tree = start("reporter", "exit=15", "code=7", launcher=[f"close={number}" for number in closed])
    tree.wrapper.signal(15)
    assert tree.status() == 7 << 8
    tree.assert_gone()
