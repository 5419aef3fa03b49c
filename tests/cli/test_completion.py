"""Completion in real shells, at a terminal: options, their words, ancestors, files, commands and what follows these."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdwrap.cli import completion
from pdwrap.options import OPTIONS
from tests.harness import clean_environment, run
from tests.harness.pty_session import PtySession, terminal

ROOT = Path(__file__).resolve().parents[2]

#: What starts a shell that reads nothing of the user's, and how it is told of the script at `{}`.
SHELLS: dict[str, tuple[list[str], str]] = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {}"),
    "zsh": (["zsh", "-f", "-i"], "fpath=({}.d $fpath); autoload -U compinit; compinit -u -D"),
    "fish": (["fish", "--no-config", "-i"], "source {}"),
}
ANCESTOR = "zebra-launcher"  # 15 bytes at most: what the kernel keeps of a name

#: What is typed before the key is pressed, and the word that it ends in then.
TYPED = [
    ("--gra", "--grace"),
    ("--log-", "--log-file"),
    ("--leftovers w", "wait"),
    ("--watch p", "poll"),
    ("--watch=p", "--watch=poll"),
    ("-s Q", "QUIT"),
    ("--signal=HU", "--signal=HUP"),
    ("-q --lo", "--log"),
    ("--completion fi", "fish"),
    ("-p au", "auto"),
    ("--parent zebra", ANCESTOR),
    ("--log-file /etc/passw", "/etc/passwd"),
    ("trunc", "truncate"),
    ("-- trunc", "truncate"),
    ("--grace 3s trunc", "truncate"),
    ("-g3s --exec trunc", "truncate"),
    ("cat /etc/passw", "/etc/passwd"),
    ("-q -- cat /etc/passw", "/etc/passwd"),
    ("cat --gra", "--gra"),
]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PtySession]:
    """A shell at a terminal, below a launcher with a name of its own, that has the script."""
    name: str = request.param
    script = tmp_path / "script"
    (tmp_path / "script.d").mkdir()
    for path in (script, tmp_path / "script.d" / "_pdwrap"):
        path.write_text(completion.script(name))
    shutil.copy(shutil.which("bash") or "bash", tmp_path / ANCESTOR)
    command, load = SHELLS[name]
    launcher = [str(tmp_path / ANCESTOR), "--norc", "-c", f"{shlex.join(command)}; true"]
    env = {"TERM": "vt100", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with terminal(launcher, env) as session:
        session.keys(load.format(shlex.quote(str(script))) + "; echo ready >&9\r")
        session.voice.next("ready")
        yield session
        session.keys("exit\r")
        session.status()


#: The same, for what stands in place of a command: in a shell of its own, whose screen nobody reads.
IN_PLACE = [("--doc", "--doctor"), ("--doctor --ex", "--exec"), ("--doctor --log js", "json"), ("--orph", "--orphans")]


@pytest.mark.parametrize("typed_and_made", [TYPED, IN_PLACE], ids=["commands", "in-place"])
def test_what_the_key_makes_of_it(shell: PtySession, typed_and_made: list[tuple[str, str]]) -> None:
    """The line as the shell has it after the key is what the shell itself then says, as words of `echo`."""
    wrong = {}
    for typed, word in typed_and_made:
        shell.keys(f"pdwrap {typed}\t\x01echo said \x05 >&9\r")
        said = shell.voice.next("said", "pdwrap")
        if said != [*typed.split()[:-1], word]:
            wrong[typed] = said
    assert not wrong


@pytest.mark.parametrize("name", completion.SHELLS)
def test_every_option_is_there(name: str) -> None:
    """No row of the table is forgotten."""
    text = completion.script(name)
    for row in OPTIONS:
        for word in (*row.words, *(word for flag in row.flags for word in flag[0])):
            assert (f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}") in text or word in text
    assert "@" not in text.replace("$@", "").replace("[@]", "")


@pytest.mark.parametrize("name", completion.SHELLS)
def test_the_option_prints_it(pdwrap: list[str], name: str) -> None:
    """`pdwrap --completion SHELL` prints the script, and starts nothing."""
    outcome = run([*pdwrap, "--completion", name, "--", "echo", "started"])
    assert (outcome.code, outcome.stdout.decode(), outcome.stderr) == (0, completion.script(name), "")


def test_no_such_shell(pdwrap: list[str]) -> None:
    """T4: another shell is refused, in one line that names those that there are."""
    outcome = run([*pdwrap, "--completion", "tcsh"])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.count("\n") == 1
    assert all(name in outcome.stderr for name in completion.SHELLS)


@pytest.mark.parametrize("name", completion.SHELLS)
def test_the_shell_can_read_it(name: str, tmp_path: Path) -> None:
    """The script is well-formed."""
    (tmp_path / "script").write_text(completion.script(name))
    checked = subprocess.run(
        [name, "-n", str(tmp_path / "script")], env=clean_environment(), capture_output=True, check=True
    )
    assert (checked.stdout, checked.stderr) == (b"", b"")


@pytest.mark.parametrize(("name", "file"), [("bash", "pdwrap.bash"), ("zsh", "_pdwrap"), ("fish", "pdwrap.fish")])
def test_what_a_wheel_installs_is_up_to_date(name: str, file: str) -> None:
    """`pdwrap --completion SHELL > share/FILE` makes it anew."""
    assert (ROOT / "share" / file).read_text(encoding="utf-8") == completion.script(name)
