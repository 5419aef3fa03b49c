"""Do what a Dockerfile says, without an engine: each stage is an overlay of this machine's root, written to memory.

The base image is this machine's own system, so what `apt-get install` names has to be here already; that is checked.
All of it is in a mount namespace that no process keeps: a descriptor does, and the mounts go with it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

import dockerfile  # type: ignore[import-not-found, unused-ignore]

from tests.harness import ROOT, Outcome, Running, clean_environment

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Debian's image sets."""
NETWORK = ("PIP_", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")

INSTALLED = """#!/bin/sh
# In place of apt-get: what is to be installed has to be here. The real one knows other packages on other days.
case $1 in
update) exit ;;
install) shift ;;
*) exit 100 ;;
esac
for each; do
    case $each in
    -*) ;;
    *) dpkg-query --status "$each" >/dev/null || exit ;;
    esac
done
"""

STAGE = """
stage() {
    root=$base/$1
    mkdir "$root" "$root.upper" "$root.work"
    mount -t overlay -o "lowerdir=/,upperdir=$root.upper,workdir=$root.work" none "$root"
    mount -t tmpfs none "$root/usr/local"
    mount -t tmpfs none "$root/tmp"
    mount --bind /dev "$root/dev"
    mkdir -p "$root/usr/local/bin"
    printf %s "$apt_get" >"$root/usr/local/bin/apt-get"
    chmod 755 "$root/usr/local/bin/apt-get"
    rm -rf "$root/opt/pdwrap" "$root/src"
    rm -f "$root/etc/resolv.conf"
    cat /etc/resolv.conf >"$root/etc/resolv.conf" || :
}
"""


class Image:
    """The last stage of the Dockerfile *file*, built; `run` is how a container of it begins."""

    def __init__(self, file: Path, base: Path) -> None:
        """Build it below *base*, an empty folder; what is mounted there is in a namespace of its own."""
        self.entrypoint: tuple[str, ...] = ()
        self.command: tuple[str, ...] = ()
        self.workdir, self.user = "/", "0:0"
        self.env: dict[str, str] = {}
        self._base, self._stage = base, ""
        lines = ["set -e", f"cd {shlex.quote(str(ROOT))}", 'mount -t tmpfs none "$base"', STAGE]
        for each in dockerfile.parse_file(str(file)):
            lines += self._instruct(each.cmd, each.value, each.flags)
        self._build("\n".join([*lines, "echo built >&7; exec 7>&-", "read _ <&6"]))

    def _instruct(self, name: str, value: Sequence[str], flags: Sequence[str]) -> Iterator[str]:
        if name == "FROM":
            self._stage = value[2] if len(value) == 3 else "last"
            self.env, self.workdir, self.user = {"PATH": PATH, "HOME": "/root"}, "/", "0:0"
            yield f"stage {self._stage}"
        elif name == "RUN":
            yield shlex.join([*self._container(), "sh", "-c", *value])
        elif name == "COPY":
            yield self._copy(value, flags)
        elif name == "WORKDIR":
            self.workdir = value[0]
            yield f'mkdir -p "$root"{shlex.quote(self.workdir)}'
        elif name == "ENV":
            self.env[value[0]] = Template(value[1]).substitute(self.env)
        elif name == "USER":
            self.user = value[0]
        elif name == "ENTRYPOINT":
            self.entrypoint = tuple(value)
        elif name == "CMD":
            self.command = tuple(value)
        else:
            assert name == "EXPOSE", f"{name}: nobody does that here"

    def _copy(self, value: Sequence[str], flags: Sequence[str]) -> str:
        """COPY, of one file or folder to a new name, or of several files into a folder."""
        *sources, target = value
        where = ""
        for flag in flags:
            where = f"{self._base}/{flag.removeprefix('--from=')}"
        place = os.path.normpath(f"{self._base}/{self._stage}/{self.workdir}/{target}") + "/" * target.endswith("/")
        found = [f"{where}{each}" for each in sources]
        return f"mkdir -p {shlex.quote(os.path.dirname(place))}; {shlex.join(['cp', '-a', *found, place])}"

    def _container(self, *drop: str) -> list[str]:
        root = f"{self._base}/{self._stage}"
        given = {key: value for key, value in os.environ.items() if key.startswith(NETWORK)}
        env = [f"{key}={value}" for key, value in {**given, **self.env}.items()]
        own = ["unshare", "--pid", "--fork", "--kill-child", f"--root={root}", f"--wd={self.workdir}", "--mount-proc"]
        user, group = self.user.split(":")
        become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *drop]
        return [*own, *become, "env", "-i", *env]

    def _build(self, script: str) -> None:
        waits, end = os.pipe()
        reads, built = os.pipe()
        env = clean_environment({"base": str(self._base), "apt_get": INSTALLED})
        builder = Running(["unshare", "--mount", "sh", "-c", script], fds={6: waits, 7: built}, env=env)
        for fd in (waits, built):
            os.close(fd)
        with os.fdopen(reads) as says:
            done = says.read()
        if done:
            self._namespace = os.open(f"/proc/{builder.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        os.close(end)
        self.outcome: Outcome = builder.wait()
        assert done, self.outcome

    def run(self, *command: str) -> list[str]:
        """A container of it, as `docker run --read-only --cap-drop ALL IMAGE COMMAND` starts one."""
        enter = ["nsenter", f"--mount=/proc/{os.getpid()}/fd/{self._namespace}", "--"]
        script = 'mount -o remount,bind,ro "$1"; shift; exec "$@"'
        frozen = ["unshare", "--mount", "--net", "sh", "-ec", script, "sh", f"{self._base}/{self._stage}"]
        drop = ["--no-new-privs", "--bounding-set=-all"]
        return [*enter, *frozen, *self._container(*drop), *self.entrypoint, *(command or self.command)]

    def close(self) -> None:
        """Let go of it, and with it of all that is mounted."""
        os.close(self._namespace)
