"""A process tree that a test makes up: who is whose parent, and in which group and session."""

from __future__ import annotations

import os

import pytest

from pdwrap.linux import procfs

#: A process: parent, group, session.
Family = dict[int, tuple[int, int, int]]

WE = 100


def live_in(monkeypatch: pytest.MonkeyPatch, family: Family) -> None:
    """Make this process the WE of *family*, and the process tree what it says."""

    def field(pid: int, number: int) -> int:
        if (pid or WE) not in family:
            raise ProcessLookupError
        return family[pid or WE][number]

    monkeypatch.setattr(os, "getpid", lambda: WE)
    monkeypatch.setattr(os, "getppid", lambda: family[WE][0])
    monkeypatch.setattr(os, "getpgrp", lambda: family[WE][1])
    monkeypatch.setattr(os, "getpgid", lambda pid: field(pid, 1))
    monkeypatch.setattr(os, "getsid", lambda pid: field(pid, 2))
    monkeypatch.setattr(procfs, "parent", lambda pid: family[pid][0] if pid in family else 0)
