"""The pipes between the supervisors: nothing blocks, nothing is lost or torn, and a lost mate is no error (E8)."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap.fork_mode import pipes
from pdwrap.fork_mode.pipes import Reader, Writer

SMALLEST_PIPE = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give a pipe of one page, read end first; a test may close either end."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def test_words_arrive_as_words(pipe: tuple[int, int]) -> None:
    """A line of words, numbers included, arrives as the texts of its words, in order."""
    reader, writer = Reader(pipe[0]), Writer(pipe[1])
    assert reader.receive() == []
    writer.send(pipes.COMMAND_FORWARD, 15)
    writer.send(pipes.COMMAND_LAUNCHER_GONE)
    writer.send(pipes.REPORT_ENDING, 12.5)
    assert reader.receive() == [["forward", "15"], ["launcher-gone"], ["ending", "12.5"]]
    assert reader.receive() == []
    assert not reader.ended


def test_an_instant_survives_the_pipe(pipe: tuple[int, int]) -> None:
    """E7: a deadline on the monotonic clock arrives unrounded: the two supervisors wait for the same instant."""
    reader, writer = Reader(pipe[0]), Writer(pipe[1])
    for instant in (0.1 + 0.2, 123456789.000000001, 1e-9, 1e15 / 3):
        writer.send(pipes.REPORT_ENDING, instant)
        assert float(reader.receive()[0][1]) == instant


def test_neither_end_blocks(pipe: tuple[int, int]) -> None:
    """E4: one supervisor must not hang on a stopped mate."""
    Reader(pipe[0])
    Writer(pipe[1])
    assert not os.get_blocking(pipe[0])
    assert not os.get_blocking(pipe[1])


def test_a_full_pipe_keeps_a_backlog(pipe: tuple[int, int]) -> None:
    """E4: what a full pipe does not take is kept, in order, and is sent when there is room."""
    reader, writer = Reader(pipe[0]), Writer(pipe[1])
    count = 3 * SMALLEST_PIPE // len("forward 15\n")
    for number in range(count):
        writer.send(pipes.COMMAND_FORWARD, number)
    assert not writer.flush()
    received: list[list[str]] = []
    for _round in range(count):
        received += reader.receive()
        if writer.flush():
            break
    received += reader.receive()
    assert writer.flush()
    assert received == [["forward", str(number)] for number in range(count)]


def test_a_lost_reader_is_no_error(pipe: tuple[int, int]) -> None:
    """E8: a write to a pipe without a reader neither raises nor leaves a backlog."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        writer = Writer(pipe[1])
        os.close(pipe[0])
        writer.send(pipes.COMMAND_LAUNCHER_GONE)
        assert writer.flush()
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_a_reader_lost_with_a_backlog_is_no_error(pipe: tuple[int, int]) -> None:
    """E8: the same where something was kept for it."""
    writer = Writer(pipe[1])
    for number in range(SMALLEST_PIPE):
        writer.send(pipes.COMMAND_FORWARD, number)
    assert not writer.flush()
    os.close(pipe[0])
    assert writer.flush()


def test_end_of_file(pipe: tuple[int, int]) -> None:
    """E4: what was sent before the sender was lost is received; then the reader knows, and stays so."""
    reader, writer = Reader(pipe[0]), Writer(pipe[1])
    writer.send(pipes.REPORT_KILLING)
    os.close(pipe[1])
    assert reader.receive() == [["killing"]]
    assert reader.ended
    assert reader.receive() == []


def test_a_line_without_its_end_is_no_line(pipe: tuple[int, int]) -> None:
    """E8: what a sender that was killed in the middle of a line leaves is not taken for a command."""
    reader = Reader(pipe[0])
    os.write(pipe[1], b"killing\nforward 1")
    assert reader.receive() == [["killing"]]
    os.close(pipe[1])
    assert reader.receive() == []
    assert reader.ended


WORDS = st.lists(st.from_regex(r"[a-z0-9.+-]{1,12}", fullmatch=True), min_size=1, max_size=4)


@settings(deadline=None)
@given(lines=st.lists(WORDS, max_size=20), cuts=st.lists(st.integers(1, 9), max_size=60))
def test_any_chunking_gives_the_same_lines(lines: list[list[str]], cuts: list[int]) -> None:
    """However the bytes are cut, each line arrives once, whole and in order."""
    data = "".join(" ".join(line) + "\n" for line in lines).encode()
    read, write = os.pipe()
    try:
        reader = Reader(read)
        received: list[list[str]] = []
        at = 0
        for cut in [*cuts, len(data)]:
            os.write(write, data[at : at + cut])
            at += cut
            received += reader.receive()
    finally:
        os.close(read)
        os.close(write)
    assert received == lines


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, st.booleans()), max_size=40))
def test_writer_and_reader_agree(steps: list[tuple[list[str], bool]]) -> None:
    """What is sent is received, whenever the other side looks."""
    read, write = os.pipe()
    try:
        reader, writer = Reader(read), Writer(write)
        received: list[list[str]] = []
        for words, look in steps:
            writer.send(*words)
            if look:
                received += reader.receive()
        received += reader.receive()
    finally:
        os.close(read)
        os.close(write)
    assert received == [words for words, _look in steps]


def test_more_than_one_chunk() -> None:
    """A line longer than one read arrives whole."""
    read, write = os.pipe()
    try:
        words = [str(number) for number in range(3 * pipes.CHUNK // 5)]
        Writer(write).send(*words)
        assert Reader(read).receive() == [words]
    finally:
        os.close(read)
        os.close(write)
