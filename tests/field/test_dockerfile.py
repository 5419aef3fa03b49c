"""The Dockerfile of the examples: its own commands are carried out here, then a container of it runs and is stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tests.harness import ROOT, Process, Running, children, describe, run, wait_until
from tests.harness.containers import inside

from .image import Image

pytestmark = pytest.mark.usefixtures("root")

PORT = 8080
LISTENS = "0A"  # proc(5), /proc/net/tcp: the state TCP_LISTEN


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Build it once: it takes pip some seconds."""
    built = Image(ROOT / "examples" / "docker" / "Dockerfile", tmp_path_factory.mktemp("image"))
    yield built
    built.close()


class Container:
    """`first` is PID 1 of a running container of an image, `below` what runs in it besides."""

    def __init__(self, image: Image) -> None:
        """Start it as it is, and wait until its server listens."""
        self.running = Running(image.run())
        wait_until(self._is_listening, lambda: self.running.stderr, pause=0.02)
        (first,) = children(self.running.pid)
        (inner,) = children(first)
        (backend,) = children(inner)
        self.first = Process(first)
        self.below = [Process(inner), Process(backend)]

    def _is_listening(self) -> bool:
        assert self.running.process.alive, self.running.wait()
        return self._listens()  # a server that is not ours has no other way to say so

    def _listens(self) -> bool:
        """Look into its network, which nobody else is in."""
        rows = []
        for pid in children(self.running.pid):
            for name in ("tcp", "tcp6"):
                try:
                    text = Path(f"/proc/{pid}/net/{name}").read_text("ascii")
                except OSError:
                    continue  # `mount` came first, and is gone
                rows += [line.split() for line in text.splitlines()[1:]]
        return any(row[1].endswith(f":{PORT:04X}") and row[3] == LISTENS for row in rows)

    def end(self) -> int:
        """Wait until all of it is gone; tell its exit status."""
        outcome = self.running.wait()
        assert all(each.is_dead() for each in (self.first, *self.below))
        for each in (self.first, *self.below):
            each.close()
        return outcome.code


def test_what_runs(image: Image) -> None:
    """T5: pdwrap is PID 1, in fork mode, as the user that the Dockerfile names, without a privilege."""
    container = Container(image)
    assert inside(container.first.pid) == 1
    words = Path(f"/proc/{container.first.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    assert words[1:3] == ["/opt/pdwrap/bin/pdwrap", "--"]
    assert words[3:] == list(image.command)
    assert describe(container.below[-1].pid).endswith(" ".join(image.command))
    for process in (container.first, *container.below):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").split()
        assert status[status.index("Uid:") + 1] == image.user.split(":")[0] != "0"
        assert {status[status.index(each) + 1] for each in ("CapEff:", "CapBnd:")} == {"0" * 16}
    container.first.kill()
    container.end()


def test_stop(image: Image) -> None:
    """T5, T3: `docker stop`: the server has no handler for SIGTERM, and ends by it all the same: it is not PID 1."""
    container = Container(image)
    container.first.signal(signal.SIGTERM)
    assert container.end() == 128 + signal.SIGTERM


def test_kill(image: Image) -> None:
    """E1: PID 1 is killed, as at the end of the time that `docker stop` gives: nothing is left."""
    container = Container(image)
    container.first.kill()
    container.end()


def test_another_command(image: Image) -> None:
    """T3, T4: what `docker run IMAGE COMMAND` names stands in CMD's place: it is wrapped, and its status comes back."""
    outcome = run(image.run("sh", "-c", "echo $$; cat /proc/1/cmdline | tr '\\0' ' '; exit 3"))
    assert outcome.code == 3, outcome
    pid, words = outcome.stdout.decode().split("\n", 1)
    assert int(pid) > 1
    assert "/opt/pdwrap/bin/pdwrap -- sh -c" in words
    missing = run(image.run("no-such-command"))
    assert missing.code == 127
    assert missing.stderr.startswith("pdwrap: ")


def test_nothing_can_be_written(image: Image) -> None:
    """The root is read-only here as in the compose file; so pdwrap has not written anything in the other tests."""
    outcome = run(image.run("sh", "-c", "for each in /srv /opt/pdwrap /var; do echo x >$each/x; done"))
    assert outcome.stderr.count("Read-only file system") == 3, outcome


def test_compose_file_asks_for_the_same() -> None:
    """What the compose file takes away from the container is what `Image.run` takes away."""
    service = yaml.safe_load((ROOT / "examples" / "docker" / "compose.yaml").read_text("utf-8"))["services"]["backend"]
    assert "command" not in service
    assert (service["init"], service["read_only"], service["cap_drop"]) == (False, True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"]["dockerfile"] == "examples/docker/Dockerfile"
