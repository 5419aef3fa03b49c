"""`scripts/load`: many backends under one launcher, and one backend with very many processes.

What they cost, and how long it takes until all are gone after the launcher's death. With two commands (`--pdwrap`
twice) they take turns, and the first is compared with the second.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

from benchmarks.processes import (
    Deaths,
    become_subreaper,
    below,
    environment,
    memory,
    sweep,
    switches,
)

from . import build
from .beside import Beside
from .scene import Scene, is_actor, send
from .workers import Result, results

START, END = 300.0, 60.0
SETTLE = 1.0

FIGURES = {
    "start": "a start, in a row, ms",
    "processes": "processes of pdwrap, for each",
    "pss": "their memory (PSS), for each, MiB",
    "private": "their private memory, for each, MiB",
    "switches": "context switches of all of them while idle",
    "all gone": "launcher's death to all gone, s",
    "left": "left",
    "big start": "{processes} processes: all stand, s",
    "big gone": "{processes} processes: launcher's death to all gone, s",
    "big left": "{processes} processes: left",
    "tree gone": "{tree} processes: launcher's death to all gone, s",
    "tree left": "{tree} processes: left",
}


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="load", description="What many backends under one launcher cost.")
    made.add_argument("--mode", action="append", choices=("fork", "exec"), help="of pdwrap (default: both)")
    made.add_argument("--backends", type=int, default=500, metavar="N", help="under one launcher (default 500)")
    made.add_argument("--processes", type=int, default=5000, metavar="N", help="of one backend (default 5000)")
    made.add_argument("--tree", type=int, default=1000, metavar="N", help="of a smaller one (default 1000)")
    made.add_argument("--idle", type=float, default=5.0, metavar="SECONDS", help="to count wake-ups (default 5)")
    made.add_argument("--times", type=int, default=1, metavar="N", help="each so many times (default 1)")
    made.add_argument("--pdwrap", action="append", metavar="CMD", help="the command (default: this checkout's)")
    made.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    return made


def launcher(count: int, command: list[str], told: int) -> None:
    """Start so many, each when the one before it stands; wait. This is the launcher's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # noqa: FBT003 - it takes it by position alone
    for _ in range(count):
        null = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0), (os.POSIX_SPAWN_DUP2, 0, 2)]
        os.posix_spawn(
            command[0],
            command,
            {**environment(), "ATTACK_ACCOUNT": f"/proc/self/fd/{writer}"},
            file_actions=[*null, (os.POSIX_SPAWN_DUP2, writer, 1)],
            setpgroup=0,
        )
        if not os.read(reader, 100).startswith(b"+ "):
            os._exit(1)
    os.write(told, b"!")
    while True:
        signal.pause()


def backends(options: argparse.Namespace, command: list[str]) -> Iterator[tuple[str, float]]:
    """Start them, weigh them, kill the launcher; the figures of it."""
    count = options.backends
    reader, writer = os.pipe()
    before = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        try:
            launcher(count, command, writer)
        finally:
            os._exit(1)
    os.close(writer)
    stands = os.read(reader, 1) == b"!"
    took = time.perf_counter() - before
    os.close(reader)
    if not stands:
        raise RuntimeError("not all of them have started")
    yield "start", took * 1000 / count
    time.sleep(SETTLE)
    there = below(os.getpid()) - {pid}
    ours = [each for each in there if not is_actor(each)]
    ours = [each for each in ours if os.path.exists(f"/proc/{each}")]  # a helper of the start has ended
    shares, private = memory(ours)
    yield "processes", len(ours) / count
    yield "pss", shares / 1024 / count
    yield "private", private / 1024 / count
    first = switches(ours)
    time.sleep(options.idle)
    yield "switches", float(switches(ours) - first)
    deaths = Deaths(there)
    before = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    deaths.wait(END)
    yield "all gone", time.perf_counter() - before
    deaths.close()
    os.waitpid(pid, 0)
    left = alive()
    yield "left", float(len(left))
    sweep()


def alive() -> list[int]:
    """List what is not dead of what is below us."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return []
    return sorted(below(os.getpid()))


def big(command: list[str], count: int, name: str, beside: Beside) -> Iterator[tuple[str, float]]:
    """Start one backend with so many processes, some in sessions or groups of their own; kill the launcher."""
    spec = "(" + ",".join(["s", "", "g", "", ""][n % 5] for n in range(count - 1)) + ")"
    before = time.perf_counter()
    scene = Scene(beside, "sBg", [*command[:-1], spec])
    try:
        scene.release()
        if not scene.until(lambda: len(scene.account.nodes) >= count, START):
            raise RuntimeError("not all of the tree stands")
        if name == "big":
            yield "big start", time.perf_counter() - before
        deaths = Deaths(below(os.getpid()))
        before = time.perf_counter()
        send(scene.launcher, signal.SIGKILL)
        deaths.wait(END)
        yield f"{name} gone", time.perf_counter() - before
        deaths.close()
        yield f"{name} left", float(len(scene.gone(1.0)))
    finally:
        scene.close()


def figures(options: argparse.Namespace, command: list[str], beside: Beside) -> Iterator[tuple[str, float]]:
    """Measure one command once."""
    if options.backends:
        yield from backends(options, command)
    for name, count in (("big", options.processes), ("tree", options.tree)):
        if count:
            yield from big(command, count, name, beside)


def measure(options: argparse.Namespace, commands: list[list[str]], beside: Beside) -> Iterator[Result]:
    """Take turns."""
    for _ in range(options.times):
        for mode in options.mode or ("fork", "exec"):
            for number, pdwrap in enumerate(commands):
                # By the variable: an option is not read as fast by every pdwrap.
                command = ["/usr/bin/env", f"PDWRAP_MODE={mode}", *pdwrap, "--", build.program("actors"), "tree", ""]
                for figure, value in figures(options, command, beside):
                    yield {"mode": mode, "command": number, "figure": figure, "value": value}


class Table:
    """Medians, by mode."""

    def __init__(self, options: argparse.Namespace, commands: list[list[str]]) -> None:
        self._options = options
        self._commands = commands
        self.values: dict[tuple[str, int, str], list[float]] = defaultdict(list)
        self.broken: list[str] = []

    def take(self, result: Result) -> None:
        """Take one figure in."""
        if "broken" in result:
            self.broken.append(result["broken"])
            print(f"load: broken: {result['broken']}", file=sys.stderr)
        else:
            self.values[result["mode"], result["command"], result["figure"]].append(result["value"])

    @property
    def left(self) -> float:
        """How many have survived, of all."""
        return sum(sum(values) for (_, _, figure), values in self.values.items() if figure.endswith("left"))

    def _cell(self, mode: str, figure: str) -> str:
        medians = [
            statistics.median(values)
            for number in range(len(self._commands))
            if (values := self.values.get((mode, number, figure)))
        ]
        if len(medians) < 2:
            return f"{medians[0]:.3g}" if medians else "-"
        ratio = f" ({medians[0] / medians[1]:.2f})" if medians[1] else ""
        return " / ".join(f"{each:.3g}" for each in medians) + ratio

    def text(self) -> str:
        """Write it in Markdown; of two commands both, and the ratio of the first to the second."""
        modes = self._options.mode or ["fork", "exec"]
        lines = [
            f"| {self._options.backends} backends under one launcher | {' | '.join(f'{mode} mode' for mode in modes)} |"
        ]
        lines.append("|---" * (len(modes) + 1) + "|")
        for figure, text in FIGURES.items():
            if any(key[2] == figure for key in self.values):
                cells = " | ".join(self._cell(mode, figure) for mode in modes)
                lines.append(f"| {text.format(**vars(self._options))} | {cells} |")
        return "\n".join(lines)

    def as_json(self) -> str:
        """Write the same for a program."""
        rows = [
            {"mode": mode, "command": shlex.join(self._commands[number]), "figure": figure, "values": values}
            for (mode, number, figure), values in self.values.items()
        ]
        return json.dumps({"rows": rows}, indent=1)


def main(arguments: list[str]) -> int:
    """Run; nothing that we started is left."""
    options = parser().parse_args(arguments)
    commands = [shlex.split(each) for each in options.pdwrap] if options.pdwrap else [build.pdwrap()]
    build.program("actors")
    # A pidfd for each of them.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    become_subreaper()
    beside = Beside()
    table = Table(options, commands)
    try:
        for result in results(1, lambda worker: measure(options, commands, beside)):
            table.take(result)
    finally:
        sweep()
    print(table.as_json() if options.json else table.text())
    return 1 if table.broken or table.left else 0
