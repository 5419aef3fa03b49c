"""`pdwrap-localai --follow`: what LocalAI installs or upgrades is wrapped at once, with the options of before."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness import CLOSED, LIMIT, Process, clean_environment, denied, reap_all, spawn
from tests.localai.test_wrap import ORIGINAL, RUN, make

FOLLOW = [sys.executable, "-I", "-m", "pdwrap.localai", "--follow"]
#: A launcher that starts what follows, and waits until its standard input ends.
LAUNCHER = [sys.executable, "-I", "-S", "-c"]
LAUNCHER += ["import os, sys; print(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), flush=True); os.read(0, 1)"]


class Following:
    """The command, and what it says."""

    def __init__(self, argv: Sequence[str]) -> None:
        """Start it."""
        self._said, writes = os.pipe()
        self.ours, theirs = os.pipe()
        fds = {0: self.ours, 1: writes, 2: writes, theirs: CLOSED, self._said: CLOSED}
        self.process = Process(spawn(argv, fds=fds, env=clean_environment()))
        os.close(writes)
        self._theirs = theirs
        self._text = ""

    def line(self) -> str:
        """Wait for the next line; empty at the end."""
        poll = select.poll()
        poll.register(self._said, select.POLLIN)
        while "\n" not in self._text:
            # Twice as long as elsewhere: it writes with fsync(2), to a disk that others may be filling.
            assert poll.poll(2 * LIMIT * 1000), f"nothing heard after {self._text!r}"
            data = os.read(self._said, 4096)
            if not data:
                return ""
            self._text += data.decode(errors="surrogateescape")
        line, _, self._text = self._text.partition("\n")
        return line

    def until(self, end: str) -> list[str]:
        """Read lines up to one that ends so."""
        lines = [self.line()]
        while not lines[-1].endswith(end):
            assert lines[-1], lines
            try:
                lines.append(self.line())
            except AssertionError as error:
                raise AssertionError(f"{error}; before it: {lines}") from None
        return lines

    def close(self) -> None:
        """End it."""
        self.process.kill()
        assert self.process.is_dead()
        for fd in (self._said, self.ours, self._theirs):
            os.close(fd)
        reap_all()


@pytest.fixture
def follow() -> Iterator[Callable[..., Following]]:
    """Starts the command on a folder, and waits until it follows."""
    started: list[Following] = []

    def call(*arguments: str | Path) -> Following:
        started.append(Following([*FOLLOW, *map(str, arguments)]))
        started[-1].until(f"following {arguments[0]}")
        return started[-1]

    yield call
    for each in started:
        each.close()


def upgrade(backends: Path, name: str, text: str = f"{RUN}# new\n") -> None:
    """Do what LocalAI does (core/gallery/upgrade.go there)."""
    new = make(backends / f"{name}.upgrade-tmp", text)
    (backends / name).rename(backends / f"{name}.backup")
    new.parent.rename(backends / name)
    shutil.rmtree(backends / f"{name}.backup")


def is_wrapped(folder: Path) -> bool:
    """Tell whether LocalAI would start pdwrap."""
    return "pdwrap-localai" in (folder / "run.sh").read_text()


def test_upgrades_and_installations(tmp_path: Path, follow: Callable[..., Following]) -> None:
    """What is there is wrapped, then what is replaced, with its options, and what is new; what is in transit is not."""
    make(tmp_path / "one")
    following = follow(tmp_path, "--", "--grace", "7s")
    for round_ in range(3):
        upgrade(tmp_path, "one", f"{RUN}# {round_}\n")
        following.until(f"{tmp_path}/one: wrapped again, after an upgrade")
        assert is_wrapped(tmp_path / "one")
        assert "--grace 7s" in (tmp_path / "one" / "run.sh").read_text()
        assert (tmp_path / "one" / ORIGINAL).read_text() == f"{RUN}# {round_}\n"
    make(tmp_path / "two.install-tmp").parent.rename(tmp_path / "two")
    following.until(f"{tmp_path}/two: wrapped")
    make(tmp_path / "three.upgrade-tmp")
    shutil.copytree(tmp_path / "three.upgrade-tmp", tmp_path / "four")  # copied into place, file by file
    following.until(f"{tmp_path}/four: wrapped")
    assert not is_wrapped(tmp_path / "three.upgrade-tmp")
    assert sorted(os.listdir(tmp_path / "four")) == ["run.sh", ORIGINAL]


def test_replaced_in_its_folder(tmp_path: Path, follow: Callable[..., Following]) -> None:
    """A run.sh that is replaced or written anew, and a program beside it that appears, are wrapped."""
    run = make(tmp_path / "llama-cpp")
    following = follow(tmp_path)
    fresh = tmp_path / "fresh"
    fresh.write_text(f"{RUN}# fresh\n")
    fresh.chmod(0o755)
    fresh.rename(run)
    following.until(": wrapped again, after an upgrade")
    run.unlink()
    run.write_text(f"{RUN}# written\n")
    following.until(": wrapped again, after an upgrade")
    assert (run.parent / ORIGINAL).read_text() == f"{RUN}# written\n"
    shutil.copy("/bin/true", tmp_path / "server")
    (tmp_path / "server").rename(run.parent / "llama-cpp-rpc-server")
    following.until("llama-cpp-rpc-server: wrapped")


@pytest.mark.parametrize("above", ["", "a", "a/b"])
def test_folder_made_again(tmp_path: Path, follow: Callable[..., Following], above: str) -> None:
    """The folder of all is removed, or one above it, and made again: found again."""
    top = tmp_path / "a" / "b" / "backends"
    make(top / "one")
    following = follow(top)
    gone = tmp_path / above if above else top
    shutil.rmtree(gone)
    make(tmp_path / "new" / "one", f"{RUN}# again\n")
    top.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "new").rename(top)
    following.until(f"{top}/one: wrapped")
    gone.rename(tmp_path / "elsewhere")
    make(top / "one")
    following.until(f"{top}/one: wrapped")
    upgrade(top, "one")
    following.until("after an upgrade")


def test_by_way_of_a_link(tmp_path: Path, follow: Callable[..., Following]) -> None:
    """A link on the way that leads elsewhere by now is gone after; a folder that is not there yet is waited for."""
    make(tmp_path / "v1" / "backends" / "one")
    (tmp_path / "current").symlink_to("v1")
    following = follow(tmp_path / "current" / "backends")
    (tmp_path / "new").symlink_to("v2")
    (tmp_path / "new").rename(tmp_path / "current")
    make(tmp_path / "v2" / "backends" / "two")
    following.until("/two: wrapped")


def test_one_backend_and_an_external_one(tmp_path: Path, follow: Callable[..., Following]) -> None:
    """A backend's folder, and a file, are followed too, and nothing beside them."""
    make(tmp_path / "backends" / "one")
    make(tmp_path / "backends" / "other")
    make(tmp_path / "ext")
    file = (tmp_path / "ext" / "run.sh").rename(tmp_path / "ext" / "server")
    following = Following([*FOLLOW, str(tmp_path / "backends" / "one"), f"mine:{file}"])
    try:
        following.until(f"following {tmp_path}/backends/one and mine:{file}")
        upgrade(tmp_path / "backends", "one")
        following.until("one: wrapped again, after an upgrade")
        (tmp_path / "new").write_text(RUN)
        (tmp_path / "new").chmod(0o755)
        (tmp_path / "new").rename(file)
        following.until(f"mine:{file}: wrapped again, after an upgrade")
        assert not is_wrapped(tmp_path / "backends" / "other")
    finally:
        following.close()


def test_ends_with_its_launcher(tmp_path: Path) -> None:
    """Its launcher is SIGKILLed: it ends."""
    make(tmp_path / "one")
    following = Following([*LAUNCHER, *FOLLOW, str(tmp_path)])
    try:
        follower = Process(int(following.line()))
        following.until(f"following {tmp_path}")
        following.process.kill()
        assert follower.is_dead()
        assert following.line() == ""
        follower.close()
    finally:
        following.close()


def test_started_by_one_that_is_gone(tmp_path: Path) -> None:
    """Who started it has ended before it could look, in a session of its own: it does not stay for ever."""
    make(tmp_path / "one")
    following = Following(["setsid", "sh", "-c", '"$@" & exit', "sh", *FOLLOW, str(tmp_path)])
    try:
        assert following.process.is_dead()
        while following.line():
            pass
    finally:
        following.close()


def test_goes_on_while_its_launcher_does(tmp_path: Path, pdwrap: list[str]) -> None:
    """Under pdwrap it wraps what is upgraded, until pdwrap's launcher is SIGKILLed: then it ends, too."""
    make(tmp_path / "one")
    following = Following([*LAUNCHER, "/usr/bin/env", *pdwrap, "--", *FOLLOW, str(tmp_path)])
    try:
        following.line()
        following.until(f"following {tmp_path}")
        upgrade(tmp_path, "one")
        following.until("after an upgrade")
        following.process.kill()
        said = iter(following.line, "")
        assert "died: ending" in next(said)
        assert list(said)[-1:] != [""]  # and to the end of what it says: nobody is left
    finally:
        following.close()


@pytest.mark.parametrize("call", ["inotify_init1", "inotify_add_watch"])
def test_without_inotify(tmp_path: Path, call: str) -> None:
    """Where the kernel has no watch left, or allows none, it looks around by the clock, and says so once."""
    make(tmp_path / "one")
    following = Following([*denied("ENOSPC", call), *FOLLOW, str(tmp_path)])
    try:
        assert "looking every 2 s instead" in "".join(following.until(f"following {tmp_path}"))
        upgrade(tmp_path, "one")
        assert following.line() == f"{tmp_path}/one: wrapped again, after an upgrade"
    finally:
        following.close()


def test_locked_for_a_while(tmp_path: Path, follow: Callable[..., Following]) -> None:
    """A folder that somebody has locked is looked at again, until it can be wrapped."""
    make(tmp_path / "one")
    following = follow(tmp_path)
    new = make(tmp_path / "one.upgrade-tmp", f"{RUN}# new\n").parent
    held = os.open(new, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    shutil.rmtree(tmp_path / "one")
    new.rename(tmp_path / "one")
    following.until("left as it is")
    os.close(held)
    following.until("after an upgrade")


def test_allowed_later(tmp_path: Path) -> None:
    """A folder that is refused, since others can write there, is looked at again: nothing tells of a new mode."""
    make(tmp_path / "backends" / "one")
    (tmp_path / "backends").chmod(0o777)
    following = Following([*FOLLOW, str(tmp_path / "backends")])
    try:
        assert "can write in" in "".join(following.until(f"following {tmp_path}/backends"))
        (tmp_path / "backends").chmod(0o755)
        assert following.line() == f"{tmp_path}/backends/one: wrapped"
    finally:
        following.close()


def test_interrupted(tmp_path: Path, follow: Callable[..., Following]) -> None:
    """Ctrl-C is how a person ends it: no word, status 0."""
    make(tmp_path / "one")
    following = follow(tmp_path)
    following.process.signal(signal.SIGINT)
    assert following.line() == ""
    assert following.process.is_dead()
