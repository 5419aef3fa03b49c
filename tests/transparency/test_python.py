"""T1: what the environment says to Python is the backend's: pdwrap neither breaks on it nor swallows it.

All with the command as an installer leaves it, whose first line has no `-I`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, Outcome, Starter, clean_environment, run
from tests.transparency.test_snapshot import (
    installed_fixture,  # noqa: F401 - a fixture
)

pytestmark = pytest.mark.wheel

SHADOWS = (
    *("select", "errno", "signal", "enum", "stat", "genericpath", "posixpath", "codecs", "re", "typing", "functools"),
    *(
        "collections",
        "subprocess",
        "socket",
        "json",
        "time",
        "ctypes",
        "fcntl",
        "resource",
        "pathlib",
        "shlex",
        "shutil",
    ),
    *("shutil", "logging", "warnings", "traceback", "click", "psutil", "prctl", "_prctl", "_ctypes", "pdwrap"),
)
TOO_DEAR = frozenset(
    ("click", "psutil", "enum", "re", "typing", "dataclasses", "pathlib", "logging", "subprocess", "signal")
)


def environ(installed: list[str], **variables: str) -> Outcome:
    """Run `env` under pdwrap with *variables* in its environment."""
    return run([*installed, "--", "env"], env=clean_environment(variables))


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONDEVMODE": "1"},
        {"PYTHONINSPECT": "1"},
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONFAULTHANDLER": "1"},
        {"PYTHONDONTWRITEBYTECODE": "1"},
        {"PYTHONNOUSERSITE": "1"},
        {"PYTHONUTF8": "0", "LC_ALL": "C"},
        {"PYTHONUTF8": "1", "LC_ALL": "C"},
        {"PYTHONCOERCECLOCALE": "0", "LANG": "C"},
        {"PYTHONIOENCODING": "utf-16"},
        {"PYTHONHASHSEED": "0"},
        {"PYTHONTRACEMALLOC": "1"},
        {"PYTHONMALLOC": "debug"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONINTMAXSTRDIGITS": "640"},
        {"PYTHONBREAKPOINT": "nothing.at_all"},
        {"PYTHONSTARTUP": "/nowhere"},
        {"PYTHONUSERBASE": "/nowhere"},
        {"PYTHONPATH": "/nowhere:relative::"},
        {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error", "PYTHONINSPECT": "1"},
    ],
    ids=" ".join,
)
def test_variable(installed: list[str], variables: dict[str, str]) -> None:
    """T1, T4: it is in the backend's environment, and nothing of it is heard."""
    outcome = environ(installed, **variables)
    assert (outcome.code, outcome.stderr) == (0, "")
    expected = clean_environment(variables)
    seen = dict(line.split("=", 1) for line in outcome.stdout.decode().splitlines() if "=" in line)
    assert {name: seen.get(name) for name in expected if "\n" not in expected[name]} == {
        name: value for name, value in expected.items() if "\n" not in value
    }
    assert ("LC_CTYPE" in seen) == ("LC_CTYPE" in expected)


@pytest.mark.parametrize("variables", [{"PYTHONVERBOSE": "1"}, {"PYTHONPROFILEIMPORTTIME": "1"}], ids=" ".join)
def test_talkative_variable(installed: list[str], variables: dict[str, str]) -> None:
    """T1: what has the interpreter itself talk before our first line does not break pdwrap, and is handed on."""
    outcome = environ(installed, **variables)
    assert outcome.code == 0
    assert "Traceback" not in outcome.stderr
    assert next(iter(variables)).encode() + b"=1\n" in outcome.stdout


def test_shadowing_modules(installed: list[str], tmp_path: Path) -> None:
    """T1: modules on PYTHONPATH that are named like the standard library's, or like ours, are the backend's alone."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('shadowed by {name}')\n")
    outcome = environ(installed, PYTHONPATH=str(tmp_path))
    assert (outcome.code, outcome.stderr) == (0, "")
    assert f"PYTHONPATH={tmp_path}\n".encode() in outcome.stdout


@pytest.mark.parametrize("name", SHADOWS)
def test_shadowing_module(installed: list[str], tmp_path: Path, name: str) -> None:
    """T1: each alone, with an option, with what click alone reads, and with a message (which imports more)."""
    (tmp_path / f"{name}.py").write_text(f"raise SystemExit('shadowed by {name}')\n")
    env = clean_environment({"PYTHONPATH": str(tmp_path), "PDWRAP_LOG": "json"})
    for words in (["--grace", "1s"], ["-qg1s"]):
        outcome = run([*installed, *words, "--", "sh", "-c", "exit 5"], env=env)
        assert (outcome.code, outcome.stderr) == (5, "")


def test_shadowing_modules_in_the_ending(start: Starter, installed: list[str], tmp_path: Path) -> None:
    """E1: they do not get in the way when the launcher dies, either."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('shadowed by {name}')\n")
    start.pdwrap = installed
    tree = start("plain", env={"PYTHONPATH": str(tmp_path), "PDWRAP_LOG": "json"})
    tree.launcher.kill()
    tree.assert_gone()
    assert "shadowed" not in tree.stderr
    assert '"launcher-died"' in tree.stderr


def test_shadowing_modules_in_the_working_directory(installed: list[str], tmp_path: Path) -> None:
    """T1: an empty entry of PYTHONPATH is the working directory."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('shadowed by {name}')\n")
    for path in (":", "", "."):
        outcome = run(
            [*installed, "--", "true"],
            env=clean_environment({"PYTHONPATH": path}),
            before_exec=lambda: os.chdir(tmp_path),
        )
        assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("path", ["here", "", ":"])
def test_shadowing_modules_of_a_module(mode: str, tmp_path: Path, path: str) -> None:
    """T1: `python -m pdwrap`, too, imports nothing from the working directory or PYTHONPATH once it has begun."""
    for name in ("_prctl", "_ctypes", "select", "fcntl", "json", "click", "psutil", "entry"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('shadowed by {name}')\n")
    outcome = run(
        [sys.executable, "-m", "pdwrap", f"--{mode}", "--", "sh", "-c", "exit 5"],
        env=clean_environment({"PYTHONPATH": path.replace("here", str(tmp_path)), "PDWRAP_LOG": "json"}),
        before_exec=lambda: os.chdir(tmp_path),
    )
    assert (outcome.code, outcome.stderr) == (5, "")


def test_only_what_lies_beside_pdwrap(tmp_path: Path) -> None:
    """T1: a pdwrap that is itself on PYTHONPATH (`pip install --target`) finds its own there, and no other's."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        (folder / "click.py").write_text(f"raise SystemExit({folder.name!r})\n")
    (theirs / "_prctl.py").write_text("raise SystemExit('shadowed')\n")
    (ours / "pdwrap").symlink_to(ROOT / "pdwrap")
    command = [sys.executable, "-S", str(ROOT / "scripts" / "pdwrap")]
    env = clean_environment({"PYTHONPATH": f"{theirs}:{ours}"})
    outcome = run([*command, "--", "sh", "-c", "exit 5"], env=env)
    assert (outcome.code, outcome.stderr) == (5, "")
    assert run([*command, "--help"], env=env).stderr == "ours\n"


def test_site_customization(installed: list[str], tmp_path: Path) -> None:
    """T1: `sitecustomize` runs before our first line; what it imports or changes in its ways does not break pdwrap."""
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, sys, threading, socket\n"
        "sys.path.insert(0, '/nowhere')\n"
        "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "sys.dont_write_bytecode = True\n"
    )
    outcome = environ(installed, PYTHONPATH=str(tmp_path))
    assert (outcome.code, outcome.stderr) == (0, "")
    assert f"PYTHONPATH={tmp_path}\n".encode() in outcome.stdout


def test_python_backend_still_uses_them(installed: list[str], tmp_path: Path) -> None:
    """T1: a backend in Python gets its own PYTHONPATH, PYTHONOPTIMIZE, and PYTHONUNBUFFERED."""
    (tmp_path / "colorsys.py").write_text("mine = 'mine'\n")  # of Python's library, and built in nowhere
    program = "import colorsys, sys; print(colorsys.mine, sys.flags.optimize, sys.stdout.line_buffering, __debug__)"
    variables = {"PYTHONPATH": str(tmp_path), "PYTHONOPTIMIZE": "2", "PYTHONUNBUFFERED": "1"}
    env = clean_environment(variables)
    bare = run([sys.executable, "-c", program], env=env)
    assert run([*installed, "--", sys.executable, "-c", program], env=env) == bare
    assert bare.stdout.startswith(b"mine 2")


def imported(*arguments: str) -> set[str]:
    """The modules that an interpreter with these arguments imports, in all of its forks."""
    outcome = run([sys.executable, "-X", "importtime", *arguments])
    assert outcome.code == 0
    lines = (line for line in outcome.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines} - {"imported package"}


def test_imports_nothing_dear() -> None:
    """T1: `pdwrap -- CMD` imports neither click nor psutil, nor what costs a third of an interpreter's start."""
    bare = imported("-I", "-c", "pass")
    ours = imported("-I", str(ROOT / "scripts" / "pdwrap"), "--", "true")
    assert ours & {"pdwrap.straight", "pdwrap.entry"}
    assert not (ours - bare) & TOO_DEAR
    assert not {name.partition(".")[0] for name in ours} & {"click", "psutil"}


def test_options_import_nothing_dear() -> None:
    """T1: nor does a well-formed command line with options."""
    bare = imported("-I", "-c", "pass")
    words = ["--parent", "auto", "--grace", "3s"]
    assert not (imported("-I", str(ROOT / "scripts" / "pdwrap"), *words, "--", "true") - bare) & TOO_DEAR


def test_odd_options_import_click() -> None:
    """What proves that the tests above see imports: with what click alone reads, click is there."""
    assert "click" in imported("-I", str(ROOT / "scripts" / "pdwrap"), "-qg1s", "--", "true")
