"""A Debian that has never seen pdwrap: made once by debootstrap, entered in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .debian import ROOT, mirror, output

ENTER = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mkdir -p old proc dev sys
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs none tmp
pivot_root . old
umount -l old
rmdir old
cd /
shift
exec "$@"
"""
#: What dpkg writes down about itself.
DPKGS_OWN = ("/var/lib/dpkg/", "/var/log/")


def system(suite: str, *packages: str) -> Path:
    """Make a Debian of that suite, once; its folder."""
    root = ROOT / "build" / "releases" / f"system-{suite}"
    if not (root / "ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        included = [f"--include={','.join(packages)}"] if packages else []
        output("debootstrap", "--variant=minbase", *included, suite, root, mirror())
        (root / "ready").touch()
    return root


def enter(root: Path, *command: str, environment: dict[str, str] | None = None) -> int:
    """Run it there, as pid 1 of its own pids, with the folder as the real root (pivot_root(2)); its exit status."""
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", str(root), *command]
    plain = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    return subprocess.run(own, env={**plain, **(environment or {})}, stdin=subprocess.DEVNULL, check=False).returncode


def listing(root: Path) -> set[str]:
    """Name every file with what it is and holds."""
    found = set()
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            inside = f"/{path.relative_to(root)}"
            if not inside.startswith(DPKGS_OWN):
                it = path.lstat()
                found.add(f"{inside} {it.st_mode:o} {0 if path.is_dir() else it.st_size}")
    return found


def try_package(package: Path) -> bool:
    """Install it, run it, remove it: nothing is left."""
    root = system("bookworm")
    before = listing(root)
    shutil.copy(package, root / "package.deb")
    used = "pdwrap -- true && pdwrap-localai --version && ! pdwrap -- false && [ -e /usr/share/man/man1/pdwrap.1.gz ]"
    script = f"dpkg -i /package.deb && {used} && dpkg --purge pdwrap && [ ! -e /usr/bin/pdwrap ]"
    status = enter(root, "sh", "-c", script)
    (root / "package.deb").unlink()
    left = listing(root) ^ before
    for line in sorted(left):
        print(f"left: {line}")
    return status == 0 and not left
