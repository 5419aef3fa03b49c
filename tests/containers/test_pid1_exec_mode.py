"""pdwrap as PID 1 in places that offer little, and in exec mode; what fork mode does there is in `test_pid1`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness import Outcome, Starter, children, run
from tests.harness.containers import (
    CONTAINER,
    NO_PROC,
    OUTSIDE,
    PROBE,
    Told,
    assert_stops_in_order,
    bare,
    find,
    status_of,
)

pytestmark = pytest.mark.usefixtures("root")

BOTH = pytest.mark.modes("fork", "exec")
EXEC = pytest.mark.modes("exec")


def run_with_lifeline(argv: list[str]) -> Outcome:
    """Run *argv*, with a lifeline as descriptor 5 whose other end stays open."""
    theirs, ours = os.pipe()
    try:
        return run(argv, fds={5: theirs})
    finally:
        os.close(theirs)
        os.close(ours)


@EXEC
def test_orderly_stop(start: Starter) -> None:
    """T2, T6: in exec mode the backend is PID 1 itself, without a child; SIGTERM from outside reaches it once."""
    tree = start("reporter", "exit=15", "code=3", options=["-v"], pdwrap_via=CONTAINER, settle=False)
    backend = Told(tree)
    assert backend.pid == 1
    assert children(find(tree, 1).pid) == []
    assert_stops_in_order(tree, backend, OUTSIDE)


@BOTH
def test_backend_without_a_handler(start: Starter, mode: str) -> None:
    """T5: the kernel drops SIGTERM for a PID 1 that does not handle it: `docker stop` ends the backend in fork mode.

    A dropped signal is not pending, so what exec mode's backend ends by is the SIGKILL that follows.
    """
    tree = start("plain", options=["-v"], pdwrap_via=CONTAINER, settle=False)
    assert (Told(tree).pid == 1) == (mode == "exec")
    first = find(tree, 1)
    first.signal(signal.SIGTERM)
    if mode == "fork":
        assert status_of(tree) == 128 + signal.SIGTERM
    else:
        status = Path(f"/proc/{first.pid}/status").read_text(encoding="ascii").split()
        assert int(status[status.index("ShdPnd:") + 1], 16) == 0
        assert first.alive
        first.kill()
    tree.assert_gone()
    assert tree.stderr.startswith(OUTSIDE)


@EXEC
def test_exec_mode_with_a_lifeline_is_refused(pdwrap: list[str]) -> None:
    """E6: PID 1 takes no SIGKILL from its own namespace (pid_namespaces(7)): fork mode can end it, exec mode cannot."""
    outcome = run_with_lifeline([*CONTAINER, *pdwrap, "--lifeline", "5", "--", "echo", "started"])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith("pdwrap: ")
    assert outcome.stderr.count("\n") == 1


@BOTH
def test_bare_read_only_root(start: Starter, mode: str, tmp_path: Path) -> None:
    """T5: nothing can be written, and neither /tmp nor /dev is there: pdwrap misses nothing."""
    via = bare(tmp_path)
    tree = start("reporter", "exit=15", "code=3", options=["-v"], pdwrap_via=via, via=PROBE, settle=False)
    backend = Told(tree)
    assert (backend.pid == 1) == (mode == "exec")
    assert_stops_in_order(tree, backend, OUTSIDE)


def test_lifeline_in_a_bare_read_only_root(start: Starter, family: list[str], tmp_path: Path) -> None:
    """E1, E2: the end of a tree needs no writable place either."""
    theirs, ours = os.pipe()
    options = ["--lifeline", "5", "--grace", "0.2s"]
    tree = start(
        "reporter", *family, options=options, pdwrap_via=bare(tmp_path), via=PROBE, fds={5: theirs}, settle=False
    )
    os.close(theirs)
    backend = Told(tree)
    os.close(ours)
    tree.assert_gone()
    assert backend.signals() == [signal.SIGTERM, signal.SIGCONT]


def test_no_proc(pdwrap: list[str]) -> None:
    """E6, T4: without /proc fork mode could not list what it must end: refused in one line that says what to do."""
    outcome = run([*NO_PROC, *pdwrap, "--", "echo", "started"])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith("pdwrap: cannot list children in /proc (")
    assert outcome.stderr.endswith("nothing was started; mount /proc\n")
    assert outcome.stderr.count("\n") == 1


@EXEC
def test_no_proc_and_nothing_to_watch(pdwrap: list[str]) -> None:
    """T3: exec mode has nobody to watch as PID 1, and is a plain exec: it needs no /proc."""
    outcome = run([*NO_PROC, *pdwrap, "-v", "--", "sh", "-c", "echo $$; exit 4"])
    assert (outcome.code, outcome.stdout, outcome.stderr) == (4, b"1\n", OUTSIDE)


def test_no_proc_and_a_lifeline(pdwrap: list[str]) -> None:
    """E6, T4: with something to watch, too, in one line that names /proc."""
    outcome = run_with_lifeline([*NO_PROC, *pdwrap, "--lifeline", "5", "--", "echo", "started"])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith("pdwrap: ")
    assert "/proc" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
