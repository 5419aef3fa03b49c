"""pdwrap below a container's PID 1: an entrypoint script, a launcher that an init has started, and what both lack."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import Started, Starter, run
from tests.harness.containers import (
    BELOW_PID_1,
    CONTAINER,
    INIT,
    OUTSIDE,
    PROBE,
    Told,
    assert_stops_in_order,
    bare,
    find,
    launcher_of,
)

pytestmark = [pytest.mark.usefixtures("root"), pytest.mark.modes("fork", "exec")]

SHORT = {"PDWRAP_GRACE": "0.2s"}
ONCE = [signal.SIGTERM, signal.SIGCONT]
FENCE = signal.SIGUSR1

ENTRYPOINT = """#!/bin/sh
"$@"
exit $?
"""
TRAPPING = """#!/bin/sh
trap 'trapped=yes; kill -TERM $!' TERM
"$@" &
wait $!
status=$?
if [ "${trapped-}" ]; then # the first `wait` was interrupted, and gave 128+15
    wait $!
    status=$?
fi
exit $status
"""
REPLACED = """#!/bin/sh
exec "$@"
"""


def entrypoint(folder: Path, text: str) -> list[str]:
    """A container that runs `sh entrypoint.sh COMMAND`."""
    script = folder / "entrypoint.sh"
    script.write_text(text, encoding="ascii")
    return [*CONTAINER, "sh", str(script)]


def assert_ends_with_its_launcher(tree: Started, backend: Told) -> None:
    """The launcher inside dies: all others are gone before PID 1 is, and the backend was asked once."""
    launcher_of(tree).kill()
    tree.assert_gone()
    assert backend.signals() == ONCE


def test_launcher_dies_in_the_container(start: Starter, family: list[str]) -> None:
    """E1, E2: PID 1 adopts what the launcher leaves, as in any container with an init; it sees all of it end."""
    tree = start("reporter", *family, launcher_via=[*CONTAINER, *INIT], env=SHORT, settle=False)
    assert_ends_with_its_launcher(tree, Told(tree))


@pytest.mark.parametrize("watch", ["poll", "auto"])
def test_launcher_dies_in_a_bare_read_only_root(start: Starter, family: list[str], tmp_path: Path, watch: str) -> None:
    """E1, E2: nothing can be written, and neither /tmp nor /dev is there."""
    env = {**SHORT, "PDWRAP_WATCH": watch, "PDWRAP_INTERVAL": "0.1s"}
    tree = start("reporter", *family, launcher_via=[*bare(tmp_path), *INIT], via=PROBE, env=env, settle=False)
    assert_ends_with_its_launcher(tree, Told(tree))


def test_no_proc_below_pid_1(pdwrap: list[str], mode: str) -> None:
    """E6, T4: below a launcher neither mode can do without /proc: refused, in one line that names it."""
    hidden = ["unshare", "-pfm", "--kill-child", *INIT, "sh", "-c", 'umount -l /proc; "$@"; echo "then $?"', "sh"]
    outcome = run([*hidden, *pdwrap, "--", "echo", "started"])
    assert outcome.stdout == b"then 125\n"
    assert outcome.stderr.startswith("pdwrap: ")
    assert "/proc" in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_no_proc_below_a_shell_that_is_pid_1(pdwrap: list[str], mode: str) -> None:
    """E6: with PID 1 as its parent nobody is watched: exec mode needs no /proc; fork mode does, to list children."""
    script = 'umount -l /proc; "$@"; echo "then $?"'
    outcome = run(["unshare", "-pfm", "--kill-child", "sh", "-c", script, "sh", *pdwrap, "-v", "--", "echo", "started"])
    if mode == "exec":
        assert (outcome.stdout, outcome.stderr) == (b"started\nthen 0\n", BELOW_PID_1)
    else:
        assert outcome.stdout == b"then 125\n"
        assert outcome.stderr.startswith(f"{BELOW_PID_1}pdwrap: cannot list children in /proc")


@pytest.mark.limit
def test_script_without_exec(start: Starter, tmp_path: Path) -> None:
    """A script that is PID 1 and has no trap drops SIGTERM: `docker stop` reaches neither pdwrap nor the backend."""
    tree = start("reporter", "exit=15", options=["-v"], pdwrap_via=entrypoint(tmp_path, ENTRYPOINT), settle=False)
    backend = Told(tree)
    script = find(tree, 1)
    script.signal(signal.SIGTERM)
    find(tree, backend.pid).signal(FENCE)
    backend.got(FENCE)
    assert backend.signals() == [FENCE]
    assert tree.stderr == BELOW_PID_1
    script.kill()
    tree.assert_gone()


def test_script_with_exec(start: Starter, tmp_path: Path, mode: str) -> None:
    """T2, T3, T5: a script that ends in `exec pdwrap -- x`: SIGTERM arrives once, and the status is the backend's."""
    via = entrypoint(tmp_path, REPLACED)
    tree = start("reporter", "exit=15", "code=3", options=["-v"], pdwrap_via=via, settle=False)
    backend = Told(tree)
    assert (backend.pid == 1) == (mode == "exec")
    assert_stops_in_order(tree, backend, OUTSIDE)


def test_script_with_a_trap(start: Starter, tmp_path: Path) -> None:
    """T2, T3: a script that forks pdwrap and hands SIGTERM on: it arrives once, and the script learns the status."""
    via = entrypoint(tmp_path, TRAPPING)
    tree = start("reporter", "exit=15", "code=3", options=["-v"], pdwrap_via=via, settle=False)
    backend = Told(tree)
    assert_stops_in_order(tree, backend, BELOW_PID_1)


@pytest.mark.parametrize("text", [ENTRYPOINT, TRAPPING], ids=["without-exec", "with-a-trap"])
def test_script_is_killed(start: Starter, family: list[str], tmp_path: Path, text: str) -> None:
    """E1: PID 1 dies, and with it, by the kernel, all that is in its namespace (pid_namespaces(7)): no watch needed."""
    tree = start("stubborn", *family, options=["-v"], pdwrap_via=entrypoint(tmp_path, text), settle=False)
    Told(tree)
    find(tree, 1).kill()
    tree.assert_gone()
    assert tree.stderr.startswith(BELOW_PID_1)


@pytest.mark.parametrize(
    ("options", "says"),
    [([], BELOW_PID_1), (["--parent", "1"], "pdwrap: watching sh (pid 1) by pidfd")],
    ids=["by-default", "parent-1"],
)
def test_what_is_said_of_pid_1(pdwrap: list[str], tmp_path: Path, options: list[str], says: str) -> None:
    """T3: PID 1 is not watched, since the kernel does it better; `--parent 1` says that it is meant."""
    outcome = run([*entrypoint(tmp_path, ENTRYPOINT), *pdwrap, "-v", *options, "--", "sh", "-c", "exit 5"])
    assert outcome.code == 5
    assert outcome.stderr.startswith(says)
    assert outcome.stderr.count("\n") == 1
