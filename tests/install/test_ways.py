"""wheel, sdist, pipx, uv: installed in an empty home, tried as a new user would, and away again with nothing left.

No index is asked once the wheels are there: every way takes them from one folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import pdwrap as package
from tests.harness import ROOT

TOOLS = Path(sys.executable).parent
#: What a wheel brings besides the commands, below the prefix, and which file of this checkout it is.
SHARED = {
    "share/bash-completion/completions/pdwrap": "pdwrap.bash",
    "share/zsh/site-functions/_pdwrap": "_pdwrap",
    "share/fish/vendor_completions.d/pdwrap.fish": "pdwrap.fish",
    "share/man/man1/pdwrap.1": "pdwrap.1",
    "share/man/man1/pdwrap-localai.1": "pdwrap-localai.1",
}
RUN_SH = b'#!/bin/sh\nexec echo "$@"\n'
#: The tools' own, which they keep for what is installed next.
KEPT = {".pdwrap.lock"}


class House(NamedTuple):
    """The folder of wheels, with pdwrap as a wheel and as an sdist."""

    folder: Path
    wheel: Path
    sdist: Path


def checked(command: Sequence[object], env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; give what it says on stdout."""
    done = subprocess.run([*map(str, command)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Build the sdist, a wheel from it, and fetch the wheels of what they need."""
    folder = tmp_path_factory.mktemp("house")
    checked([TOOLS / "python", "-m", "hatchling", "build", "-t", "sdist", "-d", folder])
    (sdist,) = folder.glob("*.tar.gz")
    fetch = [TOOLS / "python", "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder, sdist, "pip", "hatchling"]
    if subprocess.run([*map(str, fetch)], capture_output=True, check=False).returncode:
        checked(fetch)  # once more: networks fail
    (wheel,) = folder.glob("pdwrap-*.whl")
    return House(folder, wheel, sdist)


class Way:
    """A way to install: the commands of this module's parametrization, in a home of its own."""

    def __init__(self, name: str, house: House, home: Path) -> None:
        """Take `name` of WAYS."""
        self.home = home
        self.env = {
            "HOME": str(home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            **{name: value for name, value in os.environ.items() if name == "TMPDIR"},
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(house.folder),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(house.folder),
            "UV_NO_CONFIG": "1",
        }
        venv, local = home / "venv", home / ".local"
        pip = [venv / "bin" / "python", "-I", "-m", "pip"]
        made = [[TOOLS / "python", "-I", "-m", "venv", venv]]
        uv = [TOOLS / "uv", "tool"]
        pipx = [TOOLS / "pipx"]
        python = ["--python", os.path.realpath(sys.executable)]
        self.install, self.remove, self.commands, self.prefix = {
            "wheel": ([*made, [*pip, "install", house.wheel]], [*pip, "uninstall", "-y", "pdwrap"], venv / "bin", venv),
            "sdist": ([*made, [*pip, "install", house.sdist]], [*pip, "uninstall", "-y", "pdwrap"], venv / "bin", venv),
            "pipx": (
                [[*pipx, "install", "--backend", "pip", *python, house.wheel]],
                [*pipx, "uninstall", "pdwrap"],
                local / "bin",
                local,
            ),
            "uv": (
                [[*uv, "install", *python, house.wheel]],
                [*uv, "uninstall", "pdwrap"],
                local / "bin",
                local / "share" / "uv" / "tools" / "pdwrap",
            ),
        }[name]

    def run(self, name: str, *arguments: str | Path) -> str:
        """Run one of the installed commands."""
        return checked([self.commands / name, *arguments], self.env)

    def left(self) -> list[str]:
        """List what there is of pdwrap below the home, the tools' caches and logs aside."""
        found = [path.relative_to(self.home) for path in self.home.rglob("*pdwrap*") if path.name not in KEPT]
        own = ("cache", "state", "backends")
        return [str(path) for path in found if not any(part.strip(".") in own for part in path.parts)]


@pytest.fixture(params=["wheel", "sdist", "pipx", "uv"])
def way(request: pytest.FixtureRequest, house: House, tmp_path: Path) -> Way:
    """Each way, its commands installed."""
    home = tmp_path / "home"
    home.mkdir()
    made = Way(request.param, house, home)
    for command in made.install:
        checked(command, made.env)
    return made


@pytest.mark.timeout(600)
def test_there_and_away_again(way: Way) -> None:
    """It says what it is, works, proves itself, completes, explains itself, wraps backends; and leaves nothing."""
    assert way.run("pdwrap", "--version").startswith(f"pdwrap {package.__version__} (installed in {way.home}")
    assert way.run("pdwrap", "--", "echo", "works") == "works\n"
    assert way.run("pdwrap", "--doctor").splitlines()[-1] == "Every promise holds here."
    assert way.run("pdwrap-localai", "--version") == f"pdwrap-localai {package.__version__}\n"
    for place, file in SHARED.items():
        assert (way.prefix / place).read_bytes() == (ROOT / "share" / file).read_bytes(), place
    backends = [way.home / "backends" / name for name in ("one", "two")]
    for backend in backends:
        backend.mkdir(parents=True)
        (backend / "run.sh").write_bytes(RUN_SH)
        (backend / "run.sh").chmod(0o755)
    way.run("pdwrap-localai", way.home / "backends")
    assert str(way.home) in (backends[0] / "run.sh").read_text()
    assert checked([backends[0] / "run.sh", "served"], way.env) == "served\n"
    assert "two: wrapped" in way.run("pdwrap-localai", "--check", way.home / "backends")
    way.run("pdwrap-localai", "--unwrap", way.home / "backends")
    for backend in backends:
        assert [path.name for path in backend.iterdir()] == ["run.sh"]
        assert (backend / "run.sh").read_bytes() == RUN_SH
    checked(way.remove, way.env)
    assert way.left() == []


@pytest.mark.timeout(600)
def test_a_backend_that_was_forgotten(house: House, tmp_path: Path) -> None:
    """Removed while a backend was wrapped: that one says what it misses, and another pdwrap gives it back."""
    home = tmp_path / "home"
    home.mkdir()
    way = Way("uv", house, home)
    for command in way.install:
        checked(command, way.env)
    backend = home / "backends" / "one"
    backend.mkdir(parents=True)
    (backend / "run.sh").write_bytes(RUN_SH)
    (backend / "run.sh").chmod(0o755)
    way.run("pdwrap-localai", home / "backends")
    checked(way.remove, way.env)
    missed = subprocess.run([backend / "run.sh"], env=way.env, capture_output=True, text=True, check=False)
    assert missed.returncode == 127
    assert f"{way.prefix}/bin/" in missed.stderr
    again = [sys.executable, "-I", "-m", "pdwrap.localai", "--unwrap", str(home / "backends")]
    assert "one: restored" in checked(again)
    assert (backend / "run.sh").read_bytes() == RUN_SH


def test_the_sdist_is_whole(house: House, tmp_path: Path) -> None:
    """Who unpacks it has all that this checkout has, but for what is made of it."""
    checked(["tar", "-xzf", house.sdist, "-C", tmp_path])
    (unpacked,) = tmp_path.iterdir()
    for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml"):
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()
    for folder in ("pdwrap", "tests", "scripts", "docs", "share", "examples"):
        assert (unpacked / folder).is_dir()
