"""The questions of `scripts/compare`, each answered by one trial with one peer: yes, no, or not to be asked."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.processes import pidfd_open

from . import keys
from .beside import Beside
from .build import program
from .limits import NOBODY
from .peers import Peer
from .scene import Scene, is_actor, send, state

ENDS = 2.0
"""Seconds for what must happen; a grace of half a second is in it."""
READY = 10.0
LIVES = 0.3
"""Seconds in which what must not happen would have."""

Answer = bool | None
"""None: not to be asked, as of processes that it does not have."""


def inside(pid: int) -> int:
    """Give its pid in the innermost namespace, which is what an actor writes down."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as lines:
            return next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return 0


def node(scene: Scene, number: int) -> int:
    """Give the pid of a node of the tree, as we see it; 0 if it is gone."""
    wanted = scene.account.nodes[number]
    return next((pid for pid in scene.left() if pid != scene.launcher and is_actor(pid) and inside(pid) == wanted), 0)


def own(scene: Scene) -> list[int]:
    """List the wrapper's own processes: neither launcher nor tree."""
    return [pid for pid in scene.left() if pid != scene.launcher and not is_actor(pid)]


def all_gone(scene: Scene) -> bool:
    """Wait until nothing is left, of the wrapper neither; the launcher is dead."""
    return not scene.gone(ENDS)


def tree_gone(scene: Scene) -> bool:
    """Wait until nothing is left but the launcher."""

    def gone() -> bool:
        # Twice, as in Scene.gone: who gets a new parent meanwhile is not seen once.
        return all(set(scene.left()) <= {scene.launcher} for _ in range(2))

    return scene.until(gone, ENDS)


# -- the launcher dies -------------------------------------------------------------------------------------------------


def launcher_dies(scene: Scene, turn: int) -> Answer:
    """SIGKILL to the launcher: all is gone."""
    send(scene.launcher, signal.SIGKILL)
    return all_gone(scene)


def is_asked(scene: Scene, turn: int) -> Answer:
    """The backend gets SIGTERM when the launcher dies, once."""
    send(scene.launcher, signal.SIGKILL)
    scene.gone(ENDS)
    return scene.account.heard[0, signal.SIGTERM] == 1


# -- what ends the tree is hurt itself ---------------------------------------------------------------------------------


def wrapper_killed(scene: Scene, turn: int) -> Answer:
    """SIGKILL to the pid that the launcher knows, while it lives."""
    send(scene.account.wrapper, signal.SIGKILL)
    return tree_gone(scene)


def group_killed(scene: Scene, turn: int) -> Answer:
    """SIGKILL to its group."""
    os.killpg(scene.account.wrapper, signal.SIGKILL)
    return tree_gone(scene)


def one_lost(number: int) -> Callable[[Scene, int], Answer]:
    """Strike one of its own processes, another one each turn, then kill the launcher."""

    def answer(scene: Scene, turn: int) -> Answer:
        there = own(scene)
        if not there:
            return None
        struck = there[turn % len(there)]
        send(struck, number)
        scene.until(lambda: state(struck) in "TZX", ENDS)
        send(scene.launcher, signal.SIGKILL)
        return all_gone(scene)

    return answer


def all_lost(scene: Scene, turn: int) -> Answer:
    """Kill all of its own processes at once, then the launcher."""
    there = own(scene)
    if not there:
        return None
    held = [pidfd_open(pid) for pid in there]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for fd in held:
            signal.pidfd_send_signal(fd, number)
    for fd in held:
        os.close(fd)
    send(scene.launcher, signal.SIGKILL)
    return all_gone(scene)


# -- nothing is to happen ----------------------------------------------------------------------------------------------


def lives_on(scene: Scene) -> bool:
    """Nothing happens to the backend."""
    backend = node(scene, 0)
    scene.until(lambda: False, LIVES)
    return backend != 0 and state(backend) not in "ZX" and not scene.account.heard


def threads(pid: int) -> int:
    """Count the threads of a process."""
    return len(os.listdir(f"/proc/{pid}/task"))


def thread_ends(scene: Scene, turn: int) -> Answer:
    """The thread that forked ends, once all stands; its process lives."""
    if threads(scene.launcher) != 2:
        return False
    scene.release()
    return scene.until(lambda: threads(scene.launcher) == 1, READY) and lives_on(scene)


def other_thread_executes(scene: Scene, turn: int) -> Answer:
    """Another thread than that which forked executes a program: the same process goes on as that."""

    def executed() -> bool:
        with open(f"/proc/{scene.launcher}/cmdline", "rb") as line:
            return line.read() == b"actors\0rest\0"

    scene.release()
    return scene.until(executed, READY) and lives_on(scene)


# -- nothing else is to change -----------------------------------------------------------------------------------------


def arrives_once(scene: Scene) -> bool:
    """SIGTERM has been sent, and has come exactly once."""
    scene.until(lambda: scene.account.heard[0, signal.SIGTERM] > 0, ENDS)
    scene.until(lambda: False, LIVES)
    return scene.account.heard[0, signal.SIGTERM] == 1


def pid_is_asked(scene: Scene, turn: int) -> Answer:
    """SIGTERM to the pid that the launcher knows."""
    send(scene.account.wrapper, signal.SIGTERM)
    return arrives_once(scene)


def group_is_asked(scene: Scene, turn: int) -> Answer:
    """SIGTERM to the group that the launcher knows."""
    os.killpg(scene.account.wrapper, signal.SIGTERM)
    return arrives_once(scene)


def ends_with_backend(scene: Scene, turn: int) -> Answer:
    """The backend ends by itself: its wrapper, and what is left, ends as well."""
    send(node(scene, 0), signal.SIGTERM)
    return tree_gone(scene)


def same_pid(scene: Scene, turn: int) -> Answer:
    """The pid that the launcher knows is the backend's."""
    return scene.account.wrapper == node(scene, 0)


def is_reaped(scene: Scene, turn: int) -> Answer:
    """Who was orphaned and ends leaves no zombie."""
    orphan = node(scene, 1)
    send(orphan, signal.SIGTERM)
    return scene.until(lambda: state(orphan) == "X", ENDS)


def stands(scene: Scene, turn: int) -> Answer:
    """It has come so far."""
    return True


def status(signum: int, code: int) -> Callable[[Scene, int], Answer]:
    """Ask whether the launcher sees that the backend has died of a signal, or has given a status."""

    def answer(scene: Scene, turn: int) -> Answer:
        scene.until(lambda: scene.account.status is not None, READY)
        return scene.account.status == (signum, code)

    return answer


# -- the table ---------------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    """One row."""

    text: str
    kind: str
    """The launcher (actors.c)."""
    tree: str
    answer: Callable[[Scene, int], Answer]
    script: str = ""
    """In place of a tree: what /bin/sh is to run."""
    before: Sequence[str] = ()
    """In front of the peer."""


class AtTerminal(NamedTuple):
    """One row of those that need a terminal."""

    text: str
    answer: Callable[[Peer, Beside], bool]


INIT = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
USER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

ROWS: dict[str, tuple[Question | AtTerminal, ...]] = {
    "The launcher is killed": (
        Question("the backend is gone", "sBg", "", launcher_dies),
        Question("its child in a session of its own, too", "sBg", "(s)", launcher_dies),
        Question("what has detached itself (double fork), too", "sBg", "(sd)", launcher_dies),
        Question("what ignores SIGTERM, too", "sBg", "i(si)", launcher_dies),
        Question("where the launcher has dropped its uid, too", "sBgu", "", launcher_dies),
        Question("the backend is asked first (SIGTERM), once", "sBg", "", is_asked),
    ),
    "What ends the tree is hurt itself": (
        Question("the pid that the launcher knows is killed: all gone", "sBg", "(s)", wrapper_killed),
        Question("its group is killed: all gone", "sBg", "(s)", group_killed),
        Question("one process of the wrapper's killed, then the launcher: all gone", "sBg", "(s)", one_lost(9)),
        Question("one of them stopped, then the launcher killed: all gone", "sBg", "(s)", one_lost(19)),
        Question("all of them killed at once, and the launcher: all gone", "sBg", "(s)", all_lost),
        Question("the backend ends: what it has left behind is ended", "sBg", "(s)", ends_with_backend),
    ),
    "Nothing is to happen": (
        Question("the launcher's thread ends: the backend lives", "sBgl", "", thread_ends),
        Question("another thread of the launcher's calls exec: the backend lives", "sBgE", "", other_thread_executes),
    ),
    "Nothing else is to change": (
        Question("SIGTERM to its pid arrives once", "sBg", "i", pid_is_asked),
        Question("SIGTERM to its group arrives once", "sBg", "i", group_is_asked),
        Question("exit status 7 is seen as that", "sBg", "", status(0, 7), script="exit 7"),
        Question("death by a signal is seen as that", "sBg", "", status(15, 0), script="kill -TERM $$"),
        Question("started with SIGCHLD ignored, it ends with its backend", "sBgi", "", ends_with_backend),
        Question(
            "descriptor 0 closed is closed for the backend",
            "sBg0",
            "",
            status(0, 0),
            script="[ ! -e /proc/self/fd/0 ] && [ -e /proc/self/fd/2 ]",
        ),
        Question("the backend's pid is the one that the launcher knows", "sBg", "", same_pid),
        AtTerminal("Ctrl-C ends the backend and the script around it", keys.interrupt),
        AtTerminal("Ctrl-Z stops the job, fg continues it", keys.suspend),
        AtTerminal("a pager behind it reads the keyboard", keys.pager),
        AtTerminal("a script reads the terminal after it", keys.afterwards),
        Question("as PID 1 it reaps what was orphaned", "sBg", "(d)", is_reaped, before=INIT),
        Question("an ordinary user may use it", "sBg", "", stands, before=USER),
    ),
}


def ask(row: Question | AtTerminal, peer: Peer, beside: Beside, turn: int) -> Answer:
    """Ask once."""
    if isinstance(row, AtTerminal):
        return row.answer(peer, beside)
    if row.script:
        backend = [shutil.which("sh") or "/bin/sh", "-c", row.script]
    else:
        backend = [program("actors"), "tree", row.tree]
    scene = Scene(beside, row.kind, [*row.before, *peer.command(*backend)])
    try:
        scene.release()
        nodes = 0 if row.script else 1 + row.tree.count("(") + row.tree.count(",")
        if not scene.until(lambda: len(scene.account.nodes) == nodes and scene.account.wrapper != 0, READY):
            return False
        return row.answer(scene, turn)
    finally:
        scene.close()
