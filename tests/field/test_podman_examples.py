"""The files of `examples/`, built and run by podman: both Dockerfiles, LocalAI's image, both compose files, the pod."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tests.harness import ROOT, Outcome, Process, children, describe, run, wait_until
from tests.harness.containers import inside

from .podman import Engine, FifoVoice

EXAMPLES = ROOT / "examples"
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"]
"""What the compose file takes away."""
PORT = 8080
LISTENS = "0A"  # proc(5), /proc/net/tcp: the state TCP_LISTEN
WITHIN = 60.0
ENDED = "exited"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first one builds the images


class Named:
    """A container that one of the examples' commands has started, by its name."""

    def __init__(self, engine: Engine, name: str) -> None:
        """Hold all that runs in it."""
        self.engine, self.name = engine, name
        said = engine.ask("inspect", "-f", "{{.Id}} {{.State.Pid}}", name).split()
        self.number, self.first = said[0], Process(int(said[1]))

    def below(self) -> list[Process]:
        """Everything below its first process."""
        waiting, found = [self.first.pid], []
        while waiting:
            below = children(waiting.pop())
            found += [Process(pid) for pid in below]
            waiting += below
        return found

    def wait_until_it_listens(self) -> None:
        """A server that is not ours has no other way to say so: look into its network."""
        wait_until(self._listens, lambda: self.engine.call("logs", self.name).stderr, WITHIN, pause=0.02)

    def _listens(self) -> bool:
        rows = []
        for name in ("tcp", "tcp6"):
            try:
                text = Path(f"/proc/{self.first.pid}/net/{name}").read_text("ascii")
            except FileNotFoundError:
                continue
            rows += [line.split() for line in text.splitlines()[1:]]
        return any(row[1].endswith(f":{PORT:04X}") and row[3] == LISTENS for row in rows)

    def wait(self, *others: Process) -> int:
        """Wait until it has ended, *others* with it: its exit status."""
        code = int(self.engine.ask("wait", self.name))
        for each in (self.first, *others):
            assert each.is_dead(), each
            each.close()
        return code

    def remove(self) -> None:
        """Remove it."""
        self.engine.ask("rm", self.name)


# -- the Dockerfiles ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["file", "wheel"])
def example(request: pytest.FixtureRequest) -> str:
    """The image of a Dockerfile of examples/docker: of the one with the static file, and of the one with the wheel."""
    name: str = request.getfixturevalue(f"{request.param}_example")
    return name


@pytest.fixture
def server(podman: Engine, example: str) -> Named:
    """A container of it that listens."""
    podman.ask("run", "-d", "--name", "server", *HARDENED, example)
    started = Named(podman, "server")
    started.wait_until_it_listens()
    return started


def test_what_runs(server: Named, podman: Engine, example: str) -> None:
    """T5: pdwrap is PID 1, in fork mode, as the user that the Dockerfile names, without a privilege."""
    assert inside(server.first.pid) == 1
    command = podman.ask("image", "inspect", "-f", '{{join .Config.Cmd " "}}', example)
    assert (
        Path(f"/proc/{server.first.pid}/cmdline")
        .read_bytes()
        .replace(b"\0", b" ")
        .decode()
        .endswith(f"pdwrap -- {command} ")
    )
    below = server.below()
    assert len(below) == 2
    assert describe(below[-1].pid).endswith(command)
    for process in (server.first, *below):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").split()
        assert status[status.index("Uid:") + 1] == "65534"
        assert {status[status.index(each) + 1] for each in ("CapEff:", "CapBnd:")} == {"0" * 16}
        assert status[status.index("NoNewPrivs:") + 1] == "1"
    podman.ask("kill", "server")
    assert server.wait(*below) == 128 + signal.SIGKILL
    server.remove()


def test_stop(server: Named, podman: Engine) -> None:
    """T5, T3: `podman stop`: the server has no handler for SIGTERM, and ends by it all the same: it is not PID 1."""
    below = server.below()
    podman.ask("stop", "server")
    assert server.wait(*below) == 128 + signal.SIGTERM
    server.remove()


def test_another_command(podman: Engine, example: str) -> None:
    """T3, T4: what `podman run IMAGE COMMAND` names stands in CMD's place: it is wrapped, and its status comes back."""
    script = "echo $$; cat /proc/1/cmdline | tr '\\0' ' '; exit 3"
    outcome = podman.call("run", "--rm", *HARDENED, example, "sh", "-c", script)
    assert outcome.code == 3, outcome
    pid, words = outcome.stdout.decode().split("\n", 1)
    assert int(pid) > 1
    assert "pdwrap -- sh -c" in words
    missing = podman.call("run", "--rm", *HARDENED, example, "no-such-command")
    assert missing.code == 127
    assert missing.stderr.startswith("pdwrap: ")


def test_no_python_is_needed(podman: Engine, file_example: str) -> None:
    """The image with the static file has none."""
    podman.ask("run", "--rm", file_example, "sh", "-c", "! command -v python3 python")


def test_image_to_copy_from(podman: Engine, standalone: Path, tmp_path: Path) -> None:
    """T3: the image that holds nothing but the one file: it runs there, and another image takes it from there."""
    context = tmp_path / "release"
    context.mkdir()
    shutil.copy(standalone, context / "pdwrap-linux-amd64")
    shutil.copy("/bin/busybox", context)
    (context / "Containerfile").write_text(
        "FROM scratch\nCOPY busybox /bin/sh\nCOPY --from=only /pdwrap /bin/pdwrap\n", encoding="ascii"
    )
    podman.build("only", context, "--build-arg", "TARGETARCH=amd64", file=EXAMPLES / "docker" / "Dockerfile.scratch")
    assert podman.ask("run", "--rm", "only", "--version").startswith("pdwrap ")
    podman.build("other", context)
    outcome = podman.call("run", "--rm", "other", "/bin/pdwrap", "--", "/bin/sh", "-c", "exit 6")
    assert (outcome.code, outcome.stderr) == (6, "")


# -- LocalAI's image ---------------------------------------------------------------------------------------------------

LOCAL_AI = """#!/bin/sh
trap 'kill -TERM $pids' TERM
pids=
for each in /backends/*/run.sh; do "$each" --addr 127.0.0.1:1 & pids="$pids $!"; done
for each in $pids; do while kill -0 $each 2>&-; do wait $each; done; done
exit 0
"""
"""In LocalAI's place: it starts every backend, stops each on SIGTERM, and waits for all."""


@pytest.fixture(scope="session")
def local_ai(engine: Engine, debian: str, standalone: Path) -> str:
    """A stand-in for LocalAI's image, under its name, without Python, as its own for CPUs; and ours from it."""
    context = engine.folder / "local-ai"
    context.mkdir()
    for name, text in {
        "local-ai": LOCAL_AI,
        "entrypoint.sh": '#!/bin/sh\nset -e\ncd /\nexec ./local-ai "$@"\n',
    }.items():
        (context / name).write_text(text, encoding="ascii")
        (context / name).chmod(0o755)
    lines = [f"FROM {debian}", "COPY local-ai entrypoint.sh /", 'ENTRYPOINT ["/entrypoint.sh"]']
    (context / "Containerfile").write_text("\n".join(lines), encoding="ascii")
    engine.build("localai/localai:latest", context)
    return engine.build_as_written(EXAMPLES / "localai" / "Dockerfile", standalone.parent)


class Backends:
    """LocalAI's backends in a folder, which say what they get."""

    def __init__(self, engine: Engine, folder: Path, **words: str) -> None:
        """Each of *words* is what a backend is started with."""
        self.voice = FifoVoice(folder / "voice")
        self.names = list(words)
        self.mounts = ["-v", f"{folder / 'voice'}:/voice", "-v", f"{engine.folder / 'tools'}:/tools:ro"]
        for name, more in words.items():
            place = folder / "backends" / name
            place.mkdir(parents=True)
            (place / "run.sh").write_text(f"#!/bin/sh\nexec /tools/witness {name} {more}\n", encoding="ascii")
            (place / "run.sh").chmod(0o755)
        self.folder = folder / "backends"

    def wait_until_ready(self) -> None:
        """Each of them."""
        waiting = set(self.names)
        while waiting:
            name, _pid = self.voice.next("ready")
            waiting.discard(name)

    def signals(self) -> dict[str, list[int]]:
        """What each of them got, in order."""
        self.voice.take_in()
        return {name: [int(words[0]) for words in self.voice.all("got", name)] for name in self.names}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_local_ai(podman: Engine, local_ai: str, tmp_path: Path, number: signal.Signals) -> None:
    """E5, T5: LocalAI dies: its backends are asked, and killed after the grace. A stop in order is LocalAI's own."""
    more = {"stubborn": "double:daemon"} if number == signal.SIGKILL else {}
    backends = Backends(podman, tmp_path, asked="on=15,0", **more)
    volume = ["-v", f"{backends.folder}:/backends"]
    entrypoint = ["--entrypoint", '["pdwrap", "--grace", "0.5s", "--", "/entrypoint.sh"]']
    said = yaml.safe_load(podman.ask("image", "inspect", "-f", "{{json .Config.Entrypoint}}", local_ai))
    assert said == ["pdwrap", "--grace", "60s", "--", "/entrypoint.sh"]
    short = entrypoint if number == signal.SIGKILL else []  # nobody waits a minute for the stubborn one
    podman.ask(
        "run", "-d", "--name", "localai", "--stop-timeout", "150", *volume, *backends.mounts, *short, local_ai, "run"
    )
    started = Named(podman, "localai")
    backends.wait_until_ready()
    below = started.below()
    launcher = next(each for each in below if "local-ai" in describe(each.pid))
    assert describe(launcher.pid).endswith("local-ai run")
    if number == signal.SIGKILL:
        launcher.kill()
    else:
        podman.ask("stop", "localai")
    backends.voice.give_away()
    assert backends.voice.ended()
    assert started.wait(*below) == (128 + number if number == signal.SIGKILL else 0)
    got = backends.signals()
    assert got["asked"] == [signal.SIGTERM]
    assert got.get("stubborn", [signal.SIGTERM, signal.SIGCONT]) == [signal.SIGTERM, signal.SIGCONT]
    started.remove()
    backends.voice.close()


# -- the compose files -------------------------------------------------------------------------------------------------


class Composed:
    """`docker compose`, as podman-compose does it; the files' folder `dist` is another one here."""

    def __init__(self, engine: Engine, name: str, dist: Path, folder: Path) -> None:
        """Copy the example *name*, beside *dist*, to *folder*."""
        self.engine = engine
        place = folder / "examples" / name
        place.mkdir(parents=True)
        for each in ("Dockerfile", "compose.yaml"):
            (place / each).write_bytes((EXAMPLES / name / each).read_bytes())
        shutil.copytree(dist, folder / "dist")
        self.file = place / "compose.yaml"

    def call(self, *words: str) -> Outcome:
        """``docker compose -f FILE WORDS``."""
        argv = self.engine.inside("podman-compose", "-f", str(self.file), *words)
        outcome = run(argv, env=self.engine.env, within=120)
        assert outcome.code == 0, outcome
        return outcome


def test_compose(podman: Engine, file_example: str, standalone: Path, tmp_path: Path) -> None:
    """T5: `up` builds and starts it; its port is there outside; `stop` ends it in order, `down` removes it."""
    composed = Composed(podman, "docker", standalone.parent, tmp_path)
    composed.call("up", "--detach", "--build")
    started = Named(podman, "docker_backend_1")
    started.wait_until_it_listens()
    answer = run(podman.inside("busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{PORT}/no-such-file"))
    assert "404" in answer.stderr, answer
    below = started.below()
    for process in (started.first, *below):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").split()
        assert {status[status.index(each) + 1] for each in ("CapEff:", "CapBnd:")} == {"0" * 16}
        assert status[status.index("NoNewPrivs:") + 1] == "1"
    composed.call("stop")
    assert started.wait(*below) == 128 + signal.SIGTERM
    composed.call("down")


def test_compose_of_local_ai(podman: Engine, local_ai: str, standalone: Path, tmp_path: Path) -> None:
    """T5, E5: the backends are in a volume; LocalAI dies, they are asked, and the container is started again."""
    backends = Backends(podman, tmp_path, asked="on=15,0")
    podman.ask("volume", "create", "localai_backends")
    copy = [
        "-v",
        "localai_backends:/to",
        "-v",
        f"{backends.folder}:/from",
        "debian:12-slim",
        "cp",
        "-a",
        "/from/.",
        "/to",
    ]
    podman.ask("run", "--rm", *copy)
    composed = Composed(podman, "localai", standalone.parent, tmp_path)
    text = yaml.safe_load(composed.file.read_text(encoding="utf-8"))
    text["services"]["local-ai"]["volumes"] += backends.mounts[1::2]
    composed.file.write_text(yaml.safe_dump(text), encoding="utf-8")
    composed.call("up", "--detach", "--build")
    for number in (signal.SIGKILL, signal.SIGTERM):
        backends.wait_until_ready()
        started = Named(podman, "localai_local-ai_1")
        below = started.below()
        launcher = next(each for each in below if "local-ai" in describe(each.pid))
        if number == signal.SIGKILL:
            launcher.kill()
            assert all(each.is_dead() for each in (started.first, *below))
        else:
            composed.call("stop")
            assert started.wait(*below) == 0
    assert backends.signals() == {"asked": [signal.SIGTERM] * 2}
    composed.call("down", "--volumes")
    backends.voice.close()


# -- the pod -----------------------------------------------------------------------------------------------------------


def test_pod(podman: Engine, file_example: str, debian: str, tmp_path: Path) -> None:
    """E1, E2: the launcher's container dies: the backend is gone, and both are started again, and connect again.

    podman 4.3 starts a pod's init containers again, too, where all is started again always, and waits for them.
    """
    text = (EXAMPLES / "kubernetes" / "pod.yaml").read_text(encoding="utf-8")
    assert text.count("restartPolicy: Always") == 1
    file = tmp_path / "pod.yaml"
    file.write_text(text.replace("restartPolicy: Always", "restartPolicy: OnFailure"), encoding="utf-8")
    podman.ask("kube", "play", "--network", "none", str(file))
    numbers: set[int] = set()
    for _ in range(2):
        backend = wait_for_new(podman, "with-pdwrap-backend", numbers)
        backend.wait_until_it_listens()
        held = [backend.first, *backend.below()]
        assert len(held) == 3
        launcher = Named(podman, "with-pdwrap-launcher")
        launcher.first.kill()
        assert all(each.is_dead() for each in held)
    wait_for_new(podman, "with-pdwrap-backend", numbers).wait_until_it_listens()
    podman.ask("kube", "down", str(file))
    assert podman.ask("pod", "ls", "--noheading") == ""


def wait_for_new(engine: Engine, name: str, known: set[int]) -> Named:
    """Wait until *name* runs as another process than those that are *known*."""

    def pid() -> int:
        return int(engine.ask("inspect", "-f", "{{.State.Pid}}", name))

    wait_until(lambda: pid() not in (0, *known), lambda: engine.call("logs", name).stderr, WITHIN, pause=0.05)
    found = Named(engine, name)
    known.add(found.first.pid)
    return found
