"""Wheels with the one file inside, for Linux on x86_64 and on aarch64: pip then installs the fast command.

Made of the pure wheel: the manual pages and completions stay; the modules, what they depend on, and the scripts that
start them give way to the file. The tags are those of the oldest systems whose pip takes them: a static file asks
for no libc, so one wheel says manylinux and musllinux both. (A tag `linux_x86_64` would not be taken by indexes.)
"""

from __future__ import annotations

import base64
import hashlib
import time
import zipfile
from pathlib import Path

from .debian import ROOT

LIBCS = ("manylinux_2_17", "manylinux2014", "musllinux_1_1")
LOCALAI = ROOT / "scripts" / "releases" / "pdwrap-localai"
MAIN = '''"""`python -m pdwrap`: the file that is installed beside this Python."""

import os
import sys
import sysconfig

for _scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
    _file = os.path.join(sysconfig.get_path("scripts", _scheme), "pdwrap")
    if os.access(_file, os.X_OK):
        os.execv(_file, [_file, *sys.argv[1:]])
sys.exit("pdwrap: its file is not where this Python has its scripts: nothing was started")
'''


def make(pure: Path, one_file: Path, processor: str, instant: int, folder: Path) -> Path:
    """Make it.

    Args:
        pure: the pure wheel.
        one_file: what scripts/build-standalone has made, with its `.licenses` beside it.
        processor: as `uname -m` prints it.
        instant: the time that all entries get, in seconds since 1970.
        folder: where to.

    """
    name, version = pure.name.split("-")[:2]
    tags = [f"py3-none-{libc}_{processor}" for libc in LIBCS]
    kept = f"{name}-{version}"
    info, data = f"{kept}.dist-info", f"{kept}.data"
    with zipfile.ZipFile(pure) as before:
        files = {entry: before.read(entry) for entry in before.namelist()}
    metadata = files[f"{info}/METADATA"].decode().split("\n")
    words = ("Requires-Dist:", "Provides-Extra:")
    files = {
        **{entry: content for entry, content in files.items() if entry.startswith(f"{data}/data/")},
        **{entry: content for entry, content in files.items() if entry.startswith(f"{info}/licenses/")},
        f"{name}/__init__.py": files[f"{name}/__init__.py"],
        f"{name}/__main__.py": MAIN.encode(),
        f"{data}/scripts/pdwrap": one_file.read_bytes(),
        f"{data}/scripts/pdwrap-localai": LOCALAI.read_bytes(),
        f"{info}/METADATA": "\n".join(line for line in metadata if not line.startswith(words)).encode(),
        f"{info}/WHEEL": _wheel(tags).encode(),
        f"{info}/licenses/{one_file.name}.licenses": one_file.with_name(f"{one_file.name}.licenses").read_bytes(),
    }
    record = [f"{entry},sha256={_digest(content)},{len(content)}" for entry, content in sorted(files.items())]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    made = folder / f"{kept}-py3-none-{'.'.join(f'{libc}_{processor}' for libc in LIBCS)}.whl"
    with zipfile.ZipFile(made, "w") as wheel:
        for entry in sorted(files, key=lambda entry: (entry.startswith(info), entry)):
            described = zipfile.ZipInfo(entry, time.gmtime(instant)[:6])
            described.compress_type = zipfile.ZIP_DEFLATED
            described.external_attr = (0o100755 if entry.startswith(f"{data}/scripts/") else 0o100644) << 16
            wheel.writestr(described, files[entry])
    return made


def _wheel(tags: list[str]) -> str:
    lines = ["Wheel-Version: 1.0", "Generator: pdwrap's scripts/release", "Root-Is-Purelib: false"]
    return "\n".join([*lines, *(f"Tag: {tag}" for tag in tags), ""])


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
