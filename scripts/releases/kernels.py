"""scripts/kernels: the promise's smoke test on real kernels, each in a machine of qemu's without KVM.

A machine gets a kernel of Debian's and a first root with four files in it: the one file (scripts/build-standalone),
the smoke test as process 1 (smoke.c), busybox for a shell. It has no disk and no network, and powers off by itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from . import initramfs
from .debian import PROCESSORS, ROOT, NotReady, Packages, output

HERE = Path(__file__).resolve().parent
SUITES = ("bullseye", "bookworm", "trixie", "sid")
KERNELS = r"linux-(image|binary)-[0-9].*"  # that of sid is in a package of its own since 7.0
MACHINES = {
    "x86_64": ("qemu-system-x86_64", "-cpu", "max", "-append", "console=ttyS0 quiet panic=-1"),
    "aarch64": ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-append", "console=ttyAMA0 quiet panic=-1"),
}
SAME = ("-accel", "tcg", "-nic", "none", "-nographic", "-no-reboot", "-m", "512")
LONGEST = 900  # seconds
COLUMNS = (
    ("fork", "the kernel tells"),
    ("exec", "the kernel tells"),
    ("fork", "polling"),
    ("exec", "polling"),
    ("fork", "no pidfd"),
    ("exec", "no pidfd"),
)
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- by scripts/kernels --write -->", "<!-- end of what scripts/kernels has written -->"


class Row(NamedTuple):
    """What one machine has told."""

    suite: str
    processor: str
    lines: list[list[str]]

    @property
    def kernel(self) -> str:
        """Give its version, as `uname -r` does."""
        return next((words[1] for words in self.lines if words[0] == "kernel"), "does not boot")

    def column(self, mode: str, way: str) -> tuple[int, int]:
        """Count what was good, and all."""
        results = [words[0] for words in self.lines if words[1:3] == [mode, way]]
        return results.count("ok"), len(results)

    @property
    def survivors(self) -> int:
        """Count what was left of all trees."""
        return sum(int(words[4]) for words in self.lines if words[0] in {"ok", "FAILED"})

    @property
    def good(self) -> bool:
        """Tell whether it came to its end, and all were good."""
        done = [words for words in self.lines if words[0] == "done"]
        return len(done) == 1 and done[0][2] == "0 failed" and done[0][3] == "0 survivors"


def build_smoke(processor: str, folder: Path) -> Path:
    """Compile the smoke test."""
    built = folder / f"smoke-{processor}"
    compiler = f"{processor}-linux-gnu-gcc"
    output(compiler, "-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o", built, HERE / "smoke.c")
    return built


def boot(processor: str, kernel: Path, smoke: Path, busybox: Path, folder: Path) -> list[list[str]]:
    """Boot the kernel with the smoke test; the lines that it prints, as words."""
    one_file = ROOT / "dist" / f"pdwrap-linux-{processor}"
    root = folder / f"{processor}-{kernel.parent.name}-{kernel.name}.cpio"
    root.write_bytes(
        initramfs.pack(
            [
                *(initramfs.Entry(name, initramfs.FOLDER) for name in ("bin", "dev", "proc")),
                initramfs.Entry("dev/console", initramfs.CONSOLE),
                initramfs.Entry("bin/sh", initramfs.FILE, busybox.read_bytes()),
                initramfs.Entry("pdwrap", initramfs.FILE, one_file.read_bytes()),
                initramfs.Entry("init", initramfs.FILE, smoke.read_bytes()),
            ]
        )
    )
    command = [*MACHINES[processor], *SAME, "-kernel", str(kernel), "-initrd", str(root)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST, check=False
        ).stdout
    except subprocess.TimeoutExpired as late:
        done = late.stdout or b""
    if b"\ndone" not in done:
        print(f"{kernel}, {processor}: " + done.decode(errors="replace")[-800:], flush=True)
    lines = [line.split("\t") for line in done.decode(errors="replace").replace("\r", "").splitlines()]
    for words in lines:
        # The firmware clears the screen in front of the first line.
        words[0] = next((kind for kind in ("kernel", "done", "FAILED", "ok") if words[0].endswith(kind)), "")
    return [words for words in lines if words[0] and len(words) > 1]


def try_one(suite: str, processor: str, smoke: Path, folder: Path) -> Row:
    """Fetch the kernel, boot it."""
    packages = Packages(suite, PROCESSORS[processor])
    kernels: list[Path] = []
    for name in packages.needed_by(f"linux-image-{PROCESSORS[processor]}", KERNELS):
        kernels += packages.unpack(name, r"/vmlinuz")
    busybox = packages.unpack("busybox-static", r"/bin/busybox$")
    if len(kernels) != 1 or not busybox:
        raise NotReady(f"{suite}, {processor}: which is the kernel? {kernels}")
    begun = time.monotonic()
    row = Row(suite, processor, boot(processor, kernels[0], smoke, busybox[0], folder))
    for words in row.lines:
        if words[0] == "FAILED":
            print(f"{row.kernel}, {processor}: " + ", ".join(words), flush=True)
    print(
        f"{'ok' if row.good else 'FAILED'}: {suite}, {row.kernel}, {processor}:"
        f" {row.survivors} survivors, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return row


def table(rows: list[Row]) -> str:
    """Draw what docs/reliability.md shows."""
    lines = [
        "| Debian | kernel | processor | fork | exec | fork, polling | exec, polling | fork, no pidfd | left |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        counts = [row.column(mode, way) for mode, way in COLUMNS[:-1]]
        cells = [f"{good} of {tried}" for good, tried in counts]
        lines.append(f"| {row.suite} | {row.kernel} | {row.processor} | {' | '.join(cells)} | {row.survivors} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Try them all."""
    parser = argparse.ArgumentParser(prog="scripts/kernels", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this suite's kernel; may be repeated")
    parser.add_argument("--processor", action="append", choices=list(PROCESSORS), help="only this one")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="machines at a time (2)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    chosen = parser.parse_args(arguments)
    pairs = [(suite, processor) for processor in chosen.processor or PROCESSORS for suite in chosen.suite or SUITES]
    try:
        with tempfile.TemporaryDirectory(prefix="pdwrap-kernels-") as name, ThreadPoolExecutor(chosen.jobs) as pool:
            smoke = {processor: build_smoke(processor, Path(name)) for processor in {each for _, each in pairs}}
            waiting = [pool.submit(try_one, *pair, smoke[pair[1]], Path(name)) for pair in pairs]
            rows = [each.result() for each in waiting]
    except NotReady as error:
        print(f"scripts/kernels: {error}", file=sys.stderr)
        return 2
    drawn = table(rows)
    print(f"\n{drawn}")
    if chosen.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{drawn}\n\n{END}{after}", encoding="utf-8")
    failed = [row for row in rows if not row.good]
    print(f"\n{len(rows) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0
