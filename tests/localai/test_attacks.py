"""`sudo pdwrap-localai` where LocalAI runs as a user of its own: that user must gain nothing by it.

Another user exchanges what is worked on, as fast as it can, while root wraps, checks and restores. Whatever it does,
nothing outside of its folder changes, nothing in it belongs to root, is set-uid or holds what it may not read, and
nothing hangs.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdwrap.localai import command, disk
from tests.harness import PYTHON, Process, clean_environment, reap_all, spawn

USER = 54321
SECRET = b"nobody else may read this\n"
ATTACKER = str(Path(__file__).with_name("attacker.py"))
ROUNDS = 25

pytestmark = pytest.mark.usefixtures("root")


class Scene:
    """A folder of the user's, and what lies outside of it."""

    def __init__(self, place: Path) -> None:
        """Make them."""
        self.mine, self.outside = place / "mine", place / "outside"
        place.chmod(0o755)
        (self.outside / "x").mkdir(parents=True)
        (self.outside / "open").mkdir()
        (self.outside / "open").chmod(0o1777)
        for name, mode in (("secret", 0o600), ("readable", 0o644), ("x/run.sh", 0o755), ("x/metadata.json", 0o644)):
            (self.outside / name).write_bytes(SECRET if name == "secret" else b"#!/bin/sh\nexec true\n")
            (self.outside / name).chmod(mode)
        self.top = self.mine / "backends"
        (self.top / "x").mkdir(parents=True)
        (self.top / "x" / "run.sh").write_bytes(b"#!/bin/sh\nexec true\n")
        (self.top / "x" / "run.sh").chmod(0o755)
        for path in (self.mine, self.top, self.top / "x", self.top / "x" / "run.sh"):
            os.chown(path, USER, USER)
        self.before = self.look(self.outside)

    @staticmethod
    def look(place: Path) -> dict[str, tuple[object, ...]]:
        """All that could be changed."""
        found: dict[str, tuple[object, ...]] = {}
        for path in (place, *sorted(place.rglob("*"))):
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
            names = status.st_nlink if content is None else None  # a second name is made by link(2), not by us
            found[str(path)] = (content, names, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
        return found

    def assert_nothing_gained(self) -> None:
        """The user has what it had, and root's is as it was."""
        assert self.look(self.outside) == self.before
        for path in self.mine.rglob("*"):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                continue  # what only the user can have put there: a link, a second name
            assert status.st_uid == USER, path
            content = path.read_bytes()
            assert SECRET not in content
            if b"# options: " in content:
                assert not status.st_mode & 0o7022, path


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Where both users can get: pytest's own folder is root's alone, and so may this Python be."""
    monkeypatch.setattr("pdwrap.localai.own_command.find", lambda: ["/bin/true"])
    with tempfile.TemporaryDirectory() as place:
        yield Scene(Path(place))


def run(*arguments: str | Path) -> int:
    """Run the command as root."""
    status = command.main([str(argument) for argument in arguments])
    assert os.geteuid() == os.getegid() == 0
    return status


@pytest.mark.parametrize("what", ["file", "original", "aside", "record", "metadata", "folder", "parent"])
def test_exchanged_meanwhile(scene: Scene, what: str) -> None:
    """What is exchanged between two of root's calls is never root's affair."""
    end, ours = os.pipe()
    gains = os.memfd_create("gains")
    argv = [*PYTHON, ATTACKER, str(USER), str(scene.mine), str(scene.outside), what]
    attacker = Process(spawn(argv, fds={0: end, 1: gains}, env=clean_environment()))
    os.close(end)
    began = time.monotonic()
    try:
        for _ in range(ROUNDS):
            for words in ([], ["--check"], ["--unwrap"], ["--", "--grace", "1s"]):
                run(scene.top, *words)
            run(scene.top / "x")
            run(scene.top / "x" / "run.sh", "--unwrap")
            if time.monotonic() - began > 20:
                break  # a machine that is busy: as many rounds as there is time for
    finally:
        os.close(ours)
        assert attacker.is_dead()
        attacker.close()
        reap_all()
    assert os.pread(gains, 1 << 16, 0) == b""
    os.close(gains)
    scene.assert_nothing_gained()


def test_pdwrap_is_not_for_the_owner(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrapper whose pdwrap its user cannot run would keep every backend from starting: refused."""
    (scene.outside / "pdwrap").touch(0o700)
    monkeypatch.setattr("pdwrap.localai.own_command.find", lambda: [str(scene.outside / "pdwrap")])
    before = scene.look(scene.mine)
    assert run(scene.top) == 1
    assert "may not run pdwrap" in capfd.readouterr().err
    assert scene.look(scene.mine) == before


def _passwd(scene: Scene) -> None:
    (scene.top / "x" / "run.sh").unlink()
    (scene.top / "x" / "run.sh").symlink_to("/usr/bin/passwd")


def _set_uid(scene: Scene) -> None:
    (scene.top / "x" / "run.sh").chmod(0o6777)


def _forged_folder(scene: Scene) -> None:
    (scene.top / "x" / "run.sh").write_bytes(b'#!/bin/sh\n# Made by pdwrap-localai: x\nexec /bin/true -- "$@"\n')
    (scene.top / "x" / "run.sh.pdwrap-original").symlink_to(scene.outside / "open")


def _forged_passwd(scene: Scene) -> None:
    _forged_folder(scene)
    (scene.top / "x" / "run.sh.pdwrap-original").unlink()
    (scene.top / "x" / "run.sh.pdwrap-original").symlink_to("/usr/bin/passwd")


def test_mode_of_a_forged_wrapper(scene: Scene) -> None:
    """In a folder where others can write, `--unwrap` gives nobody a right to write that a wrapper only claims."""
    run_sh = scene.top / "x" / "run.sh"
    os.chown(scene.top, 0, 0)
    os.chown(scene.mine, 0, 0)
    for path in (run_sh.parent, run_sh):
        os.chown(path, 0, 0)
    run_sh.chmod(0o644)
    run_sh.parent.chmod(0o777)
    assert run(scene.top, "--shared") == 0
    run_sh.write_bytes(run_sh.read_bytes().replace(b"\n# mode: 0644", b"\n# mode: 6666"))
    assert run(scene.top, "--shared", "--unwrap") == 0
    assert stat.S_IMODE(run_sh.stat().st_mode) == 0o644


def _secret(scene: Scene) -> None:
    (scene.top / "x" / "run.sh").unlink()
    (scene.top / "x" / "run.sh").symlink_to(scene.outside / "secret")


def _outside(scene: Scene) -> None:
    shutil.rmtree(scene.top / "x")
    (scene.top / "x").symlink_to(scene.outside / "x")


def _device(scene: Scene) -> None:
    (scene.top / "x" / "run.sh").unlink()
    (scene.top / "x" / "run.sh").symlink_to("/dev/zero")


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
@pytest.mark.parametrize("spoil", [_passwd, _set_uid, _forged_folder, _forged_passwd, _secret, _outside, _device])
def test_laid_out_before(scene: Scene, spoil: object, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """No race is needed: what the user lays out makes nothing of root's, and nothing with its rights."""
    assert callable(spoil)
    if not links:
        monkeypatch.setattr(os, "link", _refused)
    spoil(scene)
    for words in ([], ["--", "--grace", "1s"], ["--check"], ["--unwrap"], []):
        run(scene.top, *words)
        scene.assert_nothing_gained()


def _refused(*_arguments: object, **_options: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("bits", [0o775, 0o777, 0o1777])
@pytest.mark.parametrize("where", ["mine", "backends", "x"])
def test_where_others_can_write(scene: Scene, where: str, bits: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Where more than the owner and root can write on the way, a line says so, and nothing is touched, unless asked."""
    place = {"mine": scene.mine, "backends": scene.top, "x": scene.top / "x"}[where]
    place.chmod(bits)
    before = scene.look(scene.mine)
    status = run(scene.top)
    said = capfd.readouterr()
    if where == "mine" and bits & stat.S_ISVTX:
        assert (status, said.err) == (0, "")  # sticky: an entry is its owner's
        return
    assert (status, said.out, said.err.count("\n")) == (1, "", 1)
    assert "can write in" in said.err
    assert "--shared" in said.err
    assert scene.look(scene.mine) == before
    assert run(scene.top, "--shared") == 0


def test_another_owner_on_the_way(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    """Who owns a folder on the way can exchange what is below it: root does not go through it."""
    os.chown(scene.top / "x", 0, 0)
    assert run(scene.top) == 1
    assert f"user {USER}, not its owner, can write" in capfd.readouterr().err
    (scene.mine / "link").symlink_to(scene.outside)
    before = scene.look(scene.outside)
    assert run(scene.mine / "link") == 1
    assert scene.look(scene.outside) == before


def test_works_as_the_owner(scene: Scene) -> None:
    """Everything that is made belongs to the folder's owner, and it is wrapped for all that."""
    assert run(scene.top) == 0
    assert run(scene.top, "--check") == 0
    for path in (scene.top / ".pdwrap-wrapped", scene.top / "x" / "run.sh", scene.top / "x" / "run.sh.pdwrap-original"):
        assert path.stat().st_uid == USER
    assert run(scene.top, "--unwrap") == 0
    assert sorted(os.listdir(scene.top)) == ["x"]


@pytest.mark.parametrize(
    "forged",
    [
        b'#!/bin/sh\n# Made by pdwrap-localai: x\nexec /tmp/evil --exec -- "$@"\n',
        b'#!/bin/sh\n# Made by pdwrap-localai: x\n# y\n# options: []\nexec /bin/true -- "$@"\n',
        b"#!/bin/sh\n# Made by pdwrap-localai: x\n# y\n# options: " + b"[" * 100_000 + b"\n",
    ],
)
def test_forged_wrapper(scene: Scene, forged: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """`--check` compares with what would be written: a first line alone proves nothing."""
    run_sh = scene.top / "x" / "run.sh"
    assert run(scene.top) == 0
    ours = run_sh.read_bytes()
    for text in (forged, ours.replace(b"exec ", b"true && exec ", 1), ours + b"\n"):
        run_sh.write_bytes(text)
        capfd.readouterr()
        assert run(scene.top, "--check") == 1
        said = capfd.readouterr().out
        assert ("pdwrap is gone" if b"/tmp/evil" in text else "not ours") in said
    run_sh.write_bytes(ours)
    run_sh.chmod(0o777)
    assert run(scene.top, "--check") == 1
    assert run(scene.top, "--", "-q") == 0
    assert run(scene.top, "--check") == 0


@pytest.mark.parametrize("held", ["backends", "x"])
def test_locked_by_a_reader(scene: Scene, held: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may read a folder can lock it, for ever: the others get their turn."""
    monkeypatch.setattr("pdwrap.localai.treat.LOCK_PATIENCE", 0.1)
    monkeypatch.setattr(disk.Folder.lock, "__defaults__", (0.1,))
    shutil.copytree(scene.top / "x", scene.top / "zz")
    for path in (scene.top / "zz", scene.top / "zz" / "run.sh"):
        os.chown(path, USER, USER)
    other = os.open(scene.top if held == "backends" else scene.top / "x", os.O_RDONLY)
    with disk.Folder(other) as folder:
        folder.lock()
        assert run(scene.top) == (0 if held == "backends" else 1)
        assert b"pdwrap" in (scene.top / "zz" / "run.sh").read_bytes()
        assert (b"pdwrap" in (scene.top / "x" / "run.sh").read_bytes()) == (held == "backends")
    assert run(scene.top) == 0
