"""E4: any one process of pdwrap is killed, its group is, or it is stopped and then the launcher dies."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import FAMILY, READY, Started, Starter, children, shell

SHORT = {"PDWRAP_GRACE": "0.2s"}
LONG = {"PDWRAP_GRACE": "100s"}
ROUNDS = range(5)


def lose(tree: Started, who: str) -> None:
    """SIGKILL one supervisor, by name."""
    {"outer": tree.wrapper, "inner": tree.inner}[who].kill()


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_supervisor_killed(start: Starter, who: str) -> None:
    """E4: either supervisor is lost while the launcher lives; everything is gone, at once and whatever the grace."""
    for _ in ROUNDS:
        tree = start("plain", *FAMILY, env=LONG)
        lose(tree, who)
        assert os.waitstatus_to_exitcode(tree.status()) == -signal.SIGKILL
        tree.assert_gone()


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_supervisor_killed_as_soon_as_it_is_there(start: Starter, who: str) -> None:
    """E4: a supervisor is lost before the backend is ready: it is never executed, or it is ended."""
    for _ in range(20):
        tree = start(argv=["sleep", "60"], settle=False)
        outer = tree.wrapper
        if who == "outer":
            outer.kill()
        else:
            while outer.alive and not children(outer.pid):
                os.sched_yield()
            for pid in children(outer.pid):
                os.kill(pid, signal.SIGKILL)
        tree.assert_gone()


def test_group_of_the_outer_killed(start: Starter) -> None:
    """E4: a SIGKILL to the group that the launcher gave us, as LocalAI does it."""
    for _ in ROUNDS:
        tree = start("plain", *FAMILY, launcher=["group"], env=LONG)
        tree.order(f"group {signal.SIGKILL}")
        assert tree.status() == signal.SIGKILL
        tree.assert_gone()


@pytest.mark.parametrize("launcher", [[], ["group"]])
@pytest.mark.parametrize("whose", ["inner", "backend"])
def test_other_groups_killed(start: Starter, whose: str, launcher: list[str]) -> None:
    """E4: a SIGKILL to the inner supervisor's group, or to the backend's."""
    for _ in ROUNDS:
        tree = start("plain", *FAMILY, launcher=launcher, env=SHORT)
        os.killpg(os.getpgid(getattr(tree, whose).pid), signal.SIGKILL)
        tree.assert_gone()


@pytest.mark.parametrize("who", ["outer", "inner"])
@pytest.mark.parametrize("first", ["launcher", "supervisor"])
def test_launcher_and_supervisor_killed_together(start: Starter, who: str, first: str) -> None:
    """E4: the launcher and one supervisor, one right after the other, in either order."""
    for _ in ROUNDS:
        tree = start("plain", *FAMILY, env=SHORT)
        if first == "launcher":
            tree.launcher.kill()
            lose(tree, who)
        else:
            lose(tree, who)
            tree.launcher.kill()
        tree.assert_gone()


def test_session_of_the_launcher_killed(start: Starter) -> None:
    """E4: launcher and outer supervisor share a group, and a SIGKILL to it takes both."""
    for _ in ROUNDS:
        tree = start("plain", *FAMILY, env=SHORT)
        os.killpg(tree.launcher.pid, signal.SIGKILL)
        tree.assert_gone()


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_stopped_supervisor(start: Starter, who: str) -> None:
    """E4: a supervisor is stopped, and then the launcher dies; the backend is asked once, then ended."""
    for _ in ROUNDS:
        tree = start("reporter", *FAMILY, env=SHORT)
        stopped = {"outer": tree.wrapper, "inner": tree.inner}[who]
        stopped.signal(signal.SIGSTOP)
        if who == "outer":  # the inner is its child, and continued by it
            stopped.wait_stopped()
        tree.launcher.kill()
        tree.assert_gone()
        assert tree.signals().count(signal.SIGTERM) == 1
        assert signal.SIGHUP not in tree.signals()


def test_stopped_inner_goes_on(start: Starter) -> None:
    """E4: the outer supervisor continues a stopped inner one: signals arrive again."""
    tree = start("reporter", env=SHORT)
    tree.inner.signal(signal.SIGSTOP)
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_supervisor_lost_during_the_grace(start: Starter, who: str) -> None:
    """E4: the ending has begun, and a supervisor is lost: the other goes on with it, without a second SIGTERM."""
    for _ in ROUNDS:
        tree = start("reporter", *FAMILY, env={"PDWRAP_GRACE": "0.5s"})
        tree.launcher.kill()
        tree.got(signal.SIGTERM)
        lose(tree, who)
        tree.assert_gone()
        assert tree.signals().count(signal.SIGTERM) == 1


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_supervisor_stopped_during_the_grace(start: Starter, who: str) -> None:
    """E4: the ending has begun, and a supervisor is stopped: it ends within the grace all the same."""
    tree = start("reporter", *FAMILY, env={"PDWRAP_GRACE": "0.5s"})
    tree.launcher.kill()
    tree.got(signal.SIGTERM)
    {"outer": tree.wrapper, "inner": tree.inner}[who].signal(signal.SIGSTOP)
    tree.assert_gone()
    assert tree.signals().count(signal.SIGTERM) == 1


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_supervisor_lost_after_the_backend(start: Starter, who: str) -> None:
    """E4: the backend has exited, its leftovers are being ended, and a supervisor is lost."""
    for _ in ROUNDS:
        tree = start("reporter", "exit=15", "child=setsid:reporter", "child=stubborn", env=LONG)
        leftover = next(each for each in tree.members if each.pid == int(tree.voice.all("ready", "reporter")[0][0]))
        tree.order(f"signal {signal.SIGTERM}")
        tree.got(signal.SIGTERM, leftover)
        lose(tree, who)
        tree.assert_gone()


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_lost_with_a_backend_of_another_user(start: Starter, root: None, who: str) -> None:
    """E4: `setpriv --reuid` clears the kernel's parent-death signal of the backend; it is ended without."""
    for _ in ROUNDS:
        via = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        tree = start(argv=shell(f"{READY}; sleep 60 & setsid sleep 60"), ready=True, via=via, env=LONG)
        lose(tree, who)
        tree.assert_gone()


def test_nested_and_one_of_four_lost(start: Starter, pdwrap: list[str]) -> None:
    """E4: pdwrap below pdwrap, and any one of the four supervisors is lost."""
    for level in range(4):
        tree = start("plain", *FAMILY, via=[*pdwrap, "--"], env=SHORT)
        chain = [tree.wrapper.pid]
        while len(chain) < 4:
            chain.append(min(children(chain[-1])))
        assert chain[-1] == tree.inner.pid
        os.kill(chain[level], signal.SIGKILL)
        tree.assert_gone()
