"""The other user of the tests: ``python -I -S attacker.py UID FOLDER OUTSIDE WHAT``, until its standard input ends.

It owns FOLDER/backends with a backend ``x``, and exchanges WHAT in there as fast as it can, for everything that could
make root do in OUTSIDE, or with it, what this user may not. A line on its standard output for each gain: a file of
root's making in there, one with a set-id bit that it did not make, or what only root may read.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress

user, folder, outside, what = int(sys.argv[1]), *sys.argv[2:]
top = f"{folder}/backends"
SCRIPT = b"#!/bin/sh\nexec true\n"
FORGED = b'#!/bin/sh\n# Made by pdwrap-localai: forged\nexec /bin/true --exec -- "$@"\n'
NEW = f"{folder}/new"


def file(content: bytes = SCRIPT, mode: int = 0o755) -> None:
    """Make a file that can be renamed to anywhere."""
    with suppress(OSError):
        os.unlink(NEW)
    fd = os.open(NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, content)
    os.fchmod(fd, mode)
    os.close(fd)


def link(target: str) -> None:
    """Make a link."""
    with suppress(OSError):
        os.unlink(NEW)
    os.symlink(target, NEW)


def fifo() -> None:
    """Make a FIFO, which an unwary reader would wait at."""
    with suppress(OSError):
        os.unlink(NEW)
    os.mkfifo(NEW)


def hard(target: str) -> None:
    """Make a second name, where the kernel lets us."""
    with suppress(OSError):
        os.unlink(NEW)
    os.link(target, NEW)


FILES: list[Callable[[], None]] = [
    file,
    lambda: file(mode=0o6777),
    lambda: file(mode=0o666),
    lambda: file(FORGED),
    lambda: link("/usr/bin/passwd"),
    lambda: link(f"{outside}/secret"),
    lambda: link(f"{outside}/open"),
    lambda: link(f"{outside}/x/run.sh"),
    lambda: link("/dev/tty"),
    lambda: link("/dev/zero"),
    lambda: hard(f"{outside}/readable"),
    lambda: hard("/usr/bin/passwd"),
    lambda: file(b"[" * 200_000),
    lambda: file(b'["x", "\\ud800"]'),
    fifo,
]
NAMES = {
    "file": ["x/run.sh"],
    "original": ["x/run.sh.pdwrap-original", "x/run.sh"],
    "aside": ["x/.run.sh.pdwrap-new", "x/.run.sh.pdwrap-original.pdwrap-new", ".pdwrap-wrapped.pdwrap-new", "x/run.sh"],
    "record": [".pdwrap-wrapped", "..pdwrap-wrapped.pdwrap-new"],
    "metadata": ["x/metadata.json", "x/run.sh"],
}


def exchange_file() -> None:
    """Put something at a name, or nothing."""
    name = f"{top}/{random.choice(NAMES[what])}"
    if random.random() < 0.2:
        os.unlink(name)
        return
    random.choice(FILES)()
    os.rename(NEW, name)


def exchange_folder() -> None:
    """Put a link in the place of a folder for a moment."""
    name = f"{top}/x" if what == "folder" else top
    target = f"{outside}/x" if what == "folder" else outside
    os.rename(name, f"{folder}/kept")
    try:
        os.symlink(target, name)
        with suppress(OSError):
            file()
            os.rename(NEW, f"{folder}/kept/run.sh" if what == "folder" else f"{folder}/kept/x/run.sh")
        os.unlink(name)
    finally:
        os.rename(f"{folder}/kept", name)


def say(*words: object) -> None:
    """Tell the test."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def look_for_gains() -> None:
    """Say what is there that this user could not have made."""
    for name in os.listdir(f"{top}/x"):
        fd = os.open(f"{top}/x/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)  # of what is read: root may exchange it meanwhile, too
            text = os.pread(fd, 1 << 16, 0)
        finally:
            os.close(fd)
        if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
            if status.st_uid == 0:
                say("gained", oct(status.st_mode), name)
            if b"nobody else" in text:
                say("gained what is in", name)
            if b"\n# options: " in text and status.st_mode & 0o7022:
                say("gained", oct(status.st_mode), "of a wrapper", name)


os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
os.umask(0)
waiting = select.poll()
waiting.register(0, select.POLLIN | select.POLLHUP)
while not waiting.poll(0):
    with suppress(OSError):
        exchange_file() if what in NAMES else exchange_folder()
    with suppress(OSError):
        look_for_gains()
if os.path.isdir(f"{folder}/kept"):
    shutil.rmtree(f"{folder}/kept")
