"""E9: launcher, what only waits, pdwrap: whoever of them dies, the backend is asked once, and ends."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.between import Between, script

pytestmark = [pytest.mark.modes("fork", "exec"), pytest.mark.usefixtures("root")]

#: What is run, with pdwrap's whole line in the place of {p}, and the folder's name in that of {f}.
SHELLS = {
    "dash -c": ["dash", "-c", "{p}; true"],
    "bash -c": ["bash", "-c", "cd /; {p}; true"],
    "busybox sh": ["busybox", "sh", "-c", "{p}; true"],
    "mksh": ["mksh", "-c", "{p}; true"],
    "zsh": ["zsh", "-c", "{p}; true"],
    "script of bash": ["{f}/bash.sh"],
    "script of dash": ["{f}/dash.sh"],
    "script from stdin": ["bash", "-c", "echo {q} | bash"],
    "script with a trap": ["bash", "-c", "trap '' INT; {p}; true"],
    "begin of a pipeline": ["bash", "-c", "{p} | cat; true"],
    "end of a pipeline": ["bash", "-c", "echo | {p}; true"],
    "$()": ["dash", "-c", "x=$({p}; true); true"],
    "subshell of bash": ["bash", "-c", "({p}; true); true"],
    "nested": ["dash", "-c", "bash -c {q}; true"],
    "in a background script": ["bash", "-c", "{p}; true"],
}
RUNNERS = {
    "sudo": ["sudo", "-E", "{p}"],
    "sudo with a pty": ["script", "-qc", "sudo -E {p}", "/dev/null"],
    "su": ["su", "-c", "{p}; true", "root"],
    "runuser": ["runuser", "-u", "root", "--", "{p}"],
    "timeout": ["timeout", "60", "{p}"],
    "flock": ["flock", "{f}/lock", "{p}"],
    "script": ["script", "-qc", "{l}", "/dev/null"],
    "strace": ["strace", "-f", "-o", "/dev/null", "{p}"],
    "bwrap": ["bwrap", "--dev-bind", "/", "/", "{p}"],
    "unshare": ["unshare", "--fork", "{p}"],
    "setsid": ["setsid", "--fork", "--wait", "{p}"],
    "time": ["env", "time", "{p}"],
    "chronic": ["chronic", "{p}"],
    "unbuffer": ["unbuffer", "{p}"],
    "dbus-run-session": ["dbus-run-session", "--", "{p}"],
    "tini": ["tini", "-s", "--", "{p}"],
    "dumb-init": ["dumb-init", "--", "{p}"],
    "catatonit": ["catatonit", "--", "{p}"],
    "conda's shape": [sys.executable, "{f}/conda", "run"],
}
STARTERS = {
    "shell=True": [sys.executable, "-c", "import subprocess; subprocess.run({r}, shell=True)"],
    "os.system": [sys.executable, "-c", "import os; os.system({r})"],
}
IN_SCRIPTS = {
    "timeout in a script": ["bash", "-c", "timeout 60 {p}; true"],
    "timeout in a pipeline": ["bash", "-c", "timeout 60 {p} | cat; true"],
    "sudo in a script": ["dash", "-c", "sudo -E {p}; true"],
    "strace in a script": ["bash", "-c", "strace -f -o /dev/null {p}; true"],
    "dumb-init in a script": ["bash", "-c", "dumb-init {p}; true"],
    "three in each other": ["bash", "-c", "flock {f}/lock timeout 60 sudo -E {p}; true"],
}


@pytest.fixture
def between(pdwrap: list[str], mode: str, tmp_path: Path) -> Iterator[Between]:
    """Launcher and backend, and what is to stand between."""
    made = Between(pdwrap, mode, tmp_path)
    yield made
    made.close()


def fill(between: Between, words: list[str]) -> list[str]:
    """Put pdwrap's line, or its words, in their place."""
    script(between.folder, f"{between.p}\necho over", name="bash.sh")
    conda = f"import subprocess\nsubprocess.run(['bash', '{between.folder}/bash.sh'])"
    script(between.folder, conda, sys.executable, name="conda")
    script(between.folder, f"cd /\n{between.p}\necho over", "/bin/dash", name="dash.sh")
    texts = {
        "{p}": between.p,
        "{l}": between.p,
        "{q}": shlex.quote(between.p + "; true"),
        "{r}": repr(between.p + "; true"),
    }
    filled: list[str] = []
    for word in words:
        if word == "{p}":
            filled += between.command
            continue
        for name, text in {**texts, "{f}": str(between.folder)}.items():
            word = word.replace(name, text)  # noqa: PLW2901 - one after the other
        filled.append(word)
    return filled


def assert_each_counts(
    between: Between, argv: list[str], *, stdin: str = os.devnull, above: int = 0, asked: bool = True
) -> None:
    """Start it, once for each member of the chain but the *above* last ones, and kill that one."""
    count = 1
    number = 0
    while number < count:
        between.start(argv, stdin=stdin)
        members = between.chain()
        count = len(members) - above
        name = Path(f"/proc/{members[number]}/cmdline").read_bytes()
        between.fence()
        os.kill(members[number], 9)
        try:
            between.assert_gone(asked=asked)
        except AssertionError as error:
            raise AssertionError(f"{name!r}, number {number} of {count}, does not count: {error}") from None
        between.close()
        number += 1
    assert count > 1, "nothing stands between"


@pytest.mark.parametrize("form", SHELLS)
def test_shells(between: Between, form: str) -> None:
    """E9: a shell that has pdwrap in its foreground, with /dev/null as descriptor 0 everywhere."""
    assert_each_counts(between, fill(between, SHELLS[form]))


@pytest.mark.parametrize("form", RUNNERS)
def test_runners(between: Between, form: str) -> None:
    """E9: a program that executes one command and waits for it."""
    # At a terminal sudo's monitor itself ends a command whose sudo has died: SIGHUP, SIGTERM and more, to its group.
    assert_each_counts(between, fill(between, RUNNERS[form]), asked=form != "sudo with a pty")


@pytest.mark.parametrize("form", STARTERS)
def test_starters(between: Between, form: str) -> None:
    """E9: a program that starts a shell is the launcher, and so counts as well as the shell."""
    assert_each_counts(between, fill(between, STARTERS[form]), above=1)


@pytest.mark.parametrize("stdin", ["/dev/null", "/etc/hostname"])
@pytest.mark.parametrize("form", IN_SCRIPTS)
def test_runners_in_scripts(between: Between, form: str, stdin: str) -> None:
    """E9: the same in the foreground of a script, with and without a descriptor 0 that tells."""
    assert_each_counts(between, fill(between, IN_SCRIPTS[form]), stdin=stdin)
