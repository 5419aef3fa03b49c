"""scripts/pythons: the suite on the Pythons of Debian's other suites, each in a whole Debian of its own."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import clean
from .debian import ROOT, NotReady, output

SUITES = ("trixie", "sid")
TOOLS = ("python3", "python3-venv", "python3-dev", "ca-certificates")
#: What each of them gets of this system: how names are found, whom pip trusts and asks.
FROM_HERE = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
#: The one file is built from Debian 12's Python alone, so its packages are not asked for.
SET_UP = """
set -e
cd /src
. scripts/setup.sh
python=/usr/bin/python3
list_missing scripts/test
set --
for package in $packages; do
    case $package in *3.11*) ;; *) set -- "$@" "$package" ;; esac
done
apt-get -qq -o Acquire::Check-Valid-Until=false update # a mirror of the newest may be behind
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -y -qq --no-install-recommends install "$@" >/log 2>&1 ||
    { tail -n 20 /log; exit 1; }
python3 -m venv /venv
/venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
"""


def prepare(suite: str) -> Path:
    """Make the Debian, once, and put this commit into it."""
    root = clean.system(suite, *TOOLS)
    for path in FROM_HERE:
        if os.path.exists(path):
            shutil.copy(path, root / path.lstrip("/"))
    source = root / "src"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    archive = subprocess.Popen(["git", "-C", ROOT, "archive", "HEAD"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", source], stdin=archive.stdout, check=True)
    archive.wait()
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") and name != "PIP_FIND_LINKS"}
    if clean.enter(root, "sh", "-c", SET_UP, environment=kept):
        raise NotReady(f"{suite} cannot be set up")
    return root


def main(arguments: list[str]) -> int:
    """Try them one after the other."""
    parser = argparse.ArgumentParser(prog="scripts/pythons", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this one; may be repeated")
    parser.add_argument("--all", action="store_true", help="the whole suite, not what is marked `wheel` and tests/pure")
    chosen = parser.parse_args(arguments)
    runs = ["python -m pytest -q"] if chosen.all else ["python -m pytest -q -m wheel", "python -m pytest -q tests/pure"]
    failed = 0
    for suite in chosen.suite or SUITES:
        try:
            root = prepare(suite)
        except NotReady as error:
            print(f"scripts/pythons: {error}", file=sys.stderr)
            return 2
        print(f"== {suite}: {output('chroot', root, '/venv/bin/python', '--version').strip()}", flush=True)
        for command in runs:
            script = f'cd /src && PATH="/venv/bin:$PATH" PDWRAP_TEST_PRCTL=ctypes {command}'
            failed += clean.enter(root, "sh", "-c", script) != 0
    return 1 if failed else 0
