"""What `pdwrap --list` has found, as facts with stable keys: what JSON shows as they are, and text in columns.

The keys are documented (docs/list.md); a key is never renamed, and never means something else.
"""

import time

from pdwrap.linux import others
from pdwrap.processes.orphans import Orphan
from pdwrap.processes.runs import Run
from pdwrap.processes.table import Table
from pdwrap.processes.usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Facts = dict[str, Any]


def of_run(table: Table, run: Run, usage: Usage) -> "Facts":
    """Give the facts of a run: None is what cannot be told, and `unreadable` names it."""
    known = run.backend if run.backend is not None else run.own[0]
    inside = others.pids_inside(known)
    chain = run.chain or []
    ports = None if usage.hidden and not usage.ports else sorted(usage.ports)
    unreadable = [
        what
        for what, unknown in (
            ("backend", run.backend is None and run.state != "starting"),
            ("launcher", run.chain is None),
            ("watched_by", run.watched_by is None),
            ("memory", usage.memory is None and bool(run.tree)),
            ("ports", bool(usage.hidden)),
        )
        if unknown
    ]
    return {
        "event": "backend",
        "backend_name": run.name,
        "backend_pid": run.backend,
        "backend_pid_inside": inside[-1] if len(inside) > 1 and run.backend is not None else None,
        "launcher_name": table.name(chain[-1]) if chain else None,
        "launcher_pid": chain[-1] if chain else None,
        "through": [{"pid": pid, "name": table.name(pid)} for pid in chain[:-1]],
        "started_by_name": table.name(run.starter) if run.starter else None,
        "started_by_pid": run.starter or None,
        "mode": run.mode,
        "state": run.state,
        "watched_by": run.watched_by,
        "interval_seconds": run.interval,
        "lifeline": run.lifeline,
        **_since(table, known),
        "processes": len(run.tree) if run.backend is not None else None,
        **_used(usage),
        "ports": ports,
        "pdwrap_pids": run.own,
        "command": run.command,
        "unreadable": unreadable,
    }


def of_orphan(table: Table, orphan: Orphan) -> "Facts":
    """Give the facts of an orphan."""
    return {
        "event": "orphan",
        "name": orphan.name,
        "pid": orphan.pid,
        "adopted_by_name": table.name(orphan.adopter),
        "adopted_by_pid": orphan.adopter,
        "certain": orphan.certain,
        **_since(table, orphan.pid),
        "processes": len(orphan.tree),
        **_used(orphan.usage),
        "ports": sorted(orphan.usage.ports),
        "to_end": orphan.command,
    }


def of_process(table: Table, pid: int, runs: "list[Run]") -> "Facts":
    """Say of a process whose death ends it.

    Args:
        table: the processes.
        pid: its number.
        runs: those whose tree it is in, or whose own it is.

    """
    counting = [member for run in runs for member in reversed(run.chain or [])]
    return {
        "event": "process",
        "name": table.name(pid),
        "pid": pid,
        "under_pdwrap": bool(runs),
        "ends_with": [{"pid": member, "name": table.name(member)} for member in dict.fromkeys(counting)],
        "started_by": [{"pid": run.starter, "name": table.name(run.starter)} for run in runs if run.starter],
        "lifeline": any(run.lifeline is not None for run in runs),
        "unreadable": any(run.chain is None for run in runs),
    }


def _since(table: Table, pid: int) -> "Facts":
    age = others.age(table.stats[pid].started)
    began = time.gmtime(time.time() - age)
    return {"since": time.strftime("%Y-%m-%dT%H:%M:%SZ", began), "age_seconds": round(age, 2)}


def _used(usage: Usage) -> "Facts":
    return {"memory_bytes": usage.memory, "memory_kind": usage.memory_kind if usage.memory is not None else None}
