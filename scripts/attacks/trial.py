"""One trial of chaos: start the scene, let the plan befall it, and give what is wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.processes import below

from . import verdict
from .beside import Beside
from .build import program
from .limits import Limits
from .plan import Act, Plan
from .scene import Scene, send, state

UNTIL_READY = 10.0


class Outcome(NamedTuple):
    """What came of it."""

    wrong: list[str]
    excused: str
    without: str
    """The limit that this machine cannot set."""
    said: str


def run(plan: Plan, mode: str, pdwrap: Sequence[str], beside: Beside) -> Outcome:
    """Carry out one plan."""
    limits = Limits()
    prefix = limits.prefix(*plan.limit) if plan.limit else []
    command = [*(prefix or []), *pdwrap, *plan.options, "--", program("actors"), "tree", plan.tree]
    scene = Scene(beside, plan.kind, command, stderr=plan.stderr)
    wrong: list[str] = []
    try:
        wrong += befall(scene, plan)
        wrong += verdict.while_the_launcher_lives(scene, plan, mode)
        send(scene.launcher, signal.SIGKILL)
        wrong += verdict.after_all(scene, plan, mode)
        said, excuse = scene.said, verdict.excused(scene, plan, mode, wrong)
        wrong += verdict.unseen(scene, wrong)
    finally:
        scene.close()
        limits.close()
    if not wrong or not all(each.startswith("left") for each in wrong):
        excuse = ""
    return Outcome(wrong, excuse, plan.limit[0] if plan.limit and prefix is None else "", said)


def befall(scene: Scene, plan: Plan) -> list[str]:
    """Let it all happen; what is not heard though it was sent is wrong."""
    scene.until(lambda: scene.account.wrapper != 0 or state(scene.launcher) in "ZX", UNTIL_READY)
    since = time.monotonic()
    if plan.ready:
        scene.until(lambda: is_ready(scene, plan), UNTIL_READY if plan.limit is None else 0.3)
        since = time.monotonic()
    wrong = []
    for act in plan.acts:
        pause(since, act.wait)
        since = time.monotonic()
        before = scene.account.heard[0, act.signal]
        struck = strike(scene, act)
        # One after the other: of two that wait at once, the kernel keeps one.
        listens = struck and plan.family == "signals" and act.target == "wrapper"
        if listens and not scene.until(partial(hears, scene, act.signal, before), 5.0):
            wrong.append(f"lost: {signal.Signals(act.signal).name}")
    if plan.family in ("quiet", "signals", "loss", "stop") and plan.ready:
        pause(since, 0.05)
    return wrong


def hears(scene: Scene, number: int, before: int) -> bool:
    """Tell whether the backend has got a signal once more."""
    return scene.account.heard[0, number] > before


def is_ready(scene: Scene, plan: Plan) -> bool:
    """Tell whether all nodes stand, or nobody is there who could make them."""
    return len(scene.account.nodes) >= plan.nodes or not scene.left() or scene.account.status is not None


def pause(since: float, wait: float) -> None:
    """Wait for a moment: the last of it without sleeping, which is too coarse."""
    while (left := since + wait - time.monotonic()) > 0:
        if left > 0.002:
            time.sleep(left - 0.001)


def strike(scene: Scene, act: Act) -> bool:
    """Carry out one act; False if there is nobody."""
    account = scene.account
    kind = act.target.removesuffix("-group")
    if act.target == "every-supervisor":
        return any([send(pid, act.signal) for pid in scene.supervisors()])  # noqa: C419 - to all of them
    pid = 0
    if kind == "launcher":
        pid = scene.launcher
    elif kind == "wrapper":
        pid = account.wrapper
    elif kind == "backend":
        pid = account.nodes.get(0, 0)
    elif kind == "node":
        pid = account.nodes.get(act.which, 0)
    elif there := scene.supervisors():
        pid = there[act.which % len(there)]
        scene.struck_alone |= there == [account.wrapper]
    if not pid or kind == act.target:
        sent = bool(pid) and send(pid, act.signal)
        # Sending takes milliseconds on a busy machine. Who ends after a stop continues it, so only who is gone already.
        scene.stopped_last |= act.signal == signal.SIGSTOP and scene.supervisors() == [account.wrapper]
        return sent
    try:
        group = os.getpgid(pid)
        if group == os.getpgid(0) or pid not in below(os.getpid()):
            return False
        os.killpg(group, act.signal)
    except OSError:
        return False
    return True
