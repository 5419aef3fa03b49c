"""The one file as a package of Debian's form: its two names, the manual pages, completions, licences, a changelog.

No debhelper: nothing is compiled here, and a package without any script of its own leaves nothing when it is removed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import time
from email.utils import formatdate
from pathlib import Path

from .debian import PROCESSORS, ROOT, output

MAINTAINER = "The pdwrap authors <pdwrap@localhost>"
#: What lintian says of it, and why it stays.
OVERRIDES = """# One file that needs nothing is what this package is for: it runs where no libc is.
pdwrap: statically-linked-binary [usr/bin/pdwrap]
# click, which is inside, has a function that starts an editor; pdwrap never calls it.
pdwrap: missing-depends-on-sensible-utils sensible-editor [usr/bin/pdwrap]
# The project has no address for mail.
pdwrap: bogus-mail-host *
pdwrap: bogus-mail-host-in-debian-changelog *
"""
DESCRIPTION = """Description: end a command's whole process tree when its launcher dies
 pdwrap goes in front of a command. When the process that started it dies,
 however it dies, the command and everything that it started ends: asked by
 SIGTERM first, killed when the grace is over.
 .
 pdwrap-localai puts it in front of LocalAI's backends.
 .
 This is the one static file, which needs no Python.
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: pdwrap
Comment: The licences of what is linked into the file (CPython, click, psutil, the
 GNU C library and GCC's run-time library) are in licenses.gz beside this one.

Files: *
Copyright: 2026 The pdwrap authors
License: Expat
"""
FILES = {
    "share/pdwrap.bash": "usr/share/bash-completion/completions/pdwrap",
    "share/pdwrap.fish": "usr/share/fish/vendor_completions.d/pdwrap.fish",
    "share/_pdwrap": "usr/share/zsh/vendor-completions/_pdwrap",
}
PAGES = ("pdwrap.1", "pdwrap-localai.1")


def make(one_file: Path, processor: str, version: str, instant: int, folder: Path) -> Path:
    """Make it.

    Args:
        one_file: what scripts/build-standalone has made, with its `.licenses` beside it.
        processor: as `uname -m` prints it.
        version: pdwrap's.
        instant: the time that all files get, in seconds since 1970.
        folder: where to.

    """
    architecture = PROCESSORS[processor]
    made = folder / f"pdwrap_{version}_{architecture}.deb"
    with tempfile.TemporaryDirectory(prefix="pdwrap-deb-") as name:
        root = Path(name) / "root"
        documents = root / "usr/share/doc/pdwrap"
        _put(root / "usr/bin/pdwrap", one_file.read_bytes(), 0o755)
        (root / "usr/bin/pdwrap-localai").symlink_to("pdwrap")
        for source, place in FILES.items():
            _put(root / place, (ROOT / source).read_bytes())
        for page in PAGES:
            _put(root / f"usr/share/man/man1/{page}.gz", _packed((ROOT / "share" / page).read_bytes()))
        _put(documents / "licenses.gz", _packed(one_file.with_name(f"{one_file.name}.licenses").read_bytes()))
        _put(documents / "copyright", (COPYRIGHT + _license()).encode())
        _put(documents / "changelog.gz", _packed(_changelog(version, instant).encode()))
        _put(documents / "NEWS.gz", _packed((ROOT / "CHANGELOG.md").read_bytes()))
        _put(root / "usr/share/lintian/overrides/pdwrap", OVERRIDES.encode())
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        size = sum(path.stat().st_size for path in files) // 1024 + len(files)
        sums = "".join(f"{_sum(path)}  {path.relative_to(root)}\n" for path in files)
        _put(root / "DEBIAN/control", _control(version, architecture, size).encode())
        _put(root / "DEBIAN/md5sums", sums.encode())
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (instant, instant), follow_symlinks=False)
        environment = f"SOURCE_DATE_EPOCH={instant}"
        output("env", environment, "dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, Path(name) / made.name)
        shutil.copyfile(Path(name) / made.name, made)
    return made


def _put(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _sum(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _license() -> str:
    _, _, text = (ROOT / "LICENSE").read_text(encoding="utf-8").partition("\n\n")
    _, _, terms = text.partition("\n\n")  # after the notice, which stands above
    return "".join(f" {line}\n" if line else " .\n" for line in terms.strip().split("\n"))


def _control(version: str, architecture: str, size: int) -> str:
    lines = (
        "Package: pdwrap",
        f"Version: {version}",
        f"Architecture: {architecture}",
        f"Maintainer: {MAINTAINER}",
        f"Installed-Size: {size}",
        "Section: admin",
        "Priority: optional",
    )
    return "\n".join(lines) + "\n" + DESCRIPTION


def _changelog(version: str, instant: int) -> str:
    date = formatdate(time.mktime(time.gmtime(instant)) - time.timezone)
    return f"pdwrap ({version}) unstable; urgency=medium\n\n  * See NEWS.gz.\n\n -- {MAINTAINER}  {date}\n"
