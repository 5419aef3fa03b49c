"""An init as PID 1, pdwrap as its child, as `docker run --init` and images with an init of their own have it.

Docker's own init is tini. PID 1 is not watched: the container ends with it.
"""

from __future__ import annotations

import signal

import pytest

from tests.harness import Starter, children, parent_of, run
from tests.harness.containers import BELOW_PID_1, CONTAINER, Container, Told, find, inside, launcher_of, status_of

pytestmark = [pytest.mark.usefixtures("root"), pytest.mark.modes("fork", "exec")]

TINI = ["tini", "--"]
GROUP = ["tini", "-g", "--"]
INITS = pytest.mark.parametrize(
    "init",
    [TINI, GROUP, ["dumb-init", "--"], ["dumb-init", "--single-child", "--"]],
    ids=["tini", "tini-group", "dumb-init", "dumb-init-single-child"],
)
"""tini signals its child, with -g its child's group, as dumb-init does unless told otherwise."""


def below(pid: int) -> list[int]:
    """All descendants of *pid*."""
    return [each for child in children(pid) for each in (child, *below(child))]


@INITS
def test_signals(start: Starter, init: list[str]) -> None:
    """T2, T3: what the init is sent arrives once, whether it signals a process or a group; the status comes back."""
    tree = start("reporter", "exit=15", "code=3", options=["-v"], pdwrap_via=[*CONTAINER, *init], settle=False)
    backend = Told(tree)
    first = find(tree, 1)
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM]
    for number in numbers:
        first.signal(number)
        backend.got(number)
    assert status_of(tree) == 3
    tree.assert_gone()
    assert backend.signals() == numbers
    assert tree.stderr == BELOW_PID_1


@INITS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_backend_dies_of_a_signal(pdwrap: list[str], init: list[str], number: signal.Signals) -> None:
    """T3: the init sees the backend's death by a signal, and tells it as 128 + the number, as without pdwrap."""
    script = ["sh", "-c", f"kill -{int(number)} $$"]
    outcome = run([*CONTAINER, *init, *pdwrap, "-v", "--", *script])
    assert outcome.code == 128 + number
    assert outcome.stderr == BELOW_PID_1


@pytest.mark.parametrize("options", [[], ["--parent", "1"]], ids=["by-default", "parent-1"])
def test_orphan(start: Starter, mode: str, options: list[str]) -> None:
    """T5: a grandchild that was forked twice falls to the inner supervisor, in exec mode to the init; it is reaped."""
    tree = start(
        "reporter",
        "exit=15",
        "child=double:plain",
        options=["-v", *options],
        pdwrap_via=[*CONTAINER, *TINI],
        settle=False,
    )
    backend = Told(tree)
    first = find(tree, 1)
    orphan = find(tree, int(tree.voice.all("ready", "plain")[0][0]))
    assert inside(parent_of(orphan.pid)) == (1 if mode == "exec" else inside(parent_of(find(tree, backend.pid).pid)))
    orphan.kill()
    orphan.wait_reaped()
    first.signal(signal.SIGTERM)
    assert status_of(tree) == 0
    tree.assert_gone()
    assert [number for number in backend.signals() if number != signal.SIGCHLD] == [signal.SIGTERM]
    assert tree.stderr.startswith("pdwrap: watching tini (pid 1)" if options else BELOW_PID_1)
    assert tree.stderr.count("\n") == 1


@pytest.mark.parametrize("init", [TINI, ["dumb-init", "--"]], ids=["tini", "dumb-init"])
def test_parent_1(pdwrap: list[str], init: list[str]) -> None:
    """T3: the launcher is PID 1: `--parent 1` says that it is meant, and then it is watched."""
    outcome = run([*CONTAINER, *init, *pdwrap, "-v", "--parent", "1", "--", "sh", "-c", "exit 5"])
    assert outcome.code == 5
    assert outcome.stderr.startswith(f"pdwrap: watching {init[0]} (pid 1) by pidfd")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--parent", "1"]], ids=["by-default", "parent-1"])
def test_init_is_killed(start: Starter, family: list[str], options: list[str]) -> None:
    """E1: the kernel kills all of a namespace with its PID 1 (pid_namespaces(7)), pdwrap included."""
    tree = start("stubborn", *family, options=["-v", *options], pdwrap_via=[*CONTAINER, *TINI], settle=False)
    Told(tree)
    find(tree, 1).kill()
    tree.assert_gone()
    assert tree.stderr.startswith("pdwrap: watching tini (pid 1)" if options else BELOW_PID_1)


@pytest.mark.limit
def test_launcher_is_the_child_of_the_init(start: Starter, family: list[str]) -> None:
    """The init ends with its child, and with the init the container: the launcher's death leaves no time to ask.

    The grace is longer than this test may take: it is the kernel that ends what ignores SIGTERM.
    """
    env = {"PDWRAP_GRACE": "1h"}
    launcher_via = [*CONTAINER, *TINI]
    tree = start("stubborn", *family, options=["-v"], launcher_via=launcher_via, env=env, settle=False)
    Told(tree)
    launcher_of(tree).kill()
    tree.assert_gone()
    assert "(pid 2) by pidfd" in tree.stderr


def test_launcher_beside_the_init(start: Starter, family: list[str]) -> None:
    """E1, E2: a launcher that the container outlives (`docker exec`): the backend is asked; the init reaps the rest."""
    container = Container(TINI)
    (waits,) = children(container.first.pid)
    tree = start("reporter", *family, launcher_via=container.enter, env={"PDWRAP_GRACE": "0.2s"}, settle=False)
    backend = Told(tree)
    (launcher,) = children(tree.launcher.pid)
    others = [tree.hold(pid) for pid in below(launcher) + below(container.first.pid) if pid != waits]
    tree.hold(launcher).kill()
    tree.assert_tree_gone()
    assert backend.signals() == [signal.SIGTERM, signal.SIGCONT]
    for process in others:
        process.wait_reaped()
    assert children(container.first.pid) == [waits]
    container.end()
    tree.assert_gone()
