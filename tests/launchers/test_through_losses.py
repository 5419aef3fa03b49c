"""E9 while something else goes wrong: members farther than the parent are seen by who of pdwrap is left (E4, E6)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import denied
from tests.harness.between import CONT, HUP, TERM, Between
from tests.harness.patience import wait_until
from tests.harness.processes import stat

pytestmark = [pytest.mark.modes("fork", "exec"), pytest.mark.usefixtures("root")]
BOTH = ["timeout", "launcher"]


@pytest.fixture
def between(pdwrap: list[str], mode: str, tmp_path: Path) -> Iterator[Between]:
    """A launcher, a timeout, pdwrap, a backend."""
    made = Between(pdwrap, mode, tmp_path)
    yield made
    made.close()


def kill(between: Between, who: str) -> None:
    """Kill one of the chain."""
    os.kill(between.chain()[BOTH.index(who)], signal.SIGKILL)


def with_options(between: Between, *options: str) -> list[str]:
    """A timeout in front of pdwrap with options."""
    at = between.command.index("--")
    return ["timeout", "60", *between.command[:at], *options, *between.command[at:]]


@pytest.mark.parametrize("who", BOTH)
def test_polling(between: Between, who: str) -> None:
    """E6: where the kernel does not tell, all are looked at."""
    between.start(with_options(between, "--watch", "poll", "--interval", "0.05"))
    between.fence()
    kill(between, who)
    between.assert_gone()


@pytest.mark.modes("fork")
@pytest.mark.parametrize("who", BOTH)
def test_no_pidfds(between: Between, who: str) -> None:
    """E6: the kernel refuses pidfds."""
    between.start(["timeout", "60", *denied("EPERM", "pidfd_open"), *with_options(between, "--interval", "0.05")[2:]])
    between.fence()
    kill(between, who)
    between.assert_gone()


@pytest.mark.parametrize("who", BOTH)
def test_lines(between: Between, who: str) -> None:
    """E9: the line names who died and lists the others, and `-v` whom it watches, through whom."""
    between.start(with_options(between, "--log", "json", "-v"))
    timeout, launcher = ({"pid": pid, "name": Path(f"/proc/{pid}/comm").read_text().strip()} for pid in between.chain())
    between.fence()
    kill(between, who)
    between.assert_gone()
    lines = [json.loads(each) for each in between.stderr.splitlines() if each.startswith("{")]
    watching = next(each for each in lines if each["event"] == "watching")
    ending = next(each for each in lines if each["event"] == "ending")
    assert (watching["launcher_pid"], watching["through"]) == (launcher["pid"], [timeout])
    died, other = (timeout, launcher) if who == "timeout" else (launcher, timeout)
    assert (ending["launcher_pid"], ending["launcher_name"], ending["through"]) == (died["pid"], died["name"], [other])


def test_text(between: Between) -> None:
    """E9: the line ends with the way out, where there is one."""
    between.start(with_options(between))
    kill(between, "launcher")
    between.assert_gone()
    assert "; --parent PID if that one was not meant\n" in between.stderr


def test_parent_alone(between: Between) -> None:
    """N4: `--parent` names one process, and nothing else counts."""
    between.start(["bash", "-c", f"{between.p.replace(' -- ', ' --parent $$ -- ', 1)}; true"])
    between.fence()
    between.launcher.kill()
    assert between.launcher.is_dead()
    between.assert_left_alone()


@pytest.mark.parametrize("which", [0, 1])
def test_one_of_pdwrap_is_stopped(between: Between, which: int) -> None:
    """E4, E9: a supervisor or a sidecar is stopped, then the farther launcher dies."""
    between.start(["timeout", "60", *between.command])
    between.fence()
    os.kill(between.supervisors[which], signal.SIGSTOP)
    between.launcher.kill()
    between.assert_gone()


@pytest.mark.modes("fork")
def test_backend_is_stopped(between: Between) -> None:
    """E4, E9: pdwrap has stopped with its backend; the farther launcher dies."""
    between.start(["timeout", "60", *between.command])
    outer = between.outer
    os.kill(between.backends[0], signal.SIGSTOP)
    wait_until(lambda: stat(outer)[0] == "T", lambda: "pdwrap has not stopped")
    between.launcher.kill()
    # timeout(1) has stopped as well, and its group becomes an orphaned one: SIGCONT by the kernel may come first, and
    # SIGHUP, which timeout hands on.
    between.assert_gone(asked=False)
    heard = [number for number in between.heard() if number != HUP]
    assert heard in ([TERM, CONT], [CONT, TERM], [CONT]), (heard, between.stderr)


def test_launcher_is_stopped(between: Between) -> None:
    """N2, N4: a farther launcher that is stopped, or slow, has not died."""
    between.start(["timeout", "60", *between.command])
    between.launcher.signal(signal.SIGSTOP)
    between.launcher.wait_state("T")
    between.assert_left_alone()
