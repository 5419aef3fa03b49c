"""What the doctor knows: what the machine is, as far as it can be read, and whose death would count in this place."""

import os
from typing import NamedTuple

from pdwrap.cli import systemd
from pdwrap.exit_status import Refusal
from pdwrap.linux import machine, prctl, procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.options import Settings


class Machine(NamedTuple):
    """What the machine is, as far as it can be read."""

    kernel: str
    architecture: str
    prctl_way: str
    hidepid: str
    first_pid_namespace: bool | None
    pid_namespace_depth: int
    pid1: str
    pid1_zombies: int
    container: str
    seccomp: str
    seccomp_filters: int | None
    no_new_privs: bool | None
    unit: str
    kill_mode: str
    descriptors: tuple[int | None, int | None]
    processes: int | None
    processes_in_use: int
    processes_cgroup: int | None


class Counted(NamedTuple):
    """Whose death would count: pids and names, nearest first; how it is seen, why nobody else's, what is wrong."""

    people: list[tuple[int, str]]
    mechanisms: str
    ends: str
    lifeline: int | None
    refusal: str
    polled: float | None


def look() -> Machine:
    """Look at the machine."""
    first, depth = machine.pid_namespace()
    seccomp, filters, no_new_privs = machine.seccomp()
    unit, of_user = machine.unit()
    return Machine(
        kernel=machine.kernel(),
        architecture=os.uname().machine,
        prctl_way=prctl.PRCTL_WAY,
        hidepid=machine.hidepid(),
        first_pid_namespace=first,
        pid_namespace_depth=depth,
        pid1=procfs.name(1),
        pid1_zombies=machine.zombies_of(1),
        container=machine.container(),
        seccomp=seccomp,
        seccomp_filters=filters,
        no_new_privs=no_new_privs,
        unit=unit,
        kill_mode=systemd.kill_mode(unit, of_user=of_user) if unit else "",
        descriptors=machine.limit("Max open files"),
        processes=machine.limit("Max processes")[0],
        processes_in_use=machine.processes_of_this_user(),
        processes_cgroup=machine.room_for_processes(),
    )


def whose_death(settings: "Settings", first_parent: int) -> Counted:
    """Find whose death would count for a pdwrap that is started by who started us, in the way that pdwrap does it."""
    from pdwrap import chain, lifeline
    from pdwrap.ancestry import find_launcher

    try:
        if settings.lifeline is not None:
            lifeline.check(settings)
        launcher = find_launcher(settings, first_parent, hint=settings.mode == "fork")
    except Refusal as refusal:
        return Counted([], "", "", settings.lifeline, str(refusal), None)
    people = launcher.people() if launcher.pid else []
    pids = [member.pid for member in launcher.members]
    ends = launcher.why_not
    if people and not ends:
        ends = "it is named, and nobody else counts" if settings.parent is not None else chain.why_it_ends(pids)
    polled = None if launcher.hinted and len(pids) == 1 and settings.watch != "poll" else launcher.interval
    return Counted(people, launcher.mechanisms, ends, settings.lifeline, "", polled)
