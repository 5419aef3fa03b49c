"""Whose death counts: `--parent` with a shell in the middle, `--lifeline` across pid namespaces, and pid 1."""

from __future__ import annotations

import os
import signal
import socket
import sys

import pytest

from tests.harness import CLOSED, FAMILY, READY, Starter, children, run, shell
from tests.harness.containers import start_with_lifeline

SHORT = {"PDWRAP_GRACE": "0.2s"}
MIDDLE = ["sh", "-c", '"$@"; true', "sh"]
"""A shell in the middle that stays, because it waits for pdwrap."""
MIDDLE_WITH_PID = ["sh", "-c", 'export PDWRAP_PARENT=$PPID; "$@"; true', "sh"]
"""The same, naming its own parent by pid, as a script does."""


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("watch", ["auto", "poll"])
def test_parent_by_pid(start: Starter, family: list[str], watch: str) -> None:
    """E1: the shell in the middle outlives the launcher; with `--parent PID` the launcher's death counts."""
    env = {**SHORT, "PDWRAP_WATCH": watch, "PDWRAP_INTERVAL": "0.1s"}
    tree = start("reporter", *family, pdwrap_via=MIDDLE_WITH_PID, env=env)
    tree.assert_alive()
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


def test_parent_by_option(start: Starter) -> None:
    """E1: the pid as an option; here of an ancestor even farther up, whose child the launcher is."""
    tree = start("plain", options=["--parent", str(os.getpid())], pdwrap_via=MIDDLE, env=SHORT, session=False)
    tree.launcher.kill()
    tree.assert_alive(0.5)
    tree.backend.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("watch", ["auto", "poll"])
def test_parent_by_name(start: Starter, watch: str) -> None:
    """E1: the nearest ancestor of that name, two shells up."""
    env = {**SHORT, "PDWRAP_WATCH": watch, "PDWRAP_INTERVAL": "0.1s"}
    name = os.path.basename(sys.executable)
    tree = start("reporter", options=["--parent", name], pdwrap_via=[*MIDDLE, *MIDDLE], env=env)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


@pytest.mark.modes("fork", "exec")
def test_shell_in_the_middle_killed(start: Starter) -> None:
    """E1: the shell between us and the launcher dies, the launcher lives: nothing happens but that we move up."""
    tree = start("reporter", pdwrap_via=MIDDLE_WITH_PID, env=SHORT)
    outer = children(tree.wrapper.pid)[0]
    tree.wrapper.kill()
    tree.hold(outer)
    os.kill(outer, signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT]


@pytest.mark.modes("fork", "exec")
def test_parent_of_a_stranger(start: Starter, pdwrap: list[str]) -> None:
    """E1, T4: a process that is no ancestor is refused, by pid and by name, and nothing is started."""
    stranger = start()
    for who in (str(stranger.backend.pid), "no-such-name-at-all"):
        outcome = run([*pdwrap, "--parent", who, "--", "echo", "started"])
        assert (outcome.code, outcome.stdout) == (125, b"")
        assert outcome.stderr.startswith(f"pdwrap: --parent {who}: ")
        assert outcome.stderr.count("\n") == 1
    stranger.launcher.kill()
    stranger.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_parent_that_is_dead(pdwrap: list[str]) -> None:
    """E1, T4: a dead process is no ancestor."""
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    outcome = run([*pdwrap, "--parent", str(dead), "--", "echo", "started"])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith(f"pdwrap: --parent {dead}: ")


@pytest.mark.modes("fork", "exec")
def test_parent_that_adopted_the_shell(start: Starter) -> None:
    """E1: a script reads $PPID after its launcher has died: the session shows that it names who adopted it."""
    adopted = f'while [ $(ps -o ppid= -p $$) != {os.getpid()} ]; do :; done; exec sh -c "$0" sh "$@"'
    via = ["sh", "-c", adopted, 'export PDWRAP_PARENT=$PPID; exec "$@"']
    tree = start(argv=["echo", "started"], pdwrap_via=via, launcher=["die=0"], settle=False)
    tree.assert_gone()
    assert "started" not in tree.stdout
    assert "pdwrap: " in tree.stderr


@pytest.mark.modes("fork", "exec")
def test_parent_1_that_adopted_us(pdwrap: list[str], root: None) -> None:
    """E1: below a launcher that died, PID 1 is whom we fell to; `--parent 1` is refused, and nothing is started.

    In a pid namespace whose PID 1 is a shell: it starts a launcher in a session of its own, which leaves us behind.
    """
    orphan = 'while [ $(ps -o ppid= -p $$) != 1 ]; do :; done; exec "$@"'
    script = f'setsid sh -c \'sh -c "$0" sh "$@" &\' \'{orphan}\' "$@"; while kill -0 -1 2>/dev/null; do wait; done'
    tested = [*pdwrap, "--parent", "1", "--", "echo", "started"]
    outcome = run(["unshare", "-pf", "--mount-proc", "sh", "-c", script, "sh", *tested])
    assert outcome.stdout == b""
    assert outcome.stderr.startswith("pdwrap: ")


@pytest.mark.modes("fork", "exec")
def test_parent_0_lives_outside(pdwrap: list[str], root: None) -> None:
    """A script that is PID 1, or was entered as by `docker exec`, reads 0 from `$PPID`: not watched, as without it."""
    script = 'PDWRAP_PARENT=$PPID "$@"; echo "then $?"'
    outcome = run(["unshare", "-pf", "--mount-proc", "sh", "-c", script, "sh", *pdwrap, "-v", "--", "echo", "started"])
    assert (outcome.code, outcome.stdout) == (0, b"started\nthen 0\n")
    assert outcome.stderr == "pdwrap: not watching: PDWRAP_PARENT 0 lives outside this pid namespace: use --lifeline\n"


def test_parent_1_is_watched_without_need(start: Starter, root: None) -> None:
    """`--parent 1` below the PID 1 of a container says that this is meant; PID 1's death ends everything anyway."""
    tree = start(
        argv=shell(f"{READY}; exec sleep 60"),
        options=["--parent", "1"],
        pdwrap_via=["unshare", "-pf", "--mount-proc", "sh", "-c", '"$@"; true', "sh"],
        settle=False,
    )
    tree.voice.next("ready", "backend")
    tree.hold(children(tree.wrapper.pid)[0]).kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("kind", ["pipe", "socketpair"])
def test_lifeline(start: Starter, family: list[str], kind: str) -> None:
    """E1: end-of-file on the lifeline counts as the launcher's death, whoever held its other end."""
    if kind == "pipe":
        theirs, ours = os.pipe()
    else:
        theirs, ours = (each.detach() for each in socket.socketpair())
    tree = start("reporter", *family, options=["--lifeline", "5"], fds={5: theirs}, env=SHORT)
    os.close(theirs)
    tree.assert_alive()
    os.close(ours)
    tree.assert_tree_gone()
    assert tree.launcher.alive
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_data_on_the_lifeline_is_no_end(start: Starter) -> None:
    """N2: what is written to the lifeline does not count, and end-of-file after it does."""
    theirs, ours = os.pipe()
    tree = start("reporter", options=["--lifeline", "5"], fds={5: theirs}, env=SHORT)
    os.close(theirs)
    os.write(ours, b"hello")
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1)
    assert tree.signals() == [signal.SIGUSR1]
    os.close(ours)
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_lifeline_that_is_closed_already(start: Starter) -> None:
    """E1: whoever held its other end is dead before pdwrap could look: nothing is started."""
    theirs, ours = os.pipe()
    os.close(ours)
    tree = start(argv=["echo", "started"], options=["--lifeline", "5"], fds={5: theirs}, settle=False)
    os.close(theirs)
    assert tree.status() == 125 << 8
    tree.assert_gone()
    assert tree.stdout == ""
    assert tree.stderr.startswith("pdwrap: --lifeline 5: ")


@pytest.mark.modes("fork", "exec")
def test_lifeline_that_is_not_open(start: Starter) -> None:
    """T4: a descriptor that the launcher forgot to hand on is refused."""
    tree = start(argv=["echo", "started"], options=["--lifeline", "5"], fds={5: CLOSED}, settle=False)
    assert tree.status() == 125 << 8
    tree.assert_gone()
    assert tree.stdout == ""
    assert "lifeline" in tree.stderr.lower()
    assert tree.stderr.startswith("pdwrap: ")


def test_launcher_in_an_outer_pid_namespace(start: Starter, root: None) -> None:
    """E1: pdwrap is PID 1 of a pid namespace and cannot see its launcher; the lifeline that it holds tells."""
    via = ["unshare", "--pid", "--fork", "--mount-proc"]
    tree = start_with_lifeline(start, "stubborn", *FAMILY, options=["--lifeline", "5"], pdwrap_via=via)
    tree.voice.next("ready", "backend")
    tree.launcher.kill()
    tree.assert_gone()


def test_unwatched(start: Starter) -> None:
    """`--watch off`: the launcher's death ends nothing; what is sent still arrives, and leftovers are ended."""
    tree = start("reporter", "child=setsid:stubborn", "exit=15", options=["--watch", "off"], env=SHORT)
    tree.launcher.kill()
    tree.assert_alive(0.5)
    tree.wrapper.signal(signal.SIGUSR1)
    tree.got(signal.SIGUSR1)
    tree.wrapper.signal(signal.SIGTERM)
    tree.assert_gone()
    assert tree.signals() == [signal.SIGUSR1, signal.SIGTERM]


@pytest.mark.parametrize("value", ["false", " OFF ", "0", "No"])
@pytest.mark.parametrize("variable", ["PDWRAP_WATCH", "LOCALAI_BACKEND_PARENT_WATCH"])
def test_unwatched_by_a_variable(start: Starter, variable: str, value: str) -> None:
    """LocalAI's variable and our own turn the watch off, in any case and with spaces around."""
    tree = start("plain", env={variable: value})
    tree.launcher.kill()
    tree.wrapper.signal(0)
    tree.assert_alive(0.1)
    tree.wrapper.signal(signal.SIGTERM)
    tree.assert_gone()


def test_backend_in_sh(start: Starter) -> None:
    """E1: any program will do; here a shell with a job."""
    tree = start(argv=shell(f"sleep 60 & {READY}; wait"), ready=True, env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
