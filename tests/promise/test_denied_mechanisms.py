"""E6: one mechanism fails, another holds; where none does, pdwrap refuses to start anything."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import FAMILY, READY, Started, Starter, denied, shell

SHORT = {"PDWRAP_GRACE": "0.2s"}
POLLED = {**SHORT, "PDWRAP_INTERVAL": "0.1s"}
NO_PIDFD = ("pidfd_open", "pidfd_send_signal")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NOBODY = "65534"
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
HIDE_PROC = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]


def assert_kept(tree: Started) -> None:
    """Signals arrive, and the launcher's death ends everything, gracefully."""
    tree.order(f"signal {signal.SIGUSR1}")
    tree.got(signal.SIGUSR1)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT]


def assert_refused(tree: Started) -> None:
    """125, one clear line, nothing started."""
    assert tree.status() == 125 << 8, tree.stderr
    tree.assert_gone()
    assert tree.voice.lines == []
    assert tree.stderr.startswith("pdwrap: ")
    assert tree.stderr.count("\n") == 1


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_pidfd_denied(start: Starter, error: str) -> None:
    """E6: an old kernel, or a seccomp profile: kept by the parent-death signal and by polling."""
    tree = start("reporter", *FAMILY, pdwrap_via=denied(error, *NO_PIDFD), env=POLLED)
    assert_kept(tree)


def test_pidfd_denied_and_the_launcher_far_up(start: Starter) -> None:
    """E6: with a shell in the middle, where no parent-death signal speaks of the launcher, polling is all there is."""
    via = [*denied("ENOSYS", *NO_PIDFD), "sh", "-c", 'export PDWRAP_PARENT=$PPID; "$@"; true', "sh"]
    tree = start("reporter", *FAMILY, pdwrap_via=via, env=POLLED)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


def test_pidfd_denied_and_supervisors_lost(start: Starter) -> None:
    """E4, E6: without pidfd, either supervisor's loss is noticed all the same."""
    for who in ("outer", "inner"):
        tree = start("plain", *FAMILY, pdwrap_via=denied("ENOSYS", *NO_PIDFD), env=POLLED)
        {"outer": tree.wrapper, "inner": tree.inner}[who].kill()
        tree.assert_gone()


def test_pidfd_denied_and_the_launcher_dies_at_the_start(start: Starter) -> None:
    """E1, E6: without pidfd, at any moment of the start."""
    for first in range(0, 40, 8):
        trees = [
            start(
                argv=["sleep", "60"],
                pdwrap_via=denied("ENOSYS", *NO_PIDFD),
                launcher=[f"die={moment * 2.5e-3}"],
                env=POLLED,
                settle=False,
            )
            for moment in range(first, first + 8)
        ]
        for tree in trees:
            tree.assert_gone()


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_parent_death_signal_denied(start: Starter, family: list[str], error: str) -> None:
    """E6: PR_SET_PDEATHSIG alone is denied: the pidfd holds."""
    tree = start("reporter", *family, pdwrap_via=denied(error, f"prctl:{PR_SET_PDEATHSIG}"), env=SHORT)
    assert_kept(tree)


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_parent_death_signal_denied_and_supervisors_lost(start: Starter, who: str) -> None:
    """E4, E6: the kernel does not kill the backend when its parent, the inner, is lost; it falls to the outer."""
    tree = start("plain", *FAMILY, pdwrap_via=denied("EPERM", f"prctl:{PR_SET_PDEATHSIG}"), env=SHORT)
    {"outer": tree.wrapper, "inner": tree.inner}[who].kill()
    tree.assert_gone()


def test_parent_death_signal_and_pidfd_denied(start: Starter) -> None:
    """E6: polling alone."""
    via = denied("EPERM", f"prctl:{PR_SET_PDEATHSIG}", *NO_PIDFD)
    assert_kept(start("reporter", *FAMILY, pdwrap_via=via, env=POLLED))


@pytest.mark.parametrize("call", ["prctl", f"prctl:{PR_SET_CHILD_SUBREAPER}"])
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_subreaper_denied(start: Starter, error: str, call: str) -> None:
    """E6: no subreaper, no promise: refused before anything starts."""
    assert_refused(start(pdwrap_via=denied(error, call), settle=False))


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("env", [SHORT, {**POLLED, "PDWRAP_WATCH": "poll"}], ids=["auto", "poll"])
def test_proc_unreadable(start: Starter, family: list[str], root: None, env: dict[str, str]) -> None:
    """E6: /proc is empty: kept, or refused in one line; never silently unprotected."""
    tree = start("reporter", *family, pdwrap_via=HIDE_PROC, env=env, settle=False)
    if not started(tree):
        assert_refused(tree)
    else:
        tree.launcher.kill()
        tree.assert_gone()


#: In a mount namespace of the launcher's making, which the backend shares with pdwrap.
OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private"]


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("how", ["umount -l /proc", "mount -t tmpfs none /proc"])
@pytest.mark.parametrize("grace", ["5s", "0.1s"])
def test_backend_hides_proc(start: Starter, root: None, how: str, grace: str) -> None:
    """E2: the backend unmounts /proc, or mounts over it, in pdwrap's sight: its children are found all the same."""
    ignoring = "trap '' TERM; " if grace == "0.1s" else ""
    script = f"{ignoring}setsid sleep 60 & sleep 60 & {how} && {READY}; wait"
    tree = start(argv=shell(script), ready=True, pdwrap_via=OWN_MOUNTS, env={"PDWRAP_GRACE": grace})
    tree.launcher.kill()
    tree.assert_gone()
    assert "3 processes ended" in tree.stderr


def started(tree: Started) -> bool:
    """Whether the backend came to be ready, before the end of everything."""
    try:
        tree.voice.next("ready", "backend")
    except AssertionError:
        return False
    return True


@pytest.mark.modes("fork", "exec")
def test_launcher_dropped_its_uid(start: Starter, family: list[str], root: None) -> None:
    """E6: a launcher of another uid may not send us the parent-death signal (docs/facts.md, 3); the pidfd holds."""
    tree = start("reporter", *family, env=SHORT)
    tree.order(f"setuid {NOBODY}")
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


def test_launcher_dropped_its_uid_and_pidfd_is_denied(start: Starter, root: None) -> None:
    """E6: polling is all there is, and it holds."""
    tree = start("reporter", *FAMILY, pdwrap_via=denied("ENOSYS", *NO_PIDFD), env=POLLED)
    tree.order(f"setuid {NOBODY}")
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [signal.SIGTERM, signal.SIGCONT]


@pytest.mark.modes("fork", "exec")
def test_backend_changed_its_uid(start: Starter, root: None) -> None:
    """E6: `setpriv --reuid` clears the parent-death signal of the backend (docs/facts.md, 4); it is ended by us."""
    for _ in range(3):
        tree = start(argv=shell(f"setsid sleep 60 & {READY}; wait"), via=AS_NOBODY, ready=True, env=SHORT)
        assert os.stat(f"/proc/{tree.backend.pid}").st_uid == int(NOBODY)
        tree.launcher.kill()
        tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_no_descriptors_left(start: Starter, mode: str) -> None:
    """E2, E6, E8: too few descriptors for what pdwrap needs: refused, or kept; nothing is left behind."""
    for limit in range(10 if mode == "fork" else 12, 26):  # the shell itself needs 10 and 11 to speak on 9
        tree = start(
            argv=shell(f"setsid sleep 60 & sleep 60 & {READY}; wait"),
            pdwrap_via=["prlimit", f"--nofile={limit}:{limit}"],
            env=SHORT,
            settle=False,
        )
        if started(tree):
            tree.launcher.kill()
            tree.assert_gone()
        else:
            assert os.WEXITSTATUS(tree.status()) != 0
            tree.assert_gone()
