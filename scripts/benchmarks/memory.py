"""Memory of one backend's wrappers, measured by memory.sh while no Python of ours runs: see there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from .candidates import Candidate
from .prepare import HERE, Tools
from .processes import GaveUp, environment
from .results import Column, Row, Section

BASELINE = "bare python -I"
BACKEND = "echo $$; exec sleep 600"
PAUSE = 'import os, signal; os.write(1, b"0\\n"); signal.pause()'
PYTHONS = "import ctypes, select, signal; print(*{line.split()[5] for line in open('/proc/self/maps') if '/' in line})"


def interpreter_files(tools: Tools) -> list[str]:
    """List the interpreter's own files as mapped: its binary, and libpython where it is shared."""
    said = subprocess.run([tools.python, "-I", "-c", PYTHONS], capture_output=True, text=True, check=True).stdout
    return [path for path in said.split() if "python" in os.path.basename(path) and ".cpython-" not in path]


def become_measurer(tools: Tools, present: list[Candidate], samples: int, place: Path, then: list[str]) -> NoReturn:
    """Exec memory.sh, which execs `then` when it is done."""
    lines = [(BASELINE, shlex.join([tools.python, "-I", "-c", PAUSE]))]
    lines += [(one.name, shlex.join(one.command("sh", "-c", BACKEND))) for one in present if one.prefix]
    (place / "candidates").write_text("".join(f"{name}\t{command}\n" for name, command in lines), encoding="utf-8")
    (place / "libraries").write_text("\n".join(interpreter_files(tools)) + "\n", encoding="utf-8")
    files = [str(place / name) for name in ("candidates", "libraries", "memory")]
    sys.stdout.flush()
    os.execve("/bin/sh", ["sh", str(HERE / "memory.sh"), *files, str(samples), *then], environment())


def read(place: Path) -> Section:
    """Read what memory.sh wrote."""
    taken: dict[str, tuple[list[float], list[float], list[float]]] = {}
    processes: dict[str, int] = {}
    most_others = 0
    for line in (place / "memory").read_text(encoding="utf-8").splitlines():
        if line.startswith("interrupted"):
            raise KeyboardInterrupt(int(line.split()[1]))
        words = line.rsplit(" ", 5)
        name, (pss, private, count, others, own) = words[0], map(int, words[1:])
        shares, privates, backends = taken.setdefault(name, ([], [], []))
        shares.append(pss / 1024)
        privates.append(private / 1024)
        backends.append(own / 1024)
        processes[name] = count
        most_others = max(most_others, others)
    if BASELINE not in taken:
        raise GaveUp("memory.sh measured nothing: " + (place / "memory.errors").read_text(encoding="utf-8"))
    notes = []
    if most_others:
        notes.append(f"{most_others} other processes shared the interpreter's pages meanwhile: PSS is too low")
    return Section(
        "memory",
        "Memory of one backend's wrappers, and private memory of the backend itself (sleep)",
        [
            Column("pss", "proportional", "MiB"),
            Column("private", "private", "MiB"),
            Column("count", "number", ""),
            Column("backend", "backend", "MiB"),
        ],
        [
            Row(name, {"pss": shares, "private": privates, "count": [float(processes[name])], "backend": backends})
            for name, (shares, privates, backends) in taken.items()
        ],
        BASELINE,
        notes=tuple(notes),
    )
