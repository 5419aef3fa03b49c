"""Who is compared with pdwrap, each with the flags that serve best here."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

from benchmarks.processes import environment

from . import build

PDWRAP, PDWRAP_EXEC, NONE = "pdwrap", "pdwrap --exec", "none"
GRACE = "0.5s"


class Peer(NamedTuple):
    """A prefix to put in front of a backend."""

    name: str
    prefix: tuple[str, ...]
    shown: str
    """How one writes it: the prefix without what is only this machine's."""
    by_name: bool = False
    """Whether it takes a program by its name alone, from PATH."""

    def command(self, *backend: str) -> list[str]:
        """Put it in front of a backend, whose program is given by its path."""
        if not self.by_name:
            return [*self.prefix, *backend]
        path = f"PATH={os.path.dirname(backend[0])}:{os.environ.get('PATH', os.defpath)}"
        return ["/usr/bin/env", path, *self.prefix, os.path.basename(backend[0]), *backend[1:]]


def bun() -> str:
    """Give the path of bun: the system's, else what npm has installed for the tests, or for us."""
    from_npm = [build.ROOT / venv / "npm" / "node_modules" / ".bin" / "bun" for venv in (".venv-field", ".venv")]
    return shutil.which("bun") or next((str(path) for path in from_npm if path.exists()), "bun")


def peers() -> list[Peer]:
    """List them all, in the order of the table."""
    pdwrap = build.pdwrap()
    own = (*pdwrap, "--grace", GRACE)
    bwrap = ("bwrap", "--dev-bind", "/", "/", "--die-with-parent")
    private = ("--unshare-pid", "--proc", "/proc")
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    setpriv = ("setpriv", "--pdeathsig", "KILL")
    return [
        Peer(PDWRAP, (*own, "--"), f"pdwrap --grace {GRACE} -- CMD"),
        Peer(PDWRAP_EXEC, (*own, "--exec", "--"), f"pdwrap --grace {GRACE} --exec -- CMD"),
        _peer("tini", "tini", "-s", "-p", "SIGTERM", "--"),
        _peer("dumb-init", "dumb-init", "--"),
        _peer("catatonit", "catatonit", "--"),
        _peer("setpriv", *setpriv),
        _peer("bwrap", *bwrap, "--"),
        _peer("bwrap, pid namespace", *bwrap, *private, "--"),
        _peer("unshare", *unshare),
        _peer("setpriv, unshare", *setpriv, *unshare),
        Peer("bun", (bun(), "run", "--no-orphans"), "bun run --no-orphans CMD", by_name=True),
        Peer(NONE, (), "CMD"),
    ]


def _peer(name: str, *prefix: str) -> Peer:
    return Peer(name, prefix, " ".join((*prefix, "CMD")))


def present(wanted: list[str] | None) -> tuple[list[Peer], dict[str, str]]:
    """Try each once: those that run here, and why others do not."""
    found: list[Peer] = []
    left_out: dict[str, str] = {}
    for peer in peers():
        if wanted and peer.name not in wanted:
            continue
        command = peer.command(shutil.which("true") or "/bin/true")
        if peer.prefix and shutil.which(peer.prefix[0]) is None:
            left_out[peer.name] = "not installed"
            continue
        trial = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
        if trial.returncode == 0:
            found.append(peer)
        else:
            left_out[peer.name] = (trial.stderr.strip().splitlines() or [f"status {trial.returncode}"])[-1]
    return found, left_out
