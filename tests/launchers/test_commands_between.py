"""Commands between launcher and pdwrap: those that execute it in their own place, and those that stay above it."""

from __future__ import annotations

import os
import shlex
import signal
import sys

import pytest

from tests.harness import Starter, children, parent_of, role, stat
from tests.harness.foreign import CONT, FENCE, SHORT, TERM, Foreign, reporter

BOTH = pytest.mark.modes("fork", "exec")
NAME = os.path.basename(sys.executable)
EXECUTE = {
    "nohup": ["nohup"],
    "nice": ["nice", "-n", "3"],
    "env -i": ["env", "-i"],
    "stdbuf": ["stdbuf", "-oL"],
    "setsid": ["setsid"],
}
STAY = {
    "timeout": ["timeout", "60"],
    "timeout in the foreground": ["timeout", "--foreground", "60"],
    "setsid": ["setsid", "--fork", "--wait"],
    "xargs": ["xargs", "-a", os.devnull],
}


@BOTH
@pytest.mark.parametrize("command", EXECUTE)
def test_command_that_executes_pdwrap(pdwrap: list[str], mode: str, command: str) -> None:
    """E1: it becomes pdwrap, whose parent is the launcher then."""
    argv = [*EXECUTE[command], *pdwrap, "--", *reporter()]
    with Foreign(mode, argv) as tree:
        tree.settle()
        assert tree.outer.pid == tree.program.pid
        tree.fence()
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@BOTH
def test_what_they_do_to_the_backend(pdwrap: list[str], mode: str) -> None:
    """T1: niceness, environment and ignored signals reach the backend through pdwrap."""
    before = os.nice(0)
    argv = ["nohup", "nice", "-n", "3", "env", "-i", "A=b", *pdwrap, "--", *role("plain")]
    with Foreign(mode, argv) as tree:
        tree.settle()
        pid = tree.backend.pid
        with open(f"/proc/{pid}/environ", "rb") as environment:
            assert environment.read() == b"A=b\0"
        assert os.getpriority(os.PRIO_PROCESS, pid) == before + 3
        assert ignored(pid) >> signal.SIGHUP - 1 & 1
        tree.launcher.kill()
        tree.assert_gone()


def ignored(pid: int) -> int:
    """The signals that it ignores (proc(5), SigIgn)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn:"))


@BOTH
def test_nohup_and_a_hang_up(start: Starter, mode: str) -> None:
    """T1, E1: under nohup SIGHUP ends nobody; SIGTERM and the launcher's death do as ever."""
    tree = start("plain", pdwrap_via=["nohup"], launcher=["group"])
    tree.order(f"group {int(signal.SIGHUP)}")
    tree.order(f"signal {TERM}")
    assert os.WTERMSIG(tree.status()) == TERM
    tree.assert_gone()
    tree = start("plain", pdwrap_via=["nohup"], launcher=["group"])
    tree.order(f"group {int(signal.SIGHUP)}")
    tree.launcher.kill()
    tree.assert_gone()


@BOTH
@pytest.mark.parametrize("command", STAY)
def test_command_that_stays_is_killed(pdwrap: list[str], mode: str, command: str) -> None:
    """E1: it forks, and waits for pdwrap: it is the launcher."""
    with Foreign(mode, [*STAY[command], *pdwrap, "--", *reporter()], env=SHORT) as tree:
        tree.settle()
        parent = tree.hold(parent_of(tree.outer.pid))
        tree.fence()
        parent.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("command", [each for each in STAY if each != "xargs"])
def test_launcher_of_a_command_that_waits(pdwrap: list[str], mode: str, command: str) -> None:
    """E9: it only waits: the death of who started it counts."""
    with Foreign(mode, [*STAY[command], *pdwrap, "--", *reporter()], env=SHORT) as tree:
        tree.settle()
        tree.fence()
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@BOTH
def test_launcher_of_xargs(pdwrap: list[str], mode: str) -> None:
    """N4: xargs goes on with its list: it is the launcher, whoever started it."""
    with Foreign(mode, [*STAY["xargs"], *pdwrap, "--", *reporter()], env=SHORT) as tree:
        tree.settle()
        parent = tree.hold(parent_of(tree.outer.pid))
        tree.launcher.kill()
        assert tree.launcher.is_dead()
        tree.fence()
        assert tree.heard() == []
        parent.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize(("command", "parent"), [*((each, "$PPID") for each in STAY), ("timeout", NAME)])
def test_command_that_stays_with_parent(pdwrap: list[str], mode: str, command: str, parent: str) -> None:
    """E1: the same with `--parent`: the launcher's death counts."""
    words = shlex.join([*STAY[command], *pdwrap])
    text = f"exec {words} --parent {parent} -- {shlex.join(reporter())}"
    with Foreign(mode, ["sh", "-c", text], env=SHORT) as tree:
        tree.settle()
        tree.fence()
        tree.launcher.kill()
        tree.assert_asked_once_and_gone()


@BOTH
@pytest.mark.parametrize("options", [[], ["--foreground"]], ids=["background", "foreground"])
def test_timeout_expires(pdwrap: list[str], mode: str, options: list[str]) -> None:
    """T2, T3: the SIGTERM of timeout(1) reaches the backend first, and ends pdwrap with it.

    In the background it sends two: to the pid that it started, and to its group. One pending signal as a rule, since
    they are microseconds apart; whoever takes the first sooner than that gets both, with pdwrap and without.
    """
    argv = ["timeout", *options, "60", *pdwrap, "--", *role("reporter", f"exit={FENCE}")]
    with Foreign(mode, argv, env=SHORT) as tree:
        tree.settle()
        outer = tree.outer
        tree.program.signal(signal.SIGALRM)  # as its own timer does
        tree.got(TERM if options else CONT)
        outer.signal(FENCE)
        assert os.waitstatus_to_exitcode(tree.status()) == 124
        tree.assert_gone()
        assert tree.heard()[0] == TERM
        assert tree.heard().count(TERM) in ([1] if options else [1, 2])


@BOTH
@pytest.mark.parametrize("backend", ["reporter", "stubborn"])
def test_timeout_as_backend(pdwrap: list[str], mode: str, backend: str) -> None:
    """E1, E2, E3: timeout(1) is asked to end, and asks its command; what ignores that is killed at the deadline."""
    argv = [*pdwrap, "--", "timeout", "60", *role(backend, f"exit={TERM}")]
    with Foreign(mode, argv, env=SHORT) as tree:
        tree.settle()
        timeout = tree.hold(parent_of(tree.backend.pid))
        assert stat(timeout.pid)[0] == "S"
        tree.launcher.kill()
        tree.assert_gone()
        if backend == "reporter":
            assert tree.heard() == [TERM]


@BOTH
def test_xargs(pdwrap: list[str], mode: str) -> None:
    """E1, E3: `xargs -P 4` is killed: each of the four backends is asked once, and ends."""
    argv = ["xargs", "-P", "4", "-n", "1", *pdwrap, "--", *reporter()]
    with Foreign(mode, argv, env=SHORT) as tree:
        for number in range(4):
            tree.tell(f"code={number}")
        tree.tell_no_more()
        pids = [int(tree.voice.next("ready", "backend")[0]) for _ in range(4)]
        for pid in [*pids, *children(tree.program.pid)]:
            tree.hold(pid)
        tree.program.kill()
        tree.assert_gone()
        for pid in pids:
            assert tree.voice.all("got", str(pid)) == [[str(TERM)], [str(CONT)]]


@BOTH
def test_xargs_sees_each_status(pdwrap: list[str], mode: str) -> None:
    """T3: xargs goes on with the next, and gives 123 where one has failed."""
    argv = ["xargs", "-P", "2", "-n", "1", *pdwrap, "--", *role("daemon")]
    with Foreign(mode, argv, env=SHORT) as tree:
        for number in (0, 3, 0, 4):
            tree.tell(f"code={number}")
        tree.tell_no_more()
        assert os.waitstatus_to_exitcode(tree.status()) == 123
        tree.assert_gone()
        assert len(tree.voice.all("ready", "backend")) == 4
