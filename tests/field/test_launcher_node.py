"""Node as launcher: child_process in its forms, from a worker's thread too (launchers/launcher.js); and npm."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import parent_of, role
from tests.harness.foreign import FENCE, PROGRAMS, SHORT, TERM, Foreign, reporter

BOTH = pytest.mark.modes("fork", "exec")
NAME = os.path.basename(sys.executable)
STAYS = "; exit $?"
"""After a command: the shell waits for it, whichever shell it is."""


def node(mode: str, how: str, *command: str) -> Foreign:
    """Below child_process."""
    tree = Foreign(mode, ["node", str(PROGRAMS / "launcher.js"), how, *command], env=SHORT)
    tree.settle()
    return tree


def line(pdwrap: Sequence[str], options: str, *backend: str) -> str:
    """Pdwrap in a line of shell; *options* are the shell's to expand."""
    return f"{shlex.join(pdwrap)} {options} -- {shlex.join(backend)}"


@BOTH
@pytest.mark.parametrize("how", ["plain", "detached"])
def test_killed(pdwrap: list[str], mode: str, family: list[str], how: str) -> None:
    """E1, E2: gone with a SIGKILLed Node, in a session of its own (`detached`) too."""
    with node(mode, how, *pdwrap, "--", *reporter(*family)) as tree:
        assert tree.outer.pid == int(tree.says.next("started")[0])
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("order", ["exit", "throw", f"signal {TERM}"])
def test_ends_otherwise(pdwrap: list[str], mode: str, order: str) -> None:
    """E1: Node exits, dies of an exception that nobody catches, or of SIGTERM, and leaves its child."""
    with node(mode, "plain", *pdwrap, "--", *reporter()) as tree:
        if order.startswith("signal"):
            tree.program.signal(TERM)
        else:
            tree.tell(order)
        tree.assert_asked_once_and_gone()


@BOTH
def test_worker_ends(pdwrap: list[str], mode: str) -> None:
    """N1: a worker started pdwrap, and its thread has ended; the process lives."""
    with node(mode, "worker", *pdwrap, "--", *reporter()) as tree:
        tree.says.next("thread-gone")
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize(("how", "order"), [("plain", "kill"), ("detached", "kill"), ("detached", "group")])
def test_stop(pdwrap: list[str], mode: str, how: str, order: str) -> None:
    """T2, T3: `child.kill()`, or SIGTERM to a detached child's group: one for the backend, whose status Node sees."""
    with node(mode, how, *pdwrap, "--", *role("reporter", f"exit={FENCE}", "code=3")) as tree:
        tree.tell(order)
        tree.got(TERM)
        tree.outer.signal(FENCE)
        assert tree.says.next("ended") == ["3"]
        tree.tell("exit")
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]


@BOTH
@pytest.mark.parametrize("parent", ["$PPID", "node"])
@pytest.mark.parametrize("tail", ["", STAYS], ids=["last", "not last"])
def test_shell(pdwrap: list[str], mode: str, parent: str, tail: str) -> None:
    """E1: `shell: true` with `--parent`: Node's death counts, whether or not the shell stays in the middle."""
    with node(mode, "shell", line(pdwrap, f"--parent {parent}", *reporter()) + tail) as tree:
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("dies", ["node", "shell"])
def test_shell_without_parent(pdwrap: list[str], mode: str, dies: str) -> None:
    """E9: `shell: true` without `--parent`: the shell only waits; the death of either counts."""
    with node(mode, "shell", line(pdwrap, "", *reporter()) + STAYS) as tree:
        shell = tree.hold(int(tree.says.next("started")[0]))
        assert parent_of(tree.outer.pid) == shell.pid, "the shell has not stayed"
        tree.fence()
        {"node": tree.program, "shell": shell}[dies].kill()
        assert tree.backend.is_dead()
        tree.tell_no_more()
        tree.assert_asked_once_and_gone()


@BOTH
def test_shell_is_killed(pdwrap: list[str], mode: str) -> None:
    """E1: `child.kill()` with `shell: true` reaches the shell alone; without `--parent` that ends the backend, too."""
    with node(mode, "shell", line(pdwrap, "", *reporter()) + STAYS) as tree:
        tree.tell("kill")
        assert tree.says.next("ended") == ["SIGTERM"]
        tree.tell("exit")
        tree.assert_asked_once_and_gone()


# -- npm: it starts a script of package.json in a shell, hands on descriptors 0, 1 and 2 alone, and waits ------------

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def npm(mode: str, folder: Path, script: str) -> Foreign:
    """Below `npm run`, whose process is the script's $PPID; the tree pipe is its descriptor 9."""
    package = {"name": "field", "version": "1.0.0", "scripts": {"serve": script + " 9>/proc/$PPID/fd/9" + STAYS}}
    (folder / "package.json").write_text(json.dumps(package))
    quiet = {"npm_config_update_notifier": "false", "npm_config_cache": str(folder / "cache"), "HOME": str(folder)}
    tree = Foreign(mode, ["npm", "--prefix", str(folder), "run", "serve"], env={**SHORT, **quiet})
    tree.settle()
    assert parent_of(parent_of(tree.outer.pid)) == tree.program.pid, "the shell has not stayed"
    return tree


@needs_npm
@BOTH
def test_npm_is_killed(pdwrap: list[str], mode: str, family: list[str], tmp_path: Path) -> None:
    """E1, E2: `--parent $PPID` in the script names npm, which is killed."""
    with npm(mode, tmp_path, line(pdwrap, "--parent $PPID", *reporter(*family))) as tree:
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@needs_npm
@BOTH
def test_launcher_of_npm_is_killed(pdwrap: list[str], mode: str, tmp_path: Path) -> None:
    """E1: npm waits, too, and outlives whoever started it: the name of that one."""
    with npm(mode, tmp_path, line(pdwrap, f"--parent {NAME}", *reporter())) as tree:
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@needs_npm
@BOTH
@pytest.mark.parametrize("options", ["", "--parent $PPID"])
def test_npm_is_asked_to_end(pdwrap: list[str], mode: str, tmp_path: Path, options: str) -> None:
    """E1: npm's SIGTERM goes on to the shell alone, then npm ends: the death of either ends the backend."""
    with npm(mode, tmp_path, line(pdwrap, options, *reporter())) as tree:
        tree.program.signal(TERM)
        tree.assert_asked_once_and_gone()


@needs_npm
@BOTH
@pytest.mark.parametrize("dies", ["launcher", "npm", "shell"])
def test_npm_without_parent(pdwrap: list[str], mode: str, tmp_path: Path, dies: str) -> None:
    """E9: npm waits, and so does its shell: the death of either counts, and of whoever started npm."""
    with npm(mode, tmp_path, line(pdwrap, "", *reporter())) as tree:
        shell = tree.hold(parent_of(tree.outer.pid))
        tree.fence()
        {"launcher": tree.launcher, "npm": tree.program, "shell": shell}[dies].kill()
        tree.assert_asked_once_and_gone()
