"""What follows from what a machine offers: for each mode the promises that hold, are weaker, do not. Pure.

The numbers are those of docs/promise.md. One entry of RULES for each thing that may be lacking; docs/doctor.md has
the same.
"""

from typing import NamedTuple

#: The promises of each mode. E5 is fork mode's, T6 exec mode's.
PROMISES = {
    "fork": (
        *("E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "N1", "N2", "N3", "N4"),
        *("T1", "T2", "T3", "T4", "T5"),
    ),
    "exec": (
        *("E1", "E2", "E3", "E4", "E6", "E7", "E8", "E9", "N1", "N2", "N3", "N4"),
        *("T1", "T2", "T3", "T4", "T5", "T6"),
    ),
}
BOTH = ("fork", "exec")
#: pdwrap does not start in that mode; a promise is not kept; it is kept in a weaker form.
REFUSED, BROKEN, WEAKER = "refused", "broken", "weaker"
NOT_STARTED = "pdwrap refuses to start (125)"


class Change(NamedTuple):
    """A promise, or all of a mode's, that is weaker here than it says, or does not hold.

    Attributes:
        modes: in which modes.
        promises: their numbers; none for all of them.
        kind: REFUSED, BROKEN or WEAKER.
        why: for a person.
        what_to_do: for a person.

    """

    modes: tuple[str, ...]
    promises: tuple[str, ...]
    kind: str
    why: str
    what_to_do: str


#: By what is lacking; `{}` is why.
RULES: dict[str, tuple[Change, ...]] = {
    "prctl": (
        Change(
            ("fork",),
            (),
            REFUSED,
            f"prctl: {{}}: {NOT_STARTED}",
            "install the whole python3, or python-prctl; or use --exec",
        ),
    ),
    "subreaper": (
        Change(
            ("fork",),
            (),
            REFUSED,
            f"subreaper: {{}}: {NOT_STARTED}",
            "allow prctl in the seccomp profile; or use --exec",
        ),
    ),
    "proc": (Change(BOTH, (), REFUSED, f"{{}}: {NOT_STARTED}", "mount -t proc proc /proc"),),
    "children": (
        Change(
            BOTH,
            (),
            REFUSED,
            f"lists of children: {{}}: {NOT_STARTED}",
            "mount /proc; a kernel with CONFIG_PROC_CHILDREN",
        ),
    ),
    "pidfd": (
        Change(
            ("exec",),
            (),
            REFUSED,
            f"pidfd: {{}}: {NOT_STARTED}",
            "Linux 5.3 or newer, and pidfd_open allowed by the seccomp profile; or use --fork",
        ),
        Change(
            ("fork",),
            ("E1", "E9"),
            WEAKER,
            "pidfd: {}: a launcher that is not pdwrap's own parent is seen to die by polling, within --interval (2s)",
            "Linux 5.3 or newer, and pidfd_open allowed by the seccomp profile; or a shorter --interval",
        ),
        Change(
            ("fork",),
            ("E2",),
            WEAKER,
            "pidfd: {}: what is below a process that does not die of SIGKILL is not reached",
            "the same",
        ),
    ),
    "parent_death_signal": (
        Change(
            ("fork",),
            ("E4",),
            WEAKER,
            "parent-death signal: {}: a backend whose supervisors are all killed at one instant lives on",
            "allow prctl in the seccomp profile",
        ),
    ),
    "pipe_signal": (
        Change(
            BOTH,
            ("E4",),
            WEAKER,
            "signals by pipe: {}: a process of pdwrap that somebody has stopped stays when it is not needed any more",
            "a kernel with O_ASYNC and F_SETSIG for pipes",
        ),
        Change(
            ("exec",),
            ("E3",),
            WEAKER,
            "signals by pipe: {}: a sidecar that is killed in the instant of the first signal may leave it unsent",
            "the same; or use --fork",
        ),
    ),
    "nobody": (
        Change(
            BOTH,
            ("E1",),
            BROKEN,
            "nobody's death would count: {}",
            "--parent PID or NAME of an ancestor; where it lives outside of this pid namespace, --lifeline FD",
        ),
    ),
    "launcher": (Change(BOTH, ("E1",), BROKEN, "{}", "--parent PID or NAME of an ancestor"),),
    "polled": (
        Change(
            BOTH,
            ("E1",),
            WEAKER,
            "the launcher is looked at every {}: its death is seen that late",
            "--watch auto, or a shorter --interval",
        ),
    ),
    "hidden": (
        Change(
            BOTH,
            ("E9",),
            WEAKER,
            "other users' processes are hidden in /proc ({}): whoever started one of them is not seen through it",
            "--parent names whom you mean; or the group that the mount's gid= names",
        ),
    ),
    "kill_mode": (
        Change(
            BOTH,
            ("E3",),
            WEAKER,
            "{}: at its stop systemd signals the backend as well as pdwrap, which forwards: it is asked twice",
            "KillMode=mixed in the unit",
        ),
    ),
    "descriptors": (
        Change(
            ("exec",),
            ("E2", "N3"),
            WEAKER,
            "{} descriptors at most: in a larger tree what has none is known by its number alone",
            "raise the hard limit (ulimit -Hn)",
        ),
    ),
    "processes": (
        Change(
            BOTH,
            ("E8",),
            WEAKER,
            "room for {} more processes: pdwrap needs up to 4, and may refuse to start (125)",
            "raise the limit (ulimit -u), or the cgroup's pids.max",
        ),
    ),
    "proof": (Change((), ("E1", "E2"), BROKEN, "in the proof: {}", "see docs/troubleshooting.md; report it"),),
}


class Verdict(NamedTuple):
    """What holds in a mode.

    Attributes:
        holds: the promises that do, as they are written.
        weaker: those that do in a weaker form.
        broken: those that do not.

    """

    holds: list[str]
    weaker: list[Change]
    broken: list[Change]


def changes(lacking: "dict[str, str]") -> list[Change]:
    """Give what follows from what is lacking, why by what."""
    return [rule._replace(why=rule.why.format(why)) for name, why in lacking.items() for rule in RULES[name]]


def verdict(mode: str, found: list[Change]) -> Verdict:
    """Judge a mode. Where it does not start at all, what else would be weaker in it is of no interest."""
    ours = [change for change in found if mode in change.modes]
    refused = [change for change in ours if change.kind == REFUSED]
    if refused:
        return Verdict([], [], refused)
    weaker = [change for change in ours if change.kind == WEAKER]
    broken = [change for change in ours if change.kind == BROKEN]
    touched = {promise for change in ours for promise in change.promises}
    return Verdict([promise for promise in PROMISES[mode] if promise not in touched], weaker, broken)


def ranges(numbers: list[str]) -> str:
    """Write promises' numbers shortly: E1-E9, N1."""
    parts: list[list[str]] = []
    for number in numbers:
        before = parts[-1][-1] if parts else ""
        if before[:1] == number[:1] and int(before[1:]) + 1 == int(number[1:]):
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(part[0] if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
