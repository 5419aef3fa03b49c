"""The doctor's report, for a person or as one JSON object. Says what it is given, and looks at nothing."""

import textwrap
from typing import NamedTuple

from pdwrap import __version__
from pdwrap.cli import guarantees, version
from pdwrap.cli.doctor_facts import Counted, Machine
from pdwrap.cli.proof import GRACE, Result
from pdwrap.linux import procfs
from pdwrap.messages import quoted

WIDTH = 80
LABEL = 21  # columns for what a line is about
#: The probes, as they are called in the report, and what is tried.
PROBES = {
    "pidfd": "pidfd",
    "parent_death_signal": "parent-death signal",
    "subreaper": "subreaper",
    "proc": procfs.ROOT,
    "children": "lists of children",
    "pipe_signal": "signals by pipe",
}
PROOF = (
    "Proof: a launcher is killed that has six processes below it: the backend, a plain child, one with a session, "
    f"one with a group, one forked twice, one deaf to SIGTERM; the grace is {GRACE:g}s"
)
LONGEST_TEXT = 1000  # characters of somebody else's text in JSON


class Report(NamedTuple):
    """All that there is to say."""

    machine: Machine
    works: dict[str, str]
    counted: Counted
    verdicts: dict[str, guarantees.Verdict]
    proofs: dict[str, Result]

    @property
    def holds(self) -> bool:
        """Whether every promise of the modes that were asked for holds."""
        return not any(verdict.broken for verdict in self.verdicts.values())


def as_text(report: Report) -> str:
    """Write it for a person, in lines of at most 80 columns where the words allow."""
    lines = [version.line(), "", "What this machine has"]
    for label, text in _machine(report):
        lines += _entry(label, text)
    lines += ["", "Whose death would count for a pdwrap typed here"]
    lines += _paragraph(_counted(report.counted), "  ")
    lines += ["", "What follows (the numbers: docs/promise.md)"]
    for mode, verdict in report.verdicts.items():
        lines += _entry(f"{mode} mode", _held(verdict))
        for change in (*verdict.broken, *verdict.weaker):
            lines += _paragraph(_changed(change), "    ")
    lines += ["", *_paragraph(PROOF, "")]
    for mode, result in report.proofs.items():
        lines += _entry(f"{mode} mode", _shown(result))
    lines += ["", *_paragraph(_last(report), "")]
    return "".join(f"{line}\n" for line in lines)


def _machine(report: Report) -> list[tuple[str, str]]:
    here = report.machine
    inner = {True: "the machine's", False: f"one of its own, {here.pid_namespace_depth} deep", None: "?"}
    works = {label: report.works[name] or "works" for name, label in PROBES.items()}
    if not report.works["proc"]:
        works[procfs.ROOT] += f", hides other users' processes (hidepid={here.hidepid})" if here.hidepid else ""
    privileges = {True: "on", False: "off", None: "?"}[here.no_new_privs]
    filters = f" ({here.seccomp_filters})" if here.seccomp_filters else ""
    zombies = f", {here.pid1_zombies} of its children are zombies" if here.pid1_zombies else ""
    soft, hard = ("any number" if limit is None else str(limit) for limit in here.descriptors)
    room = "" if here.processes_cgroup is None else f", room for {here.processes_cgroup} in the cgroup"
    most = "any number" if here.processes is None else here.processes
    unit = quoted(here.unit) if here.unit else "none"
    mode = f", KillMode={quoted(here.kill_mode)}" if here.kill_mode else ", KillMode not known" if here.unit else ""
    return [
        ("kernel", f"Linux {here.kernel} ({here.architecture})"),
        *works.items(),
        ("prctl", f"by {here.prctl_way}"),
        ("pid namespace", inner[here.first_pid_namespace]),
        ("PID 1", f"{quoted(here.pid1)}{zombies}"),
        ("container", quoted(here.container) if here.container else "none that says so"),
        ("seccomp", f"{here.seccomp or '?'}{filters}; no_new_privs {privileges}"),
        ("systemd unit", f"{unit}{mode}"),
        ("descriptors", f"{soft}, {hard} if raised"),
        ("processes", f"{most}, {here.processes_in_use} in use{room}"),
    ]


def _counted(counted: Counted) -> str:
    lifeline = "" if counted.lifeline is None else f"the lifeline (descriptor {counted.lifeline})"
    if counted.refusal:
        return f"nothing would be started: {counted.refusal}"
    if not counted.people:
        return f"{lifeline + ' alone' if lifeline else 'nobody'}: {counted.ends}"
    first, *through = (f"{quoted(name)} (pid {pid})" for pid, name in counted.people)
    also = f", and {lifeline}" if lifeline else ""
    return (
        f"{first}{' through ' + ', '.join(through) if through else ''} by {counted.mechanisms}{also}; "
        f"nobody farther: {counted.ends}"
    )


def _held(verdict: guarantees.Verdict) -> str:
    if not verdict.holds:
        return "nothing holds"
    return f"{guarantees.ranges(verdict.holds)} hold{'' if verdict.weaker or verdict.broken else ', all of its'}"


def _changed(change: guarantees.Change) -> str:
    named = f"{guarantees.ranges(list(change.promises))} " if change.promises else ""
    kept = "weaker" if change.kind == guarantees.WEAKER else "not kept"
    return f"{named}{kept}: {change.why}. To do: {change.what_to_do}"


def _shown(result: Result) -> str:
    if result.failure or result.refusal:
        return result.failure or f"not started: {result.refusal}"
    first, last = result.first * 1000, result.last * 1000
    others = result.processes - result.asked
    rest = "the deaf one" if others == 1 else f"the other {others}"
    return f"{result.processes} processes gone: {result.asked} in {first:.1f} ms, {rest} in {last:.1f} ms"


def _last(report: Report) -> str:
    if report.holds:
        weaker = any(verdict.weaker for verdict in report.verdicts.values())
        return f"Every promise holds here{', some of them weaker: see above' if weaker else ''}."
    modes = [mode for mode, verdict in report.verdicts.items() if verdict.broken]
    fine = [mode for mode in report.verdicts if mode not in modes]
    other = f" In {fine[0]} mode every promise holds." if fine else ""
    return f"Not every promise holds here, in {' and '.join(modes)} mode: see above for what to do.{other}"


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {label}".ljust(LABEL + 2),
        subsequent_indent=" " * (LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _paragraph(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  " if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(report: Report) -> str:
    """Write it as one line of JSON; docs/doctor.md lists the keys."""
    import json
    import os

    from pdwrap.form import now, valid

    here, counted = report.machine, report.counted
    fields: dict[str, object] = {
        "time": now(),
        "event": "doctor",
        "pdwrap_pid": os.getpid(),
        "version": __version__,
        "holds": report.holds,
        "machine": {
            **here._asdict(),
            "descriptors": dict(zip(("soft", "hard"), here.descriptors, strict=True)),
        },
        "mechanisms": {name: {"works": not why, "why_not": why} for name, why in report.works.items()},
        "launcher": {
            "people": [{"pid": pid, "name": name} for pid, name in counted.people],
            "mechanisms": counted.mechanisms,
            "ends": counted.ends,
            "lifeline": counted.lifeline,
            "refusal": counted.refusal,
        },
        "modes": {
            mode: {
                "holds": verdict.holds,
                "weaker": [_as_fields(mode, change) for change in verdict.weaker],
                "broken": [_as_fields(mode, change) for change in verdict.broken],
                "proof": {
                    "processes": report.proofs[mode].processes,
                    "asked": report.proofs[mode].asked,
                    "seconds_asked": round(report.proofs[mode].first, 6),
                    "seconds": round(report.proofs[mode].last, 6),
                    "failure": report.proofs[mode].failure,
                    "refusal": report.proofs[mode].refusal,
                },
            }
            for mode, verdict in report.verdicts.items()
        },
    }
    return json.dumps(valid(fields, LONGEST_TEXT)) + "\n"


def _as_fields(mode: str, change: guarantees.Change) -> dict[str, object]:
    promises = change.promises or guarantees.PROMISES[mode]
    return {"promises": list(promises), "why": change.why, "what_to_do": change.what_to_do}
