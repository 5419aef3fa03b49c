"""The first root of a machine that boots: a cpio archive in the "newc" format (the kernel's buffer-format.rst).

Written here, so that it needs neither root (device nodes) nor cpio, and has the same bytes each time.
"""

from __future__ import annotations

from typing import NamedTuple

FOLDER, FILE, LINK, CONSOLE = 0o040755, 0o100755, 0o120777, 0o020600
END = "TRAILER!!!"


class Entry(NamedTuple):
    """One of its entries: the name without a leading slash, type and permissions, what is in it."""

    name: str
    mode: int
    content: bytes = b""


def pack(entries: list[Entry]) -> bytes:
    """Give the archive."""
    packed = b""
    for inode, entry in enumerate([*entries, Entry(END, 0)], 1):
        name = entry.name.encode() + b"\0"
        device = (5, 1) if entry.mode == CONSOLE else (0, 0)
        fields = (inode, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *device, len(name), 0)
        packed += _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        packed += _padded(entry.content)
    return packed


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
