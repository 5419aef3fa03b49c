"""T1, T4: the one file runs where there is nothing, looks at nothing of the system, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
from pathlib import Path

import pytest

from tests.harness import ROOT, Running, Starter, clean_environment, pause_for, reap_all, run

MODES = pytest.mark.modes("fork", "exec")
STARTS = 40
PT_INTERP = 3
NOT_LOOKED_AT = {"execve", "chdir", "getcwd"}
#: What a Python reads, or does, when it is told to by one of these.
PYTHON = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONINSPECT")
FLAGS = ("PYTHONVERBOSE", "PYTHONDEVMODE", "PYTHONPROFILEIMPORTTIME", "PYTHONFAULTHANDLER", "PYTHONMALLOCSTATS")


@pytest.fixture(name="folder")
def folder_fixture(pdwrap: list[str], tmp_path: Path) -> Path:
    """A root directory with nothing in it but the file, and a place for /proc."""
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    shutil.copy(pdwrap[0], root / "pdwrap")
    return root


@MODES
@pytest.mark.parametrize("bind", ["--bind", "--ro-bind"])
def test_empty_root(pdwrap: list[str], folder: Path, bind: str) -> None:
    """T3, T4: no library, no Python, no /dev, no /tmp, nothing that can be written: it does what it does anywhere."""
    inside = ["bwrap", bind, str(folder), "/", "--proc", "/proc", "--unshare-user", "--unshare-pid", "--", "/pdwrap"]
    # What it starts there is itself: there is nothing else.
    started = run([*inside, *pdwrap[1:], "--grace", "2µs", "--", "/pdwrap", "--version"])
    assert (started.code, started.stderr) == (0, "")
    assert started.stdout.startswith(b"pdwrap ")
    assert b"(one file;" in started.stdout
    missing = run([*inside, *pdwrap[1:], "--", "none"])
    assert (missing.code, missing.stdout, missing.stderr) == (127, b"", "pdwrap: none: command not found\n")
    assert sorted(path.name for path in folder.iterdir()) == ["pdwrap", "proc"]
    reap_all()  # what bwrap left to its subreaper, which we are


@MODES
def test_empty_chroot(root: None, pdwrap: list[str], folder: Path) -> None:
    """T4: without /proc, which it needs, it says so, in one line; help needs nothing."""
    inside = ["chroot", str(folder), "/pdwrap", *pdwrap[1:]]
    refused = run([*inside, "--", "/pdwrap", "--version"])
    assert (refused.code, refused.stdout) == (125, b"")
    assert refused.stderr.endswith("nothing was started; mount /proc\n")
    assert refused.stderr.count("\n") == 1
    assert run(["chroot", str(folder), "/pdwrap", "--help"]) == run([pdwrap[0], "--help"])


def test_static(pdwrap: list[str]) -> None:
    """T1: no dynamic loader, and no look-up of users, groups or hosts, which would load the system's libraries."""
    data = Path(pdwrap[0]).read_bytes()
    offset, size, count = (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))
    kinds = {struct.unpack_from("<I", data, offset + size * n)[0] for n in range(count)}
    assert data[:4] == b"\x7fELF"
    assert PT_INTERP not in kinds
    assert [name for name in (b"nsswitch.conf", b"libnss_", b"/etc/hosts") if name in data] == []
    assert len(data) < 12e6


@MODES
def test_no_python_of_the_system_takes_part(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: Python's variables, and files that a Python would take for its own, mean nothing; the backend gets them."""
    place = tmp_path / "place"
    place.mkdir()
    shutil.copy(pdwrap[0], place / "pdwrap")
    trap = "import os; os.write(2, b'trapped')\nraise SystemExit(3)\n"
    for folder in (place, place / "lib" / "python3.11"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (
            "sitecustomize",
            "usercustomize",
            "os",
            "pdwrap",
            "click",
            "_pdwrap",
            "_pdwrap_start",
            "encodings",
        ):
            (folder / f"{name}.py").write_text(trap)
        (folder / "pyvenv.cfg").write_text(f"home = {place}\n")
        (folder / "python311._pth").write_text(f"{place}\nimport site\n")
    given = {name: str(place) for name in PYTHON} | dict.fromkeys(FLAGS, "1") | {"PATH": os.environ["PATH"]}
    box = ["strace", "-f", "-qq", "-e", "trace=%file", "-o", str(tmp_path / "calls")]
    for words in (["--", "env", "-0"], ["--help"], ["--no-such-option"], ["localai", "--help"]):
        (tmp_path / "calls").write_text("")
        command = [*box, "env", f"--chdir={place}", "-i", *(f"{key}={value}" for key, value in given.items())]
        outcome = run([*command, "./pdwrap", *(pdwrap[1:] if words[0] == "--" else []), *words])
        assert [word for word in ("trapped", "Traceback") if word in outcome.stderr] == []
        if words[-1] == "-0":
            entries = [entry.partition("=")[::2] for entry in outcome.stdout.decode().split("\0") if entry]
            assert (outcome.code, outcome.stderr, dict(entries)) == (0, "", given)
        seen = (tmp_path / "calls").read_text()
        # Where a path begins in the current folder, or in one that a variable names.
        lines = [line for line in seen.splitlines() if not NOT_LOOKED_AT & set(line.replace("(", " ").split())]
        looked = [line for line in lines if "readlink" not in line or "/proc/" not in line]
        assert not [line for line in looked if str(place) in line or ".py" in line or 'CWD, ".' in line]


@MODES
def test_writes_nothing(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: no file is written, made or removed, and nothing is unpacked."""
    calls = tmp_path / "calls"
    kinds = (
        "open,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,symlink,memfd_create"
    )
    outcome = run(["strace", "-f", "-qq", "-e", f"trace={kinds}", "-o", str(calls), *pdwrap, "--", "true"])
    assert outcome.code == 0
    lines = calls.read_text().splitlines()
    assert any("open" in line for line in lines)
    opened = [line for line in lines if "open" in line]
    assert not {line for line in lines if "(" in line.split('"')[0]} - set(opened)  # the rest are signals and ends
    assert not [line for line in opened if ("O_WRONLY" in line or "O_RDWR" in line) and "/dev/" not in line]
    assert not [line for line in opened if "O_CREAT" in line]


@MODES
@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_CTYPE": "POSIX"}, {"LANG": "de_DE.ISO-8859-1"}], ids=str)
def test_environment_is_handed_on(pdwrap: list[str], locale: dict[str, str]) -> None:
    """T1: not one variable more or less, whatever the locale; arguments and names of any bytes."""
    given = {"PATH": os.environ["PATH"], **locale}
    assert run([*pdwrap, "--", "env", "-0"], env=given).stdout == run(["env", "-0"], env=given).stdout
    odd = os.fsdecode(b"\xff\xfe \xe2\x82\xac \xc3")
    assert run([*pdwrap, "--", "printf", "%s", odd], env=given).stdout == os.fsencode(odd)
    refused = run([*pdwrap, "--", f"/none/{odd}"], env=given)
    assert refused.code == 127
    assert "Traceback" not in refused.stderr
    assert refused.stderr.count("\n") == 1


@MODES
def test_interrupt_during_the_start_is_quiet(pdwrap: list[str]) -> None:
    """T4: Ctrl-C at forty moments of the start: not a word, and death by that signal, or of the backend by it."""
    for moment in range(STARTS):
        running = Running([*pdwrap, "--", "sh", "-c", "kill -STOP $$; exit 7"])
        pause_for(moment * 0.0005)
        os.kill(running.pid, signal.SIGINT)
        os.kill(running.pid, signal.SIGCONT)
        while not running.process.is_dead(0.05):  # the backend has stopped itself, or will
            os.kill(running.pid, signal.SIGCONT)
        outcome = running.wait()
        assert outcome.stderr == ""
        assert outcome.code in (-signal.SIGINT, 7)
    reap_all()  # what a pdwrap that died in its start left to its subreaper, which we are


def test_no_memory_is_one_line(pdwrap: list[str]) -> None:
    """T4: where Python itself cannot start, it is one line and 125."""
    sizes = [1 << n for n in range(23, 28)]
    outcomes = [run(["prlimit", f"--data={size}", *pdwrap, "--watch", "off", "--exec", "--", "true"]) for size in sizes]
    assert outcomes[-1].code == 0
    for outcome in outcomes:
        assert outcome.code in (0, 125), outcome
        assert "Traceback" not in outcome.stderr
        assert outcome.stderr.count("\n") == (outcome.code != 0)


WORDS = (["--help"], ["--completion", "bash"], ["--completion", "zsh"], ["--grce", "3s", "--", "true"], ["--grace"])
MORE: tuple[list[str], ...] = (
    ["--grace", "x", "--", "true"],
    ["-qv", "--", "true"],
    ["--completion", "csh"],
    [],
    ["--"],
    ["--parent", "none", "x"],
)


@pytest.mark.parametrize(
    "words", [*WORDS, *MORE, ["localai", "--help"], ["localai", "--no"], ["localai", "/none"]], ids=str
)
def test_says_what_the_installed_command_says(pdwrap: list[str], words: list[str]) -> None:
    """T4: help, completion and mistakes, to the letter."""
    env = clean_environment({"COLUMNS": "80"})
    theirs = run([str(ROOT / "scripts" / "run"), *words], env=env)
    assert run([*pdwrap, *words], env=env) == theirs


@MODES
def test_lists_by_psutil(start: Starter, pdwrap: list[str]) -> None:
    """T4: psutil and its half in C are inside: the list has the memory of a backend."""
    tree = start("plain")
    outcome = run([pdwrap[0], "--list", "--log", "json"])
    assert (outcome.code, outcome.stderr) == (0, "")
    found = [row for row in map(json.loads, outcome.stdout.splitlines()) if row.get("backend_pid") == tree.backend.pid]
    assert [row["memory_bytes"] > 0 for row in found] == [True]
    tree.launcher.kill()
    tree.assert_gone()
