"""A service manager as launcher: the backend gets a session of its own, by one fork or by two (docs/facts.md, 7).

The manager is a program of its own (field/launchers/supervisor.py).
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.harness import PYTHON, role
from tests.harness.foreign import FENCE, PROGRAMS, SHORT, TERM, Foreign, reporter

BOTH = pytest.mark.modes("fork", "exec")
NAME = os.path.basename(sys.executable)


def supervisor(mode: str, how: str, *command: str) -> Foreign:
    """Below the service manager."""
    return Foreign(mode, [*PYTHON, str(PROGRAMS / "supervisor.py"), how, *command], env=SHORT)


@BOTH
@pytest.mark.parametrize("how", ["single", "single,leader,subreaper"])
def test_manager_dies(pdwrap: list[str], mode: str, family: list[str], how: str) -> None:
    """E1, E2: one fork and setsid: pdwrap leads a session of its own, and its parent is the manager."""
    with supervisor(mode, how, *pdwrap, "--", *reporter(*family)) as tree:
        tree.settle()
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
def test_manager_stops_the_service(pdwrap: list[str], mode: str) -> None:
    """T2, T3: its SIGTERM is one for the backend, and it learns the backend's exit status."""
    with supervisor(mode, "single", *pdwrap, "--", *role("reporter", f"exit={FENCE}", "code=4")) as tree:
        tree.settle()
        tree.tell_no_more()
        tree.got(TERM)
        tree.outer.signal(FENCE)
        assert tree.says.next("ended") == ["4"]
        tree.assert_gone()
        assert tree.signals() == [TERM, FENCE]


@BOTH
def test_double_fork_below_a_leader(pdwrap: list[str], mode: str) -> None:
    """E1: a manager that leads its session and is the subreaper may have called setsid() itself: it is watched."""
    with supervisor(mode, "double,leader,subreaper", *pdwrap, "--", *reporter()) as tree:
        tree.settle()
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("how", ["double", "double,subreaper"])
def test_double_fork_is_an_orphan(pdwrap: list[str], mode: str, how: str) -> None:
    """E1: who has adopted pdwrap did not launch it: its session tells so, and nothing is started."""
    with supervisor(mode, how, *pdwrap, "--", "echo", "here") as tree:
        assert tree.hold(int(tree.says.next("started")[0])).is_dead()
        tree.tell("exit")
        tree.assert_gone()
        assert "has adopted pdwrap" in tree.stderr
        assert "here" not in tree.stdout


@BOTH
def test_double_fork_with_a_name(pdwrap: list[str], mode: str) -> None:
    """E1: a manager that is the subreaper, by name: an ancestor whose death counts, however it came to be one."""
    command = [*pdwrap, "--parent", NAME, "--", *reporter()]
    with supervisor(mode, "double,subreaper", *command) as tree:
        tree.settle()
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.limit
def test_double_fork_with_the_watch_off(pdwrap: list[str], mode: str) -> None:
    """An orphan by intent runs with `--watch off`, and nobody's death ends it."""
    command = [*pdwrap, "--watch", "off", "--", *reporter()]
    with supervisor(mode, "double", *command) as tree:
        tree.settle()
        tree.tell("exit")
        assert tree.program.is_dead()
        tree.fence()
        assert tree.heard() == []
        tree.backend.kill()
        tree.assert_gone()
