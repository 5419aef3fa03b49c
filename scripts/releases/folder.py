"""scripts/release: dist/release, all that is published, alike each time that it is made from one commit.

Then each is tried as its user would: the wheels' commands by what is marked `wheel`, the package by lintian, and
installed and removed in a Debian that has never seen it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import bill, clean, deb, wheel
from .debian import PROCESSORS, ROOT, NotReady, output

RELEASE = ROOT / "dist" / "release"
TOOLS = ROOT / "build" / "releases" / "venv"
HATCHLING = "hatchling==1.33.0"  # by its exact version: it decides over the bytes


def instant() -> int:
    """Give the time that everything in it has: SOURCE_DATE_EPOCH, else that of the last commit."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    return int(said or output("git", "-C", ROOT, "log", "-1", "--format=%ct"))


def version() -> str:
    """Give pdwrap's version."""
    text = (ROOT / "pdwrap" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "(.+?)"', text)
    if found is None:
        raise NotReady("pdwrap/__init__.py tells no version")
    return found[1]


def build_python(folder: Path, when: int) -> Path:
    """Make the pure wheel and the source distribution; the wheel's path."""
    if not (TOOLS / "bin" / "hatchling").exists():
        output(sys.executable, "-I", "-m", "venv", TOOLS)
        output(TOOLS / "bin/python", "-I", "-m", "pip", "install", "--quiet", HATCHLING)
    output("env", f"SOURCE_DATE_EPOCH={when}", TOOLS / "bin/hatchling", "build", "-d", folder, folder=ROOT)
    return next(folder.glob("pdwrap-*-py3-none-any.whl"))


def make(folder: Path) -> None:
    """Fill the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    when, number = instant(), version()
    pure = build_python(folder, when)
    files = []
    for processor, debian in PROCESSORS.items():
        built = ROOT / "dist" / f"pdwrap-linux-{processor}"
        licenses = built.with_name(f"{built.name}.licenses")
        files.append(shutil.copy(built, folder))
        shutil.copy(licenses, folder)
        # No symbolic link: one of those is neither uploaded nor copied into an image as the file.
        os.link(folder / built.name, folder / f"pdwrap-linux-{debian}")
        wheel.make(pure, built, processor, when, folder)
        deb.make(built, processor, number, when, folder)
    shutil.copy(ROOT / "LICENSE", folder)
    bill.write([Path(each) for each in files], number, when, folder / f"pdwrap-{number}.spdx.json")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(lines))


def try_wheel(path: Path) -> bool:
    """Install it into an environment of its own, and run what is marked `wheel`."""
    place = ROOT / "build" / "releases" / "tried"
    output(sys.executable, "-I", "-m", "venv", "--clear", place)
    output(place / "bin/python", "-I", "-m", "pip", "install", "--quiet", path)
    environment = {**os.environ, "PDWRAP_TEST_PRCTL": "ctypes", "PDWRAP_TEST_COMMAND": str(place / "bin/pdwrap")}
    command = [str(ROOT / ".venv-test/bin/python"), "-m", "pytest", "-q", "-m", "wheel"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def try_lintian(path: Path) -> bool:
    """Errors and warnings both are none, but for the overrides."""
    command = [
        "lintian",
        "--allow-root",
        "--fail-on",
        "error,warning",
        str(path),
    ]  # fails by overridden ones, too, where it shows them
    return subprocess.run(command, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Make the folder, try what is in it."""
    parser = argparse.ArgumentParser(prog="scripts/release", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--no-checks", action="store_true", help="only make it")
    chosen = parser.parse_args(arguments)
    try:
        make(RELEASE)
        print(output("ls", "-l", RELEASE))
        if chosen.no_checks:
            return 0
        machine = os.uname().machine
        results = [(path.name, "lintian", try_lintian(path)) for path in sorted(RELEASE.glob("*.deb"))]
        package = RELEASE / f"pdwrap_{version()}_{PROCESSORS[machine]}.deb"
        results.append((package.name, "installed and removed", clean.try_package(package)))
        results += [
            (path.name, "pytest -m wheel", try_wheel(path))
            for path in sorted(RELEASE.glob("*.whl"))
            if path.name.endswith(("-any.whl", f"{machine}.whl"))
        ]
    except NotReady as error:
        print(f"scripts/release: {error}", file=sys.stderr)
        return 2
    for name, what, good in results:
        print(f"{'ok' if good else 'FAILED'}: {name}: {what}")
    return 0 if all(good for _, _, good in results) else 1
