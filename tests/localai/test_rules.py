"""Wrapping by the rules of LocalAI: its folders in transit, its programs, its variables; options that stay."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pdwrap import __version__
from pdwrap.localai import backends, own_command
from tests.harness import reap_all
from tests.localai.test_wrap import ORIGINAL, RUN, Wrap, call, make, snapshot, tool

__all__ = ["tool"]

ELF = b"\x7fELF and so on"


def text(folder: Path, name: str = "run.sh") -> str:
    """What LocalAI would start."""
    return (folder / name).read_text()


def replace(folder: Path, content: str = f"{RUN}# new\n") -> None:
    """Replace the whole folder, as an upgrade does."""
    shutil.rmtree(folder)
    make(folder, content)


def test_options_are_kept(tmp_path: Path, tool: Wrap) -> None:
    """Each backend keeps its own options, one that an upgrade replaced, too; a bare -- drops them."""
    make(tmp_path / "one")
    make(tmp_path / "two")
    assert tool(tmp_path, "--", "--grace", "9s", "--signal=INT")[0] == 0
    assert tool(tmp_path / "two", "--", "--exec")[0] == 0
    replace(tmp_path / "one")
    replace(tmp_path / "two")
    assert tool(tmp_path)[0] == 0
    assert " --grace 9s --signal=INT --parent" in text(tmp_path / "one")
    assert " --exec --parent" in text(tmp_path / "two")
    assert tool(tmp_path, "--check")[1] == (
        f"{tmp_path}/one: wrapped (--grace 9s --signal=INT)\n{tmp_path}/two: wrapped (--exec)\n"
    )
    assert tool(tmp_path / "one", "--", "--grace", "8s")[0] == 0
    replace(tmp_path / "one")
    assert tool(tmp_path)[0] == 0
    assert "8s" in text(tmp_path / "one")
    assert tool(tmp_path, "--")[0] == 0
    replace(tmp_path / "one")
    assert tool(tmp_path)[0] == 0
    assert "8s" not in text(tmp_path / "one")


def _of_before(folder: Path, options: str) -> None:
    """Make what the version before this one made."""
    (folder / "run.sh").rename(folder / ORIGINAL)
    lines = ["#!/bin/sh", "# Made by pdwrap-localai: what is here", f'set -- ./{ORIGINAL} "$@"']
    lines += [f'[ "$PPID" != 0 ] || exec /x/python -I /x/pdwrap {options} -- "$@"']
    lines += [f'exec /x/python -I /x/pdwrap {options} --parent "$PPID" -- "$@"', ""]
    (folder / "run.sh").write_text("\n".join(lines))
    (folder / "run.sh").chmod(0o755)


@pytest.mark.parametrize(
    ("options", "now", "says"),
    [
        ("--exec", "", True),
        ("--exec -q --grace 9s", "-q --grace 9s ", True),
        ("--fork --grace '9 s'", "--fork --grace '9 s' ", False),
        ("-q --fork", "-q --fork ", False),
    ],
)
def test_wrappers_of_before(tmp_path: Path, tool: Wrap, options: str, now: str, says: bool) -> None:  # noqa: FBT001
    """In a wrapper of before, a leading --exec was the tool's: fork mode now, and a line says so; the rest stays."""
    make(tmp_path / "one")
    _of_before(tmp_path / "one", options.replace("9 s", "9s"))
    status, out, err = tool(tmp_path)
    assert (status, err) == (0, "")
    assert ("in fork mode now" in out) is says
    assert f" --name=one {now.replace('9 s', '9s').replace(chr(39), '')}--parent" in text(tmp_path / "one")
    assert tool(tmp_path)[1] == f"{tmp_path}/one: wrapped already\n"


def test_record_of_before(tmp_path: Path, tool: Wrap) -> None:
    """The record of before has names alone: read, and the line says what it cannot tell."""
    make(tmp_path / "one")
    (tmp_path / ".pdwrap-wrapped").write_text('["one", "gone", "one.backup"]\n')
    assert tool(tmp_path, "--check") == (1, f"{tmp_path}/one: replaced by an upgrade since it was wrapped\n", "")
    status, out, _ = tool(tmp_path)
    assert (status, "an old record does not tell" in out) == (0, True)
    assert (tmp_path / ".pdwrap-wrapped").read_text() == '{\n "one": []\n}\n'


@pytest.mark.parametrize(
    "record",
    [
        "[1]",
        '[{"name": 7}, "x"]',
        '["a\\u0000b"]',
        "[" * 100_000,
        '["\\ud800"]',
        '{"one": [1]}',
        "\xff",
        "x" * (1 << 20),
    ],
)
def test_damaged_record(tmp_path: Path, tool: Wrap, record: str) -> None:
    """A damaged record has a line, and keeps nothing from being wrapped; it is whole afterwards."""
    make(tmp_path / "one")
    (tmp_path / ".pdwrap-wrapped").write_text(record, encoding="latin-1")
    status, out, err = tool(tmp_path)
    assert (status, out, err.count("\n")) == (1, f"{tmp_path}/one: wrapped\n", 1)
    assert ".pdwrap-wrapped is" in err
    assert tool(tmp_path)[0] == 0


def test_strange_metadata(tmp_path: Path, tool: Wrap) -> None:
    """A FIFO, a device, deep nesting, a large file as metadata: a line at most, and the others have their turn."""
    for name in ("fifo", "device", "deep", "large"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo" / "metadata.json")
    (tmp_path / "device" / "metadata.json").symlink_to("/dev/zero")
    (tmp_path / "deep" / "metadata.json").write_text("[" * 100_000)
    with (tmp_path / "large" / "metadata.json").open("wb") as file:
        file.truncate(1 << 34)
    make(tmp_path / "zz")
    status, out, err = tool(tmp_path)
    assert (status, out, err.count("\n")) == (1, f"{tmp_path}/zz: wrapped\n", 4)
    assert "fifo: metadata.json is no regular file" in err


@pytest.mark.parametrize("bits", [0o644, 0o600, 0o664])
def test_without_the_execute_bit(tmp_path: Path, tool: Wrap, bits: int) -> None:
    """What nobody may execute is made executable as LocalAI does, and given back as it was."""
    run = make(tmp_path / "one", mode=bits)
    before = snapshot(tmp_path)
    assert tool(tmp_path)[0] == 0
    assert stat.S_IMODE(run.stat().st_mode) == stat.S_IMODE((run.parent / ORIGINAL).stat().st_mode) == 0o700
    assert call([run]) == f"{run.parent}/{ORIGINAL} 0\n"
    assert tool(tmp_path, "--", "-q")[1].endswith("wrapped anew\n")
    assert tool(tmp_path, "--unwrap")[0] == 0
    assert snapshot(tmp_path) == before


def test_in_transit(tmp_path: Path, tool: Wrap) -> None:
    """What LocalAI is making, or keeps until it has made it, is not touched, nor remembered."""
    make(tmp_path / "one")
    for suffix in (".install-tmp", ".install-backup", ".upgrade-tmp", ".backup"):
        make(tmp_path / f"one{suffix}")
    assert tool(tmp_path) == (0, f"{tmp_path}/one: wrapped\n", "")
    assert (tmp_path / ".pdwrap-wrapped").read_text() == '{\n "one": []\n}\n'


def test_programs_of_workers(tmp_path: Path, tool: Wrap) -> None:
    """What LocalAI's workers start beside run.sh is wrapped, too; what a loader starts cannot be: a line says so."""
    make(tmp_path / "llama")
    make(tmp_path / "ds4")
    (tmp_path / "ds4" / "lib").mkdir()
    (tmp_path / "ds4" / "lib" / "ld.so").write_bytes(ELF)
    for path in (tmp_path / "llama" / "llama-cpp-rpc-server", tmp_path / "ds4" / "ds4-worker"):
        path.write_bytes(ELF)
        path.chmod(0o755)
    before = snapshot(tmp_path)
    status, out, err = tool(tmp_path)
    assert (status, out.count(": wrapped\n")) == (1, 3)
    assert err == (
        f"pdwrap-localai: {tmp_path}/ds4/ds4-worker: ds4-worker is started by lib/ld.so, which takes no script: "
        "put pdwrap before local-ai instead\n"
    )
    assert "--name=llama-cpp-rpc-server" in text(tmp_path / "llama", "llama-cpp-rpc-server")
    assert tool(tmp_path, "--unwrap")[0] == 0
    assert snapshot(tmp_path) == before
    (tmp_path / "llama" / "lib").mkdir()
    (tmp_path / "llama" / "lib" / "ld.so").write_bytes(ELF)
    (tmp_path / "llama" / "llama-cpp-avx").write_bytes(ELF)
    (tmp_path / "llama" / "llama-cpp-avx").chmod(0o755)
    assert "lib/ld.so" in tool(tmp_path / "llama" / "llama-cpp-avx")[2]
    assert tool(tmp_path / "llama")[0] == 0  # the worker starts that one itself, whatever is in lib


@pytest.mark.parametrize("name", ["local-ai", "local-ai-Linux-x86_64"])
def test_local_ai_itself(tmp_path: Path, tool: Wrap, name: str) -> None:
    """The desktop launcher deletes a local-ai whose checksum is another: never wrapped."""
    (tmp_path / name).write_bytes(ELF)
    (tmp_path / name).chmod(0o755)
    before = snapshot(tmp_path)
    status, _, err = tool(tmp_path / name)
    assert (status, "pdwrap --grace 60s -- local-ai run" in err) == (1, True)
    assert snapshot(tmp_path) == before


def test_command_line_as_external_backend(tmp_path: Path, tool: Wrap) -> None:
    """LocalAI starts a file, and no command line."""
    make(tmp_path / "one")
    assert "and no command line" in tool(f"mine:{tmp_path}/one/run.sh --port 3")[2]


def test_from_the_variables_of_localai(tmp_path: Path, tool: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path: where LocalAI looks, by its variables or its defaults; the first line says where."""
    for name in [name for names, _ in backends.VARIABLES for name in names]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        backends, "VARIABLES", (backends.VARIABLES[0], (backends.VARIABLES[1][0], str(tmp_path / "no")))
    )
    make(tmp_path / "backends" / "one")
    make(tmp_path / "system" / "two")
    monkeypatch.chdir(tmp_path)
    assert tool() == (0, "taking backends\nbackends/one: wrapped\n", "")
    monkeypatch.setenv("BACKENDS_PATH", str(tmp_path / "nowhere"))
    monkeypatch.setenv("LOCALAI_BACKENDS_PATH", str(tmp_path / "backends"))
    monkeypatch.setenv("LOCALAI_BACKENDS_SYSTEM_PATH", str(tmp_path / "system"))
    status, out, _ = tool("--check")
    assert (status, out.splitlines()[0]) == (1, f"taking {tmp_path}/backends and {tmp_path}/system")
    assert out.splitlines()[1:] == [f"{tmp_path}/backends/one: wrapped", f"{tmp_path}/system/two: not wrapped"]


def test_dot_dot(tmp_path: Path, tool: Wrap) -> None:
    """`link/..` is where the kernel says it is."""
    make(tmp_path / "here" / "b")
    make(tmp_path / "there" / "b")
    (tmp_path / "there" / "x").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there" / "x")
    assert tool(tmp_path / "here" / "link" / ".." / "b")[0] == 0  # pathlib keeps it
    assert "pdwrap" in text(tmp_path / "there" / "b")
    assert "pdwrap" not in text(tmp_path / "here" / "b")


def test_link_to_another_backend(tmp_path: Path, tool: Wrap) -> None:
    """One pdwrap in front, not two, also where the link was wrapped before what it leads to."""
    make(tmp_path / "b")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.sh").symlink_to("../b/run.sh")
    before = snapshot(tmp_path)
    assert tool(tmp_path / "a")[0] == 0
    assert "pdwrap" in text(tmp_path / "a")
    assert tool(tmp_path)[0] == 0
    assert (tmp_path / "a" / "run.sh").is_symlink()
    assert tool(tmp_path)[1] == f"{tmp_path}/b: wrapped already\n{tmp_path}/a: wrapped already, by way of its link\n"
    assert tool(tmp_path, "--check")[0] == 0
    assert tool(tmp_path, "--unwrap")[0] == 0
    (tmp_path / ".pdwrap-wrapped").unlink(missing_ok=True)
    assert snapshot(tmp_path) == before


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """An ACL as the kernel has it: version 2, then tag, rights, id (linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY_IN_PARTICULAR = 0xFFFFFFFF
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
ACL = _acl(
    (USER_OBJ, 7, NOBODY_IN_PARTICULAR),
    (USER, 7, 4242),
    (GROUP_OBJ, 0, NOBODY_IN_PARTICULAR),
    (MASK, 7, NOBODY_IN_PARTICULAR),
    (OTHER, 0, NOBODY_IN_PARTICULAR),
)
NAME = "system.posix_acl_access"


def test_acl(tmp_path: Path, tool: Wrap) -> None:
    """The ACL goes along, without a right to write; its mask does not become the group's right."""
    run = make(tmp_path / "one", mode=0o700)
    os.setxattr(run, NAME, ACL)
    assert stat.S_IMODE(run.stat().st_mode) == 0o770  # the mask, where the group's rights are shown
    assert tool(tmp_path)[0] == 0
    wrapper = os.getxattr(run, NAME)
    rights = {tag: bits for tag, bits, _ in struct.iter_unpack("<HHI", wrapper[4:])}
    assert (rights[GROUP_OBJ], rights[MASK], rights[OTHER]) == (0, 5, 0)
    assert stat.S_IMODE(run.stat().st_mode) == 0o750
    assert tool(tmp_path, "--unwrap")[0] == 0
    assert os.getxattr(run, NAME) == ACL
    os.setxattr(run.parent, "system.posix_acl_default", ACL)  # what is made in there inherits one
    os.removexattr(run, NAME)
    run.chmod(0o700)
    assert tool(tmp_path)[0] == 0
    assert NAME not in os.listxattr(run)
    assert stat.S_IMODE(run.stat().st_mode) == 0o700


def test_upgrade_with_another_owner_alone(tmp_path: Path, tool: Wrap, root: None) -> None:
    """The same content, mode and time, but another's file: an upgrade all the same."""
    run = make(tmp_path / "one")
    assert tool(tmp_path)[0] == 0
    os.rename(run.parent / ORIGINAL, tmp_path / "kept")
    shutil.copy2(tmp_path / "kept", run.parent / ORIGINAL)
    os.rename(tmp_path / "kept", run)
    os.chown(run, 4242, -1)
    assert tool(tmp_path, "--check")[1] == f"{run.parent}: replaced by an upgrade since it was wrapped\n"


def test_not_flushed(tmp_path: Path, tool: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
    """An fsync that fails after the last rename: what was changed is not called unchanged."""
    run = make(tmp_path / "one")
    sync = os.fsync
    folders = iter([False, True])

    def fail(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode) and next(folders, False):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fail)
    status, _, err = tool(tmp_path)
    assert status == 1
    assert "done, but perhaps not to outlast a crash" in err
    assert "nothing was changed" not in err
    assert "pdwrap-localai" in run.read_text()


def test_unwrapped_while_it_starts(tmp_path: Path, tool: Wrap) -> None:
    """A start that falls between the wrapper's look and the backend's exec finds what is there now: never 127."""
    run = make(tmp_path / "one", "#!/bin/sh\nexit 42\n", 0o755)
    statuses = []
    done = threading.Event()

    def start() -> None:
        while not done.is_set():
            statuses.append(subprocess.run([run], cwd=run.parent, check=False, env={}, capture_output=True).returncode)

    starter = threading.Thread(target=start)
    starter.start()
    try:
        for _ in range(60):
            assert tool(tmp_path)[0] == 0
            assert tool(tmp_path, "--unwrap")[0] == 0
    finally:
        done.set()
        starter.join()
    assert set(statuses) == {42}


def test_gone_between_the_looks(tmp_path: Path, tool: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original is given back while pdwrap starts, then wrapped again: the same, made to happen; no endless loop."""
    run = make(tmp_path / "one", "#!/bin/sh\necho it runs\n", 0o755)
    pdwrap = tmp_path / "pdwrap"
    unwrap = f'mv {run.parent}/{ORIGINAL} {run}\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
    pdwrap.write_text(f"#!/bin/sh\n{unwrap}")
    pdwrap.chmod(0o755)
    monkeypatch.setattr(own_command, "find", lambda: [str(pdwrap)])
    assert tool(tmp_path)[0] == 0
    assert subprocess.check_output([run], cwd=run.parent) == b"it runs\n"
    assert tool(tmp_path)[0] == 0
    (run.parent / ORIGINAL).unlink()
    lost = subprocess.run([run], capture_output=True, text=True, check=False)
    assert (lost.returncode, lost.stderr) == (
        127,
        f"pdwrap-localai: {run}.pdwrap-original is gone: install the backend anew\n",
    )


def test_each_says_its_name(tmp_path: Path, tool: Wrap, capfd: pytest.CaptureFixture[str]) -> None:
    """Complaints begin with the command's name; versions have one form; help has examples."""
    for line in tool(tmp_path / "nowhere")[2].splitlines():
        assert line.startswith("pdwrap-localai: ")
    assert tool("--version")[1] == f"pdwrap-localai {__version__}\n"
    assert "pdwrap-localai --unwrap" in tool("--help")[1]


def test_mode_is_left_to_the_variable(tmp_path: Path, tool: Wrap) -> None:
    """No mode is written: PDWRAP_MODE of LocalAI decides where a wrapper names none."""
    run = make(tmp_path / "one", "#!/bin/sh\necho $PPID\n", 0o755)
    assert tool(tmp_path)[0] == 0
    script = f"import os, sys; os.execv({str(run)!r}, ['run.sh'])"
    found = {}
    for mode in ("fork", "exec"):
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script], env={"PDWRAP_MODE": mode}, stdout=subprocess.PIPE, text=True
        )
        out, _ = child.communicate()
        found[mode] = int(out) == os.getpid()
        assert not reap_all()[1]
    assert found == {"fork": False, "exec": True}


def test_wrapped_in_the_middle_of_an_upgrade(tmp_path: Path, tool: Wrap) -> None:
    """Between an upgrade's two renames there is no folder of that name: its options are remembered all the same."""
    make(tmp_path / "one")
    make(tmp_path / "two")
    assert tool(tmp_path, "--", "--grace", "9s")[0] == 0
    (tmp_path / "one").rename(tmp_path / "one.backup")
    assert tool(tmp_path / "two", "--", "-q")[0] == 0
    make(tmp_path / "one")
    shutil.rmtree(tmp_path / "one.backup")
    assert tool(tmp_path)[0] == 0
    assert "--grace 9s" in text(tmp_path / "one")
