"""Python as launcher: subprocess from a pool's thread that ends, asyncio, `shell=True`; and service managers.

The launchers are programs of their own (field/launchers/pool.py, supervisor.py).
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence

import pytest

from tests.harness import PYTHON, children, parent_of, role
from tests.harness.foreign import CONT, FENCE, PROGRAMS, SHORT, TERM, Foreign, reporter

BOTH = pytest.mark.modes("fork", "exec")
NAME = os.path.basename(sys.executable)


def pool(mode: str, how: str, *command: str) -> Foreign:
    """Below subprocess, in a thread that is gone when this returns."""
    tree = Foreign(mode, [*PYTHON, str(PROGRAMS / "pool.py"), how, *command], env=SHORT)
    tree.settle()
    tree.says.next("alone")
    return tree


def line(pdwrap: Sequence[str], options: str, *backend: str) -> str:
    """Pdwrap in a line of shell; *options* are the shell's to expand."""
    return f"{shlex.join(pdwrap)} {options} -- {shlex.join(backend)}"


@BOTH
@pytest.mark.parametrize("how", ["plain", "session", "group"])
def test_pool_thread_ends(pdwrap: list[str], mode: str, family: list[str], how: str) -> None:
    """N1, E1, E2: the thread that started pdwrap ends: nothing; then the launcher is killed."""
    with pool(mode, how, *pdwrap, "--", *reporter(*family)) as tree:
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("order", ["exec", "exec-thread"])
def test_launcher_executes_another_program(pdwrap: list[str], mode: str, order: str) -> None:
    """N1, E1: it is the same process under another name: nothing; then that one is killed."""
    with pool(mode, "plain", *pdwrap, "--", *reporter()) as tree:
        tree.tell(order)
        tree.says.next("replaced")
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
def test_worker_process_is_replaced(pdwrap: list[str], mode: str) -> None:
    """E1: a worker of a pool of processes is the launcher; it ends after its tasks, though the pool goes on."""
    with pool(mode, "worker", *pdwrap, "--", *reporter()) as tree:
        assert parent_of(tree.outer.pid) != tree.program.pid
        tree.fence()
        tree.tell("on")
        tree.says.next("replaced")
        tree.got(CONT)
        assert tree.program.alive
        tree.tell_no_more()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("order", [f"signal {TERM}", "raise", "exit"])
def test_launcher_ends_otherwise(pdwrap: list[str], mode: str, order: str) -> None:
    """E1: the launcher dies of SIGTERM, of an exception, or exits without a thought for its child."""
    with pool(mode, "plain", *pdwrap, "--", *reporter()) as tree:
        tree.tell(order)
        tree.assert_asked_once_and_gone()


@BOTH
def test_asyncio(pdwrap: list[str], mode: str) -> None:
    """N1, E1: asyncio's child, its watcher's and its reader's threads coming and going."""
    with pool(mode, "asyncio", *pdwrap, "--", *reporter()) as tree:
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("how", ["plain", "asyncio"])
def test_terminate(pdwrap: list[str], mode: str, how: str) -> None:
    """T2, T3: `Popen.terminate()` is one SIGTERM for the backend, whose exit status `wait()` gives."""
    with pool(mode, how, *pdwrap, "--", *role("reporter", f"exit={FENCE}", "code=3")) as tree:
        tree.tell("terminate")
        tree.got(TERM)
        tree.outer.signal(FENCE)
        assert tree.says.next("ended") == ["3"]
        tree.tell_no_more()
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]


@BOTH
def test_kill(pdwrap: list[str], mode: str) -> None:
    """E4, T3: `Popen.kill()` kills pdwrap: its tree is ended at once; in exec mode the backend is what it kills."""
    backend = role("reporter", *(["child=stubborn"] if mode == "fork" else []))
    with pool(mode, "plain", *pdwrap, "--", *backend) as tree:
        tree.tell("kill")
        assert tree.says.next("ended") == [str(-signal.SIGKILL)]
        tree.tell_no_more()
        tree.assert_gone()
        assert tree.signals() == []


@BOTH
def test_group_of_its_own_is_stopped(pdwrap: list[str], mode: str) -> None:
    """T2: SIGTERM to the group that the launcher made is one SIGTERM for the backend."""
    with pool(mode, "group", *pdwrap, "--", *reporter()) as tree:
        tree.tell(f"group {TERM}")
        tree.says.next("done")
        tree.fence()
        assert tree.heard() == [TERM]
        tree.program.kill()
        tree.assert_gone()
        assert tree.heard().count(TERM) == (1 if mode == "fork" else 2)  # exec mode does not see what came before


STAYS = "; exit $?"
"""After a command: the shell waits for it. Many shells execute the last command of `sh -c` in their own place."""


@BOTH
@pytest.mark.parametrize(("parent", "tail"), [("$PPID", STAYS), (NAME, STAYS), ("$PPID", "")])
def test_shell_true(pdwrap: list[str], mode: str, parent: str, tail: str) -> None:
    """E1: `shell=True` with `--parent`: the launcher's death counts, whether or not the shell stays in the middle."""
    text = "cd / && " + line(pdwrap, f"--parent {parent}", *reporter()) + tail
    with pool(mode, "shell", text) as tree:
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("dies", ["launcher", "shell"])
def test_shell_true_without_parent(pdwrap: list[str], mode: str, dies: str) -> None:
    """E9: `shell=True`: the shell stays for its command; the death of either counts."""
    with pool(mode, "shell", "cd / && " + line(pdwrap, "", *reporter()) + STAYS) as tree:
        middle = tree.hold(children(tree.program.pid)[0])
        tree.fence()
        (tree.program if dies == "launcher" else middle).kill()
        assert tree.backend.is_dead()
        tree.tell_no_more()
        tree.assert_asked_once_and_gone()


@BOTH
def test_shell_true_is_terminated(pdwrap: list[str], mode: str) -> None:
    """E1: `terminate()` with `shell=True` reaches the shell alone; without `--parent` that ends the backend, too."""
    with pool(mode, "shell", "cd / && " + line(pdwrap, "", *reporter()) + STAYS) as tree:
        tree.tell("terminate")
        assert tree.says.next("ended") == [str(-TERM)]
        tree.tell_no_more()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.limit
def test_shell_true_with_parent_is_terminated(pdwrap: list[str], mode: str) -> None:
    """The same with `--parent`: the shell's death is not the one that counts, so the backend stays, as without us."""
    with pool(mode, "shell", "cd / && " + line(pdwrap, "--parent $PPID", *reporter()) + STAYS) as tree:
        tree.tell("terminate")
        assert tree.says.next("ended") == [str(-TERM)]
        tree.fence()
        assert tree.heard() == []
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
def test_shell_true_is_stopped_by_its_group(pdwrap: list[str], mode: str) -> None:
    """T2, E3: SIGTERM to the group of shell and pdwrap is one for the backend, though its shell dies of it, too."""
    with pool(mode, "shell,session", "cd / && " + line(pdwrap, "", *reporter()) + STAYS) as tree:
        tree.tell(f"group {TERM}")
        assert tree.backend.is_dead()
        tree.program.kill()
        tree.assert_gone()
        assert tree.heard().count(TERM) in ([1] if mode == "fork" else [1, 2])  # exec mode does not see the group's
