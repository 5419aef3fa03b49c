"""`pdwrap --list`: what is under pdwrap now, and with `--orphans` what has lost its launcher already.

It reads, and does nothing to anybody. Without names the status is 0, whatever there is; with names it answers a
question: 0 if all of them are under pdwrap, 1 if one is not.
"""

import json
import os
import shutil

from pdwrap.cli import list_facts, list_text
from pdwrap.exit_status import NO, YES
from pdwrap.linux import signals
from pdwrap.linux.sockets import Ports
from pdwrap.processes.orphans import find_orphans
from pdwrap.processes.runs import Run, find_runs
from pdwrap.processes.table import Table
from pdwrap.processes.usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.cli.list_facts import Facts
    from pdwrap.options import Settings

STDOUT = 1
NARROWEST = 80  # columns; what is narrower breaks lines by itself


def run(settings: "Settings", names: "list[str]") -> "NoReturn":
    """List, and end this process.

    Args:
        settings: form and verbosity; whether orphans are asked for.
        names: pids and names that it is restricted to.

    """
    signals.api.signal(signals.api.SIGPIPE, signals.api.SIG_DFL)  # `| head` has enough at some point
    table = Table()
    runs = find_runs(table, os.getpid())
    ports = Ports()
    view = _View(settings)
    if settings.orphans:
        status = _list_orphans(view, table, runs, ports, names)
    else:
        status = _list_backends(view, table, runs, ports, names)
    view.write()
    os._exit(status)


class _View:
    """What is to be written, as text or JSON.

    Args:
        settings: form and verbosity.

    """

    def __init__(self, settings: "Settings") -> None:
        self.as_json = settings.log == "json"
        self.verbose = settings.verbosity > 0
        self.quiet = settings.verbosity < 0
        self.width = max(NARROWEST, shutil.get_terminal_size().columns)
        self.lines: list[str] = []

    def add(self, facts: "list[Facts]", text: "list[str]") -> None:
        """Add facts, and the text that says the same."""
        if self.as_json:
            self.lines += [json.dumps(_valid(each)) for each in facts]
        else:
            self.lines += text

    def write(self) -> None:
        """Write all of it to stdout."""
        data = "".join(f"{line}\n" for line in self.lines).encode("utf-8", "replace")
        while data and not self.quiet:
            data = data[os.write(STDOUT, data) :]


def _list_backends(view: _View, table: Table, runs: "list[Run]", ports: Ports, names: "list[str]") -> int:
    named = _processes_named(table, runs, names)
    wanted = {pid for pids in named.values() for pid in pids}
    shown = [run for run in runs if not names or not wanted.isdisjoint((*run.own, *run.tree))]
    rows = [list_facts.of_run(table, run, Usage(run.tree, ports)) for run in shown]
    if rows:
        view.add(rows, list_text.of_backends(rows, view.width, verbose=view.verbose))
    elif not names:
        view.add([], ["nothing runs under pdwrap, as far as can be seen"])
    unreadable = sum(1 for row in rows if row["unreadable"])
    if unreadable:
        view.add([], [f"{unreadable} of {len(rows)} not read in full (?): another user's, or polled"])
    under = bool(names)
    for name, pids in named.items():
        for pid in pids:
            facts = list_facts.of_process(table, pid, [run for run in shown if pid in (*run.own, *run.tree)])
            view.add([facts], [list_text.of_process(facts)])
            under = under and bool(facts["under_pdwrap"])
        if not pids:
            view.add([{"event": "absent", "name": name}], [f"no process {name}"])
            under = False
    view.add([{"event": "listed", "backends": len(rows), "unreadable": unreadable}], [])
    return YES if under or not names else NO


def _list_orphans(view: _View, table: Table, runs: "list[Run]", ports: Ports, names: "list[str]") -> int:
    found, hidden = find_orphans(table, runs, ports)
    if names:
        wanted = {pid for pids in _processes_named(table, [], names).values() for pid in pids}
        found = [orphan for orphan in found if not wanted.isdisjoint(orphan.tree)]
    certain = [list_facts.of_orphan(table, orphan) for orphan in found if orphan.certain]
    perhaps = [list_facts.of_orphan(table, orphan) for orphan in found if not orphan.certain]
    view.add(certain, list_text.of_orphans(certain, view.width) if certain else ["no orphan holds a port"])
    if perhaps:
        few = "1 more may be one" if len(perhaps) == 1 else f"{len(perhaps)} more may be"
        head = f"{few}, or a daemon, which looks the same"
        if view.verbose:
            view.add([], [f"{head}:", *list_text.of_orphans(perhaps, view.width)])
        else:
            view.add([], [f"{head}: -v shows"])
        view.add(perhaps, [])
    if hidden:
        view.add([], [f"{hidden} more may hold ports that only their user or root can see"])
    view.add([{"event": "listed", "orphans": len(found), "unreadable": hidden}], [])
    return NO if names and not found else YES


def _processes_named(table: Table, runs: "list[Run]", names: "list[str]") -> "dict[str, list[int]]":
    """Find the processes that are meant; a backend is also called what pdwrap was told to call it."""
    own = {pid for run in runs for pid in run.own}
    named = {}
    for name in names:
        if name.isascii() and name.isdigit():
            named[name] = [int(name)] if int(name) in table.stats else []
        else:
            told = {run.backend for run in runs if run.name == name}
            named[name] = [
                pid
                for pid in table.stats
                if pid != os.getpid() and pid not in own and (pid in told or table.called(pid, name))
            ]
    return named


def _valid(value: object) -> object:
    """Replace what is no UTF-8, as other readers of JSON refuse it."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_valid(each) for each in value]
    return {key: _valid(each) for key, each in value.items()} if isinstance(value, dict) else value
