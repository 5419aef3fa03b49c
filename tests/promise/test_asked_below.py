"""E3: what a shell or a runner keeps the first signal from is asked half way through the grace; nobody twice."""

from __future__ import annotations

import shutil

import pytest

from tests.harness import Starter, role
from tests.harness.containers import Told
from tests.harness.foreign import CONT, TERM, Foreign, reporter

pytestmark = pytest.mark.modes("fork", "exec")
GRACE = {"PDWRAP_GRACE": "1s"}
KEEP = {
    "bash with a trap": ["bash", "-c", 'trap : TERM; "$@"; true', "bash"],
    "dash with a trap": ["dash", "-c", 'trap : TERM; "$@"; true', "dash"],
    "two shells": ["bash", "-c", 'trap : TERM; sh -c \'trap : TERM; "$@"; true\' sh "$@"; true', "bash"],
    "unshare": ["unshare", "--fork"],
    "strace": ["strace", "-f", "-o", "/dev/null"],
    "a forwarder and a shell": ["timeout", "--foreground", "60", "bash", "-c", 'trap : TERM; "$@"; true', "bash"],
}
FORWARD = {
    "timeout": ["timeout", "--foreground", "60"],
    "tini": ["tini", "-s", "--"],
    "dumb-init": ["dumb-init", "--"],
    "catatonit": ["catatonit", "--"],
    "runuser": ["runuser", "-u", "root", "--"],
}


@pytest.mark.parametrize("keeper", KEEP)
def test_asked_before_it_is_killed(pdwrap: list[str], mode: str, root: None, keeper: str) -> None:
    """E3: the server is asked once, within the same grace, and ends."""
    with Foreign(mode, [*pdwrap, "--", *KEEP[keeper], *reporter()], env=GRACE) as tree:
        tree.settle()
        tree.launcher.kill()
        tree.assert_gone()
        assert [number for number in tree.heard() if number in (TERM, CONT)] == [TERM, CONT]


@pytest.mark.parametrize("shell", [[], ["sh", "-c", '"$@"; true', "sh"]], ids=["server", "shell"])
def test_init_of_a_pid_namespace(start: Starter, root: None, shell: list[str]) -> None:
    """E3: what is PID 1 of its namespace is asked, or what the shell runs that is: neither gets what unshare got."""
    via = ["unshare", "--fork", "--pid", "--kill-child", "--mount-proc", *shell]
    tree = start("reporter", f"exit={CONT}", via=via, env=GRACE, settle=False)
    backend = Told(tree)
    tree.launcher.kill()
    tree.assert_gone()
    assert [number for number in backend.signals() if number in (TERM, CONT)] == [TERM, CONT]


@pytest.mark.parametrize("forwarder", FORWARD)
def test_asked_by_the_runner_itself(pdwrap: list[str], mode: str, root: None, forwarder: str) -> None:
    """E3: a runner that hands SIGTERM on has asked its command, which is not asked again until it is killed."""
    assert shutil.which(FORWARD[forwarder][0])
    with Foreign(mode, [*pdwrap, "--", *FORWARD[forwarder], *role("reporter")], env=GRACE) as tree:
        tree.settle()
        tree.launcher.kill()
        tree.assert_gone()
        assert tree.heard().count(TERM) == 1


@pytest.mark.parametrize("via", [[], KEEP["bash with a trap"]], ids=["alone", "behind a shell"])
def test_workers_are_not_asked(pdwrap: list[str], mode: str, via: list[str]) -> None:
    """E3: workers of a backend, or of a server behind a shell, are asked by nobody but their master."""
    with Foreign(mode, [*pdwrap, "--", *via, *role("reporter", "child=reporter")], env=GRACE) as tree:
        tree.settle()
        worker = int(tree.voice.all("ready", "reporter")[0][0])
        tree.launcher.kill()
        tree.assert_gone()
        assert tree.heard() == [TERM, CONT]
        assert tree.voice.all("got", str(worker)) == []


@pytest.mark.limit
def test_a_trap_that_passes_it_on(pdwrap: list[str], mode: str) -> None:
    """A trap that hands SIGTERM on cannot be told from one that does not: its server is asked twice."""
    shell = ["bash", "-c", 'trap "kill \\$!" TERM; "$@" & wait; wait; true', "bash"]
    with Foreign(mode, [*pdwrap, "--", *shell, *role("reporter")], env=GRACE) as tree:
        tree.settle()
        tree.launcher.kill()
        tree.assert_gone()
        assert tree.heard().count(TERM) == 2
