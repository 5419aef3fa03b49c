"""E9, N4 with programs that others wrote: npm and its like, uv, ssh, xvfb-run; concurrently, nodemon, honcho."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.between import Between, script
from tests.harness.processes import children

pytestmark = [pytest.mark.modes("fork", "exec"), pytest.mark.usefixtures("root")]
PACKAGES = ["concurrently@9.2.5", "nodemon@3.1.14", "pnpm@9.15.9", "yarn@1.22.22"]

#: What is run, with pdwrap's line in the place of {p}; in the package's folder "x" is a script of that line.
WAIT = {
    "npm run": ["npm", "run", "x"],
    "npx -c": ["npx", "-c", "{p}; true"],
    "pnpm": ["{b}/pnpm", "run", "x"],
    "yarn": ["{b}/yarn", "run", "x"],
    "uv run": ["{v}/uv", "run", "--no-project", "{w}"],
    "xvfb-run": ["xvfb-run", "-a", "{w}"],
    "npm in a script": ["bash", "-c", "npm run x; true"],
    "npm in sudo in a script": ["bash", "-c", "sudo -E npm run x; true"],
}
WORK = {
    "concurrently": ["{b}/concurrently", "{p}; true"],
    "nodemon": ["{b}/nodemon", "--exec", "{p}; true"],
    "honcho": ["{v}/honcho", "start"],
}


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs from npm."""
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--prefix", str(folder), *PACKAGES], check=True)
    return folder / "node_modules" / ".bin"


@pytest.fixture
def between(pdwrap: list[str], mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """Launcher and backend, and what is to stand between; everything runs in a package's folder."""
    made = Between(pdwrap, mode, tmp_path)
    package = {"name": "field", "version": "1.0.0", "private": True, "scripts": {"x": f"{made.p}; true"}}
    (tmp_path / "package.json").write_text(json.dumps(package))
    (tmp_path / "Procfile").write_text(f"web: {made.p}; true\n")
    for name, value in {"HOME": str(tmp_path), "npm_config_update_notifier": "false"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield made
    made.close()


def fill(between: Between, words: list[str], node_modules: Path) -> list[str]:
    """Put pdwrap's line and the programs' folders in their place."""
    texts = {"{p}": between.p, "{b}": str(node_modules), "{v}": str(Path(sys.executable).parent)}
    filled: list[str] = []
    for word in words:
        if word == "{w}":
            filled += between.command
            continue
        for name, text in texts.items():
            word = word.replace(name, text)  # noqa: PLW2901 - one after the other
        filled.append(word)
    return filled


@pytest.mark.parametrize("form", WAIT)
def test_whoever_dies(between: Between, node_modules: Path, form: str) -> None:
    """E9: each member of the chain, one after the other."""
    number, count = 0, 1
    while number < count:
        between.start(fill(between, WAIT[form], node_modules))
        members = between.chain()
        count = len(members)
        between.fence()
        os.kill(members[number], signal.SIGKILL)
        between.assert_gone()
        between.close()
        number += 1
    assert count > 1


@pytest.mark.parametrize("form", WORK)
def test_launchers(between: Between, node_modules: Path, form: str) -> None:
    """E9, N4: what starts several commands is the launcher; its shell counts as well, and nobody above it does."""
    argv = fill(between, WORK[form], node_modules)
    for number in (0, 1):
        between.start(argv)
        between.fence()
        os.kill(between.chain()[number], signal.SIGKILL)
        between.assert_gone()
        between.close()
    between.start(argv)
    between.fence()
    between.launcher.kill()
    assert between.launcher.is_dead()
    between.assert_left_alone()


def test_npm_in_the_background(between: Between) -> None:
    """N4: a script with two of them in its background; its starter ends."""
    between.start([script(between.folder, "npm run x &\nnpm run x | cat &\nwait")], backends=2)
    between.fence()
    between.launcher.kill()
    assert between.launcher.is_dead()
    between.assert_left_alone()


def sshd(folder: Path, command: str) -> list[str]:
    """A command that runs an sshd on this host alone, and *command* through it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    lines = [f"HostKey {folder}/host", f"AuthorizedKeysFile {folder}/authorized", f"Port {port}"]
    lines += ["ListenAddress 127.0.0.1", "StrictModes no", "UsePAM no", "PermitRootLogin yes", f"PidFile {folder}/pid"]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    client = ["ssh", "-F", "/dev/null", "-i", f"{folder}/key", "-p", str(port), "-o", "StrictHostKeyChecking=no"]
    client += ["-o", f"UserKnownHostsFile={folder}/known", "root@127.0.0.1", command]
    server = f"{shutil.which('sshd')} -D -f {folder}/sshd_config"
    text = f"{server} & until {shlex.join(client)} </dev/null; do sleep 0.1; kill -0 $! || exit; done; wait"
    return ["bash", "-c", text]


@pytest.mark.parametrize("dies", ["client", "session", "shell"])
def test_ssh(between: Between, dies: str) -> None:
    """E9: the shell that sshd starts only waits; the session ends with its client, and with it the backend."""
    between.start(sshd(between.folder, f"cd /; {between.p}; true"))
    between.fence()
    shell, session, *_others = between.chain()
    client = next(
        pid
        for pid in children(children(between.launcher.pid)[0])
        if Path(f"/proc/{pid}/comm").read_text().strip() == "ssh"
    )
    os.kill({"client": client, "session": session, "shell": shell}[dies], signal.SIGKILL)
    between.assert_gone()


def test_ssh_and_nohup(between: Between) -> None:
    """N4: `ssh host 'nohup ./run.sh &'`: the script, which has pdwrap in its foreground, outlives the session."""
    run = script(between.folder, f"{between.p}\necho over")
    between.start(sshd(between.folder, f"nohup {run} >/dev/null 2>&1 </dev/null &"))
    between.fence()
    between.launcher.kill()
    assert between.launcher.is_dead()
    between.assert_left_alone()
