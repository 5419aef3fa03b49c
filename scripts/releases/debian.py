"""Debian's packages of any suite and processor: fetched and unpacked by an apt of its own, nothing is installed.

The mirror is the one that this system's apt uses, and the archive's key decides what is taken from it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: What `uname -m` says, and what Debian calls it.
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}


class NotReady(Exception):
    """Something is missing on this machine; the message says what."""


def output(*command: str | Path, folder: Path | None = None) -> str:
    """Run it; what it prints.

    Raises:
        NotReady: it failed.

    """
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReady(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def mirror() -> str:
    """Find where this system has Debian's packages from."""
    for line in output("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").splitlines():
        if line.rstrip("/").endswith("/debian"):
            return line
    raise NotReady("apt knows no mirror of Debian's main archive")


class Packages:
    """Those of one suite for one processor, below build/releases."""

    def __init__(self, suite: str, processor: str) -> None:
        """Read its list.

        Args:
            suite: bookworm, sid ...
            processor: in Debian's words.

        """
        self.folder = ROOT / "build" / "releases" / f"{suite}-{processor}"
        for name in ("lists/partial", "cache/archives/partial", "parts", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        settings = {
            "APT::Architecture": processor,
            "APT::Architectures": processor,
            "APT::Sandbox::User": "root",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": self.folder / "parts",
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
        }
        self.options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        output("apt-get", *self.options, "-qq", "update")

    def needed_by(self, package: str, pattern: str) -> list[str]:
        """Name what would be installed with it, as far as the names match."""
        told = output("apt-get", *self.options, "-qq", "--no-install-recommends", "--print-uris", "install", package)
        names = re.findall(r"^'\S+' (\S+?)_\S*\.deb ", told, re.MULTILINE)
        return [name for name in names if re.fullmatch(pattern, name)]

    def unpack(self, name: str, *patterns: str) -> list[Path]:
        """Fetch a package, and take what matches out of it; where that is."""
        output("apt-get", *self.options, "-qq", "download", name, folder=self.folder)
        newest = max(self.folder.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        root = self.folder / "root"
        listed = output("dpkg-deb", "--contents", newest).splitlines()
        files = [line.split(" -> ")[0].split(maxsplit=5)[5] for line in listed if line.startswith("-")]
        wanted = [file for file in files if any(re.search(pattern, file) for pattern in patterns)]
        if wanted:
            unpacking = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", newest], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-x", "-C", root, *wanted], stdin=unpacking.stdout, check=True)
            if unpacking.wait():
                raise NotReady(f"{newest} cannot be unpacked")
        newest.unlink()
        return [root / file for file in wanted]
