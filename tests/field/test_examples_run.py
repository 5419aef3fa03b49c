"""The examples' own commands, read from their files and run: LocalAI's in a container, the pod's two containers."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import dockerfile  # type: ignore[import-not-found, unused-ignore]
import pytest
import yaml  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tests.harness import (
    ATTACHED,
    DETACHED,
    ROOT,
    Process,
    Running,
    Started,
    Voice,
    children,
    clean_environment,
    reap_all,
    role,
)
from tests.harness.containers import CONTAINER, Container
from tests.harness.started import Setting

from .test_examples import EXAMPLES

LOCALAI = EXAMPLES / "localai"
ONCE = [signal.SIGTERM, signal.SIGCONT]


def executable(file: Path, *lines: str) -> Path:
    """Write a program."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, pdwrap: list[str]) -> Path:
    """A folder that stands first in PATH: pdwrap and pdwrap-localai, as an installation has them."""
    folder = tmp_path / "bin"
    executable(folder / "pdwrap", "#!/bin/sh", f'exec {shlex.join(pdwrap)} "$@"')
    start = f"import sys; sys.argv[0] = {str(folder / 'pdwrap-localai')!r}"
    call = "from pdwrap.localai.command import main; sys.exit(main())"
    executable(folder / "pdwrap-localai", f"#!{sys.executable}", f"{start}; sys.path.insert(0, {str(ROOT)!r})", call)
    return folder


def environment(path: Path, **more: str) -> dict[str, str]:
    """Our environment, with *path* in front of PATH, and a short grace."""
    return clean_environment({"PATH": f"{path}:{os.environ['PATH']}", "PDWRAP_GRACE": "0.2s", **more})


class Said:
    """What runs under a name and speaks on the tree pipe."""

    def __init__(self, argv: Sequence[str], env: dict[str, str]) -> None:
        """Start it."""
        self.voice = Voice()
        self.running = Running(argv, fds={9: self.voice.writes}, env=env)
        self.voice.give_away()

    def backend(self) -> str:
        """Wait until a backend is ready: its pid, as it sees it."""
        try:
            return self.voice.next("ready", "backend")[0]
        except AssertionError as error:
            raise AssertionError(f"{error}; stderr: {self.running.stderr!r}") from None

    def signals(self, pid: str) -> list[int]:
        """Those that it got."""
        return [int(words[0]) for words in self.voice.all("got", pid) if int(words[0]) != signal.SIGCHLD]

    def end(self) -> int:
        """Wait until nobody is left; tell the exit status."""
        assert self.voice.ended(), self.running.stderr
        code = self.running.wait().code
        self.voice.close()
        assert not reap_all()[1]
        return code


# -- LocalAI -----------------------------------------------------------------------------------------------------------


def local_ai(path: Path, backends: Path) -> None:
    """In LocalAI's place: it starts every backend, stops each on SIGTERM, and waits for all."""
    executable(
        path / "local-ai",
        "#!/bin/sh",
        "trap 'kill -TERM $pids' TERM",
        "pids=",
        f'for each in {shlex.quote(str(backends))}/*/run.sh; do "$each" --addr 127.0.0.1:1 & pids="$pids $!"; done',
        "for each in $pids; do while kill -0 $each 2>&-; do wait $each; done; done",
        "exit 0",
    )


def backend(backends: Path, name: str, *words: str) -> Path:
    """A backend's folder with a run.sh."""
    return executable(backends / name / "run.sh", "#!/bin/sh", f"exec {shlex.join(role(*words))}")


def test_entrypoint_wraps_each_backend(tmp_path: Path, path: Path) -> None:
    """E1, E2: it wraps what can be wrapped, then is LocalAI; on whose death the backend is asked, and all are gone."""
    backends = tmp_path / "backends"
    local_ai(path, backends)
    run_sh = backend(backends, "good", "reporter", *ATTACHED)
    original = run_sh.read_bytes()
    (backends / "broken").mkdir()
    (backends / "broken" / "run.sh").symlink_to("nowhere")
    image = executable(tmp_path / "entrypoint.sh", "#!/bin/sh", "set -e", 'exec local-ai "$@"')
    env = environment(path, LOCALAI_BACKENDS_PATH=str(backends), LOCALAI_ENTRYPOINT=str(image))
    wrappers = []
    for _ in range(2):  # the second time all is there already
        said = Said([str(LOCALAI / "entrypoint.sh"), "run"], env)
        pid = said.backend()
        comm = Path(f"/proc/{said.running.pid}/comm").read_text(encoding="ascii")
        assert comm == "local-ai\n"
        assert "broken" in said.running.stderr
        wrappers.append(run_sh.read_bytes())
        said.running.process.kill()
        said.end()
        assert said.signals(pid) == ONCE
    assert wrappers[0] == wrappers[1] != original
    assert b'--name=good --parent "$PPID"' in wrappers[0]
    assert (run_sh.parent / "run.sh.pdwrap-original").read_bytes() == original


def test_entrypoint_without_a_backend(tmp_path: Path, path: Path) -> None:
    """A volume that is empty yet is no error: LocalAI starts, with the arguments that were given."""
    executable(path / "local-ai", "#!/bin/sh", 'echo "$@"')
    (path / "pdwrap-localai").unlink()
    env = environment(path, BACKENDS_PATH=str(tmp_path / "none"), LOCALAI_ENTRYPOINT=str(path / "local-ai"))
    outcome = Running([str(LOCALAI / "entrypoint.sh"), "run", "a model"], env=env).wait()
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"run a model\n", "")


def entrypoint_of_image() -> list[str]:
    """What LocalAI's Dockerfile says, but for the image's own script, and with less patience."""
    (found,) = [each.value for each in dockerfile.parse_file(str(LOCALAI / "Dockerfile")) if each.cmd == "ENTRYPOINT"]
    *ours, theirs = found
    assert theirs == "/entrypoint.sh"
    at = ours.index("60s")
    return [*ours[:at], "0.2s", *ours[at + 1 :]]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_image_of_localai(tmp_path: Path, path: Path, number: signal.Signals) -> None:
    """E5, T5: PID 1 asks what a LocalAI that died leaves, and kills the rest; a stop in order is LocalAI's own."""
    backends = tmp_path / "backends"
    local_ai(path, backends)
    backend(backends, "asked", "reporter", "exit=15")
    if number == signal.SIGKILL:
        backend(backends, "stubborn", "stubborn", *ATTACHED, *DETACHED)
    said = Said([*CONTAINER, *entrypoint_of_image(), str(path / "local-ai"), "run"], environment(path))
    ready = [said.backend() for _ in backends.iterdir()]
    (first,) = children(said.running.pid)
    (inner,) = children(first)
    launcher = next(Process(pid) for pid in children(inner) if b"local-ai" in Path(f"/proc/{pid}/cmdline").read_bytes())
    if number == signal.SIGTERM:
        os.kill(first, number)
    else:
        launcher.kill()
    code = said.end()
    assert code == (0 if number == signal.SIGTERM else 128 + number)
    assert launcher.is_dead()
    launcher.close()
    assert [said.signals(pid) for pid in ready if said.signals(pid)] == [[signal.SIGTERM]]


def test_image_installs_as_the_other_does() -> None:
    """What RUN and COPY say is no more than what the other Dockerfile says; podman builds both."""

    def steps(name: str) -> set[str]:
        commands = dockerfile.parse_file(str(EXAMPLES / name / "Dockerfile"))
        return {each.original for each in commands if each.cmd in ("RUN", "COPY") and not each.flags}

    assert steps("localai") <= steps("docker")


def test_external_backend(tmp_path: Path, path: Path) -> None:
    """E1, E2: a file with pdwrap in its first line, started as LocalAI does; its lines have its name."""
    folder = tmp_path / "my server"
    executable(folder / "external-backend", (LOCALAI / "external-backend").read_text(encoding="utf-8").rstrip("\n"))
    argv = role("reporter", *ATTACHED, *DETACHED)
    server = ["import os, sys", 'os.write(9, " ".join(["arguments", *sys.argv[1:]]).encode() + b"\\n")']
    (folder / "server.py").write_text("\n".join([*server, f"os.execv({argv[0]!r}, {argv!r})"]), encoding="utf-8")
    tree = Started(
        Setting(
            pdwrap=(),
            backend=["./external-backend", "--addr", "127.0.0.1:1"],
            ready="backend",
            launcher=["group", "close=0"],
            env=environment(path),
            before_exec=lambda: os.chdir(folder),
            mode="fork",
        )
    )
    tree.settle()
    assert tree.voice.all("arguments") == [["--addr", "127.0.0.1:1"]]
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == ONCE
    assert "ending my-server (pid" in tree.stderr
    tree.close()


# -- the pod -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("root")
def test_pod(tmp_path: Path, path: Path) -> None:
    """E1, E2: each container's command; the launcher's death ends the backend, and both connect again afterwards.

    At the end the pod ends: both get SIGTERM. The lifeline closes then, too, and brings no second one.
    """
    spec = yaml.safe_load((EXAMPLES / "kubernetes" / "pod.yaml").read_text(encoding="utf-8"))["spec"]
    commands = {
        each["name"]: [word.replace("/lifeline", str(tmp_path)) for word in each["command"]]
        for each in [*spec["initContainers"], *spec["containers"]]
    }
    pod, env = Container(), environment(path)
    for _ in range(2):  # its FIFO may be there from the pod's last start
        assert Running([*pod.enter, *commands["make-lifeline"]], env=env).wait().code == 0
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        first = Running([*pod.enter, *commands["launcher"]], env=env)
        reporter = role("reporter", "exit=15", *ATTACHED, *DETACHED)
        said = Said([*pod.enter, *commands["backend"], *reporter], env)
        pid = said.backend()
        (launcher,), (pdwrap,) = children(first.pid), children(said.running.pid)
        assert Path(f"/proc/{pdwrap}/cmdline").read_bytes().endswith(("\0".join(reporter) + "\0").encode())
        if number == signal.SIGTERM:
            os.kill(pdwrap, number)
        os.kill(launcher, number)
        first.wait()
        assert said.voice.ended(), said.running.stderr
        assert said.running.wait().code == 0
        assert said.signals(pid) == [signal.SIGTERM]
        said.voice.close()
    pod.end()
