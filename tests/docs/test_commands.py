"""Commands in the documents are run as they are written, or say why they are not."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import clean_environment, reap_all

from .pages import PAGES, Block
from .shell_session import Shell, Step, masked, steps

BLOCKS = [block for page in PAGES.values() for block in page.blocks]
SESSIONS = [block for block in BLOCKS if block.language == "console" and not (block.not_run or block.field)]


@pytest.fixture
def commands(tmp_path: Path, pdwrap: list[str]) -> Path:
    """A folder with the commands of this checkout under the names that the documents use."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, command in {"pdwrap": pdwrap, "pdwrap-localai": [sys.executable, "-I", "-m", "pdwrap.localai"]}.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


def slow_down(commands: Path, factor: int) -> None:
    """Have the short times that a document sleeps take `factor` times as long, for a machine that stalls."""
    script = commands / "sleep"
    lines = [
        "#!/bin/bash",
        f'[[ $1 == [0-9] ]] && set -- "$(($1 * {factor}))"',
        f'exec -a sleep {shutil.which("sleep")} "$@"',
    ]
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    script.chmod(0o755)


def differences(wanted: list[Step], folder: Path, commands: Path, *, alone: bool = True) -> list[str]:
    """Run a session in a new folder; give the first command that did not say what is shown, and what it said."""
    folder.mkdir()
    env = clean_environment()
    shell = Shell(folder, {**env, "PATH": f"{commands}:{env.get('PATH', os.defpath)}"}, alone=alone)
    try:
        for step in wanted:
            said = shell.run(step)
            if masked(said) != masked(step.expected):
                return [step.command, *said]
    finally:
        shell.close()
        reap_all()
    return []


@pytest.mark.timeout(400)
@pytest.mark.parametrize("block", SESSIONS, ids=lambda block: block.where)
def test_sessions(block: Block, commands: Path, tmp_path: Path) -> None:
    """What is shown in a `console` block is what happens; pids, times and paths apart."""
    wanted = steps(block.text)
    if any(step.as_root for step in wanted) and os.geteuid() != 0:
        pytest.skip("needs root")
    if block.needs and not shutil.which(block.needs):
        pytest.skip(f"needs {block.needs}")
    wrong = differences(wanted, tmp_path / "work", commands)
    if wrong and any("sleep" in step.command for step in wanted):
        slow_down(commands, 10)
        wrong = differences(wanted, tmp_path / "again", commands)
    assert not wrong


def test_what_is_not_run_says_why() -> None:
    """A comment before the block has the reason; only blocks that would be run need one."""
    assert {block.language for block in BLOCKS if block.not_run or block.needs or block.field} <= {"console"}
    assert {block.field for block in BLOCKS} <= {"", "podman"}  # tests/field/test_podman_docs.py


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=lambda block: block.where)
def test_scripts_are_scripts(block: Block) -> None:
    """What is to be copied can at least be read by a shell."""
    subprocess.run(["bash", "-n", "-c", block.text], check=True)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language in ("python", "json")], ids=lambda block: block.where
)
def test_other_languages_can_be_read(block: Block) -> None:
    """Python is Python; JSON is one object a line, where a line may be broken to fit the page."""
    if block.language == "python":
        ast.parse(block.text)
    else:
        decoder, text = json.JSONDecoder(), block.text.strip()
        while text:
            _value, end = decoder.raw_decode(text)
            text = text[end:].lstrip()


def test_every_block_has_a_language_that_is_known() -> None:
    """A block in none of these is neither run nor read by anybody."""
    known = {"console", "sh", "python", "js", "json", "ini", "dockerfile", "mermaid", "text"}
    assert {block.language for block in BLOCKS} <= known


def test_masks_keep_what_matters() -> None:
    """A status or a word that differs is seen; a pid or a time is not."""
    shown = ["pdwrap: done: 1 process ended in 0.001s", "20528 sleep 1234", "[1] 4210", "141 0"]
    same = ["pdwrap: done: 1 process ended in 0.123s", "7 sleep 1234", "[1] 99", "141 0"]
    assert masked(shown) == masked(same)
    for line, other in [("141 0", "0 0"), ("20528 sleep 1234", "20528 sleep 1235"), ("[1] 7", "[2] 7")]:
        assert masked([line]) != masked([other])
    assert steps("$ a\nx\n# b\n$\n") == [Step("a", as_root=False, expected=["x"]), Step("b", as_root=True)]
