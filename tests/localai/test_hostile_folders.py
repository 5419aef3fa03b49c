"""T4 of pdwrap-localai: whatever lies in the folder of backends, no traceback, no hang, nothing outside of it touched.

A folder is laid out by hypothesis: names of any bytes, links in circles, folders where files belong and files where
folders belong, FIFOs, sockets, what cannot be read, what is not text, records and wrappers that are forged.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap.localai import command, own_command
from tests.harness.forked import in_child

pytestmark = pytest.mark.timeout(300)

ROUNDS = settings(max_examples=60, deadline=None, derandomize=True)
"""The same ones each time: what fails in CI fails on a desk."""

USER = 65534
SCRIPT = b"#!/bin/sh\nexec true\n"
FORGED = b'#!/bin/sh\n# Made by pdwrap-localai: x\n# options: ["\\ud800", 7]\nexec /bin/true -- "$@"\n'

Maker = Callable[[bytes], None]


def file(content: bytes, mode: int = 0o755) -> Maker:
    """Make a file."""

    def make(path: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, content)
        os.fchmod(fd, mode)
        os.close(fd)

    return make


def link(target: bytes) -> Maker:
    """Make a link."""
    return lambda path: os.symlink(target, path)


def folder(path: bytes) -> None:
    """Make a folder with something in it, where a file belongs."""
    os.mkdir(path)
    file(SCRIPT)(path + b"/run.sh")


def closed_folder(path: bytes) -> None:
    """Make one that nobody but root can read."""
    os.mkdir(path, 0o000)


def listening(path: bytes) -> None:
    """Make a socket. Its address is short: bind(2) takes 107 bytes."""
    with socket.socket(socket.AF_UNIX) as made:
        try:
            made.bind(path)
        except OSError as error:
            raise FileExistsError from error


OUTSIDE = b"../../../outside"
THINGS: dict[str, Maker] = {
    "script": file(SCRIPT),
    "no bits": file(SCRIPT, 0o000),
    "all bits": file(SCRIPT, 0o6777),
    "empty": file(b""),
    "binary": file(b"\x7fELF" + bytes(range(256))),
    "zeros": file(bytes(5000)),
    "one long line": file(b"#!" + b"/x" * 100_000),
    "forged wrapper": file(FORGED),
    "half a wrapper": file(FORGED[:40]),
    "deep JSON": file(b"[" * 100_000),
    "JSON of surrogates": file(b'{"\\ud800": ["\\udfff", null, 1e999]}'),
    "JSON of another kind": file(b'[{"name": 7}, "x"]'),
    "folder": folder,
    "closed folder": closed_folder,
    "FIFO": os.mkfifo,
    "socket": listening,
    "link to itself": link(b"run.sh"),
    "link in a circle": link(b"../x"),
    "link to the folder": link(b"."),
    "link upwards": link(b".."),
    "link to nothing": link(b"nothing"),
    "link of many parts": link(b"./" * 2000 + b"x"),
    "link outside": link(OUTSIDE + b"/run.sh"),
    "link to a folder outside": link(OUTSIDE),
    "link to a terminal": link(b"/dev/tty"),
    "link without an end": link(b"/dev/zero"),
    "link to us": link(b"/proc/self/mem"),
    "link to our descriptors": link(b"/proc/self/fd/0"),
}
NAMES = st.one_of(
    st.sampled_from(
        [
            *(b"run.sh", b"run.sh.pdwrap-original", b".run.sh.pdwrap-new", b".run.sh.pdwrap-original.pdwrap-new"),
            *(b"metadata.json", b".pdwrap-wrapped", b"..pdwrap-wrapped.pdwrap-new", b"x", b"lib"),
            *(b"x.upgrade-tmp", b"x.backup", b"x.install-tmp", b"x.install-backup", b"llama-cpp-rpc-server"),
            *(
                b"a\nb",
                b"\xff\xfe",
                b"\xed\xa0\x80",
                b"\x1b[2J",
                b"a" * 255,
                b"-",
                b"--",
                b"--unwrap",
                b"a:b",
                b"%s",
                b"' \"",
            ),
        ]
    ),
    st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"1")),
).filter(lambda name: name not in (b".", b".."))
LAYOUT = st.dictionaries(NAMES, st.sampled_from(sorted(THINGS)), max_size=5)
BACKENDS = st.dictionaries(NAMES, st.one_of(LAYOUT, st.sampled_from(sorted(THINGS))), min_size=1, max_size=4)

Layout = dict[bytes, str]


class Place:
    """A folder of backends, and what lies outside of it and must stay as it is."""

    def __init__(self) -> None:
        """Make them."""
        self.root = Path(tempfile.mkdtemp(prefix="pdwrap-hostile-"))
        self.root.chmod(0o755)
        self.outside = self.root / "outside"
        self.outside.mkdir()
        (self.outside / "run.sh").write_bytes(SCRIPT)
        (self.outside / "run.sh").chmod(0o755)
        self.mine = self.root / "mine"
        self.top = self.mine / "backends"
        self.top.mkdir(parents=True)
        # What is named may be one backend: then its neighbours' record is beside it.
        self.before = look(self.root, without=self.mine)

    def lay_out(self, backends: dict[bytes, Layout | str]) -> None:
        """Make what hypothesis has drawn; a name that is too long, or there already, is left out."""
        for name, what in backends.items():
            place = os.fsencode(self.top) + b"/" + name
            with contextlib.suppress(OSError):
                if isinstance(what, str):
                    THINGS[what](place)
                    continue
                os.mkdir(place)
                for inner, thing in what.items():
                    with contextlib.suppress(OSError):
                        THINGS[thing](place + b"/" + inner)

    def run(self, *words: bytes | str | Path) -> bytes:
        """Run it, and give what it complains of: it ends, says which and why, and has touched nothing outside."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = command.main([os.fsdecode(word) for word in words])
        told, complained = written(out), written(err)
        said = told + complained
        assert status in (0, 1), said
        assert status == 0 or said, "not as wanted, and no word"
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", said), said
        assert all(line.startswith(b"pdwrap-localai: ") for line in complained.splitlines()), said
        assert look(self.root, without=self.mine) == self.before
        return complained

    def close(self) -> None:
        """Take it away."""
        shutil.rmtree(self.root)


def written(stream: io.TextIOWrapper) -> bytes:
    """Give all that was written."""
    stream.flush()
    stream.seek(0)
    return bytes(stream.buffer.read())


def look(place: Path, without: Path) -> dict[str, tuple[object, ...]]:
    """All that could be changed but for *without*."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (place, *sorted(place.rglob("*"))):
        if path != without and without not in path.parents:
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
            found[str(path)] = (content, status.st_mode, status.st_uid, status.st_mtime_ns)
    return found


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Give a new one to each example."""
    made = Place()
    try:
        with mock.patch.object(own_command, "find", return_value=["/bin/true"]):
            yield made
    finally:
        made.close()


@ROUNDS
@given(backends=BACKENDS)
def test_a_folder_of_backends(backends: dict[bytes, Layout | str]) -> None:
    """Wrapped, checked, wrapped anew, restored: whatever is in it."""
    with place() as scene:
        scene.lay_out(backends)
        for words in ([], ["--check"], ["--unwrap"]):
            scene.run(scene.top, *words)
        scene.run(scene.top, "--", "--grace", "1s")


@ROUNDS
@given(layout=LAYOUT, name=NAMES)
def test_one_backend(layout: Layout, name: bytes) -> None:
    """It is named itself, or its run.sh is, or a name that is not there."""
    with place() as scene:
        scene.lay_out({b"b": layout})
        scene.run(scene.top / "b")
        scene.run(os.fsencode(scene.top) + b"/b/" + name)
        scene.run(scene.top / "b" / "run.sh", "--check")
        scene.run(scene.top / "b", "--unwrap")


@ROUNDS
@given(
    path=st.binary(max_size=60).map(lambda raw: b"./" + raw.replace(b"\0", b"0")), much=st.sampled_from([1, 200, 3000])
)
def test_a_path_of_any_bytes(path: bytes, much: int) -> None:
    """What is named is there, or not: one line, and no more."""
    with place() as scene:
        (scene.top / "b").mkdir()
        (scene.top / "b" / "run.sh").write_bytes(SCRIPT)
        scene.run(os.fsencode(scene.top) + b"/" + path * much, "--check")


@pytest.mark.parametrize("thing", sorted(THINGS))
@pytest.mark.parametrize(
    "name", ["run.sh", "run.sh.pdwrap-original", ".pdwrap-wrapped", ".run.sh.pdwrap-new", "metadata.json"]
)
def test_each_thing_at_each_name_that_matters(name: str, thing: str) -> None:
    """Beside a run.sh that is fine, at every name that is read or written."""
    with place() as scene:
        layout = {name.encode(): thing} if name == "run.sh" else {b"run.sh": "script", name.encode(): thing}
        scene.lay_out(
            {b"good": {b"run.sh": "script"}, b"x": layout, **({name.encode(): thing} if name[0] == "." else {})}
        )
        for words in ([], ["--check"], ["--unwrap"]):
            scene.run(scene.top, *words)
        assert (scene.top / "good" / "run.sh").read_bytes() == SCRIPT or name == ".pdwrap-wrapped"


def test_not_of_root(root: None) -> None:
    """As an ordinary user: what it may not look into, LocalAI cannot either; the others are wrapped, or have a line."""
    with place() as scene:
        scene.lay_out({b"good": {b"run.sh": "script"}, b"closed": "closed folder", b"x": {b"run.sh": "FIFO"}})
        for path in (scene.mine, *scene.mine.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        os.chown(scene.top / "closed", 0, 0)
        scene.run(scene.top / "nothing")  # every module is read: the user may not be able to

        def as_user() -> bool:
            os.setgroups([])
            os.setresgid(USER, USER, USER)
            os.setresuid(USER, USER, USER)
            return b"/x: run.sh is no regular file" in scene.run(scene.top)

        assert in_child(as_user)
        assert b"pdwrap" in (scene.top / "good" / "run.sh").read_bytes()
        assert not (scene.top / "x" / "run.sh.pdwrap-original").exists()
