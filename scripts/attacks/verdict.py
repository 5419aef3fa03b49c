"""What must be true after a trial, in the promise's own words. Each fault found is one line that says what is wrong."""

from __future__ import annotations

import signal

from .plan import FORK, Plan, above, letters
from .scene import Scene, describe, state

LIMIT = 10.0
"""Seconds above the grace within which all must be over (E7: nine with the default grace of five)."""

INTERPRETERS = ("from pdwrap.entry import", "Python runtime state: initialized", "to write to the signal wakeup fd")
"""An interpreter that cannot read its modules, or ours, or write into a pipe of its own, complains in its own way."""

EVERY = "every-supervisor"
KILLS = (signal.SIGKILL, signal.SIGSEGV)
ENDS = (*KILLS, signal.SIGTERM)


def spares_the_tree(plan: Plan, mode: str) -> bool:
    """Whether so far nothing has happened that may end anything."""
    for act in plan.acts:
        if act.target == "launcher" and act.signal not in (signal.SIGSTOP, signal.SIGCONT):
            return False
        if act.target.startswith(("wrapper", "backend", "node", "launcher-")) and act.signal in (*ENDS, signal.SIGSTOP):
            return False
        if act.target == "supervisor" and act.signal == signal.SIGKILL and (mode == FORK or not plan.ready):
            return False
    return plan.limit is None and plan.ready


def excused(scene: Scene, plan: Plan, mode: str, wrong: list[str]) -> str:
    """Say why the survivors of this plan are a limit that the documentation names, or nothing."""
    if scene.struck_alone and not scene.account.nodes and any(act.signal == signal.SIGSTOP for act in plan.acts):
        return "stopped before pdwrap has started anything"
    if mode == FORK:
        return excused_in_fork_mode(scene, plan, wrong)
    if all(outlives_one_that_we_ended(scene, plan, each) for each in wrong):
        return "exec mode: what outlives a backend that ends first"
    if all(was_hung_up_above(scene, plan, each) for each in wrong):
        return "exec mode: below one that the kernel's hang-up ended at the launcher's death"
    if all(left_in_the_last_instant(scene, plan, each) for each in wrong):
        return "exec mode: what left the groups of a tree in the backend's last instant"
    return ""


def excused_in_fork_mode(scene: Scene, plan: Plan, wrong: list[str]) -> str:
    """Say the same of fork mode alone."""
    every = any(act.target == EVERY for act in plan.acts)
    if every and "poll" in plan.options:
        return "fork mode: both stopped, and the launcher polled, so that the kernel tells nobody"
    if {"S", "u"} <= set(plan.kind) and every:
        return "fork mode: both stopped, and the launcher of another session and uid, so that the kernel tells nobody"
    if (
        scene.stopped_last
        and scene.account.nodes
        and len(wrong) == 1
        and wrong[0].startswith(f"left: {scene.account.wrapper} T")
    ):
        return "fork mode: the outer stopped when all else had ended"
    return ""


def node_of(scene: Scene, plan: Plan, wrong: str) -> int:
    """Give the node that a survivor is, or that has forked it; below 0 if it is none, or of pdwrap."""
    pid = int(wrong.split()[1]) if wrong.startswith("left: ") else 0
    forker = next((node for node, its in enumerate(letters(plan.tree)) if "f" in its), -1)
    other = forker if "actors" in wrong or wrong.endswith("gone") else -1
    return next((node for node, its in scene.account.nodes.items() if its == pid), other)


def outlives_one_that_we_ended(scene: Scene, plan: Plan, wrong: str) -> bool:
    """Tell whether this survivor is below a node that had ended, by our own act, before its launcher died."""
    node = node_of(scene, plan, wrong)
    if node < 0:
        return not plan.ready and "actors" in wrong  # one that came to no account of its own
    nodes = letters(plan.tree)
    for act in plan.acts:
        struck = {"node": [act.which], "backend": [0], "wrapper": [0], "supervisor": []}.get(act.target, range(node))
        if act.signal in ENDS and act.target != "launcher":
            ended = {each for each in struck if act.signal in KILLS or "i" not in nodes[each]}
            if not ended.isdisjoint(above(plan.tree, node)):
                return True
    return False


def left_in_the_last_instant(scene: Scene, plan: Plan, wrong: str) -> bool:
    """Tell whether this survivor has left the groups of a tree that was asked while it was still growing."""
    asked = scene.account.heard[0, signal.SIGTERM]
    node = node_of(scene, plan, wrong)
    those = {*above(plan.tree, node), node} - {0, -1}
    return bool(asked) and not plan.ready and any(set(letters(plan.tree)[each]) & {"s", "g"} for each in those)


def was_hung_up_above(scene: Scene, plan: Plan, wrong: str) -> bool:
    """Tell whether this survivor is below a node that got a hang-up which nobody has sent.

    The launcher's death orphans the group of the backend; the kernel hangs up such a group if a member of it is stopped
    or traced (setpgid(2)), before it tells anybody else of the death: who dies of it has children no longer.
    """
    line = above(plan.tree, node_of(scene, plan, wrong))
    sent = any(act.signal == signal.SIGHUP and act.target != "launcher" for act in plan.acts)
    return not sent and any(scene.account.heard[each, signal.SIGHUP] for each in line)


def while_the_launcher_lives(scene: Scene, plan: Plan, mode: str) -> list[str]:
    """What is wrong before the launcher's death."""
    if not spares_the_tree(plan, mode):
        return []
    account = scene.account
    dead = [f"node {node}" for node, pid in account.nodes.items() if state(pid) in "ZX"]
    return [f"ended by mistake: {', '.join(dead)}"] if dead else []


def of_the_strangers(scene: Scene, plan: Plan) -> list[str]:
    """A stranger gets what we have sent to its group, and nothing else."""
    sent = [act.signal for act in plan.acts if act.target == "launcher-group"]
    if "S" not in plan.kind and "g" not in plan.kind:  # then it is in pdwrap's group, too
        sent += [act.signal for act in plan.acts if act.target == "wrapper-group"]
        sent += [act.signal for act in plan.acts if act.target == "backend-group"]
    if signal.SIGKILL in sent or signal.SIGSEGV in sent:
        return []
    account = scene.account
    wrong = [f"a stranger is dead: {pid}" for pid in account.strangers if state(pid) in "ZX"]
    for (node, number), times in account.heard.items():
        if node == -1 and times > sent.count(signal.Signals(number)):
            wrong.append(f"a stranger got {signal.Signals(number).name}")
    return wrong


def of_the_terms(scene: Scene, plan: Plan, mode: str) -> list[str]:
    """E3: nobody is asked twice. What we sent ourselves is counted; exec mode cannot see that it came."""
    shared = "S" not in plan.kind and "g" not in plan.kind
    seen = sum(
        act.signal == signal.SIGTERM
        and (act.target.startswith("wrapper") or (shared and act.target == "launcher-group"))
        for act in plan.acts
    )
    unseen = sum(act.signal == signal.SIGTERM and act.target.startswith(("backend", "node")) for act in plan.acts)
    most = (max(seen, 1) if mode == FORK else seen + 1) + unseen
    ours = seen + unseen
    return [
        f"node {node} got SIGTERM {times} times"
        for (node, number), times in scene.account.heard.items()
        if number == signal.SIGTERM and node >= 0 and times > (most if node == 0 else ours + 1)
    ]


def of_the_words(scene: Scene) -> list[str]:
    """Never a traceback of ours, and no false word."""
    said = scene.said
    wrong = []
    if "Traceback" in said and "pdwrap/" in said and not any(each in said for each in INTERPRETERS):
        wrong.append("a traceback")
    if "nothing was started" in said and 0 in scene.account.nodes:
        wrong.append("'nothing was started', but it was")
    if said.count("pdwrap: done") > 1:
        wrong.append("'done' twice")
    return wrong


def after_all(scene: Scene, plan: Plan, mode: str) -> list[str]:
    """What is wrong when the launcher has died: waits for the end, within the limit."""
    left = scene.gone(plan.grace + LIMIT)
    wrong = [f"left: {describe(pid)}" for pid in left]
    return wrong + of_the_strangers(scene, plan) + of_the_terms(scene, plan, mode) + of_the_words(scene)


def unseen(scene: Scene, wrong: list[str]) -> list[str]:
    """The kernel's word for it: without its strangers the scene has no process any more (ECHILD)."""
    named = {each.split()[1] for each in wrong if each.startswith("left: ")}
    return [f"left, and seen late: {pid}" for pid in scene.close() if str(pid) not in named]
