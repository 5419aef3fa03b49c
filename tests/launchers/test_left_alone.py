"""N4: what goes on with work of its own is the launcher; the death of who started that ends nothing."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import run
from tests.harness.between import Between, script
from tests.harness.processes import parent_of, reap_all

pytestmark = [pytest.mark.modes("fork", "exec"), pytest.mark.usefixtures("root")]

#: A script, started by the launcher, which then is killed; {p} is pdwrap's line, {f} the folder.
SCRIPTS = {
    "two servers in its background": "{p} &\n{p} &\nwait",
    "a function in its background": "f() {{ {p}; true; }}\nf &\nf &\nwait",
    "a subshell in its background": "( {p}; true ) &\n( {p}; true ) &\nwait",
    "through timeout": "timeout 60 {p} &\ntimeout 60 {p} &\nwait",
    "through sudo": "sudo -E {p} &\nsudo -E {p} &\nwait",
    "through strace": "strace -f -o /dev/null {p} &\nstrace -f -o /dev/null {p} &\nwait",
    "through dumb-init": "dumb-init {p} &\ndumb-init {p} &\nwait",
    "through timeout, into a pipe": "timeout 60 {p} | cat &\ntimeout 60 {p} | cat &\nwait",
    "through timeout, that ignores both": "trap '' INT QUIT\ntimeout 60 {p} &\ntimeout 60 {p} &\nwait",
    "with job control": "set -m\n{p} &\n{p} &\nwait",
    "with job control, through timeout": "set -m\ntimeout 60 {p} &\ntimeout 60 {p} &\nwait",
    "with job control, in the foreground": "set -m\n{p} &\n{p}",
}
COMMANDS = {
    "make": ["make", "-s", "-j2", "-f", "{f}/Makefile"],
    "ninja": ["ninja", "-C", "{f}"],
    "xargs": ["sh", "-c", "printf '1\\n2\\n' | xargs -P2 -n1 sh -c {q}; true"],
    "parallel": ["parallel", "-j2", "{p} #", ":::", "1", "2"],
    "a supervisor": [sys.executable, "-c", "import subprocess as s; a = [s.Popen({r}) for _ in '12']; a[0].wait()"],
    "called like a runner": ["bash", "-c", "exec -a time bash {f}/two.sh"],
    "called like a shell by the kernel": [
        sys.executable,
        "-c",
        "import subprocess as s; open('/proc/self/comm', 'w').write('bash'); [s.Popen({r}) for _ in '12'][0].wait()",
    ],
}
MAKEFILE = "all: one two\none two:\n\t@{p}; true\n"
NINJA = "rule r\n  command = {p}; true\nbuild one: r\nbuild two: r\n"


@pytest.fixture
def between(pdwrap: list[str], mode: str, tmp_path: Path) -> Iterator[Between]:
    """Launcher and backend, and what is to stand between."""
    made = Between(pdwrap, mode, tmp_path)
    yield made
    made.close()


def assert_nothing_happens(between: Between, argv: list[str], *, stdin: str = os.devnull, backends: int = 2) -> None:
    """Start it, kill who started it, and see both servers live on."""
    between.start(argv, stdin=stdin, backends=backends)
    between.fence()
    between.launcher.kill()
    assert between.launcher.is_dead()
    between.assert_left_alone()


@pytest.mark.parametrize("stdin", [os.devnull, "/etc/hostname"])
@pytest.mark.parametrize("form", SCRIPTS)
def test_script(between: Between, form: str, stdin: str) -> None:
    """N4: a script with servers in its background, or with job control, whose starter ends."""
    text = SCRIPTS[form].replace("{p}", between.p).replace("{{", "{").replace("}}", "}")
    assert_nothing_happens(between, [script(between.folder, text)], stdin=stdin)


@pytest.mark.parametrize("form", COMMANDS)
def test_command(between: Between, form: str) -> None:
    """N4: what has several children, or more to do, and a program that only has a runner's or a shell's name."""
    (between.folder / "Makefile").write_text(MAKEFILE.replace("{p}", between.p.replace("$", "$$")))
    (between.folder / "build.ninja").write_text(NINJA.replace("{p}", between.p.replace("$", "$$")))
    script(between.folder, f"{between.p} &\n{between.p} &\nwait", name="two.sh")
    texts = {
        "{p}": between.p,
        "{q}": shlex.quote(between.p),
        "{r}": repr(between.command),
        "{f}": str(between.folder),
    }
    argv = []
    for word in COMMANDS[form]:
        for name, text in texts.items():
            word = word.replace(name, text)  # noqa: PLW2901 - one after the other
        argv.append(word)
    assert_nothing_happens(between, argv)


@pytest.mark.parametrize("inner", ["{p}", "timeout 60 {p}", "sudo -E {p}"], ids=["plain", "timeout", "sudo"])
@pytest.mark.parametrize("how", ["nohup {two} >/dev/null 2>&1 &", "{two} & disown"], ids=["nohup", "disown"])
def test_script_that_outlives_its_starter(between: Between, how: str, inner: str) -> None:
    """N4: a script starts another in its background and ends; that one has pdwrap in its foreground, and lives on."""
    two = script(between.folder, inner.format(p=between.p) + "\necho over", name="run2.sh")
    go = between.folder / "go"
    os.mkfifo(go)
    one = script(between.folder, f"{how.format(two=two)}\nread x <{go}", name="start-all.sh")
    between.start([one])
    starter = parent_of(next(pid for pid in between.chain() if b"run2.sh" in Path(f"/proc/{pid}/cmdline").read_bytes()))
    between.fence()
    go.write_text("x\n")
    between.wait_for_end(starter)
    between.launcher.kill()
    between.assert_left_alone()


@pytest.mark.parametrize("inner", ["{p}; true", "timeout 60 {p}; true"], ids=["plain", "timeout"])
def test_script_that_was_orphaned_before(pdwrap: list[str], tmp_path: Path, inner: str) -> None:
    """N4: a script whose starter has ended before pdwrap looks: who has adopted it is no launcher of its."""
    said = tmp_path / "said"
    orphan = f"while [ $(ps -o ppid= -p $$) = $1 ]; do :; done; exec 2>{said}; " + inner.format(
        p=shlex.join([*pdwrap, "-v", "--", "true"])
    )
    os.mkfifo(tmp_path / "done")
    starter = f"bash -c {shlex.quote(orphan + f'; echo >{tmp_path}/done')} bash $$ &"
    run(["setsid", "--fork", "bash", "-c", starter])
    (tmp_path / "done").read_text()
    text = said.read_text()
    assert text.startswith("pdwrap: watching bash (pid "), text
    assert "nobody farther: it had lost its launcher before" in text or "nobody farther: PID 1" in text, text
    reap_all()


def test_interactive_shell(between: Between) -> None:
    """N4: `nohup ./script &` and `disown` in a shell that a person types into, which then ends."""
    two = script(between.folder, f"{between.p}\necho over", name="run2.sh")
    commands = between.folder / "commands"
    commands.write_text(f"nohup {two} >/dev/null 2>&1 &\ndisown\nexit\n")
    between.start(["script", "-qc", "bash --norc --noprofile -i", "/dev/null"], stdin=str(commands))
    between.launcher.kill()
    between.assert_left_alone()


def test_hidden_parents(pdwrap: list[str], mode: str) -> None:
    """N4, E6: with hidepid the shell of another user cannot be seen: it is watched, and nobody above it."""
    inner = shlex.join(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *pdwrap, "-v", "--", "true"])
    outcome = run(["unshare", "-m", "bash", "-c", f"mount -t proc -o hidepid=2 proc /proc; {inner}; true"])
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.startswith("pdwrap: watching ? (pid "), outcome.stderr
    assert "through" not in outcome.stderr
