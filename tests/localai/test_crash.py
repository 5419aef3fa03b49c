"""Wrapping is atomic: killed at each system call, or refused at it, it leaves a run.sh that runs.

The seam is the `os` of `pdwrap.localai.disk`, `files` and `wrap`, which alone change a backend's folder.
"""

from __future__ import annotations

import errno
import os
import signal
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pdwrap.localai import disk, files, script, wrap
from pdwrap.localai.options import Options
from tests.localai.test_wrap import ORIGINAL, RUN, make, snapshot

PDWRAP = ["/bin/true"]
NEWER = f"{RUN}# newer\n"
BOUND = 200
"""More system calls than any of it needs."""


class Seam:
    """`os`, of which one call is the last, or fails."""

    def __init__(self, at: int, act: Callable[[Callable[..., object], tuple[object, ...]], object]) -> None:
        """Let *act* make the call number *at*, from 0."""
        self.left = at
        self.reached = ""
        self.links = True
        self._act = act

    def __getattr__(self, name: str) -> object:
        """Hand out what `os` has, counted if it is a system call."""
        real = getattr(os, name)
        if not isinstance(real, types.BuiltinFunctionType):
            return real

        def call(*arguments: object, **options: object) -> object:
            if name == "link" and not self.links:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            self.left -= 1
            if self.left != -1:
                return real(*arguments, **options)
            self.reached = name
            if name == "close" and self._act is refuse:  # close(2): also where it fails, the descriptor is gone
                real(*arguments)
            return self._act(lambda *given: real(*given, **options), arguments)

        return call


def die_before(_call: Callable[..., object], _arguments: tuple[object, ...]) -> object:
    """The machine's power fails before the call."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die_after(call: Callable[..., object], arguments: tuple[object, ...]) -> object:
    """... after it; of a write, after half of it."""
    if isinstance(arguments[-1], memoryview):
        arguments = (*arguments[:-1], arguments[-1][: len(arguments[-1]) // 2])
    try:
        return call(*arguments)
    finally:
        die_before(call, arguments)


def refuse(_call: Callable[..., object], _arguments: tuple[object, ...]) -> object:
    """The disk fails."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def wrap_it(folder: Path, options: str = "--exec") -> None:
    """Wrap a backend."""
    wish = wrap.Wish(str(folder / "run.sh"), folder.name, PDWRAP, Options.read([options]), None, is_known=False)
    with held(folder) as opened:
        wrap.wrap(opened, "run.sh", wish)


def unwrap_it(folder: Path) -> str:
    """Restore a backend."""
    with held(folder) as opened:
        return wrap.unwrap(opened, "run.sh", known=False)


def held(folder: Path) -> disk.Folder:
    """Hold a backend's folder; by the real `os`, of which each call counts."""
    return disk.Folder(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))


def upgraded(folder: Path) -> None:
    """Wrap it, and replace its run.sh."""
    wrap_it(folder)
    (folder / "new").write_text(NEWER)
    (folder / "new").chmod(0o751)
    (folder / "new").replace(folder / "run.sh")


def linked(folder: Path) -> None:
    """Make its run.sh a link."""
    (folder / "run.sh").rename(folder / "real.sh")
    (folder / "run.sh").symlink_to("real.sh")


SCENES: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "wrap": (lambda _: None, wrap_it),
    "wrap a link": (linked, wrap_it),
    "wrap anew": (wrap_it, lambda folder: wrap_it(folder, "--fork")),
    "wrap after an upgrade": (upgraded, wrap_it),
    "unwrap": (wrap_it, unwrap_it),
    "unwrap after an upgrade": (upgraded, unwrap_it),
}


def assert_runs(folder: Path) -> None:
    """LocalAI could start it now, and it would come to the backend's own script."""
    run = folder / "run.sh"
    assert os.access(run, os.X_OK)
    content = run.read_bytes()
    if script.is_wrapper(content):
        assert content.endswith(b'"$@"\n')
        assert os.access(folder / ORIGINAL, os.X_OK)
        content = (folder / ORIGINAL).read_bytes()
    assert content.decode() in (RUN, NEWER)


def rounds(tmp_path: Path, prepare: Callable[[Path], None]) -> Iterator[tuple[int, Path]]:
    """Give a fresh backend for each system call."""
    for at in range(BOUND):
        folder = tmp_path / str(at)
        make(folder)
        prepare(folder)
        yield at, folder
    raise AssertionError("more system calls than that?")


def assert_recovers(folder: Path) -> None:
    """Done again it is whole, and restored nothing is left of it."""
    wrap_it(folder)
    assert_runs(folder)
    assert sorted(os.listdir(folder)) == sorted({"run.sh", ORIGINAL} | {"real.sh"} & set(os.listdir(folder)))
    assert unwrap_it(folder) == "restored"
    assert_runs(folder)
    assert not script.is_wrapper((folder / "run.sh").read_bytes())
    assert not {ORIGINAL, *(name for name in os.listdir(folder) if name.startswith("."))} & set(os.listdir(folder))


@pytest.mark.parametrize("links", ["links", "no-links"])
@pytest.mark.parametrize("death", [die_before, die_after])
@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_each_call(
    tmp_path: Path, scene: str, death: Callable[..., object], links: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash at any point leaves a run.sh that runs, and can be wrapped and restored."""
    prepare, act = SCENES[scene]
    for at, folder in rounds(tmp_path, prepare):
        child = os.fork()
        if child == 0:
            try:
                seam = Seam(at, death)
                seam.links = links == "links"
                for module in (disk, files, wrap):
                    monkeypatch.setattr(module, "os", seam)
                act(folder)
                os._exit(0)
            finally:
                os._exit(99)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL)
        assert_runs(folder)
        assert_recovers(folder)
        if status == 0:
            assert at > (3 if links == "links" else 8) or "unwrap" in scene
            return


@pytest.mark.parametrize("links", ["links", "no-links"])
@pytest.mark.parametrize("scene", SCENES)
def test_refused_at_each_call(tmp_path: Path, scene: str, links: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error at any point leaves all as it was, or all done, and nothing beside it."""
    prepare, act = SCENES[scene]
    for at, folder in rounds(tmp_path, prepare):
        before = snapshot(folder)
        seam = Seam(at, refuse)
        seam.links = links == "links"
        refused = False
        with monkeypatch.context() as patch:
            for module in (disk, files, wrap):
                patch.setattr(module, "os", seam)
            try:
                act(folder)
            except OSError:
                refused = True
        assert_runs(folder)
        assert not [name for name in os.listdir(folder) if name.startswith(".")], seam.reached
        after = snapshot(folder)
        half_done = str(folder / ORIGINAL) in after and not script.is_wrapper((folder / "run.sh").read_bytes())
        if refused and half_done:
            assert after == before, seam.reached
        assert_recovers(folder)
        if not seam.reached:
            assert not refused
            return
