"""T5 on a real engine: pdwrap as PID 1 of a container, from its start to its end, and what podman does meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness import Running, wait_until

from .podman import Box, Boxes, Engine, FifoVoice

WITNESS = "/tools/witness"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first one builds the images


def reporter(box: Boxes, *words: str, pdwrap: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> Box:
    """A container whose PID 1 is pdwrap, and whose backend, ready, exits with 3 when it gets SIGTERM."""
    made = box("pdwrap", *pdwrap, "--", WITNESS, "backend", "on=15,3", *words, options=options)
    assert made.ready("backend") > 1
    return made


def test_stop(box: Boxes) -> None:
    """T5, T2, T3: `podman stop`: SIGTERM arrives once, nothing else does; the container's status is the backend's."""
    made = reporter(box)
    made.engine.ask("stop", made.name)
    assert made.end() == (3, "")
    assert made.signals("backend") == [signal.SIGTERM]


def test_stop_and_its_time_is_over(box: Boxes) -> None:
    """T2, E1: who ignores SIGTERM is asked once, by podman, and killed by it when its time is over; all are gone."""
    made = box("pdwrap", "--", WITNESS, "backend", "child:a", "setsid:b", "double:c")
    made.ready("backend")
    made.engine.ask("stop", "--time", "1", made.name)
    assert made.end()[0] == 128 + signal.SIGKILL  # who was killed last had time for a line
    assert made.signals("backend") == [signal.SIGTERM]
    assert [made.signals(name) for name in "abc"] == [[], [], []]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGUSR1])
def test_stop_signal(box: Boxes, stop: signal.Signals) -> None:
    """T2: another `--stop-signal` is forwarded as it is, or by `--rewrite` as the one that the backend knows."""
    made = reporter(
        box, "on=2,4", pdwrap=("--rewrite", "USR1:TERM"), options=("--stop-signal", stop.name.removeprefix("SIG"))
    )
    made.engine.ask("stop", made.name)
    assert made.end() == (4 if stop == signal.SIGINT else 3, "")
    assert made.signals("backend") == [signal.SIGTERM if stop == signal.SIGUSR1 else stop]


def test_kill_with_each_signal(box: Boxes) -> None:
    """T5, T2: `podman kill -s`: PID 1 has no default dispositions; each arrives once, in order."""
    made = reporter(box)
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH]
    for number in numbers:
        made.kill(number)
        made.got("backend", number)
    made.kill(signal.SIGTERM)
    assert made.end() == (3, "")
    assert made.signals("backend") == [*numbers, signal.SIGTERM]


def test_kill(box: Boxes) -> None:
    """E1: `podman kill`: the kernel ends all of it with PID 1."""
    made = reporter(box, "child:a", "setsid:b", "double:c")
    made.kill(signal.SIGKILL)
    assert made.end()[0] == 128 + signal.SIGKILL  # who was killed last had time for a line


def test_run_with_a_lifeline(podman: Engine, image: str, tmp_path: Path) -> None:
    """E1: `podman run -i` hands in a lifeline, too: SIGKILL to who typed it ends what would go on without it."""
    voice = FifoVoice(tmp_path / "voice")
    reads, writes = os.pipe()
    mounts = ["-v", f"{tmp_path / 'voice'}:/voice", "-v", f"{podman.folder / 'tools'}:/tools:ro"]
    backend = ["pdwrap", "--lifeline", "0", "--", WITNESS, "backend", "on=15,3"]
    argv = podman.inside("podman", "run", "-i", "--name", "client", *mounts, image, *backend)
    client = Running(argv, fds={0: reads}, env=podman.env)
    os.close(reads)
    voice.next("ready", "backend")
    client.process.kill()
    client.wait()
    voice.give_away()
    assert voice.ended()
    assert podman.ask("wait", "client") == "3"
    os.close(writes)
    voice.take_in()
    assert voice.all("got", "backend") == [["15"]]
    voice.close()
    podman.ask("rm", "client")


def test_daemon_is_left(box: Boxes) -> None:
    """E5, T3: what the backend leaves is asked, then killed; the container ends with the backend's status."""
    made = reporter(box, "double:daemon", pdwrap=("--grace", "0.2s"))
    made.kill(signal.SIGTERM)
    code, text = made.end()
    assert code == 3
    assert made.signals("daemon") == [signal.SIGTERM, signal.SIGCONT]
    assert "exited and left 1 process behind: ending it with SIGTERM" in text, text


def test_zombies(box: Boxes) -> None:
    """T5: a hundred orphans, and what `podman exec` leaves, are reaped while the backend runs."""
    made = reporter(box, "orphans=100")
    for _ in range(3):
        outcome = made.entered("sh", "-c", "(sleep 0.05 &); (sleep 0 &); exit 4")
        assert (outcome.code, outcome.stderr) == (4, "")
    wait_until(lambda: len(made.pids()) == 3 and not made.zombies(), made.describe)
    made.kill(signal.SIGTERM)
    assert made.end() == (3, "")


def test_restart(box: Boxes) -> None:
    """T5: `podman restart`: asked once, gone, started anew, as often as one likes."""
    made = reporter(box)
    for _ in range(2):
        made.engine.ask("restart", made.name)
        made.again()
        made.ready("backend")
    made.engine.ask("stop", made.name)
    assert made.end() == (3, "")
    assert made.signals("backend") == [signal.SIGTERM] * 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, 137), (signal.SIGTERM, 3)])
def test_restart_policy(box: Boxes, number: signal.Signals, code: int) -> None:
    """T3: a backend that dies, or fails, is no success: `--restart on-failure` starts the container again."""
    made = box("pdwrap", "--", WITNESS, "backend", "on=15,3", options=["--restart", "on-failure:1"])
    made.find(made.ready("backend")).signal(number)
    again = made.ready("backend")
    made.again()
    made.find(again).signal(number)
    made.voice.give_away()
    assert made.wait_until_ended() == code
    assert made.inspect(".RestartCount") == "1"
    assert made.end() == (code, "")


def test_health_check(box: Boxes) -> None:
    """T5: a health check is entered again and again; what it leaves is reaped, and it disturbs nobody."""
    check = "(sleep 0 &); kill -0 $(cat /voice/pid)"
    made = reporter(box, options=("--health-cmd", check, "--health-interval", "disable", "--health-retries", "1"))
    (made.folder / "pid").write_text(made.voice.all("ready", "backend")[0][0], encoding="ascii")
    for _ in range(3):
        made.engine.ask("healthcheck", "run", made.name)
    assert made.inspect(".State.Health.Status") == "healthy"
    made.kill(signal.SIGTERM)
    assert made.end() == (3, "")


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("sh", "-c", "exit 0"), 0, ""),
        (("sh", "-c", "exit 77"), 77, ""),
        (("sh", "-c", "kill -9 $$"), 137, ""),
        (("sh", "-c", "kill -15 $$"), 143, ""),
        (("no-such-command",), 127, "pdwrap: no-such-command: "),
        (("/tools",), 126, "pdwrap: /tools: "),
    ],
)
def test_status(podman: Engine, image: str, command: tuple[str, ...], code: int, says: str) -> None:
    """T3, T4: `podman run` exits with the backend's status, or with pdwrap's own and a line; `--init` changes none."""
    mounts = ["-v", f"{podman.folder / 'tools'}:/tools:ro"]
    for options in ([], ["--init"]):
        outcome = podman.call("run", "--rm", *mounts, *options, image, "pdwrap", "--", *command)
        assert (outcome.code, outcome.stdout) == (code, b""), outcome
        assert outcome.stderr.startswith(says)
        assert outcome.stderr.count("\n") == bool(says), outcome
