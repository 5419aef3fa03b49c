"""A lifeline beside other settings: with the watch off, and from a variable that reaches pdwraps below (E1, N4)."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import CLOSED, Starter, role, run

pytestmark = pytest.mark.modes("fork", "exec")

SHORT = {"PDWRAP_GRACE": "0.2s"}


@pytest.mark.parametrize("off", [{"PDWRAP_WATCH": "off"}, {"LOCALAI_BACKEND_PARENT_WATCH": "false"}])
def test_a_lifeline_counts_with_the_watch_off(start: Starter, family: list[str], off: dict[str, str]) -> None:
    """E1: the watch of the process is off, the lifeline is not."""
    theirs, ours = os.pipe()
    tree = start("reporter", *family, options=["--lifeline", "5"], fds={5: theirs}, env={**SHORT, **off})
    os.close(theirs)
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    os.close(ours)
    tree.assert_gone()
    assert "lifeline closed" in tree.stderr


def test_the_process_does_not_count_with_the_watch_off(start: Starter) -> None:
    """Then the lifeline alone counts: launchers may come and go."""
    theirs, ours = os.pipe()
    tree = start("reporter", options=["--watch", "off", "--lifeline", "5"], fds={5: theirs}, env=SHORT)
    os.close(theirs)
    tree.launcher.kill()
    tree.backend.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]
    os.close(ours)
    tree.assert_gone()


@pytest.mark.parametrize("below", ["--fork", "--exec"])
def test_a_variable_that_was_meant_for_the_one_above(start: Starter, pdwrap: list[str], mode: str, below: str) -> None:
    """A pdwrap below another finds the variable, not the descriptor: it starts all the same, and all end together."""
    theirs, ours = os.pipe()
    plain = [word for word in pdwrap if word != f"--{mode}"]
    inside = ["sh", "-c", 'exec 5<&-; "$@" & wait', "sh", *plain, below, "--", *role("plain")]
    tree = start(argv=inside, ready=False, settle=False, fds={5: theirs}, env={**SHORT, "PDWRAP_LIFELINE": "5"})
    os.close(theirs)
    tree.voice.next("ready", "backend")
    os.close(ours)
    tree.assert_gone()
    assert "not an open descriptor" not in tree.stderr


@pytest.mark.parametrize("how", ["option", "variable"])
def test_nobody_above_has_it(pdwrap: list[str], how: str) -> None:
    """T4: what was meant for this pdwrap and cannot be used is refused."""
    words, env = (["--lifeline", "5"], {}) if how == "option" else ([], {"PDWRAP_LIFELINE": "5"})
    outcome = run([*pdwrap, *words, "--", "echo", "started"], fds={5: CLOSED}, env={**os.environ, **env})
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert "not an open descriptor" in outcome.stderr
