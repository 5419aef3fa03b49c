"""What is on the way to the backend is installed twice: as modules, and a group to a file (scripts/straight.d)."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pdwrap

ROOT = Path(__file__).parents[2]
STRAIGHT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "straight.d" / "straight.py"))

#: Says what each module of ours has, where it is, and whether it was found one by one.
NAMES = """
import sys
sys.path.insert(0, sys.argv[1])
try:
    if "plain" in sys.argv:
        raise ImportError
    import pdwrap.straight
except ImportError:
    print("plain")
import pdwrap.entry, pdwrap.fork_mode.start, pdwrap.exec_mode.start, pdwrap.chain
import pdwrap.ancestry, pdwrap.inherited, pdwrap.linux.descriptors
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] == "pdwrap" and ".straight" not in name:
        own = {key: type(value).__name__ for key, value in vars(module).items() if key != "straight"}
        names = [f"{key}:{kind}" for key, kind in sorted(own.items()) if key != "TYPE_CHECKING" and key[:2] != "__"]
        print(name, module.__file__, module.__package__, getattr(module, "__path__", None), *names)
"""

COMMAND = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from pdwrap.straight import main
main(sys.argv[1:])
"""


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[bool], Path]:
    """Make a copy of the package, with its groups: checked, as in a checkout, or as in a wheel."""

    def make(checked: bool) -> Path:  # noqa: FBT001 - a test says which
        home = tmp_path / "home"
        shutil.copytree(Path(pdwrap.__file__).parent, home / "pdwrap", ignore=shutil.ignore_patterns("straight"))
        scripts = home / "scripts" / "straight.d"
        shutil.copytree(ROOT / "scripts" / "straight.d", scripts)
        command = [sys.executable, "-I", str(scripts / "straight.py"), str(home / "pdwrap" / "straight")]
        subprocess.run([*command, *(["--checked"] if checked else [])], check=True)
        return home

    return make


def run(*arguments: object) -> str:
    """Start an interpreter, and give what it says."""
    command = [sys.executable, "-I", *map(str, arguments)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout + outcome.stderr


@pytest.mark.parametrize("checked", [False, True])
def test_the_modules_are_the_same(copy: Callable[[bool], Path], checked: bool) -> None:  # noqa: FBT001 - a parameter
    """Each has the names that it has when it is imported by itself, in the place that it has then."""
    home = copy(checked)
    ours = run("-c", NAMES, home)
    assert ours == run("-c", NAMES, home, "plain").removeprefix("plain\n")
    assert len(ours.splitlines()) > 40


@pytest.mark.modes("fork", "exec")
def test_nothing_is_found_one_by_one(copy: Callable[[bool], Path], mode: str) -> None:
    """From a shell, with an option: what takes part is in the groups."""
    home = copy(False)
    words = [sys.executable, "-I", "-X", "importtime", "-c", COMMAND, str(home), f"--{mode}", "--", "true"]
    shell = ["sh", "-c", '"$@"; exit $?', "sh", *words]
    outcome = subprocess.run(shell, capture_output=True, text=True, check=True)
    found = {line.rpartition("|")[2].strip() for line in outcome.stderr.splitlines() if "| " in line}
    groups = {"pdwrap.chain", f"pdwrap.{mode}_mode"}
    files = {f"pdwrap.straight.{group.removeprefix('pdwrap.')}" for group in groups}
    assert {name for name in found if name.startswith("pdwrap.")} == {
        *("pdwrap.straight", "pdwrap.command_line"),  # the latter only where there are options
        *groups,
        *files,
    }


def test_a_changed_source_counts(copy: Callable[[bool], Path]) -> None:
    """In a checkout: nobody runs what they have just changed as it was before."""
    home = copy(True)
    assert not run("-c", NAMES, home).startswith("plain")
    with (home / "pdwrap" / "fork_mode" / "mirror.py").open("a") as source:
        source.write("NEW = 1\n")
    changed = run("-c", NAMES, home)
    assert not changed.startswith("plain")
    assert "NEW:int" in changed
    os.utime(home / "pdwrap" / "entry.py", ns=(1, 1))
    assert run("-c", NAMES, home).startswith("plain")
    (home / "pdwrap" / "options.py").unlink()
    with pytest.raises(AssertionError, match=r"options"):
        run("-c", NAMES, home)


def test_groups_begin_where_the_command_does() -> None:
    """A trigger is a module that is imported in a function; each group has something of its own."""
    made = STRAIGHT["make"](checked=False)
    assert set(made) == {"__init__.py", "fork_mode.py", "exec_mode.py", "chain.py"}
    for text in made.values():
        assert "GROUP = (('pdwrap." in text
