"""A shell in the middle: it waits for pdwrap, so it outlives the launcher, whose death counts all the same (E9).

Each form keeps its shell: some shells execute the last command of `sh -c` in their own place (bash does, dash 0.5.12
does not), and then nobody is in the middle.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import parent_of, role
from tests.harness.foreign import TERM, Foreign, reporter

BOTH = pytest.mark.modes("fork", "exec")
NAME = os.path.basename(sys.executable)
FORMS = {
    "cd": ["sh", "-c", 'cd / && {pdwrap}; echo "ended: $?"'],
    "trap": ["bash", "-c", "trap 'echo bye' EXIT; {pdwrap}"],
    "pipe": ["sh", "-c", "{pdwrap} | cat"],
    "script": ["{script}"],
}
"""What is run, with pdwrap's whole line in the place of ``{pdwrap}``."""
BACKGROUND = {"wait": ["sh", "-c", "{pdwrap} & wait $!"]}
SCRIPT = "#!/bin/sh\ncd / || exit\n{pdwrap}\n"


def line(pdwrap: Sequence[str], options: str, *backend: str) -> str:
    """Pdwrap in a line of shell; *options* are the shell's to expand."""
    return f"{shlex.join(pdwrap)} {options} -- {shlex.join(backend or reporter())}"


def write_script(path: Path, text: str) -> str:
    """A script that can be started."""
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def shell(mode: str, form: str, pdwrap_line: str, folder: Path) -> Foreign:
    """Below a shell: `launcher` is its parent, `program` the shell."""
    script = write_script(folder / "run.sh", SCRIPT.format(pdwrap=pdwrap_line)) if form == "script" else ""
    words = {**FORMS, **BACKGROUND}[form]
    words = [word.replace("{pdwrap}", pdwrap_line).replace("{script}", script) for word in words]
    tree = Foreign(mode, words)
    tree.settle()
    assert parent_of(tree.outer.pid) == tree.program.pid, "the shell has not stayed"
    return tree


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_launcher_of_the_shell(pdwrap: list[str], mode: str, tmp_path: Path, form: str) -> None:
    """E9: the shell only waits: the death of who started it counts."""
    with shell(mode, form, line(pdwrap, ""), tmp_path) as tree:
        tree.fence()
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_the_shell_itself(pdwrap: list[str], mode: str, tmp_path: Path, form: str) -> None:
    """E1: the shell is killed: it counts, too."""
    with shell(mode, form, line(pdwrap, ""), tmp_path) as tree:
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("form", BACKGROUND)
def test_background(pdwrap: list[str], mode: str, tmp_path: Path, form: str) -> None:
    """N4: with pdwrap in its background the shell is the launcher: it stays, and so does the backend, until it dies."""
    with shell(mode, form, line(pdwrap, ""), tmp_path) as tree:
        tree.launcher.kill()
        assert tree.launcher.is_dead()
        tree.fence()
        assert tree.heard() == []
        assert tree.program.alive
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("form", [*FORMS, *BACKGROUND])
def test_parent_of_the_shell(pdwrap: list[str], mode: str, tmp_path: Path, form: str) -> None:
    """E1, E3: with `--parent $PPID` the death of the shell's own launcher counts, and the shell ends in its way."""
    with shell(mode, form, line(pdwrap, "--parent $PPID"), tmp_path) as tree:
        tree.fence()
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@BOTH
def test_script_of_the_manual(pdwrap: list[str], mode: str, tmp_path: Path) -> None:
    """E1: a script goes on when the backend has ended with its launcher, and sees its exit status."""
    backend = role("reporter", f"exit={TERM}", "code=7")
    text = SCRIPT + 'echo "server ended: $?"\n'
    script = write_script(tmp_path / "run", text.format(pdwrap=line(pdwrap, "--parent $PPID", *backend)))
    with Foreign(mode, [script]) as tree:
        tree.settle()
        tree.launcher.kill()
        tree.assert_gone()
        assert tree.heard() == [TERM]
        assert tree.stdout == "server ended: 7\n"


@BOTH
def test_exec_leaves_no_shell(pdwrap: list[str], mode: str, tmp_path: Path) -> None:
    """E1: as the last line of a script, `exec pdwrap` has the script's launcher as its parent."""
    script = write_script(tmp_path / "run", SCRIPT.format(pdwrap="exec " + line(pdwrap, "")))
    with Foreign(mode, [script]) as tree:
        tree.settle()
        assert tree.outer.pid == tree.program.pid
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


NESTED = {
    "inner PPID": ("sh -c 'exit 0'; {script}; exit", "--parent $PPID"),
    "name": ("{script}; exit", f"--parent {NAME}"),
    "outer PPID": ("export PDWRAP_PARENT=$PPID; {script}; exit", ""),
}


def nested(pdwrap: Sequence[str], mode: str, folder: Path, how: str) -> Foreign:
    """A script that is started by a shell that waits for it."""
    outer, options = NESTED[how]
    script = write_script(folder / "run", SCRIPT.format(pdwrap=line(pdwrap, options)))
    tree = Foreign(mode, ["sh", "-c", outer.format(script=shlex.quote(script))])
    tree.settle()
    assert parent_of(parent_of(tree.outer.pid)) == tree.program.pid, "not two shells"
    return tree


@BOTH
@pytest.mark.parametrize("how", ["name", "outer PPID"])
def test_two_shells(pdwrap: list[str], mode: str, tmp_path: Path, how: str) -> None:
    """E1: below two shells: the launcher by name, or by the first shell's `$PPID` in PDWRAP_PARENT."""
    with nested(pdwrap, mode, tmp_path, how) as tree:
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.limit
def test_two_shells_by_the_inner_pid(pdwrap: list[str], mode: str, tmp_path: Path) -> None:
    """Below two shells the inner one's `$PPID` is the outer one, which stays."""
    with nested(pdwrap, mode, tmp_path, "inner PPID") as tree:
        tree.launcher.kill()
        assert tree.launcher.is_dead()
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()
