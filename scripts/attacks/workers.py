"""Several workers, a process each, take the trials in turns.

Each is a subreaper of its own, with no other children: what a trial leaves behind is that trial's. A result is a line
of JSON on a pipe that they share.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from benchmarks.processes import become_subreaper, sweep

Result = dict[str, Any]


def results(jobs: int, work: Callable[[int], Iterator[Result]]) -> Iterator[Result]:
    """Give what so many workers find, as they find it. One that breaks says `broken` in place of a result."""
    reader, writer = os.pipe()
    for worker in range(jobs):
        if os.fork() == 0:
            os.close(reader)
            _work(work, worker, writer)
    os.close(writer)
    with os.fdopen(reader) as lines:
        for line in lines:
            yield json.loads(line)


def _work(work: Callable[[int], Iterator[Result]], worker: int, out: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    become_subreaper()
    try:
        for result in work(worker):
            os.write(out, json.dumps(result).encode() + b"\n")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the worker says so and goes no farther
        os.write(out, json.dumps({"broken": repr(error)}).encode() + b"\n")
    finally:
        sweep()
        os._exit(0)
