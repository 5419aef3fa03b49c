"""Wrapping LocalAI's backends: what is wrapped, checked, restored and refused, each with its line."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pdwrap.localai import backends, command, own_command, script
from pdwrap.localai.errors import Trouble
from tests.harness import reap_all

ORIGINAL = "run.sh.pdwrap-original"
RUN = '#!/bin/sh\necho "$0" "$#" "$@"\n'
NAMES = ["plain", "a b", "it's", 'a"b$(c)`d`\\', "-dash", "two\nlines\nexec x", "größe-模型", os.fsdecode(b"\xff\x81")]

Wrap = Callable[..., tuple[int, str, str]]


def make(folder: Path, text: str = RUN, mode: int = 0o751) -> Path:
    """Make a backend that says how it was called."""
    folder.mkdir(parents=True)
    file = folder / "run.sh"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    os.utime(file, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
    return file


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder that `--unwrap` promises to bring back."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        times = None if path.is_dir() else status.st_mtime_ns
        found[str(path)] = (content, status.st_mode, status.st_uid, status.st_gid, times)
    return found


@pytest.fixture
def tool(capfd: pytest.CaptureFixture[str]) -> Wrap:
    """The command: its exit status, and its lines on stdout and stderr."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        status = command.main([str(argument) for argument in arguments])
        return (status, *capfd.readouterr())

    return call


def call(argv: Sequence[str | Path], cwd: Path | str = "/") -> str:
    """Run a wrapper with an empty environment and descriptor 0 closed."""
    closer = ["/bin/sh", "-c", 'exec "$0" "$@" <&-']
    done = subprocess.run([*closer, *map(str, argv)], cwd=cwd, env={}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not reap_all()[1]  # exec mode's sidecars end with the backend
    return os.fsdecode(done.stdout)


def test_folder_of_backends(tmp_path: Path, tool: Wrap) -> None:
    """All backends of a folder, twice, checked, restored: nothing is left of it."""
    for name in ("one", "two"):
        make(tmp_path / name)
    before = snapshot(tmp_path)
    assert tool(tmp_path, "--check") == (1, f"{tmp_path}/one: not wrapped\n{tmp_path}/two: not wrapped\n", "")
    assert tool(tmp_path) == (0, f"{tmp_path}/one: wrapped\n{tmp_path}/two: wrapped\n", "")
    wrapped = snapshot(tmp_path)
    assert tool(tmp_path) == (0, f"{tmp_path}/one: wrapped already\n{tmp_path}/two: wrapped already\n", "")
    assert snapshot(tmp_path) == wrapped
    status, out, _ = tool("--check", tmp_path)
    assert (status, out) == (0, f"{tmp_path}/one: wrapped\n{tmp_path}/two: wrapped\n")
    assert tool(tmp_path, "--unwrap") == (0, f"{tmp_path}/one: restored\n{tmp_path}/two: restored\n", "")
    assert snapshot(tmp_path) == before
    assert tool(tmp_path, "--unwrap")[0] == 0


@pytest.mark.parametrize("name", NAMES)
def test_names(tmp_path: Path, tool: Wrap, name: str) -> None:
    """Any name can be wrapped, and the original is called in the form in which the wrapper was."""
    run = make(tmp_path / "backends" / name)
    status, out, err = tool(run.parent)
    assert (status, err, out.count("\n")) == (0, "", 1)
    assert "pdwrap" in run.read_text(errors="surrogateescape")
    assert call([run, "a b", "*"]) == f"{run.parent}/{ORIGINAL} 2 a b *\n"
    # As go-processmanager does: the bare name, from the backend's folder. `subprocess` itself would look into PATH.
    bare = [sys.executable, "-I", "-S", "-c", "import os; os.execv('run.sh', ['run.sh', '--addr', 'x:1'])"]
    assert call(bare, run.parent) == f"./{ORIGINAL} 2 --addr x:1\n"
    link = tmp_path / "link"
    link.symlink_to(run)
    assert call([link]) == f"{run.parent}/{ORIGINAL} 0\n"
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "backends", moved)
    assert call([moved / name / "run.sh"]) == f"{moved / name}/{ORIGINAL} 0\n"
    assert tool(run.parent, "--unwrap")[0] == 0
    assert run.read_text() == RUN


def test_link_beside_another_backend(tmp_path: Path, tool: Wrap) -> None:
    """Called through a link, it is the link's target that runs, not what was wrapped beside the link."""
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert tool(one, two)[0] == 0
    (tmp_path / "one" / "other").symlink_to(two)
    assert call([tmp_path / "one" / "other"]) == f"{two.parent}/{ORIGINAL} 0\n"


def test_keeps_mode_group_and_times(tmp_path: Path, tool: Wrap, root: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrapper has the mode, group and times of what it stands for, no set-id bits, and the folder's owner."""
    monkeypatch.setattr(own_command, "find", lambda: ["/bin/true"])  # this Python may be for root alone
    run = make(tmp_path / "one")
    os.chown(run.parent, 1234, -1)
    os.chown(run, 1234, 4321)
    run.chmod(0o2750)
    before = run.stat()
    assert tool(run.parent)[0] == 0
    after = run.stat()
    # A user that the system does not know is in no group: what the group may do, the new one's group may not.
    assert (after.st_mode, after.st_uid, after.st_gid) == (0o100700, 1234, 65534)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert tool(run.parent, "--unwrap")[0] == 0
    assert run.stat().st_ino == before.st_ino
    for path in (run.parent, run):
        os.chown(path, 0, 4321)
    run.chmod(0o6750)
    assert tool(run.parent)[0] == 0
    after = run.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (0o100750, 0, 4321)


def test_upgrade_in_place(tmp_path: Path, tool: Wrap) -> None:
    """A run.sh replaced since is told from one never wrapped, and wrapped again or left as it is."""
    run = make(tmp_path / "one")
    for again in (True, False):
        assert tool(tmp_path)[0] == 0
        fresh = tmp_path / "fresh"
        fresh.write_text(f"{RUN}# {again}\n")
        fresh.chmod(0o755)
        fresh.replace(run)
        assert tool(tmp_path, "--check") == (1, f"{run.parent}: replaced by an upgrade since it was wrapped\n", "")
        if again:
            assert tool(tmp_path) == (0, f"{run.parent}: wrapped again, after an upgrade\n", "")
            assert call([run]) == f"{run.parent}/{ORIGINAL} 0\n"
    assert tool(tmp_path, "--unwrap")[0] == 0
    assert os.listdir(run.parent) == ["run.sh"]
    assert run.read_text() == f"{RUN}# False\n"


def test_upgrade_of_the_folder(tmp_path: Path, tool: Wrap) -> None:
    """LocalAI's upgrade swaps the whole folder: noticed; what it is just swapping is left alone."""
    run = make(tmp_path / "one")
    assert tool(tmp_path)[0] == 0
    make(tmp_path / "one.install-tmp", f"{RUN}# new\n")
    assert tool(tmp_path, "--check")[0] == 0
    run.parent.rename(tmp_path / "one.install-backup")
    (tmp_path / "one.install-tmp").rename(run.parent)
    assert tool(tmp_path, "--check") == (1, f"{run.parent}: replaced by an upgrade since it was wrapped\n", "")
    shutil.rmtree(tmp_path / "one.install-backup")
    assert tool(tmp_path) == (0, f"{run.parent}: wrapped again, after an upgrade\n", "")
    assert tool(run.parent, "--check")[0] == 0


def test_meta_backends_and_strangers(tmp_path: Path, tool: Wrap) -> None:
    """What LocalAI takes for no backend is passed over; one without its run.sh is named."""
    make(tmp_path / "one")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "metadata.json").write_text(json.dumps({"name": "m", "meta_backend_for": "one"}))
    assert tool(tmp_path) == (0, f"{tmp_path}/one: wrapped\n", "")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "metadata.json").write_text(json.dumps({"name": "half"}))
    line = f"pdwrap-localai: {tmp_path}/half: no run.sh in it: LocalAI cannot start it either\n"
    assert tool(tmp_path) == (1, f"{tmp_path}/one: wrapped already\n", line)


def test_external_backend(tmp_path: Path, tool: Wrap) -> None:
    """A file as --external-grpc-backends names it, of whatever name; an address is refused."""
    (tmp_path / "ext").mkdir()
    file = tmp_path / "ext" / "my server.py"
    file.write_text(RUN)
    file.chmod(0o755)
    before = snapshot(tmp_path)
    assert tool(f"mine:{file}") == (0, f"mine:{file}: wrapped\n", "")
    assert call([file, "x"]) == f"{file}.pdwrap-original 1 x\n"
    assert tool(file, "--check")[0] == 0
    assert tool(f"{file}.pdwrap-original")[0] == 1
    assert tool(f"mine:{file}", "--unwrap")[0] == 0
    assert snapshot(tmp_path) == before
    status, _, err = tool("mine:127.0.0.1:50051")
    assert (status, "starts no address" in err) == (1, True)


def test_run_as_link(tmp_path: Path, tool: Wrap) -> None:
    """A run.sh that is a link stays one, under its other name; a link to a wrapper is wrapped by that."""
    target = make(tmp_path / "elsewhere", '#!/bin/sh\nrealpath "$0"\n')
    (tmp_path / "one").mkdir()
    run = tmp_path / "one" / "run.sh"
    run.symlink_to("../elsewhere/run.sh")
    before = snapshot(tmp_path)
    assert tool(run.parent)[0] == 0
    assert os.readlink(run.parent / ORIGINAL) == "../elsewhere/run.sh"
    assert tool(run.parent, "--unwrap")[0] == 0
    (tmp_path / ".pdwrap-wrapped").unlink(missing_ok=True)
    assert snapshot(tmp_path) == before
    assert tool(target)[0] == 0
    assert tool(run.parent) == (0, f"{run.parent}: wrapped already, by way of its link\n", "")
    assert tool(run.parent, "--check")[0] == 0


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--exec"], "--exec"),
        (["--parent", "local-ai"], "--parent local-ai"),
        (["--fork", "--grace", "3s"], "--fork --grace 3s"),
        (["--leftovers=wait", "-p", "a b"], "--leftovers=wait -p 'a b'"),
    ],
)
def test_options(tmp_path: Path, tool: Wrap, options: list[str], shown: str) -> None:
    """What follows -- is handed on, in place of what was given before."""
    make(tmp_path / "one")
    assert tool(tmp_path, "--", "-q")[0] == 0
    assert tool(tmp_path, "--", *options) == (0, f"{tmp_path}/one: wrapped anew\n", "")
    assert tool(tmp_path, "--check") == (0, f"{tmp_path}/one: wrapped ({shown})\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no PATH"),
        (["--check", "--unwrap"], "give one of them"),
        (["--check", "--follow"], "give one of them"),
        (["--check", "--", "-q"], "options after --"),
        (["--", "--grace", "soon"], "--grace: 'soon' cannot be read"),
        (["--", "server"], "only options can follow --"),
        (["--", "--exec", "--leftovers", "wait"], "or use --fork"),
        (["--", "--nonsense"], "No such option"),
    ],
)
def test_bad_usage(
    tmp_path: Path, tool: Wrap, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pdwrap would refuse when LocalAI starts a backend is refused now; nothing is touched."""
    monkeypatch.setattr(backends, "VARIABLES", ())
    make(tmp_path / "one")
    before = snapshot(tmp_path)
    status, out, err = tool(*([tmp_path] if arguments else []), *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert snapshot(tmp_path) == before


def _no_run(folder: Path) -> None:
    (folder / "run.sh").unlink()


def _broken_link(folder: Path) -> None:
    (folder / "run.sh").unlink()
    (folder / "run.sh").symlink_to("nowhere")


def _loop(folder: Path) -> None:
    (folder / "run.sh").unlink()
    (folder / "run.sh").symlink_to("run.sh")


def _folder(folder: Path) -> None:
    (folder / "run.sh").unlink()
    (folder / "run.sh").mkdir()


def _fifo(folder: Path) -> None:
    (folder / "run.sh").unlink()
    os.mkfifo(folder / "run.sh")


def _link_to_what_cannot_run(folder: Path) -> None:
    (folder / "run.sh").chmod(0o644)
    (folder / "run.sh").rename(folder / "real.sh")
    (folder / "run.sh").symlink_to("real.sh")


def _in_the_way(folder: Path) -> None:
    (folder / ORIGINAL).mkdir()


def _by_hand(folder: Path) -> None:
    (folder / "run.sh").write_text('#!/bin/sh\nexec pdwrap -- "${0%/*}/server.sh" "$@"\n')


def _lost_original(folder: Path) -> None:
    (folder / "run.sh").write_bytes(script.HEAD)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_run, "no run.sh in it"),
        (_broken_link, "run.sh is a broken link"),
        (_loop, "run.sh is a broken link"),
        (_folder, "run.sh is no regular file"),
        (_fifo, "run.sh is no regular file"),
        (_link_to_what_cannot_run, "run.sh is not executable"),
        (_in_the_way, f"{ORIGINAL} is in the way"),
        (_by_hand, "was not made by this"),
        (_lost_original, f"{ORIGINAL} is gone"),
    ],
)
def test_refusals(tmp_path: Path, tool: Wrap, spoil: Callable[[Path], None], said: str) -> None:
    """A backend that cannot be wrapped gets a line, is left as it is, and does not keep the next from being wrapped."""
    make(tmp_path / "one")
    make(tmp_path / "two")
    (tmp_path / "one" / "metadata.json").write_text("{}")
    spoil(tmp_path / "one")
    before = snapshot(tmp_path / "one")
    for arguments in ([], ["--check"]):
        status, out, err = tool(tmp_path, *arguments)
        assert (status, err.count("\n"), out.count("\n")) == (1, 1, 1)
        assert err.startswith(f"pdwrap-localai: {tmp_path}/one: ")
        assert said in err
        assert "two: wrapped" in out
    assert snapshot(tmp_path / "one") == before


def test_nothing_there(tmp_path: Path, tool: Wrap) -> None:
    """A path that is no backend, and holds none."""
    assert "no such file" in tool(tmp_path / "nowhere")[2]
    assert tool(tmp_path)[::2] == (1, f"pdwrap-localai: {tmp_path}: no run.sh in it, nor in a folder in it\n")


def test_folder_of_another(root: None) -> None:
    """In a folder that may not be written a line says so, and nothing is left."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own is root's alone
        run = make(Path(place) / "one")
        for path in (Path(place), run.parent, run):
            path.chmod(0o755)
        before = snapshot(Path(place))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                os.dup2(write, 2)
                sys.stderr = os.fdopen(2, "w")
                own_command.find = lambda: ["/bin/true"]
                status = command.main([place])
                sys.stderr.flush()
                os._exit(status)
            finally:
                os._exit(99)
        os.close(write)
        with os.fdopen(read) as lines:
            said = lines.read()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert said.startswith(f"pdwrap-localai: {run.parent}: Permission denied: run this as the owner")
        assert snapshot(Path(place)) == before


def test_read_only_file_system(tmp_path: Path, tool: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a read-only file system a line says so, and nothing is left."""
    make(tmp_path / "one")
    before = snapshot(tmp_path)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "link", refuse)
    status, out, err = tool(tmp_path)
    assert (status, out) == (1, "")
    assert "the file system is read-only" in err
    assert snapshot(tmp_path) == before


def test_pdwrap_is_gone(tmp_path: Path, tool: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper whose pdwrap was removed is told, and can be wrapped anew."""
    make(tmp_path / "one")
    pdwrap = tmp_path / "pdwrap"
    pdwrap.touch(0o755)
    monkeypatch.setattr(own_command, "find", lambda: [sys.executable, "-I", str(pdwrap)])
    assert tool(tmp_path)[0] == 0
    pdwrap.unlink()
    gone = f"wrapped, but pdwrap is gone, or not for the folder's owner: {pdwrap}: wrap it again"
    assert tool(tmp_path, "--check") == (1, f"{tmp_path}/one: {gone}\n", "")
    monkeypatch.undo()
    assert tool(tmp_path)[0] == 0
    assert tool(tmp_path, "--check")[0] == 0


def test_locate_tries_what_it_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line that is written into wrappers is absolute, and was tried; without one nothing is written."""
    found = own_command.find()
    assert os.path.isabs(found[0])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Trouble, match="no pdwrap starts"):
        own_command.find()


def test_as_a_module(tmp_path: Path) -> None:
    """`python -m pdwrap.localai` is the same command."""
    make(tmp_path / "one")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pdwrap.localai", "--check", str(tmp_path)], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, os.fsencode(f"{tmp_path}/one: not wrapped\n"))
