"""One point: a process of pdwrap, or its launcher, struck at one of its system calls; and what is wrong afterwards.

The scene is always the same: launcher and a stranger, pdwrap in a group of its own, a backend that ends on SIGTERM, and
two children of it, one with a session of its own and one that ignores SIGTERM.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import NamedTuple

from . import verdict
from .beside import Beside
from .build import program
from .plan import EXEC, FORK, Act, Plan
from .scene import Scene, describe, send, state
from .tracer import Tracer

ENDINGS = ("launcher", "backend", "term")
"""What begins the end: the launcher's death, the backend's own, SIGTERM to pdwrap."""

KIND, TREE, NODES, GRACE = "sBgx", "(s,i)", 3, 0.1
LAUNCHER, STRANGER, WRAPPER = "L", "L.1", "L.2"
UNTIL_READY = 20.0
SETTLED = 0.05


class Point(NamedTuple):
    """Where it is struck, and with what."""

    ending: str
    name: str
    call: int
    action: str
    """kill, stop, first; or ERROR/CALL: which call is to fail from there on, and with what."""

    def __str__(self) -> str:
        """As the command line takes it."""
        return f"{self.ending},{self.name},{self.call},{self.action}"

    @property
    def words(self) -> tuple[str, ...]:
        """As the tracer takes it."""
        return (self.name, str(self.call), *self.action.split("/"))


class Struck(NamedTuple):
    """What came of it."""

    wrong: list[str]
    excused: str
    call: int | None
    """The number of the system call, if it came to it."""
    said: str


def open_scene(mode: str, pdwrap: Sequence[str], beside: Beside) -> Scene:
    """Start what every point starts."""
    options = ["--" + mode, "--grace", f"{GRACE}s"]
    return Scene(beside, KIND, [*pdwrap, *options, "--", program("actors"), "tree", TREE])


def listing(mode: str, ending: str, pdwrap: Sequence[str], beside: Beside) -> tuple[str, int]:
    """List every system call of an undisturbed run; and how long the list was when the backend was ready."""
    scene = open_scene(mode, pdwrap, beside)
    tracer = Tracer(scene, "list")
    try:
        scene.release()
        scene.until(lambda: ready(scene), UNTIL_READY)
        scene.until(lambda: False, SETTLED)
        begun = len(tracer.text)
        end(scene, ending, tracer)
        return tracer.text, begun
    finally:
        tracer.close()
        scene.close()


def run(point: Point, mode: str, pdwrap: Sequence[str], beside: Beside) -> Struck:
    """Strike once."""
    scene = open_scene(mode, pdwrap, beside)
    tracer = Tracer(scene, *point.words)
    wrong: list[str] = []
    excuse = ""
    try:
        scene.release()
        scene.until(lambda: tracer.is_over or ready(scene), UNTIL_READY)
        if not tracer.is_over:
            # Another moment for what follows upon the backend's start.
            scene.until(lambda: tracer.is_over, SETTLED)
        early = tracer.is_over
        scene.struck_alone = early and not set(scene.supervisors()) - {scene.account.wrapper}
        if not early:
            end(scene, point.ending, tracer)
        scene.stopped_last = point.action == "stop" and scene.supervisors() == [scene.account.wrapper]
        wrong += before_death(scene, point, mode, early)
        send(scene.launcher, signal.SIGKILL)
        plan = as_plan(point, ready=not early)
        wrong += verdict.after_all(scene, plan, mode)
        if wrong and all(each.startswith("left: ") for each in wrong):
            excuse = verdict.excused(scene, plan, mode, wrong)
        hit, said = tracer.hit, scene.said
        wrong += verdict.unseen(scene, wrong)
        return Struck(wrong, excuse, hit, said)
    finally:
        tracer.close()
        scene.close()


def ready(scene: Scene) -> bool:
    """Tell whether the tree stands, or never will."""
    account = scene.account
    return len(account.nodes) == NODES or account.status is not None or state(scene.launcher) in "ZX"


def end(scene: Scene, ending: str, tracer: Tracer) -> None:
    """Begin the end; and go through it, unless it is disturbed."""
    account = scene.account
    if ending == "launcher":
        send(scene.launcher, signal.SIGKILL)
    else:
        send(account.wrapper if ending == "term" else account.nodes.get(0, 0), signal.SIGTERM)
    scene.until(lambda: tracer.is_over or scene.account.status is not None or scene.is_empty(), verdict.LIMIT)
    send(scene.launcher, signal.SIGKILL)
    scene.until(lambda: tracer.is_over or scene.is_empty(), verdict.LIMIT)


def before_death(scene: Scene, point: Point, mode: str, early: bool) -> list[str]:  # noqa: FBT001 - one caller
    """What is wrong while the launcher lives, if it does."""
    if point.name == LAUNCHER or point.action == "first" or state(scene.launcher) in "ZX":
        return []
    if point.action == "kill" and (mode == FORK or point.name == WRAPPER):
        left = []
        if not scene.until(lambda: scene.left() in ([], [scene.launcher]), verdict.LIMIT + GRACE):
            left = [pid for pid in scene.left() if pid != scene.launcher]
        return [f"lives on with its launcher: {describe(pid)}" for pid in left]
    if point.action == "stop":
        scene.until(lambda: ready(scene), SETTLED)
        return []
    if not scene.until(lambda: ready(scene), UNTIL_READY):
        return ["neither ready nor ended"]
    nodes = scene.account.nodes
    if mode == EXEC and point.action == "kill" and early and any(state(pid) in "ZX" for pid in nodes.values()):
        return ["ended by mistake"]
    return []


def as_plan(point: Point, *, ready: bool) -> Plan:
    """Say it in the words of `verdict`."""
    acts = (
        [Act(0, signal.SIGTERM, {"backend": "backend", "term": "wrapper"}[point.ending])]
        if point.ending != "launcher"
        else []
    )
    acts += [Act(0, signal.SIGSTOP, "supervisor")] if point.action == "stop" else []
    return Plan("points", KIND, TREE, NODES, "file", (), GRACE, None, ready, acts=tuple(acts))
