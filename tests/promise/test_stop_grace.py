"""`--stop-grace`: a launcher that asks and waits for ever; the whole tree has a deadline all the same (E2, E3)."""

from __future__ import annotations

import signal

import pytest

from tests.harness import ATTACHED, DETACHED, Starter

FAMILY = [*ATTACHED, *DETACHED]
LONG = {"PDWRAP_GRACE": "100s"}


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_stop_that_takes_too_long(start: Starter, how: str) -> None:
    """E2: what ignores SIGTERM is killed with all that is below it, while the launcher lives, and it is told why."""
    options, env = (["--stop-grace", "0.2s"], LONG) if how == "option" else ([], {**LONG, "PDWRAP_STOP_GRACE": "0.2s"})
    tree = start("stubborn", *FAMILY, options=options, env=env)
    tree.order(f"signal {signal.SIGTERM}")
    assert tree.status() == signal.SIGKILL
    tree.assert_tree_gone()
    assert tree.launcher.alive
    line, done = tree.stderr.splitlines()
    assert line.endswith("was asked to end, and has not within --stop-grace: ending it with SIGKILL")
    assert done.startswith("pdwrap: done: ")
    tree.assert_gone()


def test_a_stop_in_time(start: Starter) -> None:
    """Who ends in time is not hurried, and nothing is said."""
    tree = start("plain", options=["--stop-grace", "100s"], env=LONG)
    tree.order(f"signal {signal.SIGTERM}")
    assert tree.status() == signal.SIGTERM
    assert tree.stderr == ""
    tree.assert_gone()


def test_leftovers_of_a_stop(start: Starter) -> None:
    """E2, E5: what the backend leaves behind has what is left of that time."""
    tree = start("plain", "child=setsid:stubborn", "child=double:stubborn", options=["--stop-grace", "0.3s"], env=LONG)
    tree.order(f"signal {signal.SIGTERM}")
    assert tree.status() == signal.SIGTERM
    tree.assert_tree_gone()
    tree.assert_gone()


def test_no_time_at_all(start: Starter) -> None:
    """`--stop-grace 0`: a forwarded SIGTERM is the last that the tree hears."""
    tree = start("stubborn", *FAMILY, options=["--stop-grace", "0"], env=LONG)
    tree.order(f"signal {signal.SIGTERM}")
    assert tree.status() == signal.SIGKILL
    tree.assert_gone()


def test_the_signal_of_the_option(start: Starter) -> None:
    """The one of `--signal` starts the deadline, too; any other does not."""
    options = ["--stop-grace", "0.2s", "--signal", "USR2"]
    tree = start("reporter", options=options, env=LONG)
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2):
        tree.order(f"signal {number.value}")
        tree.got(number)
    assert tree.status() == signal.SIGKILL
    assert tree.signals() == [signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2]
    tree.assert_gone()


def test_the_launcher_dies_meanwhile(start: Starter) -> None:
    """E1, E3: the launcher dies after it asked: no second SIGTERM, and the earlier deadline counts."""
    tree = start("reporter", *FAMILY, options=["--stop-grace", "0.5s"], env=LONG)
    tree.order(f"signal {signal.SIGTERM}")
    tree.got(signal.SIGTERM)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals().count(signal.SIGTERM) == 1
