"""A session with bash at a terminal (pexpect), and the comparison of what it says with what a document shows.

Not one of the programs that test documents (scrut, cram, byexample, tesh): pdwrap speaks when something has died, which
may be after the shell's next prompt, and names pids. Here a command has all the time it needs to say what is shown, and
lines of pdwrap are compared in their own order, the others in theirs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pexpect

from tests.harness.patience import LIMIT, stretched

PROMPT = "\x02next\x03"
OURS = "pdwrap: "
MASKS = (
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"^(\[\d+\]) \d+$"), r"\1 N"),  # a job's number stays, its pid does not
    (re.compile(r"^\d+ (?=[a-z])"), "N "),  # pgrep -a
    (re.compile(r"\b([\w.+-]+) \(\d+\)"), r"\1 (N)"),
    (re.compile(r"\bin \d+\.\d+s"), "in Ts"),
    (re.compile(r"\b\d+\.\d ms\b"), "T ms"),
    (re.compile(r"/\S*/pytest-\S*"), "PATH"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"^(\S+) \d+ (\S+) \d+ (fork|exec) (\S+) \S+ (\d+) \S+ "), r"\1 N \2 N \3 \4 AGE \5 SIZE "),  # --list
    (re.compile(r"^(\S+) \d+ (\S+) \d+ \S+ (\d+) \S+ (\S+) kill \d+$"), r"\1 N \2 N AGE \3 SIZE \4 kill N"),
    (re.compile(r"\bsince \S+Z; pdwrap: pid N, \d+"), "since T; pdwrap: pid N, N"),
)


@dataclass
class Step:
    """A command as a document shows it, and what it is to say."""

    command: str
    as_root: bool
    expected: list[str] = field(default_factory=list)


def steps(text: str) -> list[Step]:
    """Read a block: a line that begins with a prompt is a command, what follows is its output."""
    found: list[Step] = []
    for line in text.splitlines():
        if line[:2] in ("$ ", "# "):
            found.append(Step(line[2:], line[0] == "#"))
        elif line != "$":  # the shell is ready again
            assert found, f"before the first prompt: {line!r}"
            found[-1].expected.append(line)
    return found


def masked(lines: list[str]) -> tuple[list[str], list[str]]:
    """Give pdwrap's lines and the others, without what differs from run to run."""
    plain = []
    for line in lines:
        text = line.strip()
        for pattern, instead in MASKS:
            text = pattern.sub(instead, text)
        if text:
            plain.append(text)
    return [line for line in plain if line.startswith(OURS)], [line for line in plain if not line.startswith(OURS)]


class Shell:
    """An interactive bash; for root in a pid namespace of its own, where `pgrep` sees nobody else's processes."""

    def __init__(self, folder: Path, env: Mapping[str, str], *, alone: bool = True) -> None:
        """Start it in `folder`; not *alone*: in our own pid namespace."""
        bash = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        if alone and os.geteuid() == 0:
            # Below an init, as everywhere: a shell that is PID 1 itself would be no launcher.
            inside = ["sh", "-c", '"$@"; exit', "sh", *bash]
            bash = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *inside]
        self._bash = pexpect.spawn(
            bash[0],
            bash[1:],
            cwd=str(folder),
            env={**env, "PS1": PROMPT, "PS2": "", "TERM": "dumb", "HISTFILE": ""},
            encoding="utf-8",
            echo=False,
            timeout=stretched(LIMIT),
            dimensions=(24, 200),
        )
        self._bash.expect_exact(PROMPT)

    def run(self, step: Step) -> list[str]:
        """Run a command; give what it says until the next prompt, and until it has said what is expected of it."""
        self._bash.sendline(step.command)
        self._bash.expect_exact(PROMPT)
        said = (self._bash.before or "").splitlines()
        while len(masked(said)[0]) < len(masked(step.expected)[0]):
            if self._bash.expect_exact(["\r\n", pexpect.TIMEOUT]):
                break
            said += (self._bash.before or "").splitlines()
        return said

    def close(self) -> None:
        """End it; what it says last is given to the test to judge."""
        self._bash.sendline("exit")
        self._bash.expect(pexpect.EOF)
        self._bash.close()
