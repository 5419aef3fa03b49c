"""Call podman: in mount and network namespaces that no process keeps, a descriptor does, and the mounts go with them.

So its store, its locks and its networks are nobody else's, and port 8080 is free. Only a build reaches the network.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import ROOT, Outcome, Running, clean_environment, run

BUILDING = 300.0
"""Seconds for a build, which installs packages."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Debian's image sets."""
PIP = ("cert", "index-url", "extra-index-url", "trusted-host", "timeout")
"""Settings of pip that say how it gets to its packages."""

ROOM = """
base=$1
mount -t tmpfs none /dev/shm
mkdir -p "$base/store" /var/lib/containers
mount --bind "$base/store" /var/lib/containers
for each in /run/containers /run/libpod /run/runc /run/netns /var/lib/cni /etc/cni; do
    mkdir -p "$each"
    mount -t tmpfs none "$each"
done
busybox ip link set lo up
echo built >&7
exec 7>&-
read _ <&6
"""

SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""runc takes the hybrid of cgroups v1 and v2 that crun refuses; no systemd is asked for a cgroup or a journal. The
limits that podman gives by itself are above those of a container of ours."""


class Engine:
    """podman, for the whole run; `folder` is empty, and goes with it."""

    def __init__(self, folder: Path) -> None:
        """Make its room, and prove that it runs a container: a machine where it cannot is a failure, no skip."""
        self.folder = folder
        settings = folder / "containers.conf"
        settings.write_text(SETTINGS, encoding="utf-8")
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"  # runc and iptables are there
        self.env = clean_environment({"CONTAINERS_CONF": str(settings), "PATH": path})
        waits, end = os.pipe()
        reads, built = os.pipe()
        script = ["unshare", "--mount", "--net", "sh", "-ec", ROOM, "sh", str(folder)]
        room = Running(script, fds={6: waits, 7: built})
        os.close(waits)
        os.close(built)
        with os.fdopen(reads) as says:
            done = says.read()
        self._namespaces: dict[str, int] = {}
        if done:
            for kind in ("mnt", "net"):
                self._namespaces[kind] = os.open(f"/proc/{room.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        os.close(end)
        outcome = room.wait()
        if not done:
            pytest.fail(f"no room for podman on this machine: {outcome}")
        self._prove_that_it_runs()

    def _prove_that_it_runs(self) -> None:
        context = self.folder / "first"
        context.mkdir()
        (context / "Containerfile").write_text("FROM scratch\nCOPY busybox /bin/sh\n", encoding="utf-8")
        (context / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (context / "busybox").chmod(0o755)
        self.build("first", context)
        outcome = self.call("run", "--rm", "first", "/bin/sh", "-c", "exit 7")
        if outcome.code != 7:
            pytest.fail(f"podman cannot run a container on this machine: {outcome}")

    def inside(self, *argv: str, network: str = "own") -> list[str]:
        """The command line that runs *argv* where podman lives; *network* is "own", or "host" for the machine's."""
        kinds = [("mnt", "mount"), ("net", "net")] if network == "own" else [("mnt", "mount")]
        enter = [f"--{option}=/proc/{os.getpid()}/fd/{self._namespaces[kind]}" for kind, option in kinds]
        return ["nsenter", *enter, f"--wd={ROOT}", "--", *argv]

    def call(self, *words: str, within: float = 60.0) -> Outcome:
        """``podman WORDS``, to its end."""
        return run(self.inside("podman", *words), env=self.env, within=within)

    def ask(self, *words: str) -> str:
        """``podman WORDS``, which succeeds: what it says."""
        outcome = self.call(*words)
        assert outcome.code == 0, (words, outcome)
        return outcome.stdout.decode().strip()

    def build(self, tag: str, context: Path, *words: str, file: Path | None = None) -> None:
        """``podman build``: the image *tag* of the folder *context*, by *file* or the Containerfile in it."""
        named = ["-f", str(file)] if file else []
        argv = ["podman", "build", "--network", "host", *self._trust(), *words, *named, "-t", tag, str(context)]
        outcome = run(self.inside(*argv, network="host"), env=self.env, within=BUILDING)
        if outcome.code:
            pytest.fail(f"podman cannot build {tag}: {outcome.stderr}\n{outcome.stdout.decode()}")

    def build_as_written(self, file: Path, context: Path) -> str:
        """Run the ``docker build`` that the head of *file* shows; its folder, if not the checkout, is *context* here.

        Returns:
            the image's tag.

        """
        (line,) = re.findall(r"^#   docker build (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        option, named, tagged, tag, folder = line.split()
        assert (option, ROOT / named, tagged) == ("-f", file, "-t")
        assert folder == "dist" or context == ROOT
        self.build(tag, context, file=file)
        return str(tag)

    def _trust(self) -> list[str]:
        """The image's pip gets to its packages as the machine's does: by mounts, so that no trace of it stays."""
        outcome = run([sys.executable, "-m", "pip", "config", "list"], env=self.env)
        found = dict(re.findall(r"^\S+\.([\w-]+)='(.*)'$", outcome.stdout.decode(), re.MULTILINE))
        settings = {name: value for name, value in found.items() if name in PIP}
        words = []
        if "cert" in settings:
            words += ["-v", f"{settings['cert']}:/mnt/certificates:ro"]
            settings["cert"] = "/mnt/certificates"
        file = self.folder / "pip.conf"
        file.write_text(
            "\n".join(["[global]", *(f"{name} = {settings[name]}" for name in settings), ""]), encoding="utf-8"
        )
        return [*words, "-v", f"{file}:/etc/pip.conf:ro"]

    def load(self, tag: str, archive: Path) -> None:
        """Make the image *tag* from the tar *archive* of a root."""
        self.ask("import", "-q", "-c", f"ENV PATH={PATH}", "-c", 'CMD ["bash"]', str(archive), tag)

    def containers(self) -> Sequence[str]:
        """Names of those that there are, ended ones included."""
        return self.ask("ps", "--all", "--noheading", "--format", "{{.Names}}").split()

    def close(self) -> None:
        """Let go of it, and with it of all that is mounted."""
        for each in self._namespaces.values():
            os.close(each)
