"""The start of exec mode: refused, failed, interrupted at any moment; an error in a sidecar (E8); ways to watch."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from pdwrap.exec_mode.sidecar_table import FIRST, SECOND
from pdwrap.linux import procfs
from tests.harness import LIMIT, READY, Outcome, Process, Starter, children, denied, pause_for, reap_all, run, shell
from tests.harness.faulty import Faulty, Place, place

pytestmark = pytest.mark.modes("exec")

SHORT = {"PDWRAP_GRACE": "0.3s"}
LONG = {"PDWRAP_GRACE": "100s"}
PLAIN_ENVIRONMENT = {"PATH": os.environ["PATH"]}


def assert_refused(outcome: Outcome, *words: str) -> None:
    """125, nothing started, and one line that holds *words*; no sidecar is left."""
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith("pdwrap: ")
    assert outcome.stderr.count("\n") == 1
    for word in words:
        assert word in outcome.stderr
    assert reap_all(0.5)[1] == []


@pytest.mark.parametrize(
    "option",
    [("--leftovers", "wait"), ("--leftovers", "leave"), ("--rewrite", "TERM:INT"), ("--success", "3")],
)
def test_meaningless_option(pdwrap: list[str], option: tuple[str, str]) -> None:
    """T4: an option that can mean nothing here is refused, not ignored."""
    assert_refused(run([*pdwrap, *option, "--", "echo", "started"]), option[0], "exec mode", "--fork")


def test_an_option_that_asks_for_nothing_else(pdwrap: list[str]) -> None:
    """`--leftovers end` is the default: no contradiction."""
    outcome = run([*pdwrap, "--leftovers", "end", "--", "echo", "started"])
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"started\n", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PDWRAP_LEFTOVERS", "end"),
        ("PDWRAP_LEFTOVERS", "wait"),
        ("PDWRAP_REWRITE", "TERM:INT"),
        ("PDWRAP_REWRITE", "?"),
    ],
)
def test_meaningless_variable(pdwrap: list[str], name: str, value: str) -> None:
    """Its variable is ignored: it reaches every pdwrap below the one that it was meant for."""
    outcome = run([*pdwrap, "--", "echo", "started"], env={**PLAIN_ENVIRONMENT, name: value})
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"started\n", "")


def test_mode_by_a_variable(start: Starter) -> None:
    """`PDWRAP_MODE=exec` is `--exec`."""
    start.pdwrap.remove("--exec")
    tree = start("reporter", env={**SHORT, "PDWRAP_MODE": "exec"})
    assert tree.backend.pid == tree.wrapper.pid
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_without_pidfd(pdwrap: list[str], error: str) -> None:
    """E6: where the kernel refuses pidfds, one line says so and names the other mode."""
    outcome = run([*denied(error, "pidfd_open"), *pdwrap, "--", "echo", "started"])
    assert_refused(outcome, "pidfd_open", "--fork")


@pytest.mark.parametrize("code", [127, 126])
def test_command_that_cannot_be_executed(pdwrap: list[str], tmp_path: Path, code: int) -> None:
    """T4: 127 or 126, one line, and no sidecar is left."""
    command = tmp_path / "command"
    if code == 126:
        command.write_text("")
    outcome = run([*pdwrap, "--", str(command)])
    assert outcome.code == code
    assert outcome.stderr.startswith(f"pdwrap: {command}: ")
    assert outcome.stderr.count("\n") == 1
    assert reap_all()[1] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_signal_at_any_moment_of_the_start(start: Starter, number: int) -> None:
    """E1: at 40 moments of the start pdwrap gets a signal: nothing is left, and it has died of it."""
    choose = random.Random(40 + number)
    for _ in range(5):
        trees = [start(argv=["sleep", "60"], settle=False) for _ in range(8)]
        for tree in trees:
            wrapper = tree.wrapper
            pause_for(choose.uniform(0, 0.02))
            wrapper.signal(number)
        for tree in trees:
            assert os.waitstatus_to_exitcode(tree.status()) == -number
            assert "Traceback" not in tree.stderr
        for tree in trees:
            tree.dismiss()
        for tree in trees:
            tree.assert_gone()
        start.close()


WAIT = place("exec_mode.sidecar_loop.Sidecar._wait")


@pytest.mark.parametrize("error", ["memory", "descriptors", "bug", "interrupt"])
@pytest.mark.parametrize("state", [FIRST, SECOND])
def test_error_while_watching(faulty: Faulty, state: str, error: str) -> None:
    """E8: a sidecar fails while all is well: it says so in one line, and ends the tree, never in silence."""
    tree = faulty.fail(WAIT, state, error=error)("plain", "child=setsid:stubborn", settle=False)
    tree.assert_tree_gone()
    faulty.assert_reached()
    assert "internal error" in tree.stderr
    assert "Traceback" not in tree.stderr
    assert all(line.startswith("pdwrap: ") for line in tree.stderr.splitlines())
    tree.assert_gone()


@pytest.mark.parametrize(
    "where",
    [
        place("exec_mode.sidecar_actions.SidecarActions.list_tree"),
        place("exec_mode.sidecar_actions.SidecarActions.first_signal"),
        place("exec_mode.sidecar_actions.SidecarActions.announce"),
        place("exec_mode.sidecar_actions.SidecarActions.set_deadline"),
        place("exec_mode.sidecar_actions.SidecarActions.kill"),
        place("exec_mode.sidecar_actions.SidecarActions.report_done"),
    ],
)
def test_error_while_ending(faulty: Faulty, tmp_path: Path, where: Place) -> None:
    """E8: on the launcher's death a step of the ending fails, in both sidecars: the tree is gone all the same."""
    when = tmp_path / "now"
    tree = faulty.fail(where, when=when)("stubborn", "child=setsid:stubborn", env=SHORT)
    when.touch()
    tree.launcher.kill()
    tree.assert_gone()
    faulty.assert_reached()
    assert "internal error" in tree.stderr
    assert "Traceback" not in tree.stderr


@pytest.mark.parametrize(
    "where", [place("linux.descriptors.close_all_but"), place("exec_mode.sidecar_pipes.SidecarPipes.__init__")]
)
def test_error_before_the_sidecar_stands(faulty: Faulty, where: Place) -> None:
    """E8, T4: nothing is started, and one line says why."""
    tree = faulty.fail(where, error="descriptors")(argv=shell(f"{READY}; exec sleep 60"), settle=False)
    assert os.waitstatus_to_exitcode(tree.status()) == 125
    tree.assert_gone()
    faulty.assert_reached()
    assert tree.voice.lines == []
    assert tree.stderr.startswith("pdwrap: the sidecar was lost while pdwrap started (Too many open files)")
    assert tree.stderr.count("\n") == 1


def test_watched_by_polling(start: Starter) -> None:
    """E1: `--watch poll`: the sidecars look at the interval."""
    tree = start("reporter", "child=setsid:plain", env={**SHORT, "PDWRAP_WATCH": "poll", "PDWRAP_INTERVAL": "0.05s"})
    tree.assert_alive(0.2)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


def test_nothing_is_said_of_an_ordinary_end(start: Starter) -> None:
    """The backend ends, and its launcher with it: nothing has been ended, so there is nothing to say."""
    for _ in range(10):
        tree = start("plain")
        tree.backend.kill()
        assert tree.backend.is_dead()
        tree.launcher.kill()
        tree.assert_gone()
        assert tree.stderr == ""


def test_more_descendants_than_descriptors(start: Starter) -> None:
    """N3: those beyond the soft limit on descriptors are held by pidfd, too; the backend keeps its limit (T1)."""
    loop = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do setsid sleep 60 & done"
    limit = ["prlimit", "--nofile=20:200"]
    tree = start(argv=shell(f"trap '' TERM; {loop}; {READY}; wait"), ready=True, pdwrap_via=limit, env=LONG)
    first = tree.sidecars[0]
    members = {tree.backend.pid, *children(tree.backend.pid)}
    assert len(members) == 17
    assert resource.prlimit(tree.backend.pid, resource.RLIMIT_NOFILE) == (20, 200)
    tree.launcher.kill()
    deadline = time.monotonic() + LIMIT
    while not members <= procfs.pidfds_of(first.pid):
        assert time.monotonic() < deadline
        pause_for(0.002)
    for pid in members:
        tree.hold(pid).kill()
    tree.assert_gone()


def test_many_descendants(start: Starter) -> None:
    """E2: more of them than a sidecar may have descriptors."""
    script = f"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do setsid sleep 60 & done; {READY}; wait"
    tree = start(argv=shell(script), ready=True, pdwrap_via=["prlimit", "--nofile=20:20"], env=SHORT)
    held: list[Process] = tree.sidecars
    assert len(held) == 2
    tree.launcher.kill()
    tree.assert_gone()
    assert "internal error" not in tree.stderr
