"""The command: which measures, how many samples, in which form."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import crowd, doctor, end, idle, memory, parts, plot, report, start, tree
from .candidates import Field, field
from .prepare import NotReady, Tools, prepare
from .processes import GaveUp, become_subreaper, sweep
from .results import Section

MEASURES = ("memory", "start", "parts", "end", "idle", "crowd", "tree", "doctor")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="bench", description="Compare pdwrap with what else ends a backend.")
    made.add_argument("--only", action="append", choices=MEASURES, help="measure this alone (may be repeated)")
    made.add_argument(
        "--samples", type=int, metavar="N", help="samples of each (default 40; fewer of what is big or slow)"
    )
    made.add_argument("--quick", action="store_true", help="three samples and small numbers: does it work at all?")
    made.add_argument("--json", action="store_true", help="one JSON object in place of the tables")
    made.add_argument(
        "--plot",
        nargs=2,
        type=Path,
        metavar=("FOLDER", "RUN"),
        help="measure nothing: draw what --json printed into RUN",
    )
    made.add_argument("--resume", type=Path, help=argparse.SUPPRESS)  # how memory.sh gives back control
    return made


def measures(options: argparse.Namespace, tools: Tools, found: Field) -> list[Section]:
    """Carry out what is wanted of all but memory, in order."""
    quick, present = options.quick, found.present
    samples = options.samples or (3 if quick else 40)
    crowds = {6: 2, 12: 2} if quick else {50: 5, 200: 3}
    size, trees = (30, 3) if quick else (1000, 15)
    work: dict[str, list[Callable[[], Section]]] = {
        "start": [lambda: start.measure(tools, present, samples)],
        "parts": [lambda: parts.measure(tools, samples)],
        "end": [lambda: end.measure(tools, present, samples)],
        "idle": [lambda: idle.measure(tools, present, min(samples, 30), 1.0 if quick else 5.0)],
        "crowd": [partial(crowd.measure, tools, present, turns, count) for count, turns in crowds.items()],
        "tree": [lambda: tree.measure(tools, min(samples, trees), size)],
        "doctor": [lambda: doctor.measure(tools, min(samples, 20))],
    }
    sections = []
    for name, steps in work.items():
        if wanted(options, name):
            for one in steps:
                say(name)
                sections.append(one())
    return sections


def say(name: str) -> None:
    """Tell how far we are."""
    print(f"bench: {name} ...", file=sys.stderr, flush=True)


def wanted(options: argparse.Namespace, name: str) -> bool:
    """Tell whether a measure was asked for."""
    return not options.only or name in options.only


def work(options: argparse.Namespace) -> None:
    """Prepare; let memory be measured without us; measure the rest; report."""
    if options.samples is not None and options.samples < 1:
        raise NotReady("--samples: at least 1")
    tools = prepare()
    found = field(tools)
    place: Path = options.resume or Path(tempfile.mkdtemp(prefix="pdwrap-bench-"))
    try:
        if options.resume is None and wanted(options, "memory"):
            samples = options.samples or (3 if options.quick else 30)
            again = [sys.executable, *sys.orig_argv[1:], "--resume", str(place)]
            memory.become_measurer(tools, found.present, samples, place, again)
        about = report.machine(tools)
        sections = [memory.read(place)] if wanted(options, "memory") else []
        sections += measures(options, tools, found)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    tell = report.as_json if options.json else report.text
    print(tell(sections, found.left_out, about))


def interrupt(signum: int, _frame: object) -> None:
    """Unwind, so that everything is ended."""
    raise KeyboardInterrupt(signum)


def main(arguments: list[str]) -> int:
    """Run; whatever happens, nothing that we started is left."""
    options = parser().parse_args(arguments)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)
    become_subreaper()
    try:
        if options.plot:
            folder, run = options.plot
            for path in plot.draw(plot.read(run), folder):
                print(path)
        else:
            work(options)
    except (NotReady, GaveUp, plot.Unusable) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        return 128 + int(error.args[0] if error.args else signal.SIGINT)
    finally:
        sweep()
    return 0
