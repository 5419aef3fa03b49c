"""What scripts/release makes of the one file: a wheel with it inside, and a package of Debian's form.

Here they are made and unpacked; scripts/release itself tries them as their users would, and for both processors.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, run

MAKE = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from releases import bill, deb, wheel
one_file, folder = map(pathlib.Path, sys.argv[2:4])
if sys.argv[4] == "wheel":
    print(wheel.make(next(folder.glob("pdwrap-*-any.whl")), one_file, "x86_64", 10**9, folder))
elif sys.argv[4] == "deb":
    print(deb.make(one_file, "x86_64", "0.1.0", 10**9, folder))
else:
    bill.write([one_file], "0.1.0", 10**9, folder / "bill")
"""
PACKAGE = {
    "bin/pdwrap",
    "bin/pdwrap-localai",
    "share/bash-completion/completions/pdwrap",
    "share/doc/pdwrap/NEWS.gz",
    "share/doc/pdwrap/changelog.gz",
    "share/doc/pdwrap/copyright",
    "share/doc/pdwrap/licenses.gz",
    "share/fish/vendor_completions.d/pdwrap.fish",
    "share/lintian/overrides/pdwrap",
    "share/man/man1/pdwrap-localai.1.gz",
    "share/man/man1/pdwrap.1.gz",
    "share/zsh/vendor-completions/_pdwrap",
}


ONE_FILE = ROOT / "dist" / f"pdwrap-linux-{os.uname().machine}"
"""As it was built, with its licences beside it; the tests are started on a copy by its short name."""


def make(folder: Path, what: str) -> Path:
    """Make it twice: the second has the bytes of the first."""
    command = [sys.executable, "-I", "-c", MAKE, str(ROOT / "scripts"), str(ONE_FILE), str(folder), what]
    made = run(command, within=200)
    assert made.code == 0, made.stderr
    path = Path(made.stdout.decode().strip() or folder / "bill")
    first = path.read_bytes()
    assert run(command, within=200).code == 0
    assert path.read_bytes() == first
    return path


@pytest.mark.timeout(400)
def test_the_wheel_brings_the_file(tmp_path: Path) -> None:
    """Pip takes it and asks for nothing else: both commands, the manual page, and `python -m pdwrap` are there."""
    pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    pure = run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], within=200, env=dict(os.environ))
    assert pure.code == 0, pure.stderr
    wheel = make(tmp_path, "wheel")
    place = tmp_path / "place"
    assert run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], within=60).code == 0
    python = str(place / "bin" / "python")
    installed = run([*pip, "--python", python, "install", "--no-index", str(wheel)], within=200)
    assert installed.code == 0, installed.stderr
    assert (place / "bin" / "pdwrap").read_bytes() == ONE_FILE.read_bytes()
    assert (place / "share" / "man" / "man1" / "pdwrap.1").exists()
    (tmp_path / "link").symlink_to(place / "bin" / "pdwrap-localai")
    for command in ([place / "bin" / "pdwrap-localai"], [tmp_path / "link"]):
        assert b"pdwrap" in run([*map(str, command), "--version"]).stdout
    assert run([python, "-m", "pdwrap", "--", "sh", "-c", "exit 7"]).code == 7


@pytest.mark.timeout(200)
def test_the_package_of_debian(tmp_path: Path) -> None:
    """Its files, root's and readable by all; no script of its own, so nothing stays when it is removed."""
    package = make(tmp_path, "deb")
    assert run(["dpkg-deb", "--extract", str(package), str(tmp_path / "root")], within=60).code == 0
    assert run(["dpkg-deb", "--control", str(package), str(tmp_path / "control")], within=60).code == 0
    assert {path.name for path in (tmp_path / "control").iterdir()} == {"control", "md5sums"}
    usr = tmp_path / "root" / "usr"
    assert {str(path.relative_to(usr)) for path in usr.rglob("*") if not path.is_dir()} == PACKAGE
    listed = run(["dpkg-deb", "--contents", str(package)]).stdout.decode().splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    assert stat.S_IMODE((usr / "bin" / "pdwrap").stat().st_mode) == 0o755
    assert run([str(usr / "bin" / "pdwrap"), "--", "sh", "-c", "exit 7"]).code == 7
    assert run([str(usr / "bin" / "pdwrap-localai"), "--version"]).code == 0


def test_the_bill_of_materials(tmp_path: Path) -> None:
    """It names the file by its sum, and what is linked into it with version and licence."""
    text = make(tmp_path, "bill").read_text()
    for name in (
        "SPDX-2.3",
        "SHA256",
        "CPython",
        "GNU C Library",
        "pkg:pypi/click@",
        "pkg:pypi/psutil@",
        "STATIC_LINK",
    ):
        assert name in text
