"""T6, T1: in exec mode the backend is the process that it would have been without pdwrap.

One program writes down all of /proc/self that a program can see, and what prctl(2) tells; with pdwrap it must see the
same. CPU times, faults, addresses and the start time are nobody's to keep equal, and the pid is compared with the one
that the launcher knows.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import LIMIT, PYTHON, Running, Starter, spawn, wait_for_sidecars, watchers

pytestmark = pytest.mark.modes("exec")

PROGRAM = r"""
import ctypes, json, os, sys
def read(name):
    try:
        with open(f"/proc/self/{name}", "rb") as file:
            return file.read().decode("latin-1")
    except OSError as error:
        return f"errno {error.errno}"
me = str(os.getpid())
seen = {"pid": me}
fds = {}
for entry in os.listdir("/proc/self/fd"):
    try:
        fds[entry] = [os.readlink(f"/proc/self/fd/{entry}"), read(f"fdinfo/{entry}").partition("ino:")[0]]
    except OSError:
        pass
seen["descriptors"] = fds
aside = ("Pid", "Tgid", "Ngid", "NStgid", "NSpid", "Vm", "Rss", "voluntary", "nonvoluntary", "HugetlbPages",
         "SigQ")  # queued signals of the user's every process: what others do meanwhile
seen["status"] = {k: v.split() for k, v in (line.split(":", 1) for line in read("status").splitlines())
                  if not k.startswith(aside)}
seen["groups"] = ["pid" if word == me else word for word in read("status").split("NSpgid:")[1].split()[:3]]
for group in ("NSpgid", "NSsid"):
    seen["status"].pop(group, None)
stat = read("stat").rpartition(")")[2].split()
names = "state ppid pgrp session tty tpgid flags".split()
seen["stat"] = {name: "pid" if value == me else value for name, value in zip(names, stat)}
seen["stat"] |= {"priority": stat[15], "nice": stat[16], "threads": stat[17], "exit signal": stat[35],
                 "policy": stat[37:39]}
seen["name"] = read("stat").rpartition(")")[0].partition("(")[2]
for name in ("limits", "environ", "cmdline", "cgroup", "mountinfo", "timerslack_ns", "oom_score_adj", "loginuid",
             "coredump_filter", "personality", "timers", "comm", "sessionid", "uid_map", "attr/current"):
    seen[name] = read(name)
seen["mapped"] = sorted({line.split(None, 5)[5] for line in read("maps").splitlines() if "/" in line})
seen["children"] = read(f"task/{me}/children")
seen["links"] = [os.readlink(f"/proc/self/{name}") for name in ("cwd", "root", "exe")]
libc = ctypes.CDLL(None)
for name, option in {"parent-death signal": 2, "subreaper": 37}.items():
    value = ctypes.c_int(-1)
    libc.prctl(option, ctypes.byref(value), 0, 0, 0)
    seen[name] = value.value
for name, option in {"dumpable": 3, "keep capabilities": 7, "timer slack": 30, "secure bits": 27}.items():
    seen[name] = libc.prctl(option, 0, 0, 0, 0)
os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), json.dumps(seen).encode())
"""
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def nothing() -> None:
    """As it comes."""


def ignore_children() -> None:
    """As by a launcher that lets the kernel reap."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def block_children() -> None:
    """As by a launcher that waits by `sigwait`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGUSR1})


def block_and_ignore_children() -> None:
    """Both: a SIGCHLD that is pending then stays so through exec."""
    ignore_children()
    block_children()


def ask_for_a_signal() -> None:
    """The launcher's own parent-death signal."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)


def close_input() -> None:
    """LocalAI closes descriptor 0."""
    os.close(0)


def change_much() -> None:
    """Session, directory, umask, priority, descriptors, ignored signals."""
    os.setsid()
    os.chdir("/proc")
    os.umask(0o27)
    os.nice(3)
    os.set_inheritable(os.open("/dev/zero", os.O_RDONLY), True)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


PREPARATIONS: list[Callable[[], None]] = [
    *(nothing, os.setsid, ignore_children, block_children, block_and_ignore_children),
    *(ask_for_a_signal, close_input, change_much),
]


def look(argv: list[str], path: Path, prepare: Callable[[], object]) -> dict[str, Any]:
    """Run the program, after *prepare* in its process, and give what it saw."""
    running = Running([*argv, *PYTHON, "-c", PROGRAM, str(path)], before_exec=lambda: (prepare(), None)[1])
    outcome = running.wait()
    assert (outcome.code, outcome.stderr) == (0, "")
    seen: dict[str, Any] = json.loads(path.read_bytes().replace(bytes(path), b"path"))
    assert seen.pop("pid") == str(running.pid)
    return seen


@pytest.mark.parametrize("prepare", PREPARATIONS, ids=lambda each: each.__name__)
def test_backend_sees_no_difference(pdwrap: list[str], tmp_path: Path, prepare: Callable[[], object]) -> None:
    """T6, T1: same pid, parent, group, session, terminal, descriptors, everything; no child, nothing pending."""
    bare = look([], tmp_path / "bare", prepare)
    seen = look([*pdwrap, "--"], tmp_path / "seen", prepare)
    assert seen == bare
    assert seen["children"] == ""
    assert seen["status"]["SigPnd"] == seen["status"]["ShdPnd"] == ["0" * 16]
    assert seen["parent-death signal"] == (signal.SIGUSR1 if prepare is ask_for_a_signal else 0)


def test_backend_is_who_was_started(start: Starter) -> None:
    """T6: the process that the launcher started is the backend; nothing of pdwrap is below either of them."""
    tree = start("plain")
    assert tree.backend.pid == tree.wrapper.pid
    assert not Path(f"/proc/{tree.backend.pid}/task/{tree.backend.pid}/children").read_text(encoding="ascii")
    first, second = tree.sidecars
    below = Path(f"/proc/{tree.launcher.pid}/task/{tree.launcher.pid}/children").read_text(encoding="ascii").split()
    assert below == [str(tree.backend.pid)]
    for group_or_session in (os.getpgid, os.getsid):  # no signal to one takes two of them
        assert len({group_or_session(process.pid) for process in (tree.backend, first, second)}) == 3
    tree.launcher.kill()
    tree.assert_gone()


def test_sidecars_hold_nothing(pdwrap: list[str], tmp_path: Path) -> None:
    """T6: of the backend's descriptors they hold stderr alone, no folder but /proc; the others are their own."""
    reads, writes = os.pipe()
    other = tmp_path / "folder"
    other.mkdir()
    folder = os.open(other, os.O_RDONLY)
    pipes = {1: writes, 5: reads, 6: folder, 2: (errors := os.memfd_create("stderr"))}
    backend = ["sh", "-c", "echo ready; exec sleep 60"]
    before = ["prlimit", "--nofile=1024:2048"]
    pid = spawn([*before, *pdwrap, "--", *backend], fds=pipes, before_exec=lambda: os.chdir(other))
    assert os.read(reads, 10) == b"ready\n"
    for sidecar in wait_for_sidecars(pid):
        deadline = time.monotonic() + LIMIT
        while resource.prlimit(sidecar, resource.RLIMIT_NOFILE) != (2048, 2048):  # the last thing before it waits
            assert time.monotonic() < deadline
        assert os.readlink(f"/proc/{sidecar}/cwd") == "/"
        held = {os.readlink(f"/proc/{sidecar}/fd/{entry}") for entry in os.listdir(f"/proc/{sidecar}/fd")}
        assert os.readlink(f"/proc/self/fd/{errors}") in held
        ours = {os.readlink(f"/proc/self/fd/{each}") for each in (reads, folder)}
        assert not held & ours
        kinds = ("anon_inode:[pidfd]", "pipe:", "/memfd:stderr")
        assert {each for each in held if not each.startswith(kinds)} == {"/proc"}
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    for each in (reads, writes, folder, errors):
        os.close(each)


@pytest.mark.parametrize("descriptor", [1, 2])
def test_reader_sees_the_end(pdwrap: list[str], descriptor: int) -> None:
    """T6: a reader of the backend's stdout or stderr sees end-of-file when the backend has exited."""
    reads, writes = os.pipe()
    with open(os.devnull, "r+b") as null:
        fds = {0: null.fileno(), 1: null.fileno(), 2: null.fileno(), descriptor: writes}
        pid = spawn([*pdwrap, "--", "sh", "-c", f"echo hello >&{descriptor}"], fds=fds)
    os.close(writes)
    with os.fdopen(reads, "rb") as output:
        assert output.read() == b"hello\n"
    os.waitpid(pid, 0)


def test_unwatched_is_a_plain_exec(start: Starter) -> None:
    """With the watch off there is nothing to do: no sidecar, and the launcher's death ends nothing."""
    tree = start("plain", options=["--watch", "off"])
    assert watchers(tree.backend.pid) == []
    tree.launcher.kill()
    assert tree.launcher.is_dead()
    assert tree.voice.quiet_for(0.3)
    tree.backend.kill()
    tree.assert_gone()
