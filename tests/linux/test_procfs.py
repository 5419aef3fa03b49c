"""What /proc says of processes, whatever they call themselves (N1, N2, N3)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap.linux import procfs
from pdwrap.linux.procfs import Stat
from tests.harness import Process

TAIL = "S 7 70 700 0 -1 4194304 1 0 0 0 2 3 0 0 20 0 {threads} 0 12345 1000 10 18446744073709551615"


def line(name: str, tail: str = TAIL.format(threads=1)) -> bytes:
    """Write a line as /proc/PID/stat holds it."""
    return f"42 ({name}) {tail}\n".encode(errors="surrogateescape")


@pytest.mark.parametrize(
    "name", ["sh", "", " ", "a b", "tmux: server", ")", "(", "((sd-pam))", "a) S 1 (b", "a\nb", "\n", "a) R 0 0 0"]
)
def test_names_that_look_like_fields(name: str) -> None:
    """N3: a name may hold blanks, parentheses and newlines; the last parenthesis closes it."""
    seen = Stat(line(name))
    assert (seen.name, seen.state, seen.parent, seen.group, seen.session, seen.threads, seen.started) == (
        *(name, "S", 7, 70, 700, 1, 12345),
    )


def test_a_name_of_any_bytes() -> None:
    """A name need not be text."""
    assert Stat(line("\udcff\udcfe")).name == "\N{REPLACEMENT CHARACTER}" * 2


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=15))
def test_any_name(name: str) -> None:
    """N3: no name shifts the fields behind it."""
    seen = Stat(line(name))
    assert (seen.name, seen.parent, seen.started) == (name, 7, 12345)


@pytest.mark.parametrize(
    ("state", "threads", "alive"),
    [
        *[(state, 1, True) for state in "RSDTtIKWP"],
        *[(state, 1, False) for state in "ZXx"],
        ("Z", 2, True),
        ("S", 9, True),
    ],
)
def test_alive(state: str, threads: int, alive: bool) -> None:  # noqa: FBT001 - a column of the table
    """N2: a zombie is dead, unless it is the leader of threads that go on."""
    assert Stat(line("x", TAIL.format(threads=threads).replace("S", state, 1))).alive is alive


@contextmanager
def child(code: str, *arguments: str, executable: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `code` in a child that says `ready` on its output; it is killed at the end."""
    command = [arguments[0] if executable else sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, executable=executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            assert started.stdout
            assert started.stdout.readline() == b"ready\n"
            yield started
        finally:
            started.kill()


WAIT = "print('ready', flush=True); import sys; sys.stdin.read()"
RENAME = "open('/proc/self/comm', 'wb').write(bytes({name!r}, 'latin-1')); " + WAIT


@pytest.mark.parametrize("name", ["a) S 1 (b", "new\nline", "((x))"])
def test_a_real_process_with_such_a_name(name: str) -> None:
    """N3: the same of a process that gave itself that name."""
    with child(RENAME.format(name=name)) as process:
        seen = procfs.stat(process.pid)
        assert seen
        assert (seen.name, seen.parent) == (name, os.getpid())
        assert procfs.name(process.pid) == name
        assert procfs.parent(process.pid) == os.getpid()
        assert procfs.called(process.pid, name)
        assert seen.alive


LEADER_ENDS = """
import ctypes, os, sys, threading
def stay():
    while open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z":
        os.sched_yield()
    os.write(1, b"ready\\n")
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_leader_that_has_ended_is_no_dead_process() -> None:
    """N2: the main thread has ended and is a zombie, another thread goes on: the process is alive."""
    with child(LEADER_ENDS) as process:
        seen = procfs.stat(process.pid)
        assert seen
        assert seen.state == "Z"
        assert seen.threads > 1
        assert seen.alive


def test_a_zombie_is_dead_and_still_a_child() -> None:
    """E2: what waits to be reaped is not alive, but listed."""
    descriptor = procfs.open_children()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    process = Process(pid)
    assert process.is_dead()
    process.close()
    seen = procfs.stat(pid)
    assert seen
    assert not seen.alive
    assert pid in procfs.children(descriptor)
    os.waitpid(pid, 0)
    assert pid not in procfs.children(descriptor)
    assert procfs.stat(pid) is None
    assert procfs.parent(pid) == 0
    assert procfs.name(pid) == "?"
    assert not procfs.called(pid, "?")
    assert procfs.children_of(pid) == []
    os.close(descriptor)


def test_children_are_listed_anew_each_time() -> None:
    """E8: one open descriptor lists whoever is a child now; it is close-on-exec."""
    descriptor = procfs.open_children()
    assert not os.get_inheritable(descriptor)
    before = procfs.children(descriptor)
    with child(WAIT) as first, child(WAIT) as second:
        assert sorted(procfs.children(descriptor)) == sorted([*before, first.pid, second.pid])
        assert set(procfs.children_of(os.getpid())) >= {first.pid, second.pid}
    assert procfs.children(descriptor) == before
    os.close(descriptor)


def test_the_list_needs_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """E8: it can be read when /proc is out of reach."""
    descriptor = procfs.open_children()
    monkeypatch.setattr(procfs, "ROOT", "/nowhere")
    with child(WAIT) as process:
        assert process.pid in procfs.children(descriptor)
    os.close(descriptor)


def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """E6: the list of children is refused where there is no /proc; a look at a process says that it cannot be seen."""
    monkeypatch.setattr(procfs, "ROOT", "/nowhere")
    with pytest.raises(FileNotFoundError):
        procfs.open_children()
    assert procfs.stat(os.getpid()) is None
    assert procfs.parent(os.getpid()) == 0


def test_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """E2: once held, everything is looked up by way of the descriptor, wherever the path leads by then."""
    monkeypatch.setattr(procfs, "_held", [])
    procfs.hold()
    (held,) = procfs.held()
    assert not os.get_inheritable(held)
    opened = os.open

    def by_descriptor(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        assert dir_fd == held
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", by_descriptor)
    with child(FORK_ONE) as process:
        (below,) = procfs.children_of(process.pid)
        assert procfs.parent(below) == process.pid
        assert {process.pid, below, os.getpid()} <= set(procfs.all_processes())
        assert process.stdin
        process.stdin.close()
    os.waitpid(below, 0)
    os.close(held)


FORK_ONE = "import os, sys; pid = os.fork(); pid and print('ready', flush=True); sys.stdin.read()"


def test_descendants() -> None:
    """Everything below a process, across generations, and not the process itself."""
    with child(FORK_ONE) as process:
        (below,) = procfs.children_of(process.pid)
        assert procfs.descendants(process.pid) == [below]
        assert {process.pid, below} <= set(procfs.descendants(os.getpid()))
        assert {process.pid, below, os.getpid()} <= set(procfs.all_processes())
        assert process.stdin
        process.stdin.close()
    os.waitpid(below, 0)  # it has fallen to us


def test_called_by_a_long_name(tmp_path: Path) -> None:
    """The kernel keeps 15 bytes of a name: a longer one is found by the path as it was given."""
    name = "a-launcher-with-a-long-name"
    path = str(tmp_path / name)
    with child(WAIT, path, executable=sys.executable) as process:
        assert procfs.called(process.pid, name)
        assert procfs.called(process.pid, procfs.name(process.pid))
        assert not procfs.called(process.pid, name[:15])
        assert not procfs.called(process.pid, path)
        assert not procfs.called(process.pid, "")


def test_a_file_longer_than_one_read(tmp_path: Path) -> None:
    """A list of very many children is read to its end."""
    data = b"1234567 " * 20_000
    path = tmp_path / "children"
    path.write_bytes(data)
    assert procfs.read(str(path)) == data
    descriptor = os.open(path, os.O_RDONLY)
    for _again in range(2):
        assert len(procfs.children(descriptor)) == 20_000
    os.close(descriptor)
