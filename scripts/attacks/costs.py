"""What each peer costs, in turns: the start, its processes and their memory, the time to the end."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import time
from collections.abc import Iterator

from benchmarks.processes import Deaths, environment

from . import cells
from .beside import Beside
from .build import program
from .peers import NONE, Peer
from .scene import Scene, send
from .workers import Result

SETTLE = 0.1
WITHIN = 2.0
FIGURES = {
    "start": "start and end of `true`, ms",
    "processes": "processes of its own",
    "memory": "their anonymous memory (shares), MiB",
    "end": "launcher's death to the backend's, ms",
}
"""Anonymous: what no other program's process shares by mapping the same file, so that it does not matter who runs."""


def start(peer: Peer) -> float:
    """Start `true` below it and wait: milliseconds."""
    command = peer.command(shutil.which("true") or "/bin/true")
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    before = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, environment(), file_actions=null)
    os.waitpid(pid, 0)
    return (time.perf_counter() - before) * 1000


def anonymous(pid: int) -> float:
    """Give its share of the anonymous memory it has, in MiB (proc(5), smaps_rollup)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) / 1024


def running(peer: Peer, beside: Beside) -> tuple[int, float, float | None]:
    """Let it run, and kill its launcher: its processes, their memory, the milliseconds until the backend is gone."""
    scene = Scene(beside, "sBg", peer.command(program("actors"), "tree", ""))
    try:
        scene.release()
        if not scene.until(lambda: len(scene.account.nodes) == 1, cells.READY):
            raise RuntimeError(f"{peer.name} does not start")
        time.sleep(SETTLE)
        there = cells.own(scene)
        memory = sum(map(anonymous, there))
        deaths = Deaths([cells.node(scene, 0)])
        try:
            before = time.perf_counter()
            send(scene.launcher, signal.SIGKILL)
            gone = deaths.wait(WITHIN)
            after = (time.perf_counter() - before) * 1000
        finally:
            deaths.close()
        return len(there), memory, after if gone else None
    finally:
        scene.close()


def measure(found: list[Peer], times: int, beside: Beside) -> Iterator[Result]:
    """Take turns: the figures of one peer at a time."""
    for turn in range(times):
        for number, peer in enumerate(found):
            yield {"peer": number, "figure": "start", "value": start(peer)}
            if peer.name == NONE and turn:
                continue  # it stays, and costs nothing
            count, memory, end = running(peer, beside)
            for figure, value in (("processes", count), ("memory", memory), ("end", end)):
                yield {"peer": number, "figure": figure, "value": value}


def median(values: list[float | None]) -> float | None:
    """Give the median; nothing where one of them is nothing."""
    numbers = [value for value in values if value is not None]
    return statistics.median(numbers) if numbers and len(numbers) == len(values) else None
