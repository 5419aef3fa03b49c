"""T2 without a terminal: every forwardable signal arrives at the backend exactly once for each time it was sent."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import READY, Starter, shell
from tests.harness.roles import FENCE

UNSEEN = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
"""Two that no process can receive, and one that tells a supervisor of its own children."""

FORWARDED = sorted(set(signal.valid_signals()) - UNSEEN - {FENCE})
SHORT = {"PDWRAP_GRACE": "0.2s"}


@pytest.mark.parametrize("whom", ["signal", "group"])
def test_every_signal_once(start: Starter, whom: str) -> None:
    """T2: each signal, real-time ones included, to the pid and to the group: one delivery, and in order."""
    tree = start("reporter", launcher=["group"])
    for number in FORWARDED:
        tree.order(f"{whom} {number}")
        tree.got(number)
    tree.order(f"signal {FENCE}")
    tree.got(FENCE)
    assert tree.signals() == [*FORWARDED, FENCE]
    tree.launcher.kill()
    tree.backend.kill()
    tree.assert_gone()


@pytest.mark.parametrize("whom", ["signal", "group"])
def test_again_and_again(start: Starter, whom: str) -> None:
    """T2: the same signal ten times: ten deliveries."""
    tree = start("reporter", launcher=["group"])
    for _ in range(10):
        tree.order(f"{whom} {signal.SIGTERM}")
        tree.got(signal.SIGTERM)
    tree.order(f"signal {FENCE}")
    tree.got(FENCE)
    assert tree.signals() == [signal.SIGTERM] * 10 + [FENCE]
    tree.backend.kill()
    tree.assert_gone()


def test_queued_real_time_signals(start: Starter) -> None:
    """T2: real-time signals queue (signal(7)); thirty sent at once are thirty at the backend."""
    tree = start("reporter")
    for _ in range(30):
        tree.wrapper.signal(signal.SIGRTMIN + 3)
    tree.wrapper.signal(FENCE)
    tree.got(FENCE)
    assert tree.signals() == [signal.SIGRTMIN + 3] * 30 + [FENCE]
    tree.backend.kill()
    tree.assert_gone()


def test_only_the_backend_gets_it(start: Starter) -> None:
    """T2: what is forwarded goes to the backend's pid alone, not to its children in the same group."""
    tree = start("reporter", "child=reporter", "child=setsid:reporter", "exit=12", "fence=yes", env=SHORT)
    others = [each for each in tree.members if each.pid != tree.backend.pid]
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1)
    tree.order(f"signal {signal.SIGUSR2}")  # the backend sends them the fence, and exits
    tree.assert_gone()
    for each in others:
        assert tree.signals(each)[0] == FENCE


def test_signals_to_the_inner_are_not_forwarded(start: Starter) -> None:
    """T2: the caller does not know the inner supervisor; what is sent to it goes nowhere."""
    tree = start("reporter")
    for number in FORWARDED:
        tree.inner.signal(number)
    tree.order(f"signal {FENCE}")
    tree.got(FENCE)
    assert tree.signals() == [FENCE]
    tree.backend.kill()
    tree.assert_gone()


def test_default_dispositions(start: Starter) -> None:
    """T2, T3: a backend without handlers dies of a forwarded signal, and the caller sees that."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN):
        tree = start("plain")
        tree.order(f"signal {number}")
        assert tree.status() == number
        tree.assert_gone()


def test_signal_while_starting(start: Starter) -> None:
    """T2: a SIGTERM at any moment of the start ends the backend or is answered by pdwrap itself; never lost.

    Before its first line pdwrap has the default disposition, which is what a backend started directly would have.
    """
    for _ in range(20):
        tree = start(argv=["sleep", "60"], settle=False)
        tree.wrapper.signal(signal.SIGTERM)
        assert tree.status() == signal.SIGTERM
        tree.assert_gone()


def test_rewrite(start: Starter) -> None:
    """T2: `--rewrite FROM:TO` forwards TO in place of FROM, TO=0 nothing; all others as ever."""
    tree = start("reporter", options=["--rewrite", "TERM:INT", "--rewrite", "SIGHUP:0", "--rewrite", "10:12"])
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, FENCE):
        tree.order(f"signal {number}")
    tree.got(FENCE)
    assert tree.signals()[-1] == FENCE
    assert set(tree.signals()) == {signal.SIGINT, signal.SIGUSR2, FENCE}
    tree.backend.kill()
    tree.assert_gone()


def test_rewrite_from_the_environment(start: Starter) -> None:
    """T2: `PDWRAP_REWRITE` says the same."""
    tree = start("reporter", env={"PDWRAP_REWRITE": "TERM:USR1"})
    tree.order(f"signal {signal.SIGTERM}")
    tree.got(signal.SIGUSR1)
    tree.order(f"signal {FENCE}")
    tree.got(FENCE)
    assert tree.signals() == [signal.SIGUSR1, FENCE]
    tree.backend.kill()
    tree.assert_gone()


def test_stop_and_continue(start: Starter) -> None:
    """T2, T3: SIGTSTP stops the backend, which shows; SIGCONT continues it, which shows too.

    In a group of its own below the launcher: SIGTSTP does not stop orphaned groups.
    """
    tree = start("plain", launcher=["group"])
    tree.order(f"signal {signal.SIGTSTP}")
    raw = tree.status()
    assert os.WIFSTOPPED(raw), raw
    assert tree.backend.alive
    tree.backend.wait_stopped()
    tree.order(f"signal {signal.SIGCONT}")
    assert os.WIFCONTINUED(tree.status())
    tree.backend.wait_state("S", "R")
    tree.launcher.kill()
    tree.assert_gone()


def test_backend_of_another_user(start: Starter, root: None) -> None:
    """T2: a backend that has changed its uid still gets what is sent to pdwrap."""
    tree = start(
        argv=shell(f'trap "echo got $$ 10 >&9" USR1; {READY}; while :; do sleep 60 & wait; done'),
        via=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
        ready=True,
    )
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1)
    tree.launcher.kill()
    tree.assert_gone()
