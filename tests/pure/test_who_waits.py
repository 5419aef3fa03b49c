"""The rules that tell who only waits: runners by their command line, shells by what their child inherited (E9, N4)."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdwrap.ancestry import MAY_WAIT
from pdwrap.runners import BELOW, KEPT, LOST, RUNNERS, find_runner
from pdwrap.shells import (
    CLOSED,
    DOUBT,
    GOES_ON,
    NULL,
    SHELLS,
    WAITS,
    has_background,
    has_job_control,
    judge,
    name_of_shell,
)

NAMES = {
    "/usr/bin/sudo -E x": "sudo",
    "timeout 60 x": "timeout",
    "tclsh8.6 /usr/bin/unbuffer x": "unbuffer",
    "expect /usr/bin/unbuffer x": "unbuffer",
    "/usr/bin/perl /usr/bin/chronic x": "chronic",
    "node /opt/node_modules/.bin/pnpm run x": "pnpm",
    "node /usr/share/nodejs/yarn/bin/yarn.js run": "yarn",
    "node --no-warnings /usr/lib/node_modules/npm/bin/npx-cli.js x": "npx",
    "/opt/conda/bin/python3.11 /opt/conda/bin/conda run x": "conda",
    "python -m poetry run x": "poetry",
    "python /home/me/time": "",
    "python time.py": "",
    "node timeout.js": "",
    "perl /usr/bin/sudo": "",
    "python -c timeout": "",
    "/usr/bin/npm": "",  # a binary of that name is none
    "timeouts 60": "",
    "sudoedit x": "",
    "": "",
}


@pytest.mark.parametrize("line", NAMES)
def test_runner(line: str) -> None:
    """E9, N4: known by the first word, or by the script that is written for the interpreter; by nothing else."""
    row = find_runner(line.split())
    assert (row.name if row else "") == NAMES[line]


@pytest.mark.parametrize("title", ["npm run dev", "npm exec", "npm run /a/b"])
def test_titles(title: str) -> None:
    """E9: npm writes a title over its command line, all in one word."""
    row = find_runner([title])
    assert row is RUNNERS["npm"]


def test_names_that_are_looked_at_closely() -> None:
    """E9: no name is in one table alone."""
    assert set(RUNNERS) | SHELLS | {"busybox"} == MAY_WAIT


def test_rows() -> None:
    """E9: each way is somebody's; timeout alone leaves the group, strace alone has a descriptor 0 of its own."""
    assert {row.signals for row in RUNNERS.values()} == {KEPT, BELOW, LOST}
    assert [row.name for row in RUNNERS.values() if row.group] == ["timeout"]
    assert [row.name for row in RUNNERS.values() if not row.stdin] == ["strace"]


SHELL_NAMES = {
    "/bin/bash /x/run.sh": "bash",
    "-bash": "bash",
    "sh -c true": "sh",
    "busybox sh -c true": "sh",
    "busybox ash": "ash",
    "busybox timeout 9": "",
    "busybox": "",
    "fish": "",
    "/opt/bash/tool": "",
    "": "",
}


@pytest.mark.parametrize("line", SHELL_NAMES)
def test_shell(line: str) -> None:
    """E9: a shell is known by the first word of its command line."""
    assert name_of_shell(line.split()) == SHELL_NAMES[line]


TERMINAL = "/dev/pts/3"
JOB_CONTROL = {
    ("bash", TERMINAL): True,
    ("-bash", TERMINAL): True,
    ("bash --norc -l", TERMINAL): True,
    ("bash -i -c x", "pipe:[1]"): True,
    ("bash -m x.sh", "pipe:[1]"): True,
    ("bash -o monitor x.sh", "pipe:[1]"): True,
    ("bash", "pipe:[1]"): False,
    ("bash -s", TERMINAL): True,
    ("bash -s", "pipe:[1]"): False,
    ("bash x.sh", TERMINAL): False,
    ("bash -euo pipefail x.sh", TERMINAL): False,
    ("bash -O extglob x.sh -i", TERMINAL): False,
    ("bash -lc x", TERMINAL): False,
    ("busybox sh", TERMINAL): True,
    ("busybox sh x.sh", TERMINAL): False,
    ("bash", None): True,
}


@pytest.mark.parametrize(("line", "stdin"), JOB_CONTROL)
def test_job_control(line: str, stdin: str | None) -> None:
    """N4: a shell that a person types into goes on; one that runs a script, `-c` or a pipe does not by itself."""
    assert has_job_control(line.split(), stdin) is JOB_CONTROL[line, stdin]


class Process(NamedTuple):
    """What /proc says of one, by default of a program in the foreground of a script."""

    words: tuple[str, ...] = ("server",)
    ignores: str = ""  # I, Q
    catches_interrupt: bool | None = False
    stdin: str | None = "/etc/hostname"
    stdout: str | None = "/x.log"
    group: int = 10
    pid: int = 12
    hidden: bool = False

    def _ignores(self, which: str) -> bool | None:
        return None if self.hidden else set(which) <= set(self.ignores)

    @property
    def ignores_interrupt(self) -> bool | None:
        """As /proc says."""
        return self._ignores("I")

    @property
    def ignores_quit(self) -> bool | None:
        """As /proc says."""
        return self._ignores("Q")

    @property
    def ignores_both(self) -> bool | None:
        """As /proc says."""
        return self._ignores("IQ")


SCRIPT = ("/bin/bash", "/x/run.sh")
BASH = Process(SCRIPT, "Q", catches_interrupt=True, pid=10)
US = Process()
TIMEOUT = Process(("timeout", "60", "server"), catches_interrupt=True, group=11, pid=11)
NPM = Process(("npm run x",), catches_interrupt=True, pid=11)
STRACE = Process(("strace", "-f", "server"), "IQ", stdin="pipe:[5]", pid=11)
TIME = Process(("time", "server"), "IQ", pid=11)
SUBSHELL = BASH._replace(pid=11)

#: The shell, the processes below it, whether descriptors 0 are one open file, and the verdict.
CASES: dict[str, tuple[Process, list[Process], bool | None, str]] = {
    "foreground": (BASH, [US], None, WAITS),
    "foreground of a service": (BASH._replace(stdin=NULL), [US._replace(stdin=NULL)], None, WAITS),
    "its input redirected": (BASH, [US._replace(stdin=NULL)], None, WAITS),
    "background": (BASH, [US._replace(ignores="IQ", stdin=NULL)], None, GOES_ON),
    "background, its input kept": (BASH, [US._replace(ignores="IQ")], None, GOES_ON),
    "trap '' INT": (BASH._replace(ignores="IQ"), [US._replace(ignores="I")], None, WAITS),
    "trap '' INT, background": (BASH._replace(ignores="IQ"), [US._replace(ignores="IQ", stdin=NULL)], None, GOES_ON),
    "all in the background, waiting": (
        BASH._replace(ignores="IQ", stdin=NULL),
        [US._replace(ignores="IQ", stdin=NULL)],
        True,
        WAITS,
    ),
    "all in the background, and again": (
        BASH._replace(ignores="IQ", stdin=NULL),
        [US._replace(ignores="IQ", stdin=NULL)],
        False,
        GOES_ON,
    ),
    "all in the background, kcmp denied": (
        BASH._replace(ignores="IQ", stdin=NULL),
        [US._replace(ignores="IQ", stdin=NULL)],
        None,
        DOUBT,
    ),
    "timeout": (BASH, [TIMEOUT, US], None, WAITS),
    "timeout, background": (BASH, [TIMEOUT._replace(stdin=NULL), US], None, GOES_ON),
    "timeout under set -m": (BASH._replace(catches_interrupt=False), [TIMEOUT, US], None, DOUBT),
    "timeout of a service": (BASH._replace(stdin=NULL), [TIMEOUT._replace(stdin=NULL), US], True, WAITS),
    "timeout of a service, background": (BASH._replace(stdin=NULL), [TIMEOUT._replace(stdin=NULL), US], False, GOES_ON),
    "timeout of a service, kcmp denied": (BASH._replace(stdin=NULL), [TIMEOUT._replace(stdin=NULL), US], None, DOUBT),
    "timeout, descriptor 0 closed": (BASH._replace(stdin=CLOSED), [TIMEOUT._replace(stdin=CLOSED), US], None, WAITS),
    "npm opens the closed one": (BASH._replace(stdin=CLOSED), [NPM._replace(stdin=NULL), US], None, DOUBT),
    "timeout into a pipe": (BASH, [TIMEOUT._replace(stdout="pipe:[7]"), US], None, DOUBT),
    "under job control": (BASH, [US._replace(group=12)], None, DOUBT),
    "strace": (BASH, [STRACE, US], None, WAITS),
    "strace, background": (BASH, [STRACE, US._replace(ignores="IQ", stdin=NULL)], None, GOES_ON),
    "time": (BASH, [TIME, US], None, WAITS),
    "time, background": (BASH, [TIME._replace(stdin=NULL), US._replace(ignores="IQ", stdin=NULL)], None, GOES_ON),
    "subshell": (BASH, [SUBSHELL._replace(ignores=""), US], None, WAITS),
    "subshell, background": (BASH, [SUBSHELL._replace(stdin=NULL), US._replace(stdin=NULL)], None, GOES_ON),
    "subshell of a service, background": (
        BASH._replace(stdin=NULL),
        [SUBSHELL._replace(stdin=NULL), US._replace(stdin=NULL)],
        False,
        GOES_ON,
    ),
    "a script with trap '' INT below": (
        BASH,
        [Process(("bash", "y.sh"), "IQ", pid=11), US._replace(ignores="I")],
        None,
        WAITS,
    ),
    "zsh, timeout": (
        BASH._replace(words=("zsh", "x")),
        [TIMEOUT, US],
        None,
        DOUBT,
    ),
    "signals hidden": (BASH._replace(hidden=True), [US], None, DOUBT),
    "descriptors hidden": (BASH._replace(stdin=None), [NPM, US], None, DOUBT),
}


@pytest.mark.parametrize("case", CASES)
def test_judge(case: str) -> None:
    """E9, N4: what was measured (docs/facts.md, 48), cell by cell."""
    shell, below, same, verdict = CASES[case]
    assert judge(shell, below, list, lambda *_pids: same)[0] == verdict


@pytest.mark.parametrize(("ignores", "verdict"), [("IQ", GOES_ON), ("", WAITS)])
def test_neighbours_in_a_pipeline(ignores: str, verdict: str) -> None:
    """N4, E9: what reads from the child was put into the background with it, or not."""
    reader = Process(("tee", "log"), ignores, stdin="pipe:[7]", pid=13)
    child = TIMEOUT._replace(stdout="pipe:[7]")
    assert judge(BASH, [child, US], lambda: [reader], lambda *_pids: None)[0] == verdict
    stranger = reader._replace(stdin="pipe:[8]")
    assert judge(BASH, [child, US], lambda: [stranger], lambda *_pids: None)[0] == DOUBT
    node = reader._replace(words=("node", "log.js"), ignores="")
    assert judge(BASH, [child, US], lambda: [node], lambda *_pids: None)[0] == DOUBT


PROCESSES = st.builds(
    Process,
    words=st.sampled_from([("server",), SCRIPT, TIMEOUT.words, NPM.words, STRACE.words, TIME.words, ("sudo", "x")]),
    ignores=st.sampled_from(["", "I", "Q", "IQ"]),
    catches_interrupt=st.booleans(),
    stdin=st.sampled_from([None, CLOSED, NULL, "/etc/hostname", "pipe:[5]"]),
    stdout=st.sampled_from(["/x.log", "pipe:[7]"]),
    group=st.sampled_from([10, 11]),
    hidden=st.booleans(),
)
PATHS = st.lists(PROCESSES, min_size=1, max_size=4)
ANSWERS = st.sampled_from([True, False, None])


@given(shell=PROCESSES, below=PATHS, same=ANSWERS)
def test_in_the_background_nobody_waits(shell: Process, below: list[Process], same: bool | None) -> None:  # noqa: FBT001 - an answer of the kernel's
    """N4: whatever else there is to see, what ignores both though its shell does not is in somebody's background."""
    shell = shell._replace(words=SCRIPT)
    kept = below[0]._replace(words=("server",), ignores="IQ", hidden=False)
    if shell.ignores_both is False:
        assert judge(shell, [kept, *below[1:]], list, lambda *_pids: same)[0] != WAITS


@given(shell=PROCESSES, below=PATHS)
def test_what_cannot_be_seen_is_in_doubt(shell: Process, below: list[Process]) -> None:
    """N4: a shell whose signals are hidden is never said to wait; nor is a verdict without a word of why."""
    verdict, why = judge(shell._replace(words=SCRIPT), below, list, lambda *_pids: None)
    assert bool(why) == (verdict != WAITS)
    assert not (shell.hidden and verdict == WAITS)


@given(shell=PROCESSES, child=PROCESSES, same=ANSWERS)
def test_a_new_null_is_no_foreground(shell: Process, child: Process, same: bool | None) -> None:  # noqa: FBT001 - an answer of the kernel's
    """N4: whose signals say nothing, and who has got a /dev/null that its shell has not, is not waited for."""
    shell = shell._replace(words=SCRIPT, hidden=False)
    child = child._replace(words=NPM.words, stdin=NULL)
    if shell.stdin != NULL or same is not True:
        assert judge(shell, [child], list, lambda *_pids: same)[0] != WAITS


@given(path=PATHS)
def test_has_background(path: list[Process]) -> None:
    """N4: who sets the signals itself is no sign, whoever else is on the path."""
    for name in (TIME.words, STRACE.words):
        assert not has_background([each._replace(words=name) for each in path])
