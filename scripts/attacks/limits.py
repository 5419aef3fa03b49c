"""Too little of something: a prefix that executes a command below a limit, and what it leaves behind.

What a machine does not have (control groups that may be written) is `None`: the trial runs without, and is counted.
"""

from __future__ import annotations

import os
from pathlib import Path

NOBODY = 65534
CGROUPS = Path("/sys/fs/cgroup")


class Limits:
    """The control groups of one worker."""

    def __init__(self) -> None:
        self._made: list[Path] = []

    def prefix(self, name: str, value: int) -> list[str] | None:
        """Give the words to put in front of a command."""
        if name == "nproc":
            # Not for root, whom this limit does not hold.
            if os.geteuid() != 0:
                return None
            return [
                "setpriv",
                f"--reuid={NOBODY}",
                f"--regid={NOBODY}",
                "--clear-groups",
                "prlimit",
                f"--nproc={value}",
            ]
        if name in ("nofile", "fsize"):
            # The actors may raise that of file sizes again: they have to write down what they see.
            return ["prlimit", f"--{name}={value}" + (":" if name == "fsize" else "")]
        return self._cgroup(name, value)

    def _cgroup(self, name: str, value: int) -> list[str] | None:
        files = {"pids": ("pids.max", value), "memory": ("memory.limit_in_bytes", value << 20)}
        first = CGROUPS / name if (CGROUPS / name).is_dir() else CGROUPS
        if first == CGROUPS:
            files["memory"] = "memory.max", value << 20
        place = first / f"pdwrap-attack-{os.getpid()}"
        file, amount = files[name]
        try:
            place.mkdir(exist_ok=True)
            self._made.append(place)
            (place / file).write_text(str(amount), encoding="ascii")
            if name == "memory":
                for swap in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
                    if (place / swap).exists():
                        (place / swap).write_text(str(0 if swap == "memory.swap.max" else amount), encoding="ascii")
        except OSError:
            return None
        return ["/bin/sh", "-c", f'echo $$ >{place}/cgroup.procs && exec "$@"', "sh"]

    def close(self) -> None:
        """Take the control groups away: nobody is in them any more."""
        for place in self._made:
            try:
                place.rmdir()
            except OSError:
                pass
        self._made.clear()
