"""Who is compared with whom."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from .prepare import HERE, Tools
from .processes import environment

ONE_FILE, ONE_FILE_EXEC = "one file", "one file --exec"
BARE, SETPRIV, PDWRAP, PDWRAP_EXEC = "bare exec", "setpriv", "pdwrap", "pdwrap --exec"
#: By the variable, as an option would load click; what `env` itself costs, the baseline of its start has as well.
EXEC_MODE = ("/usr/bin/env", "PDWRAP_MODE=exec")


class Candidate(NamedTuple):
    """A prefix to put in front of a backend."""

    name: str
    prefix: tuple[str, ...]
    ends: bool = True
    """Whether it claims to end the backend when the launcher dies."""
    slow: bool = False
    """Whether that takes seconds: then fewer samples do."""

    def command(self, *backend: str) -> list[str]:
        """Put the prefix in front of `backend`."""
        return [*self.prefix, *backend]

    def launch(self, tools: Tools, role: Sequence[str], count: int = 1) -> list[str]:
        """Give the command of a bare launcher that starts `count` backends with this prefix."""
        return [*tools.roles, "launch", str(count), *self.command(*tools.roles, *role)]


class Field(NamedTuple):
    """The candidates that take part, and why others do not."""

    present: list[Candidate]
    left_out: dict[str, str]


def candidates(tools: Tools) -> list[Candidate]:
    """List them all, in the order of the tables."""
    return [
        Candidate(PDWRAP, (tools.pdwrap, "--")),
        Candidate(PDWRAP_EXEC, (*EXEC_MODE, tools.pdwrap, "--")),
        Candidate(ONE_FILE, (tools.one_file, "--")),
        Candidate(ONE_FILE_EXEC, (*EXEC_MODE, tools.one_file, "--")),
        Candidate(BARE, (), ends=False),
        Candidate(SETPRIV, ("setpriv", "--pdeathsig", "KILL")),
        Candidate("tini", ("tini", "-s", "-p", "SIGTERM", "--")),
        Candidate("dumb-init", ("dumb-init", "--"), ends=False),
        Candidate("bwrap", ("bwrap", "--dev-bind", "/", "/", "--die-with-parent", "--")),
        Candidate("2 s poll", (tools.python, "-I", str(HERE / "parent_poll.py")), slow=True),
    ]


def field(tools: Tools) -> Field:
    """Try each once: what is not installed, or does not run here, is left out by name."""
    found = Field([], {})
    for candidate in candidates(tools):
        command = candidate.command("true")
        if shutil.which(command[len(EXEC_MODE) if command[:2] == [*EXEC_MODE] else 0]) is None:
            found.left_out[candidate.name] = "not installed"
            continue
        trial = subprocess.run(
            command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if trial.returncode == 0:
            found.present.append(candidate)
        else:
            said = (trial.stderr.strip().splitlines() or [f"exit status {trial.returncode}"])[-1]
            found.left_out[candidate.name] = f"does not run here: {said}"
    return found
