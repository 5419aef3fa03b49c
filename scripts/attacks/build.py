"""Compile what is written in C, at first use, and again when it has changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class NotReady(Exception):
    """Something is missing on this machine; the message says what."""


def program(name: str) -> str:
    """Give the path of `actors` or `tracer`. Where users of other ids may execute it: below the temporary folder."""
    source = HERE / f"{name}.c"
    state = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    place = Path(tempfile.gettempdir()) / f"pdwrap-attacks-{os.getuid()}"
    built = place / f"{name}-{state}"
    if not built.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            raise NotReady("no C compiler: as root on Debian, apt-get install gcc libc6-dev")
        place.mkdir(mode=0o755, exist_ok=True)
        if place.is_symlink() or place.stat().st_uid != os.getuid():
            raise NotReady(f"{place} is not ours")
        half = place / f"{name}-{os.getpid()}"
        command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(half), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotReady(done.stderr)
        half.replace(built)
    return str(built)


def pdwrap() -> list[str]:
    """Give the command of this checkout, as its environment has it."""
    return [str(ROOT / ".venv" / "bin" / "pdwrap")]


def localai() -> list[str]:
    """Give the command for LocalAI's backends."""
    return [str(ROOT / ".venv" / "bin" / "pdwrap-localai")]
