"""E2, E3 and E6 in exec mode: what a backend does to itself, and what it starts, is ended; and what is not."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.harness import READY, Starter, children, shell
from tests.harness.freezer import Freezer, named

pytestmark = pytest.mark.modes("exec")

TERM, CONT = signal.SIGTERM, signal.SIGCONT
SHORT = {"PDWRAP_GRACE": "0.2s"}
NOBODY = "65534"
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
HELPERS_ON_TERM = """
import os, signal, sys, time
def end(*_):
    for _ in range(3):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
            os._exit(0)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(9, b"ready backend %d\\n" % os.getpid())
while True:
    signal.pause()
"""


def test_executes_again(start: Starter) -> None:
    """E1: the backend executes other programs, time and again: it is still the same process."""
    tree = start(
        argv=shell(f'exec sh -c "exec sh -c \\"{READY}; exec sleep 60\\""'.replace("$$", "\\\\\\$\\$")), ready=True
    )
    assert tree.backend.pid == tree.wrapper.pid
    tree.launcher.kill()
    tree.assert_gone()


def test_calls_setsid(start: Starter) -> None:
    """E1, E2: the backend leaves its session and group."""
    tree = start(argv=shell(f"sleep 60 & {READY}; wait"), ready=True, via=["setsid"], env=SHORT)
    assert os.getsid(tree.backend.pid) == tree.backend.pid
    tree.launcher.kill()
    tree.assert_gone()


def test_changed_its_uid_and_has_workers(start: Starter, root: None) -> None:
    """E6: `setpriv --reuid` clears the kernel's signal; the sidecars need none."""
    tree = start(argv=shell(f"setsid sleep 60 & sleep 60 & {READY}; wait"), via=AS_NOBODY, ready=True, env=SHORT)
    for sidecar in tree.sidecars:
        sidecar.kill()
        assert sidecar.is_dead()
        assert len(tree.sidecars) == 2
        break
    tree.launcher.kill()
    tree.assert_gone()


def test_is_stopped_with_its_workers(start: Starter) -> None:
    """E2, E3: a stopped backend acts on its signal when it is continued; its stopped workers are as well."""
    tree = start("catcher", "exit=15", "child=setsid:catcher[exit=15]", env={"PDWRAP_GRACE": "100s"})
    worker = next(each for each in tree.members if each.pid != tree.backend.pid)
    for each in (tree.backend, worker):
        each.signal(signal.SIGSTOP)
        each.wait_stopped()
    tree.launcher.kill()
    tree.assert_gone()
    assert TERM in tree.signals()
    assert TERM in tree.signals(worker)


def test_forks_helpers_on_its_signal_and_exits(start: Starter) -> None:
    """E2: what the handler forks is orphaned before it can be listed; where the backend led its group it is found.

    As every backend of LocalAI does.
    """
    for _ in range(5):
        argv = [sys.executable, "-ISc", HELPERS_ON_TERM]
        tree = start(argv=argv, ready=True, launcher=["group", "close=0"], env=SHORT)
        tree.launcher.kill()
        tree.assert_gone()


def test_words_after_deeds(start: Starter) -> None:
    """One line says why, whom and how, one that it is over; from the first sidecar alone."""
    tree = start("plain", "child=plain", env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    ending, done = tree.stderr.splitlines()
    assert f"(pid {tree.launcher.pid}) died: ending" in ending
    assert f"(pid {tree.backend.pid}) with SIGTERM, grace 0.2s" in ending
    assert done.startswith("pdwrap: done: 2 processes ended in ")


def test_grace_of_nothing(start: Starter) -> None:
    """E3: with `--grace 0` all of the tree is killed, and nobody is asked."""
    tree = start("reporter", "child=setsid:reporter", options=["--grace", "0"])
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.voice.all("got") == []
    assert "with SIGKILL" in tree.stderr


def test_frozen(start: Starter, root: None, freezer: Freezer) -> None:
    """E7: the backend cannot die: both sidecars say so, and do not wait for ever."""
    tree = start("plain", "child=stubborn", env={"PDWRAP_GRACE": "0.1s"})
    sidecars = tree.sidecars
    freezer.freeze(tree.backend)
    tree.launcher.kill()
    assert all(each.is_dead() for each in sidecars)
    assert tree.backend.pid in named(tree)
    freezer.thaw()
    tree.assert_gone()


@pytest.mark.limit
def test_detached_before(start: Starter) -> None:
    """Limit: what detached itself by a double fork before the launcher's death is out of sight, and lives on."""
    tree = start("plain", "child=double:plain", env=SHORT)
    daemon = tree.hold(int(tree.voice.all("ready", "plain")[0][0]))
    tree.launcher.kill()
    assert tree.backend.is_dead()
    tree.voice.quiet_for(0.3)
    assert daemon.alive
    daemon.kill()
    tree.assert_gone()


@pytest.mark.limit
def test_leftovers(start: Starter) -> None:
    """Limit (E5 is fork mode's): what a backend leaves behind that exits by itself is not ended."""
    tree = start("plain", "child=stubborn", env=SHORT)
    sidecars = tree.sidecars
    leftover = tree.hold(int(tree.voice.all("ready", "stubborn")[0][0]))
    tree.backend.kill()
    assert all(each.is_dead() for each in sidecars)
    assert leftover.alive
    leftover.kill()
    tree.assert_gone()
    assert tree.stderr == ""


@pytest.mark.limit
def test_signal_of_the_launcher_is_not_seen(start: Starter) -> None:
    """Limit (E3): a SIGTERM that the launcher sent before it died went past the sidecars: the backend gets two."""
    tree = start("reporter", env=SHORT)
    tree.order(f"signal {TERM}")
    tree.got(TERM)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals().count(TERM) == 2


@pytest.mark.limit
def test_ended_sidecars_stay_for_their_subreaper(start: Starter) -> None:
    """Limit: an ended sidecar is a zombie until whom it fell to waits for it."""
    tree = start("plain")
    first, second = tree.sidecars
    tree.backend.kill()
    assert first.is_dead()
    assert second.is_dead()
    assert first.pid in children()
    tree.assert_gone()


@pytest.mark.slow
@pytest.mark.parametrize("grace", ["0", "0.3s"])
def test_tree_that_is_never_the_same(start: Starter, grace: str) -> None:
    """E2: what forks and exits, again and again, has another pid whenever it is found; in the group it is ended."""
    for runners in (1, 1, 1, 1, 3, 3):
        tree = start("plain", *["child=runner"] * runners, launcher=("group",), env={"PDWRAP_GRACE": grace})
        tree.launcher.kill()
        tree.assert_gone()
