"""What has lost its launcher, and still holds a port.

The kernel does not note who started a process. What is left as a sign is the session (docs/facts.md, 7): who leads none
is in that of who forked it. If its parent is in another one, it was adopted: by PID 1, or by a subreaper. Two kinds
look the same, and are only perhaps orphans: who leads a session of its own, and who was left by one that is gone, with
/dev/null as its input; daemons begin like that (daemon(3)). What is in a systemd unit's cgroup is the service's.
"""

import os

from pdwrap.linux import others
from pdwrap.linux.sockets import Ports
from pdwrap.processes.usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.processes.runs import Run
    from pdwrap.processes.table import Table

SERVICE = ".service"


class Orphan:
    """One orphan.

    Attributes:
        pid: its number.
        name: its name.
        adopter: who has adopted it.
        certain: whether no daemon and no service begins like that.
        command: what would end it.
        tree: it and its descendants.
        usage: what they use.

    """

    __slots__ = ("adopter", "certain", "command", "name", "pid", "tree", "usage")

    def __init__(self, table: "Table", pid: int, ports: Ports, *, certain: bool) -> None:
        self.pid = pid
        self.name = table.name(pid)
        self.adopter = table.stats[pid].parent
        self.certain = certain
        self.tree = [pid, *table.below(pid)]
        self.usage = Usage(self.tree, ports)
        me = os.geteuid()
        self.command = f"kill {pid}" if me in (0, others.owner(pid)) else f"sudo kill {pid}"


def find_orphans(table: "Table", runs: "list[Run]", ports: Ports) -> "tuple[list[Orphan], int]":
    """Find what is orphaned, under no pdwrap, and holds a port.

    Returns:
        The orphans, and how many more there are whose ports may not be read.

    """
    cared_for = {pid for run in runs for pid in (*run.own, *run.tree)}
    found: list[Orphan] = []
    hidden = 0
    for pid, seen in sorted(table.stats.items()):
        adopter = table.stats.get(seen.parent)
        if pid in cared_for or adopter is None or not seen.alive or not seen.session:
            continue
        leads = seen.session == pid
        if leads and not _begins_a_namespace(seen.parent):
            continue
        if adopter.session == seen.session or others.unit(pid).endswith(SERVICE):
            continue
        left = seen.session not in table.stats and others.is_detached_from_input(pid)
        orphan = Orphan(table, pid, ports, certain=not leads and not left)
        if orphan.usage.ports:
            found.append(orphan)
        elif orphan.usage.hidden:
            hidden += 1
    return found, hidden


def _begins_a_namespace(pid: int) -> bool:
    """Tell whether `pid` is PID 1 of its pid namespace; of a subreaper that cannot be told."""
    return pid == 1 or others.pids_inside(pid)[-1] == 1
