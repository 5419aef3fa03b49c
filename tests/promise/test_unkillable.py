"""E7: what cannot die, or may not be killed by us, is named, and does not hang pdwrap."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.harness import READY, Process, Starter, shell
from tests.harness.freezer import Freezer, named

pytestmark = pytest.mark.usefixtures("root")

SHORT = {"PDWRAP_GRACE": "0.1s"}
NOBODY = "65534"
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.mark.parametrize("lost", ["launcher", "wrapper", "inner"])
def test_frozen_backend(start: Starter, freezer: Freezer, lost: str) -> None:
    """E7, E4: the backend is frozen, and launcher, outer or inner is lost: none hangs, and one says what is left."""
    tree = start("plain", "child=stubborn", env=SHORT)
    freezer.freeze(tree.backend)
    getattr(tree, lost).kill()
    assert tree.wrapper.is_dead()
    assert tree.inner.is_dead()
    assert named(tree) == {tree.backend.pid}
    freezer.thaw()
    tree.assert_gone()


def test_frozen_descendant(start: Starter, freezer: Freezer) -> None:
    """E7: a detached descendant is frozen; all others are gone by then, and the backend's status is told."""
    tree = start("reporter", "exit=15", "code=3", "child=double:stubborn", "child=setsid:plain", env=SHORT)
    frozen = tree.hold(int(tree.voice.all("ready", "stubborn")[0][0]))
    freezer.freeze(frozen)
    tree.order(f"signal {signal.SIGTERM}")
    assert tree.status() == 3 << 8
    assert named(tree) == {frozen.pid}
    freezer.thaw()
    tree.assert_gone()


def test_frozen_inner(start: Starter, freezer: Freezer) -> None:
    """E7, E4: the inner supervisor itself is frozen: the outer does not wait for it for ever."""
    tree = start("plain", "child=setsid:stubborn", env=SHORT)
    freezer.freeze(tree.inner)
    tree.launcher.kill()
    assert tree.wrapper.is_dead()
    assert tree.inner.pid in named(tree)
    freezer.thaw()
    tree.assert_gone()


def test_frozen_outer(start: Starter, freezer: Freezer) -> None:
    """E7, E4: the outer supervisor is frozen: the inner ends the tree without it."""
    tree = start("reporter", "child=setsid:stubborn", env=SHORT)
    freezer.freeze(tree.wrapper)
    tree.launcher.kill()
    assert tree.voice.ended()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]
    assert tree.inner.is_dead()
    freezer.thaw()
    tree.assert_gone()


@pytest.mark.modes("exec")
@pytest.mark.parametrize("who", ["backend", "child"])
def test_frozen_beside_the_sidecars(start: Starter, freezer: Freezer, who: str) -> None:
    """E7, E4: killing takes its 3 s: the second leaves the first to it, and each thing is said once."""
    tree = start("plain", "child=setsid:stubborn", env=SHORT)
    sidecars = tree.sidecars
    child = tree.hold(int(tree.voice.all("ready", "stubborn")[0][0]))
    frozen = tree.backend if who == "backend" else child
    freezer.freeze(frozen)
    tree.launcher.kill()
    for each in sidecars:
        assert each.is_dead()
    assert os.waitpid(sidecars[0].pid, 0)[1] == 0  # it fell to us; nobody has killed it
    assert named(tree) == {frozen.pid}
    assert tree.stderr.count(": ending ") == 1, tree.stderr
    assert tree.stderr.count(": done: ") == 1, tree.stderr
    freezer.thaw()
    tree.assert_gone()


@pytest.mark.parametrize("lost", ["launcher", "inner"])
def test_child_that_may_not_be_killed(start: Starter, lost: str) -> None:
    """E7: a child of another user, below a pdwrap that may not signal it (EPERM), here one without CAP_KILL."""
    via = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill", "--"]
    script = f"{' '.join(AS_NOBODY)} sleep 60 & echo other $! >&9; {READY}; wait"
    tree = start(argv=shell(script), ready=True, pdwrap_via=via, env=SHORT)
    other = tree.hold(int(tree.voice.all("other")[0][0]))
    wait_for_name(other, "sleep")
    getattr(tree, lost).kill()
    assert tree.wrapper.is_dead()
    assert tree.inner.is_dead()
    assert named(tree) == {other.pid}
    other.kill()
    tree.assert_gone()


def test_set_uid_child_of_an_ordinary_user(start: Starter) -> None:
    """E7: the backend of an ordinary user starts a set-uid program that becomes root's altogether (sudo, su).

    Its real uid, too, is root's by then, else the user might still kill it (kill(2)).
    """
    with tempfile.TemporaryDirectory(prefix="pdwrap-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.statvfs(folder).f_flag & os.ST_NOSUID:
            pytest.skip(f"{folder} is mounted nosuid")
        program = folder / "become-root"
        shutil.copy(shutil.which("setpriv") or "setpriv", program)
        program.chmod(0o4755)
        script = f"{program} --reuid=0 sleep 60 & echo other $! >&9; {READY}; wait"
        tree = start(argv=shell(script), ready=True, pdwrap_via=AS_NOBODY, env=SHORT)
        other = tree.hold(int(tree.voice.all("other")[0][0]))
        wait_for_name(other, "sleep")
        tree.launcher.kill()
        assert tree.wrapper.is_dead()
        assert named(tree) == {other.pid}
        other.kill()
        tree.assert_gone()


def wait_for_name(process: Process, name: str) -> None:
    """Look until *process* has executed the program so called."""
    while Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8").strip() != name:
        assert process.alive, f"gone before it executed {name}"
        os.sched_yield()
