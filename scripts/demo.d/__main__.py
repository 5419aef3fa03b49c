# ruff: noqa: INP001 - a folder that Python is given to run, not a package
"""What scripts/demo runs, in an environment that has cyllama and a model."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import signal
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from processes import Brood, bind_error
from screen import Screen, megabytes
from story import PATIENCE, QUESTION, ROOT, WATCHED, DemoError, Half, Stage, free_port

KEPT, BROKEN, UNTOLD = 0, 1, 2
"""Exit statuses: the promise was kept; it was not; it could not be tried."""
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Tell the story, and leave nothing behind however it ends."""
    options = parse()
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    left: list[int] = []
    try:
        brood = Brood()
        with tempfile.TemporaryDirectory(prefix="pdwrap-demo.") as folder:
            try:
                return tell(options, brood, Path(folder))
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
                left = brood.end()
    except BrokenPipeError:  # `scripts/demo | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNTOLD
    except (DemoError, OSError) as error:
        print(f"pdwrap demo: {error}", file=sys.stderr)
        return UNTOLD
    finally:
        if left:
            print(f"pdwrap demo: cannot be killed: {left}", file=sys.stderr)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A backend outlives its launcher, and with pdwrap it does not.",
        epilog="Exit status: 0 pdwrap kept its promise, 1 it did not, 2 it could not be tried.",
    )
    parser.add_argument("--port", type=int, metavar="N", help="let the backend listen on N (default: a free one)")
    parser.add_argument("--json", action="store_true", help="print what was seen as one JSON object, and nothing else")
    options = parser.parse_args()
    if options.port is not None and not 0 < options.port < 65536:
        parser.error(f"--port {options.port}: not between 1 and 65535")
    return options


def stop(number: int, _frame: object) -> None:
    """Ctrl-C and its like: once is enough, the rest is cleaning up."""
    for each in STOPS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def tell(options: argparse.Namespace, brood: Brood, folder: Path) -> int:
    """Both halves, and what they say together."""
    screen = Screen(silent=options.json)
    port = options.port or free_port()
    if error := bind_error(port):
        raise DemoError(f"port {port}: {error}")
    # An installed pdwrap can be shown in place of the checkout's, as in the tests.
    wrapper = shlex.split(os.environ.get("PDWRAP_TEST_COMMAND", "")) or [str(ROOT / "scripts/run")]
    backend = f"cyllama {version('cyllama')}"
    size = (ROOT / ".demo/model.gguf").stat().st_size

    screen.say(screen.paint("1", "What becomes of a backend when its launcher is killed?"))
    screen.say()
    screen.fact("backend", f"{backend}, the engine of llama.cpp, with a model of random weights ({megabytes(size)})")
    screen.fact("launcher", "starts it as LocalAI does: own process group, descriptor 0 closed")

    screen.title("1. Without pdwrap")
    without = play(screen, Stage(brood, folder, [], port), "", WATCHED)
    screen.title("2. With pdwrap")
    wrapped = play(screen, Stage(brood, folder, [*wrapper, "--"], port), "pdwrap -- ", PATIENCE)

    shown = without.backend_alive and not without.port_free
    kept = not wrapped.backend_alive and wrapped.port_free and not wrapped.survivors
    screen.compare(without, wrapped)
    screen.say()
    if not shown:
        screen.say(screen.paint("31", "Nothing was shown: without pdwrap the backend ended too."))
    elif not kept:
        screen.say(screen.paint("31", f"pdwrap did not keep its promise. Alive: {wrapped.survivors or 'none'}."))
    else:
        screen.say(screen.paint("32", "Nothing survived the launcher, and nothing else had to change."))
    if options.json:
        seen = {"without": dataclasses.asdict(without), "with": dataclasses.asdict(wrapped)}
        print(json.dumps({"backend": backend, "model_bytes": size, "shown": shown, "kept": kept, **seen}, indent=2))
    return KEPT if shown and kept else BROKEN


def play(screen: Screen, stage: Stage, prefix: str, patience: float) -> Half:
    """One half, from the launcher's start to its death and what came after."""
    seen = stage.seen
    screen.fact("command", f"{prefix}cyllama server -m model.gguf --port {seen.port}")
    stage.wait_until_ready()
    between = f", pdwrap {' and '.join(map(str, seen.pdwrap_pids))}" if seen.pdwrap_pids else ""
    screen.fact("started", f"launcher {seen.launcher_pid}{between}, backend {seen.backend_pid}")
    stage.ask()
    screen.fact("asked", QUESTION)
    screen.fact("answered", printable(seen.answer))
    screen.fact("killed", f"the launcher, {seen.launcher_pid}, with SIGKILL")
    stage.kill_launcher(patience)
    screen.tell_end(seen)
    for message in seen.messages:
        screen.fact("pdwrap", message.removeprefix("pdwrap: "))
    stage.clean_up()
    if seen.survivors:
        screen.fact("cleaned up", "by the demo itself; it would have stayed for ever")
    return seen


def printable(text: str) -> str:
    """Safe to be shown on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


sys.exit(main())
