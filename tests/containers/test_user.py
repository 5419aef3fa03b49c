"""Containers of an ordinary user (rootless): user namespaces, in which root is nobody outside."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.harness import HERE, Starter, run
from tests.harness.containers import CONTAINER, INIT, ORPHANS, OUTSIDE, Told, find, launcher_of, status_of

pytestmark = pytest.mark.modes("fork", "exec")

SHORT = {"PDWRAP_GRACE": "0.2s"}
ONCE = [signal.SIGTERM, signal.SIGCONT]
NOBODY = 65534
ROOTLESS = [CONTAINER[0], "--user", "--map-root-user", *CONTAINER[1:]]
USER_ONLY = ["unshare", "--user", "--map-root-user"]

OPENED = """
set -e
empty=$1; shift
while [ "$1" != -- ]; do
    mount -t overlay -o "lowerdir=$empty:$1" none "$1"
    shift
done
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""


def closed_folders() -> list[str]:
    """Folders above Python and the checkout that others may not pass; farthest up first."""
    needed = (sys.base_prefix, sys.prefix, str(HERE))
    above = {str(folder) for each in needed for folder in (Path(each), *Path(each).parents)}
    return [folder for folder in sorted(above) if not os.stat(folder).st_mode & 0o001]


@pytest.fixture
def user(tmp_path: Path) -> list[str]:
    """A prefix that runs what follows as an ordinary user; empty where we are one.

    Root's Python may be in a folder of root's. In a mount namespace of its own, an empty folder that others may pass
    lies over that one: with it go its permissions (overlayfs).
    """
    if os.geteuid() != 0:
        prefix = []
    else:
        tmp_path.chmod(0o755)
        prefix = ["unshare", "--mount", "sh", "-c", OPENED, "sh", str(tmp_path), *closed_folders(), "--"]
    tried = run([*prefix, *ROOTLESS, "true"])
    if tried.code != 0:
        pytest.skip(f"an ordinary user may not make namespaces here: {tried.stderr}")
    return prefix


def test_orderly_stop(start: Starter, user: list[str], mode: str) -> None:
    """T5, T2: as PID 1, root inside and nobody outside: SIGTERM arrives once, and the status is the backend's."""
    via = [*user, *ROOTLESS]
    tree = start("reporter", "exit=15", "code=3", options=["-v"], pdwrap_via=via, settle=False)
    backend = Told(tree)
    assert (backend.pid == 1) == (mode == "exec")
    first = find(tree, 1)
    if user:
        assert os.stat(f"/proc/{first.pid}").st_uid == NOBODY
    first.signal(signal.SIGTERM)
    assert status_of(tree) == 3
    tree.assert_gone()
    assert backend.signals() == [signal.SIGTERM]
    assert tree.stderr == OUTSIDE


@pytest.mark.modes("fork")
def test_orphans(pdwrap: list[str], user: list[str]) -> None:
    """T5: as PID 1 it reaps a hundred orphans, without a privilege outside."""
    outcome = run([*user, *ROOTLESS, *pdwrap, "--", sys.executable, "-ISc", ORPHANS])
    assert (outcome.stdout, outcome.code) == (b"clean\n", 7), outcome


def test_launcher_dies_in_the_container(start: Starter, family: list[str], user: list[str]) -> None:
    """E1, E2: launcher and pdwrap below the PID 1 of a rootless container."""
    tree = start("reporter", *family, launcher_via=[*user, *ROOTLESS, *INIT], env=SHORT, settle=False)
    backend = Told(tree)
    launcher_of(tree).kill()
    tree.assert_gone()
    assert backend.signals() == ONCE


def test_launcher_outside_the_user_namespace(start: Starter, family: list[str], user: list[str]) -> None:
    """E1, E2: pdwrap in a user namespace alone (a sandbox): it sees the launcher outside, and watches it."""
    tree = start("reporter", *family, launcher_via=user, pdwrap_via=USER_ONLY, env=SHORT)
    assert Path(f"/proc/{tree.backend.pid}/uid_map").read_text(encoding="ascii").split()[0] == "0"
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == ONCE


def test_backend_makes_a_container(start: Starter, family: list[str], user: list[str]) -> None:
    """E1, E2: a backend that is a rootless container: its end is the kernel's business once its PID 1 is killed."""
    tree = start("stubborn", *family, launcher_via=user, via=ROOTLESS, env=SHORT, settle=False)
    backend = Told(tree)
    assert find(tree, backend.pid).alive
    tree.launcher.kill()
    tree.assert_gone()


def test_backend_asked_in_a_container_of_its_own(start: Starter, family: list[str], user: list[str]) -> None:
    """E3: unshare(1) ignores SIGTERM for its child's sake: that is asked half way through the grace."""
    via = [each for each in ROOTLESS if each != "--kill-child"]
    tree = start("reporter", *family, launcher_via=user, via=via, env=SHORT, settle=False)
    backend = Told(tree)
    assert find(tree, backend.pid).alive
    tree.launcher.kill()
    tree.assert_gone()
    assert backend.signals() == ONCE
