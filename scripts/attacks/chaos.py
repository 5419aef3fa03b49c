"""`scripts/chaos`: random trees, launchers and faults at random moments. A trial is drawn from seed and number alone.

Workers, a process each, take the trials in turns; every one is a subreaper of its own, so that what a trial leaves
behind is that trial's. A trial that fails prints one line that repeats it, and is carried out again (`again`).
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator

from benchmarks.processes import become_subreaper, sweep

from . import build, open_faults, plan, trial
from .again import Again, again, fails
from .beside import Beside
from .workers import Result, results


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="chaos", description="Random faults at random moments; what is left, and what is wrong."
    )
    made.add_argument("--mode", choices=(plan.FORK, plan.EXEC), default=plan.FORK, help="of pdwrap (default fork)")
    made.add_argument("--seconds", type=float, default=60.0, help="for how long (default 60)")
    made.add_argument("--seed", default="1", help="from which all is drawn (default 1)")
    made.add_argument("--trial", type=int, metavar="N", help="this one alone, as a failure says")
    made.add_argument("--times", type=int, default=1, metavar="N", help="that one so many times (default 1)")
    made.add_argument("--family", choices=plan.FAMILIES, help="trials of one kind alone")
    made.add_argument("--jobs", type=int, default=4, help="workers (default 4)")
    made.add_argument("--strict", action="store_true", help="what does not come back fails, and so do open faults")
    made.add_argument("--json", action="store_true", help="one JSON object at the end, in place of the table")
    made.add_argument("--pdwrap", metavar="CMD", help="the command to attack (default: this checkout's)")
    return made


def one(options: argparse.Namespace, number: int, command: list[str], beside: Beside) -> Result | None:
    """Carry out one trial; `None` if it is of another family than is wanted."""
    drawn = plan.draw(f"{options.seed}/{number}", options.mode)
    if options.family and drawn.family != options.family:
        return None
    came = trial.run(drawn, options.mode, command, beside)
    return {
        "trial": number,
        "family": drawn.family,
        "wrong": came.wrong,
        "excused": came.excused,
        "without": came.without,
        "said": came.said,
        "plan": str(drawn),
        "again": None,
    }


def is_bad(options: argparse.Namespace, result: Result) -> bool:
    """Tell whether something is wrong that is neither a documented limit nor a fault that is open."""
    if result["excused"] or not result["wrong"]:
        return False
    return options.strict or not open_faults.known(options.mode, result["plan"], result["wrong"])


def share(options: argparse.Namespace, command: list[str], beside: Beside, worker: int) -> Iterator[Result]:
    """Carry out one worker's trials."""
    end = time.monotonic() + options.seconds
    only = options.trial is not None
    for number in [options.trial] * options.times if only else range(worker, 1_000_000, options.jobs):
        if not only and time.monotonic() >= end:
            return
        if (result := one(options, number, command, beside)) is None:
            continue
        if not only and is_bad(options, result):
            result["again"] = again(lambda: is_bad(options, one(options, number, command, beside) or result))  # noqa: B023
        yield result


class Tally:
    """Counts, and tells of each failure at once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.trials: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.without: Counter[str] = Counter()
        self.once: Counter[str] = Counter()
        self.faults: list[Result] = []
        self.broken: list[str] = []

    def take(self, result: Result) -> None:
        """Count one result."""
        if "broken" in result:
            self.broken.append(result["broken"])
            print(f"chaos: broken: {result['broken']}", file=sys.stderr, flush=True)
            return
        self.trials[result["family"]] += 1
        self.without.update([result["without"]] if result["without"] else [])
        if result["excused"]:
            self.excused[result["excused"]] += 1
        elif is_bad(self._options, result):
            came_back = result["again"] is None or Again(*result["again"]).came_back
            (self.bad if came_back else self.once)[result["family"]] += 1
            self.faults.append(result)
            print(self.line(result), flush=True)
            if self._options.trial is not None:
                print(result["said"], end="", flush=True)
        elif result["wrong"]:
            self.open[open_faults.known(self._options.mode, result["plan"], result["wrong"])] += 1

    @property
    def fails(self) -> bool:
        """Whether the run has failed."""
        return bool(self.bad or self.broken) or fails(sum(self.once.values()), strict=self._options.strict)

    def line(self, result: Result) -> str:
        """Say what is wrong, and how to repeat it."""
        given = ["--mode", self._options.mode, "--seed", self._options.seed, "--trial", str(result["trial"])]
        again = f" [{Again(*result['again'])}]" if result["again"] else ""
        return f"scripts/chaos {shlex.join(given)}  # {'; '.join(result['wrong'])}{again} | {result['plan']}"

    def text(self, beside: Beside) -> str:
        """Write the table."""
        total = sum(self.trials.values())
        lines = [f"{self._options.mode} mode, seed {self._options.seed}: {total} trials, {sum(self.bad.values())} bad"]
        lines += [
            f"  {family:10}{self.trials[family]:6}{self.bad[family]:6} bad"
            for family in plan.FAMILIES
            if self.trials[family]
        ]
        if self.once:
            lines.append(f"  {sum(self.once.values())} more bad once, and not again: see the lines above")
        lines += [f"  {times} more beyond a documented limit: {why}" for why, times in self.excused.items()]
        lines += [f"  {times} more of a fault that is open: {why}" for why, times in self.open.items()]
        lines += [
            f"  {times} without the limit that this machine cannot set: {name}" for name, times in self.without.items()
        ]
        lines.append(f"  longest stall of the machine: {beside.worst * 1000:.0f} ms")
        return "\n".join(lines)

    def as_json(self, beside: Beside) -> str:
        """Write the same for a program."""
        whole = {
            "mode": self._options.mode,
            "seed": self._options.seed,
            "trials": dict(self.trials),
            "bad": dict(self.bad),
            "once": dict(self.once),
            "excused": dict(self.excused),
            "open": dict(self.open),
            "without": dict(self.without),
            "faults": self.faults,
            "stall": beside.worst,
        }
        return json.dumps(whole, indent=1)


def main(arguments: list[str]) -> int:
    """Run; nothing that we started is left."""
    options = parser().parse_args(arguments)
    command = shlex.split(options.pdwrap) if options.pdwrap else build.pdwrap()
    build.program("actors")
    become_subreaper()
    beside = Beside()
    tally = Tally(options)
    jobs = 1 if options.trial is not None else options.jobs
    try:
        for result in results(jobs, lambda worker: share(options, command, beside, worker)):
            tally.take(result)
        print(tally.as_json(beside) if options.json else tally.text(beside))
    except KeyboardInterrupt:
        return 130
    finally:
        sweep()
    return 1 if tally.fails else 0
