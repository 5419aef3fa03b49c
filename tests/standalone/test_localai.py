"""pdwrap-localai by the one file: its two names, and what stands in the wrappers that it makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import run

EMPTY: dict[str, str] = {}


@pytest.fixture(name="place")
def place_fixture(pdwrap: list[str], tmp_path: Path) -> Path:
    """A version in a folder of its own, a link to the present one, and a folder with a backend."""
    version = tmp_path / "versions" / "1"
    version.mkdir(parents=True)
    shutil.copy(pdwrap[0], version / "pdwrap-linux")
    (tmp_path / "current").symlink_to("versions/1")
    backend = tmp_path / "backends" / "a" / "run.sh"
    backend.parent.mkdir(parents=True)
    backend.write_text('#!/bin/sh\nexec echo "ran $*"\n')
    backend.chmod(0o755)
    return tmp_path


def wrapped_by(place: Path, command: Sequence[str], *, inside: str = "") -> str:
    """Wrap the backend by a command, started in a folder, and give the command that the wrapper then names."""
    backends = place / "backends"
    done = run(["env", f"--chdir={place / inside}", "-i", *command, str(backends), "--", "--grace", "3s"])
    assert (done.code, done.stderr) == (0, "")
    assert run([str(backends / "a" / "run.sh"), "--addr", "x"], env=EMPTY).stdout == b"ran --addr x\n"
    last = (backends / "a" / "run.sh").read_text().splitlines()[-1]
    return last.removeprefix("exec ").partition(" ")[0]


@pytest.mark.parametrize(
    ("inside", "called"),
    [
        ("", "{place}/current/pdwrap-linux"),
        ("", "current/pdwrap-linux"),
        ("current", "./pdwrap-linux"),
        ("backends", "../current/pdwrap-linux"),
    ],
)
def test_wrappers_name_the_path_that_it_was_called_by(place: Path, inside: str, called: str) -> None:
    """T1: made absolute, and not followed: the link outlives the version that it leads to."""
    named = wrapped_by(place, [called.format(place=place), "localai"], inside=inside)
    path = os.path.realpath(place / inside) if inside == "current" else str(place / inside)
    assert named == os.path.join(path, called.format(place=place).removeprefix("./"))
    # An upgrade: the wrapper's path goes on working.
    if inside != "current":  # getcwd(2) tells where that is, and no link
        (place / "versions" / "1").rename(place / "versions" / "2")
        (place / "current").unlink()
        (place / "current").symlink_to("versions/2")
        assert run([str(place / "backends" / "a" / "run.sh")], env=EMPTY).stdout == b"ran \n"


def test_found_by_its_name(place: Path) -> None:
    """T1: where a shell found it in PATH, the path that it found."""
    call = f'PATH={place}/current:$PATH; exec pdwrap-linux localai "$@"'
    assert wrapped_by(place, ["sh", "-c", call, "sh"]) == f"{place}/current/pdwrap-linux"


def test_by_the_name_of_a_link(place: Path) -> None:
    """T1: called pdwrap-localai it is that command; wrappers name what lies beside it."""
    link = place / "current" / "pdwrap-localai"
    link.symlink_to("pdwrap-linux")
    assert run([str(link), "--version"], env=EMPTY).stdout.startswith(b"pdwrap-localai ")
    assert wrapped_by(place, [str(link)]) == f"{place}/current/pdwrap-linux"
    (place / "current" / "pdwrap").symlink_to("pdwrap-linux")
    assert wrapped_by(place, [str(link)]) == f"{place}/current/pdwrap"


@pytest.mark.parametrize("how", ["copy", "link elsewhere", "descriptor"])
def test_what_would_not_last_is_refused(place: Path, how: str) -> None:
    """T4: nothing beside it that is pdwrap, or a path that ends with its process: one line, and nothing is wrapped."""
    called = str(place / "pdwrap-localai")
    command = [called]
    if how == "copy":
        shutil.copy(place / "current" / "pdwrap-linux", called)
    elif how == "link elsewhere":
        (place / "pdwrap-localai").symlink_to("versions/1/pdwrap-linux")
    else:
        command = ["sh", "-c", f'exec 3<{place}/current/pdwrap-linux; exec /proc/self/fd/3 localai "$@"', "sh"]
    outcome = run([*command, str(place / "backends")], env={"PATH": os.environ["PATH"]})
    assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (2, b"", 1)
    assert "is not this pdwrap, or does not start" in outcome.stderr
    assert (place / "backends" / "a" / "run.sh").read_text().endswith('exec echo "ran $*"\n')


@pytest.mark.modes("fork", "exec")
def test_a_program_of_that_name_is_one_behind_two_dashes(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: `pdwrap localai` is pdwrap-localai; `pdwrap -- localai` starts a program of that name."""
    (tmp_path / "localai").write_text("#!/bin/sh\necho mine\n")
    (tmp_path / "localai").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert run([*pdwrap, "--", "localai"], env=env).stdout == b"mine\n"
    assert run([pdwrap[0], "localai", "--version"], env=env).stdout.startswith(b"pdwrap-localai ")
