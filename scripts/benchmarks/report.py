"""Tell the results: tables of at most 100 columns, or JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence

from . import doctor, memory, start, tree
from .candidates import PDWRAP, PDWRAP_EXEC
from .prepare import Tools
from .results import Row, Section, Target, show

WIDTH = 100
MODES = (PDWRAP, PDWRAP_EXEC)
NAME, CELL = 27, 13


def targets(sections: Sequence[Section]) -> list[Target]:
    """Give the figures that pdwrap is to reach, of the sections measured."""
    found = []
    for section in sections:
        if section.name == "start":
            found += [
                Target(f"start: pdwrap to {start.BASELINE}", section.compared(PDWRAP), 1.5, 1.25, "x"),
                Target("start: an option to none", ratio(section, start.WITH_OPTION, PDWRAP), 1.05, 1.0, "x"),
                Target(
                    f"start: --exec to {start.EXEC_BASELINE}",
                    ratio(section, PDWRAP_EXEC, start.EXEC_BASELINE),
                    1.8,
                    1.4,
                    "x",
                ),
            ]
        elif section.name == "end":
            found += [
                Target(f"end: {name} gone, more than setpriv", section.compared(name), 1.0, 0.3, "ms") for name in MODES
            ]
        elif section.name == "memory":
            found += [
                Target(f"memory (PSS): {name} to {memory.BASELINE}", section.compared(name), 1.5, 1.1, "x")
                for name in MODES
            ]
        elif section.name == "idle":
            for name in MODES:
                row = section.row(name)
                found.append(Target(f"idle: {name}, switches, the most seen", row and row.median("most"), 0, 0, ""))
        elif section.name == "tree":
            found += [
                Target(f"tree: {name} to {tree.BASELINE}", section.compared(name), 1.5, 1.1, "x")
                for name in (tree.GRACE_DEFAULT, tree.GRACE_ZERO)
            ]
        elif section.name == "doctor":
            row = section.row(doctor.DOCTOR)
            found.append(Target("doctor: all of it", row and row.median("doctor"), 3000, 1000, "ms"))
    return found


def ratio(section: Section, mine: str, other: str) -> float | None:
    """Compare the starts of two rows."""
    rows = [section.row(name) for name in (mine, other)]
    medians = [row.median("start") for row in rows if row is not None]
    return medians[0] / medians[1] if len(medians) == 2 and medians[0] and medians[1] else None


def machine(tools: Tools) -> dict[str, object]:
    """Say what it ran on."""
    version = subprocess.run([tools.python, "-V"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return {
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": version,
        "roles": "C" if tools.compiled else "Python (no gcc)",
        "other_pythons": other_pythons(),
    }


def other_pythons() -> int:
    """Count the processes of this machine that run a Python, but for ourselves."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                count += os.path.basename(os.readlink(f"/proc/{name}/exe")).startswith(("python", "pypy"))
            except OSError:
                continue
    return count


def spread(values: list[float], unit: str) -> str:
    """Write the range that nine of ten samples stay within."""
    if len(values) < 2:
        return ""
    ninth = statistics.quantiles(values, n=10, method="inclusive")
    digits = 0 if ninth[-1] >= 100 else 1 if ninth[-1] >= 10 else 2
    return f"{ninth[0]:.{digits}f}..{ninth[-1]:.{digits}f}" if unit else ""


def cells(section: Section, row: Row) -> list[str]:
    """Write one row."""
    first = section.columns[0]
    shown = [row.note or spread(row.samples[first.key] or [], first.unit)]
    shown += [show(row.median(column.key), column.unit) for column in section.columns]
    if section.baseline:
        value = section.compared(row.candidate)
        unit = "x" if section.comparison == "ratio" else first.unit
        sign = "+" if section.comparison == "difference" and value is not None and value >= 0 else ""
        shown.append("" if row.candidate == section.baseline else sign + show(value, unit))
    return shown


def table(section: Section) -> list[str]:
    """Write one section."""
    first = section.columns[0]
    heads = [f"10%..90% {first.unit}" if first.unit else ""] + [column.heading for column in section.columns]
    if section.baseline:
        heads.append("times" if section.comparison == "ratio" else "more")
    lines = [section.title]
    if section.baseline:
        lines[0] += f", compared with {section.baseline}"
    lines.append(f"  {'':{NAME}}{'n':>4}" + "".join(f"{head:>{CELL}}" for head in heads))
    lines += [
        f"  {row.candidate:{NAME}}{row.n:>4}" + "".join(f"{cell:>{CELL}}" for cell in cells(section, row)).rstrip()
        for row in section.rows
    ]
    return lines + [f"  {note}" for note in section.notes] + [""]


def text(sections: Sequence[Section], left_out: dict[str, str], about: dict[str, object]) -> str:
    """Write all of it for a terminal. Medians everywhere."""
    lines = [
        "kernel {kernel}, {cpus} CPUs, load {load}, Python {python}, launcher and backends in {roles}".format(**about)
    ]
    if about["other_pythons"]:
        lines.append(f"other Pythons on this machine: {about['other_pythons']}")
    lines += [f"left out: {name} ({why})" for name, why in left_out.items()]
    lines += ["Figures are medians.", ""]
    for section in sections:
        lines += table(section)
    reached = targets(sections)
    if reached:
        lines.append(f"{'Targets':46}{'measured':>9}{'target':>7}{'aim':>6}  verdict")
    for target in reached:
        limit = "-" if target.limit is None else f"{target.limit:g}"
        figures = f"{show(target.value, target.unit):>9}{limit:>7}{target.aim:>6g}"
        lines.append(f"  {target.what:44}{figures}  {target.verdict}")
    return "\n".join(line[:WIDTH] for line in lines)


def as_json(sections: Sequence[Section], left_out: dict[str, str], about: dict[str, object]) -> str:
    """Write the same as one JSON object: every row with every sample."""
    rows = [
        {
            "measure": section.name,
            "candidate": row.candidate,
            "metric": column.key,
            "unit": column.unit,
            "n": len(row.samples[column.key] or []),
            "median": row.median(column.key),
            "samples": row.samples[column.key],
            "note": row.note,
            "baseline": section.baseline,
            section.comparison: section.compared(row.candidate, column.key) if section.baseline else None,
        }
        for section in sections
        for row in section.rows
        for column in section.columns
    ]
    reached = [{**target._asdict(), "verdict": target.verdict} for target in targets(sections)]
    notes = [note for section in sections for note in section.notes]
    whole = {"machine": about, "left_out": left_out, "rows": rows, "targets": reached, "notes": notes}
    return json.dumps(whole, indent=1)
