"""T1: one program writes down all that it can see of what it was started with; with pdwrap it must see the same.

`Case` starts it twice from one and the same launcher, without pdwrap and with it. What is written down here stands in
/proc as it was at exec, so that the interpreter it runs in does not matter; signals, which CPython does touch, are
read by other programs (test_signals.py).
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.harness import PYTHON, ROOT, Outcome, Running

Snapshot = dict[str, Any]
STATUS = (  # of /proc/self/status; names as in proc(5)
    *("Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"),
    *("Speculation_Store_Bypass", "Cpus_allowed", "Mems_allowed", "NSsid", "THP_enabled", "untag_mask", "Kthread"),
)


def snapshot(path: str, ours: str) -> None:
    """Write down what this process was started with. Runs by itself: its source is given to ``python -c``."""
    import json
    import os
    import time

    def read(name: str) -> str:
        try:
            with open(f"/proc/self/{name}", "rb") as file:
                return file.read().decode("latin-1")
        except OSError as error:
            return f"errno {error.errno}"

    def link(name: str) -> str:
        try:
            return os.readlink(f"/proc/self/{name}")
        except OSError as error:
            return f"errno {error.errno}"

    descriptors = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            info = dict(line.split(":\t") for line in read(f"fdinfo/{entry}").splitlines()[:2])
            descriptors[entry] = [os.readlink(f"/proc/self/fd/{entry}"), info]
        except (OSError, ValueError):
            pass  # the one that listed the folder
    status = dict(line.split(":", 1) for line in read("status").splitlines())
    stat = read("stat").rpartition(")")[2].split()
    seen = {
        "status": {name: status.get(name, "").split() for name in ours.split()},
        "environment": read("environ").split("\0"),
        "arguments": read("cmdline").split("\0"),
        "descriptors": descriptors,
        "limits": read("limits"),
        "links": {name: link(name) for name in ("cwd", "root")},
        "namespaces": {name: link(f"ns/{name}") for name in sorted(os.listdir("/proc/self/ns"))},
        "cgroup": read("cgroup"),
        "oom": read("oom_score_adj"),
        "timer slack": read("timerslack_ns"),
        "personality": read("personality"),
        "core filter": read("coredump_filter"),
        "login": read("loginuid") + " " + read("sessionid"),
        "session": stat[3],
        "terminal": stat[4:6],
        "nice": stat[16],
        "scheduling": [stat[15], os.sched_getscheduler(0), sorted(os.sched_getaffinity(0))],
        "autogroup": read("autogroup").split(" ")[0],
        "zone": time.tzname[0],
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, json.dumps(seen).encode())


PROGRAM = f"{inspect.getsource(snapshot)}\nimport sys\nsnapshot(*sys.argv[1:3])"
Text = str | bytes


def execve(argv: Sequence[Text], environment: Sequence[bytes]) -> NoReturn:
    """execve(2) with an environment of any bytes: duplicate names, entries without ``=``, none at all."""

    def array(words: Sequence[Text]) -> ctypes.Array[ctypes.c_char_p]:
        return (ctypes.c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)

    libc = ctypes.CDLL(None, use_errno=True)
    libc.execve(os.fsencode(argv[0]), array(argv), array(environment))
    raise OSError(ctypes.get_errno(), "execve")


@pytest.fixture(name="installed")
def installed_fixture() -> list[str]:
    """The command as an installer leaves it: the first line of a script names the interpreter, and no flag."""
    named = os.environ.get("PDWRAP_TEST_COMMAND")
    return shlex.split(named) if named else [sys.executable, str(ROOT / "scripts" / "pdwrap")]


class Case:
    """Starts a command without pdwrap and with it, in the same way."""

    def __init__(self, pdwrap: Sequence[str], folder: Path) -> None:
        """*pdwrap* is the command under test; snapshots go to *folder*."""
        self.pdwrap = list(pdwrap)
        self.folder = folder
        self.arguments: Sequence[Text] = ()
        self.environment: Sequence[bytes] | None = None
        self.descriptors: Mapping[int, int] = {}
        self.before_exec: Callable[[], object] = lambda: None
        self.directory: str | None = None

    def run(self, command: Sequence[Text], *, wrapped: bool) -> Outcome:
        """Run *command*, under pdwrap if it is to be *wrapped*."""
        argv = [*self.pdwrap, "--", *command] if wrapped else command

        def prepare() -> None:
            if self.directory is not None:
                os.chdir(self.directory)
            self.before_exec()
            if self.environment is not None:
                execve(argv, self.environment)

        words = [os.fsdecode(word) for word in argv]
        return Running(words, fds=self.descriptors, before_exec=prepare).wait()

    def look(self, *, wrapped: bool) -> Snapshot:
        """Give the snapshot."""
        path = self.folder / "snapshot"
        path.unlink(missing_ok=True)
        command = [*PYTHON, "-c", PROGRAM, str(path), " ".join(STATUS), *self.arguments]
        outcome = self.run(command, wrapped=wrapped)
        assert (outcome.code, outcome.stderr) == (0, "")
        seen: Snapshot = json.loads(path.read_bytes())
        return seen

    def compare(self) -> Snapshot:
        """See that the two snapshots are equal; give one."""
        bare = self.look(wrapped=False)
        assert self.look(wrapped=True) == bare
        return bare

    def compare_output(self, *command: Text) -> bytes:
        """See that *command* writes and ends alike; give what it wrote."""
        bare, wrapped = self.run(command, wrapped=False), self.run(command, wrapped=True)
        assert wrapped == bare
        return bare.stdout


def test_snapshot_sees(pdwrap: list[str], tmp_path: Path) -> None:
    """What the other tests rely on: a snapshot is not empty, and differs where the start differs."""
    case = Case(pdwrap, tmp_path)
    plain = case.compare()
    case.before_exec = partial(os.setpriority, os.PRIO_PROCESS, 0, 3)
    case.directory, case.arguments = "/", ["more"]
    case.environment = [b"A=1"]
    other = case.compare()
    for name in ("nice", "links", "arguments", "environment"):
        assert plain[name] != other[name]
        assert plain[name]
