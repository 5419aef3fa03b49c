"""`pdwrap --doctor`: what this machine offers, whose death would count here, what follows, and a live proof.

Looks and tries; nothing is changed, and nothing stays. Exit status 0 where every promise of the modes that were asked
for holds, 1 where one does not.
"""

import os

from pdwrap.cli import doctor_report, guarantees, probes, proof, proof_tree
from pdwrap.cli.doctor_facts import Counted, Machine, look, whose_death
from pdwrap.exit_status import NO, YES, Refusal
from pdwrap.linux import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pdwrap.options import Settings

#: Below this many, what is low is said.
FEW_DESCRIPTORS = 256
FEW_PROCESSES = 16
#: Units that systemd ends by signals of its own at their stop.
SERVICE = ".service"


def run(settings: "Settings", words: list[str], first_parent: int) -> "NoReturn":
    """Examine, report on stdout, and end this process.

    Args:
        settings: those that a pdwrap typed here would have.
        words: what stands behind the options.
        first_parent: what `getppid()` said when pdwrap began.

    Raises:
        Refusal: it was not asked for in this way, or nobody can read the answer.

    """
    if words[:1] == [proof_tree.WORD]:
        proof_tree.be_backend(words[1:])
        os._exit(YES)
    if words:
        raise Refusal(f"--doctor takes no command: leave out {words[0]}")
    asked = settings.explicit.get("mode", "").startswith("--")
    modes = (settings.mode,) if asked else guarantees.BOTH
    here = look()
    works = probes.results()
    counted = whose_death(settings, first_parent)
    proofs = {mode: proof.prove(mode) for mode in modes}
    found = guarantees.changes(lacking(here, works, counted))
    for mode, result in proofs.items():
        if result.failure or (result.refusal and not guarantees.verdict(mode, found).broken):
            found += [
                change._replace(modes=(mode,))
                for change in guarantees.changes({"proof": result.failure or result.refusal})
            ]
    report = doctor_report.Report(
        here, works, counted, {mode: guarantees.verdict(mode, found) for mode in modes}, proofs
    )
    text = doctor_report.as_json(report) if settings.log == "json" else doctor_report.as_text(report)
    _write(text)
    os._exit(YES if report.holds else NO)


def lacking(here: Machine, works: dict[str, str], counted: Counted) -> dict[str, str]:
    """List what is lacking, by the names of `guarantees.RULES`, and why."""
    found = {name: why for name, why in works.items() if why}
    if "prctl" in found:
        found.pop("subreaper", None)
    if "proc" in found:
        found.pop("children", None)
    if counted.refusal:
        found["launcher"] = counted.refusal
    elif not counted.people and counted.lifeline is None and not _ends_with_us(counted):
        found["nobody"] = counted.ends
    elif counted.polled is not None:
        found["polled"] = f"{counted.polled:g}s"
    if "proc" not in found and procfs.stat(1) is None:
        found["hidden"] = f"hidepid={here.hidepid}" if here.hidepid else "PID 1 cannot be seen"
    if here.kill_mode == "control-group" and here.unit.endswith(SERVICE):
        found["kill_mode"] = f"{here.unit} has KillMode=control-group"
    hard = here.descriptors[1]
    if hard is not None and hard < FEW_DESCRIPTORS:
        found["descriptors"] = str(hard)
    rooms = [room for room in (here.processes_cgroup, _room(here)) if room is not None]
    if rooms and min(rooms) < FEW_PROCESSES:
        found["processes"] = str(max(0, min(rooms)))
    return found


def _ends_with_us(counted: Counted) -> bool:
    """Tell whether the kernel ends us, too, when who started us ends: it is PID 1, or we are."""
    return os.getpid() == 1 or (os.getppid() == 1 and not counted.people)


def _room(here: Machine) -> int | None:
    """Give how many more processes the user's limit allows; it does not bind root (setrlimit(2))."""
    if os.geteuid() == 0 or here.processes is None:
        return None
    return here.processes - here.processes_in_use


def _write(text: str) -> None:
    data = text.encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        pass  # who reads it has seen enough
    except OSError as error:
        raise Refusal(f"--doctor: its report cannot be written ({error.strerror})") from None
