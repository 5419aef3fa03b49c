"""Make ready what is measured: pdwrap as pip installs it, and the programs around it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "bench"
SYSTEM_PYTHON = Path("/usr/bin/python3")
OLDEST = (3, 10)
DONE = "done"
ONE_FILE = "pdwrap-one-file"
A_DAY = 86400


class NotReady(Exception):
    """Something is missing on this machine; the message says what to do."""


class Tools(NamedTuple):
    """What the measurements start."""

    python: str
    """The interpreter of the environment that pdwrap is installed in."""
    pdwrap: str
    one_file: str
    """scripts/build-standalone's; not there where that could not build it."""
    roles: tuple[str, ...]
    """Prefix of a role's command line (roles.c)."""
    compiled: bool


def usable(python: Path) -> bool:
    """Tell whether `python` is new enough and can make environments."""
    check = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([python, "-I", "-c", check], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def interpreter() -> Path:
    """Choose the system's Python, which most users have, else the one that runs this."""
    for python in (SYSTEM_PYTHON, Path(sys.executable)):
        if usable(python):
            return python
    raise NotReady("no Python >= 3.10 with venv: as root on Debian, apt-get install python3-venv")


def sources() -> Iterator[Path]:
    """List all that the wheel is made of, and the roles."""
    yield from (ROOT / "pyproject.toml", ROOT / "scripts" / "pdwrap", HERE / "roles.c", Path(__file__))
    yield from sorted((ROOT / "scripts" / "straight.d").glob("*.py"))
    yield from sorted(
        path for path in (ROOT / "scripts" / "standalone").rglob("*") if path.suffix in (".py", ".c", ".txt")
    )
    yield from sorted(
        path
        for path in (ROOT / "pdwrap").rglob("*")
        if path.suffix != ".pyc" and path.parent.name != "straight" and path.is_file()
    )


def fingerprint(python: Path) -> str:
    """Name the state of the sources and of what they are built with."""
    state = hashlib.sha256(f"{python.resolve()} {python.stat().st_mtime_ns}".encode())
    for path in sources():
        state.update(b"%s\0%s\0" % (os.fsencode(path.relative_to(ROOT)), path.read_bytes()))
    return state.hexdigest()[:12]


def run(*command: str | Path) -> None:
    """Run one step; what it said is shown only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReady(f"failed: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def build(place: Path, python: Path) -> None:
    """Make the environment, build the wheel, install it.

    The interpreter is copied, not linked: memory that other Pythons of this machine share with each other does not
    make ours look smaller.
    """
    run(python, "-I", "-m", "venv", "--copies", place)
    pip = (place / "bin" / "python", "-I", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", place / "wheel", ROOT)
    run(*pip, "install", *(place / "wheel").glob("*.whl"))


def prepare() -> Tools:
    """Build what is not there yet, and say where it is."""
    python, compiler = interpreter(), shutil.which("gcc")
    place = BUILD / fingerprint(python)
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / DONE).exists():
            shutil.rmtree(place, ignore_errors=True)
            for old in BUILD.glob(f"*/{DONE}"):
                if old.stat().st_mtime < time.time() - A_DAY:  # a younger one may be in use
                    shutil.rmtree(old.parent)
            print(f"bench: building and installing pdwrap with {python} ...", file=sys.stderr, flush=True)
            build(place, python)
            try:
                run(ROOT / "scripts" / "build-standalone", "--output", place / "bin" / ONE_FILE)
            except NotReady as reason:
                print(f"bench: no one file: {reason}", file=sys.stderr, flush=True)
            (place / DONE).touch()
        if compiler and not (roles_c := place / "bin" / "roles").exists():
            run(compiler, "-O2", "-o", roles_c, HERE / "roles.c")
    bin_ = place / "bin"
    roles = (str(bin_ / "roles"),) if compiler else (str(python), "-I", "-S", str(HERE / "roles.py"))
    return Tools(str(bin_ / "python"), str(bin_ / "pdwrap"), str(bin_ / ONE_FILE), roles, compiler is not None)
