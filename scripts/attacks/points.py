"""`scripts/points`: each process of pdwrap, and its launcher, killed, stopped, refused, at each of its system calls.

First an undisturbed run is listed, from the launcher's fork to the last process's end; then each call of it is a point,
and each point is struck in a run of its own: the process is killed there (`kill`), or stopped (`stop`), the launcher is
killed while the process is there (`first`), or the call fails (`errno`, with what that call is known to fail with). A
point that is bad prints one line that repeats it, and is struck again (`again`).
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

from benchmarks.processes import become_subreaper, sweep

from . import build, calls, localai_point, open_faults, plan, point
from .again import Again, again, fails
from .beside import Beside
from .point import Point
from .workers import Result, results

ACTIONS = ("kill", "stop", "first", "errno")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="points", description="pdwrap struck at each of its system calls.")
    made.add_argument("--mode", choices=(plan.FORK, plan.EXEC), default=plan.FORK, help="of pdwrap (default fork)")
    made.add_argument("--localai", action="store_true", help="strike pdwrap-localai")
    endings = (*point.ENDINGS, *localai_point.ENDINGS)
    made.add_argument(
        "--ending", action="append", choices=endings, help="what begins the end, or is done (default: each)"
    )
    made.add_argument("--action", action="append", choices=ACTIONS, help="what strikes (default: each)")
    made.add_argument(
        "--of", action="append", metavar="NAME", help="of this process alone (L: the launcher, L.2: pdwrap)"
    )
    made.add_argument("--share", type=int, default=1, metavar="N", help="one of N points (default: each)")
    made.add_argument("--seed", default="1", help="which ones (default 1)")
    made.add_argument("--seconds", type=float, metavar="N", help="in any order, and no longer than that")
    made.add_argument("--point", metavar="P", help="this one alone, as a failure says")
    made.add_argument("--times", type=int, default=1, metavar="N", help="that one so many times (default 1)")
    made.add_argument("--jobs", type=int, default=4, help="workers (default 4)")
    made.add_argument("--strict", action="store_true", help="what does not come back fails, and so do open faults")
    made.add_argument("--json", action="store_true", help="one JSON object at the end, in place of the table")
    made.add_argument("--pdwrap", metavar="CMD", help="the command to attack (default: this checkout's)")
    return made


def points(options: argparse.Namespace, command: list[str], beside: Beside) -> list[Point]:
    """List what there is to strike; of endings but the first, what comes after the backend was ready."""
    found = []
    endings = options.ending or (point.ENDINGS if options.mode == plan.FORK else point.ENDINGS[:1])
    for ending in endings:
        text, begun = point.listing(options.mode, ending, command, beside)
        for at, call in calls.read(text, 0 if ending == endings[0] else begun):
            if call.name == point.STRANGER or (options.of and call.name not in options.of):
                continue
            for action in options.action or ACTIONS:
                if action == "errno" and (call.name == point.LAUNCHER or not calls.may_fail(call)):
                    continue
                if action == "first" and call.name == point.LAUNCHER:
                    continue
                what = calls.failure(call) if action == "errno" else action
                found.append(Point(ending, call.name, at, what))
    return found


def of_localai(options: argparse.Namespace, command: list[str], beside: Beside) -> list[Point]:
    """List what there is to strike of pdwrap-localai. To be stopped, or orphaned, does it no harm."""
    found = []
    for ending in options.ending or localai_point.ENDINGS:
        for at, call in localai_point.listing(ending, command, beside):
            found.append(Point(ending, call.name, at, "kill"))
            if calls.may_fail(call):
                found.append(Point(ending, call.name, at, calls.failure(call)))
    return found


def chosen(options: argparse.Namespace, found: list[Point]) -> list[Point]:
    """Give the share of them that is wanted."""
    if options.share == 1 and options.seconds is None:
        return found
    return Random(options.seed).sample(found, len(found) // options.share)  # noqa: S311 - no secrets


class Tally:
    """Counts, and tells of each bad point at once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.struck: Counter[tuple[str, str]] = Counter()
        self.bad: Counter[tuple[str, str]] = Counter()
        self.once = 0
        self.missed = 0
        self.excused: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.faults: list[str] = []
        self.broken = 0
        self.slowest = 0.0, ""

    def take(self, result: Result) -> None:
        """Count one result."""
        if "broken" in result:
            self.broken += 1
            print(f"points: broken: {result['broken']}", file=sys.stderr, flush=True)
            return
        one = Point(*result["point"])
        self.slowest = max(self.slowest, (result["took"], str(one)))
        key = one.name, one.action if one.action in ACTIONS else "errno"
        if result["call"] is None:
            self.missed += 1
        else:
            self.struck[key] += 1
        if result["excused"]:
            self.excused[result["excused"]] += 1
        elif is_bad(self._options, one, result):
            if result["again"] is None or Again(*result["again"]).came_back:
                self.bad[key] += 1
            else:
                self.once += 1
            self.faults.append(self.line(one, result))
            print(self.faults[-1], flush=True)
            if self._options.point:
                print(result["said"], end="", flush=True)
        elif result["wrong"]:
            self.open[open_faults.known(self._options.mode, f",{one}", result["wrong"])] += 1

    @property
    def fails(self) -> bool:
        """Whether the run has failed."""
        return bool(self.bad or self.broken) or fails(self.once, strict=self._options.strict)

    def line(self, one: Point, result: Result) -> str:
        """Say what is wrong, and how to repeat it."""
        what = ["--localai"] if self._options.localai else ["--mode", self._options.mode]
        given = shlex.join([*what, "--point", str(one)])
        where = calls.name(result["call"]) if result["call"] is not None else "not reached"
        failed = f", {errno.errorcode[int(one.action.split('/')[0])]}" if "/" in one.action else ""
        again = f" [{Again(*result['again'])}]" if result["again"] else ""
        return f"scripts/points {given}  # {where}{failed}: {'; '.join(result['wrong'])}{again}"

    def text(self, beside: Beside) -> str:
        """Write the table."""
        total, bad = sum(self.struck.values()), sum(self.bad.values())
        what = "pdwrap-localai" if self._options.localai else f"{self._options.mode} mode"
        lines = [f"{what}: {total} points struck, {bad} bad; {self.missed} were not reached"]
        for name in sorted({name for name, _ in self.struck}):
            of_it = [f"{action} {self.struck[name, action]} ({self.bad[name, action]} bad)" for action in ACTIONS]
            lines.append(f"  {name:8} {', '.join(of_it)}")
        if self.once:
            lines.append(f"  {self.once} more bad once, and not again: see the lines above")
        lines += [f"  {times} more beyond a documented limit: {why}" for why, times in self.excused.items()]
        lines += [f"  {times} more of a fault that is open: {why}" for why, times in self.open.items()]
        lines.append(f"  the slowest took {self.slowest[0]:.1f} s: {self.slowest[1]}")
        lines.append(f"  longest stall of the machine: {beside.worst * 1000:.0f} ms")
        return "\n".join(lines)

    def as_json(self, beside: Beside) -> str:
        """Write the same for a program."""
        whole = {
            "mode": self._options.mode,
            "struck": {" ".join(key): times for key, times in self.struck.items()},
            "bad": {" ".join(key): times for key, times in self.bad.items()},
            "once": self.once,
            "missed": self.missed,
            "excused": dict(self.excused),
            "open": dict(self.open),
            "faults": self.faults,
            "stall": beside.worst,
        }
        return json.dumps(whole, indent=1)


def is_bad(options: argparse.Namespace, one: Point, result: Result) -> bool:
    """Tell whether something is wrong that is neither a documented limit nor a fault that is open."""
    if result["excused"] or not result["wrong"]:
        return False
    return options.strict or not open_faults.known(options.mode, f",{one}", result["wrong"])


def strike(one: Point, options: argparse.Namespace, command: list[str], beside: Beside) -> Result:
    """Strike once."""
    before = time.monotonic()
    came = localai_point.run(one, command, beside) if options.localai else point.run(one, options.mode, command, beside)
    return {"point": list(one), "took": time.monotonic() - before, "again": None, **came._asdict()}


def share(work: list[Point], options: argparse.Namespace, command: list[str], beside: Beside) -> Iterator[Result]:
    """Strike one worker's points."""
    end = math.inf if options.seconds is None else time.monotonic() + options.seconds
    for each in work:
        if time.monotonic() >= end:
            return
        result = strike(each, options, command, beside)
        if options.point is None and is_bad(options, each, result):
            result["again"] = again(lambda: is_bad(options, each, strike(each, options, command, beside)))  # noqa: B023
        yield result


def wanted(options: argparse.Namespace, command: list[str], beside: Beside) -> Iterator[Result]:
    """Give the one that was named, or all."""
    if options.point is None:
        yield {"points": chosen(options, (of_localai if options.localai else points)(options, command, beside))}
    else:
        ending, name, call, action = options.point.split(",")
        yield {"points": [Point(ending, name, int(call), action)] * options.times}


def main(arguments: list[str]) -> int:
    """Run; nothing that we started is left."""
    options = parser().parse_args(arguments)
    own = build.localai() if options.localai else build.pdwrap()
    command = shlex.split(options.pdwrap) if options.pdwrap else own
    for name in ("actors", "tracer"):
        build.program(name)
    become_subreaper()
    beside = Beside()
    tally = Tally(options)
    try:
        # What lists them is a worker too: without children of its own, but for those of its scene.
        listed = next(results(1, lambda _: wanted(options, command, beside)))
        if "broken" in listed:
            raise build.NotReady(listed["broken"])
        work = [Point(*each) for each in listed["points"]]
        jobs = 1 if options.point else options.jobs
        for result in results(jobs, lambda worker: share(work[worker::jobs], options, command, beside)):
            tally.take(result)
        print(tally.as_json(beside) if options.json else tally.text(beside))
    except KeyboardInterrupt:
        return 130
    finally:
        sweep()
    return 1 if tally.fails else 0
