"""What one trial of chaos is made of, drawn from its seed: who launches, which tree, and what befalls whom, when."""

from __future__ import annotations

import signal
from random import Random
from typing import NamedTuple

FORK, EXEC = "fork", "exec"
FAMILIES = ("quiet", "launcher", "loss", "stop", "signals", "backend", "group", "limits", "several")
"""What happens, in one word. Each is a part of the promise, so each says what must come of it (`verdict`)."""

AT_START = 0.06
"""Seconds from the launcher's fork within which pdwrap starts."""


class Act(NamedTuple):
    """One signal to somebody."""

    wait: float
    """Seconds since the act before it, or since the launcher has forked."""
    signal: int
    target: str
    """launcher, wrapper, backend, supervisor (`which` of them), every-supervisor, node; ...-group for its group."""
    which: int = 0

    def __str__(self) -> str:
        """As a failure says it."""
        who = f"{self.target} {self.which}" if self.target in ("supervisor", "node") else self.target
        return f"{self.wait * 1000:.3f} ms {signal.Signals(self.signal).name} to {who}"


class Plan(NamedTuple):
    """A trial."""

    family: str
    kind: str
    """The launcher (actors.c)."""
    tree: str
    nodes: int
    stderr: str
    options: tuple[str, ...]
    grace: float
    limit: tuple[str, int] | None
    ready: bool
    """Whether the acts wait until the whole tree stands."""
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        """As a failure says it."""
        acts = "; ".join(map(str, self.acts)) or "nothing"
        limit = f", {self.limit[0]} {self.limit[1]}" if self.limit else ""
        when = "when ready" if self.ready else "at once"
        return (
            f"{self.family}: launcher {self.kind}, tree {self.tree or '-'}, stderr {self.stderr}, "
            f"{' '.join(self.options)}{limit}, {when}: {acts}"
        )


def tree(rng: Random, mode: str, depth: int = 3) -> str:
    """Draw one node and what is below it."""
    letters = "sgiutT" + ("d" if mode == FORK else "")
    own = "".join(letter for letter in letters if rng.random() < 0.18)
    if "T" in own or "t" in own:
        return own
    width = rng.choice((0, 0, 1, 2, 3)) if depth else 0
    below = ",".join(tree(rng, mode, depth - 1) for _ in range(width))
    return own + (f"({below})" if below else "")


def backend(rng: Random, mode: str) -> str:
    """Draw a tree of at most a dozen. The backend itself is neither stopped nor traced, and stays who it is."""
    while True:
        own = "i" if rng.random() < 0.2 else ""
        below = [tree(rng, mode, 2) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        if rng.random() < 0.15:
            below.append("f")
        made = own + (f"({','.join(below)})" if below else "")
        if count(made) <= 12:
            return made


def count(spec: str) -> int:
    """Count the nodes of a tree, as actors.c numbers them."""
    return 1 + spec.count("(") + spec.count(",")


def letters(spec: str) -> list[str]:
    """List what each node of a tree is."""
    return spec.replace(")", "").replace("(", ",").split(",")


def above(spec: str, node: int) -> list[int]:
    """List the nodes above one of a tree, as actors.c numbers them: each before what is below it."""
    line, here = [], 0
    for letter in spec:
        if letter == "(":
            line.append(here)
        elif letter == ")":
            line.pop()
        here += letter in "(,"
        if here == node:
            return line
    return []


class Dice(NamedTuple):
    """What the acts of a family are drawn from."""

    rng: Random
    mode: str
    ready: bool
    nodes: int

    def moment(self) -> float:
        """Draw a moment: from microseconds to seconds, most of them while pdwrap starts."""
        draw = self.rng.random()
        if draw < 0.5:
            return self.rng.uniform(0, 0.02 if self.ready else AT_START)
        return float(10 ** self.rng.uniform(-6, 0 if draw < 0.9 else 0.3))


def kind(rng: Random) -> str:
    """Draw a launcher, always with a session of its own and a stranger beside."""
    return "sx" + rng.choice(("", "g", "g", "S")) + "".join(letter for letter in "twuraeib0" if rng.random() < 0.12)


def draw(seed: str, mode: str) -> Plan:
    """Draw the trial of a seed."""
    rng = Random(f"{mode}/{seed}")  # noqa: S311 - no secrets
    family = rng.choice(FAMILIES)
    launcher = kind(rng)
    # A launcher that is dead before pdwrap's first look: in a session of its own there is no sign of it (a limit).
    ready = "S" in launcher or family in ("quiet", "signals", "backend", "group") or rng.random() < 0.4
    grown = backend(rng, mode)
    grace = rng.choice((0.0, 0.1, 0.1, 0.3, 0.6))
    options = ["--" + mode, "--grace", f"{grace}s"]
    if rng.random() < 0.1:
        options += ["--watch", "poll", "--interval", "50ms"]
    if rng.random() < 0.3:
        options.append("-v")
    stderr = rng.choice(("file", "file", "file", "closed", "full", "blocked", "unread"))
    limit = None
    if family == "limits":
        # There an interpreter, or prlimit(1), may have to complain: into what nobody reads, it waits for ever.
        stderr = "file" if stderr == "blocked" else stderr
        limit = draw_limit(rng, count(grown))
        if limit[0] == "memory":
            grown = "(m)" if grown == "" else grown[:-1] + ",m)" if grown.endswith(")") else grown + "(m)"
    acts = ACTS[family](Dice(rng, mode, ready, count(grown)))
    return Plan(family, launcher, grown, count(grown), stderr, tuple(options), grace, limit, ready, tuple(acts))


def draw_limit(rng: Random, nodes: int) -> tuple[str, int]:
    """Draw what there is too little of."""
    name = rng.choice(("nofile", "nofile", "nproc", "fsize", "pids", "memory"))
    value = {
        "nofile": rng.randint(4, 24),
        "nproc": rng.randint(1, nodes + 6),
        "fsize": rng.choice((0, 1, 100)),
        "pids": rng.randint(1, nodes + 6),
        "memory": rng.choice((24, 32, 48, 64)),
    }[name]
    return name, value


def quiet(dice: Dice) -> list[Act]:
    """Draw what must not end anything (N1, N2)."""
    if dice.rng.random() < 0.5:
        return []
    return [Act(dice.moment(), signal.SIGSTOP, "launcher"), Act(dice.rng.uniform(0, 0.3), signal.SIGCONT, "launcher")]


def death(dice: Dice) -> list[Act]:
    """Draw the launcher's death (E1)."""
    number = dice.rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP))
    stopped = dice.rng.random() < 0.1
    acts = [Act(dice.moment(), signal.SIGSTOP, "launcher")] if stopped else []
    return [*acts, Act(dice.moment(), signal.SIGKILL if stopped else number, "launcher")]


def loss(dice: Dice) -> list[Act]:
    """Draw one of pdwrap's own that is killed (E4)."""
    acts = [Act(dice.moment(), signal.SIGKILL, "supervisor", dice.rng.randint(0, 2))]
    if dice.mode == EXEC and dice.ready:
        # A lost sidecar is replaced: the next one may be lost when there are two again.
        acts += [Act(0.5, signal.SIGKILL, "supervisor", dice.rng.randint(0, 1)) for _ in range(dice.rng.randint(0, 3))]
    return acts + ([Act(dice.moment(), signal.SIGKILL, "launcher")] if dice.rng.random() < 0.7 else [])


def stop(dice: Dice) -> list[Act]:
    """Draw one of pdwrap's own that is stopped; in fork mode all of them sometimes (E4)."""
    every = dice.mode == FORK and dice.ready and dice.rng.random() < 0.3
    target = "every-supervisor" if every else "supervisor"
    return [
        Act(dice.moment(), signal.SIGSTOP, target, dice.rng.randint(0, 2)),
        Act(dice.moment(), signal.SIGKILL, "launcher"),
    ]


def signals(dice: Dice) -> list[Act]:
    """Draw signals that the backend must hear, each once (T2)."""
    heard = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGIO, signal.SIGRTMIN, signal.SIGRTMAX)
    acts = [Act(dice.rng.uniform(0, 0.02), dice.rng.choice(heard), "wrapper") for _ in range(dice.rng.randint(1, 6))]
    if dice.rng.random() < 0.5:
        acts.append(
            Act(
                dice.rng.uniform(0, 0.02),
                signal.SIGTERM,
                dice.rng.choice(("wrapper", "wrapper-group", "launcher-group")),
            )
        )
    return acts


def backends(dice: Dice) -> list[Act]:
    """Draw what befalls the backend, or one of its tree."""
    number = dice.rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGSEGV))
    target = dice.rng.choice(("backend", "backend", "node", "backend-group"))
    acts = [Act(dice.moment(), number, target, dice.rng.randrange(dice.nodes))]
    return acts + ([Act(dice.moment(), signal.SIGKILL, "launcher")] if dice.rng.random() < 0.5 else [])


def groups(dice: Dice) -> list[Act]:
    """Draw a signal to the group that the launcher knows, as LocalAI sends it, or to the launcher's own."""
    number = dice.rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
    target = dice.rng.choice(("wrapper-group", "launcher-group"))
    return [Act(dice.moment(), number, target)]


def several(dice: Dice) -> list[Act]:
    """Draw the launcher and one of pdwrap's own, killed or stopped at almost the same time, in either order."""
    number = dice.rng.choice((signal.SIGKILL, signal.SIGSTOP))
    acts = [(signal.SIGKILL, "launcher"), (number, "supervisor")]
    dice.rng.shuffle(acts)
    which, gap = dice.rng.randint(0, 2), float(10 ** dice.rng.uniform(-6, -2))
    return [Act(at, each[0], each[1], which) for at, each in zip((dice.moment(), gap), acts, strict=True)]


ACTS = {
    "quiet": quiet,
    "launcher": death,
    "loss": loss,
    "stop": stop,
    "signals": signals,
    "backend": backends,
    "group": groups,
    "limits": death,
    "several": several,
}
