"""What `pdwrap --list` says, read as a program does: one object a line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from .spawn import ROOT, clean_environment, run

Facts = dict[str, Any]

AS_NOBODY = f"""
import os, sys
sys.path.append({str(ROOT)!r})
from pdwrap import entry
from pdwrap.cli import list_command, list_text   # while the files may still be read
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
entry.main(sys.argv[1:])
"""
"""A program: pdwrap, as a user who owns nothing here."""
NOBODY = [sys.executable, "-I", "-c", AS_NOBODY]


class Listed(NamedTuple):
    """What it said, and its status."""

    status: int
    facts: list[Facts]

    def of(self, event: str) -> list[Facts]:
        """The objects of one kind."""
        return [each for each in self.facts if each["event"] == event]

    @property
    def backend(self) -> Facts:
        """The only backend."""
        (found,) = self.of("backend")
        return found


def listed(pdwrap: Sequence[str], *words: object) -> Listed:
    """Run `pdwrap --list` with *words* behind it."""
    outcome = run([*pdwrap, "--log", "json", "--list", *map(str, words)], env=clean_environment())
    assert outcome.stderr == ""
    return Listed(outcome.code, [json.loads(line) for line in outcome.stdout.decode().splitlines()])


def shown(pdwrap: Sequence[str], *words: object) -> tuple[int, list[str]]:
    """The same for a person: status and lines."""
    outcome = run([*pdwrap, "--list", *map(str, words)], env=clean_environment({"COLUMNS": "200"}))
    assert outcome.stderr == ""
    return outcome.code, outcome.stdout.decode().splitlines()


def person(pid: int) -> Facts:
    """A process as JSON names it."""
    with open(f"/proc/{pid}/comm", encoding="utf-8") as name:
        return {"pid": pid, "name": name.read().rstrip("\n")}


def held_pdwrap(folder: str, fifo: str, function: str) -> list[str]:
    """A pdwrap that waits where *function* has been called, until somebody has opened *fifo* and closed it again."""
    module, _, name = function.rpartition(".")
    owner, _, kind = module.rpartition(".")
    lines = [
        "import sys",
        f"sys.path.append({str(ROOT)!r})",
        f"from {owner} import {kind} as module" if owner else f"import {kind} as module",
        "from pdwrap.entry import main",
        f"whole = module.{name}",
        "def held(*words):",
        "    done = whole(*words)",
        f"    open({fifo!r}).read()",
        "    return done",
        f"module.{name} = held",
        "main(sys.argv[1:])",
    ]
    path = os.path.join(folder, "pdwrap")
    with open(path, "w", encoding="utf-8") as script:
        script.write("\n".join(lines))
    os.mkfifo(fifo)
    return [sys.executable, "-I", path]
