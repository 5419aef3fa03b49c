"""E1 and E2: the launcher dies, by whatever signal and at whatever moment, and backend and descendants are gone."""

from __future__ import annotations

import random
import signal

import pytest

from tests.harness import Started, Starter

pytestmark = pytest.mark.modes("fork", "exec")

SHORT = {"PDWRAP_GRACE": "0.2s"}


@pytest.mark.parametrize("number", [9, 15, 1, 2, 6, 11])
def test_launcher_dies_of_any_signal(start: Starter, number: int) -> None:
    """E1: whatever signal the launcher dies of, the backend is gone."""
    tree = start()
    tree.launcher.signal(number)
    tree.assert_gone()


def test_launcher_exits(start: Starter) -> None:
    """E1: a launcher that returns from main() has left its backend just as well."""
    tree = start()
    tree.dismiss()
    tree.assert_gone()


def test_launcher_with_threads(start: Starter) -> None:
    """E1: of a launcher with several threads the last one is gone later than the first; no sign of it is missed."""
    for _ in range(10):
        tree = start(launcher=["threads"])
        tree.launcher.kill()
        tree.assert_gone()


def test_launcher_forked_in_a_thread(start: Starter) -> None:
    """E1: the thread that forked pdwrap lives, the process dies."""
    tree = start(launcher=["thread"])
    tree.launcher.kill()
    tree.assert_gone()


def test_launcher_called_setsid_afterwards(start: Starter) -> None:
    """E1: a launcher that is in another session than pdwrap by now is still the one whose death counts."""
    tree = start(session=False)
    tree.order("setsid")
    tree.launcher.kill()
    tree.assert_gone()


def test_pdwrap_in_a_session_of_its_own(start: Starter) -> None:
    """E1: started by `setsid` or `start_new_session`."""
    tree = start(launcher=["session"])
    tree.launcher.kill()
    tree.assert_gone()


def test_launcher_dead_before_the_first_line(start: Starter) -> None:
    """E1: the launcher is dead as soon as it has forked, long before the interpreter runs our first line."""
    for _ in range(5):
        trees = [die_after(start, 0.0) for _ in range(6)]
        for tree in trees:
            tree.assert_gone()


def test_launcher_dies_at_any_moment_of_the_start(start: Starter) -> None:
    """E1: at 200 moments in the first 100 ms of pdwrap's life."""
    moments = random.Random(20).sample(range(100_000), 200)
    for first in range(0, len(moments), 8):
        trees = [die_after(start, moment / 1e6) for moment in moments[first : first + 8]]
        for tree in trees:
            tree.assert_gone()
        start.close()


def test_launcher_dies_while_options_are_read(start: Starter) -> None:
    """E1: with options the start takes longer; at 40 moments of it. The launcher is the reason."""
    moments = random.Random(21).sample(range(150_000), 40)
    for first in range(0, len(moments), 8):
        trees = [die_after(start, moment / 1e6, "--grace", "1s") for moment in moments[first : first + 8]]
        for tree in trees:
            tree.assert_gone()
            assert "launcher" in tree.stderr


def die_after(start: Starter, seconds: float, *options: str) -> Started:
    """A launcher that dies so long after it has forked pdwrap."""
    return start(argv=["sleep", "60"], options=options, launcher=[f"die={seconds}"], settle=False)


@pytest.mark.parametrize("kind", ["plain", "setsid:plain", "group:plain"])
@pytest.mark.parametrize("backend", ["plain", "stubborn"])
def test_descendants(start: Starter, backend: str, kind: str) -> None:
    """E2: a descendant of each kind, below a backend that ends on SIGTERM and below one that does not."""
    end_with_children(start, backend, kind)


@pytest.mark.modes("fork")
@pytest.mark.parametrize("backend", ["plain", "stubborn"])
def test_detached_descendants(start: Starter, backend: str) -> None:
    """E2: as above, detached by a double fork."""
    end_with_children(start, backend, "double:plain")


def end_with_children(start: Starter, backend: str, kind: str) -> None:
    """The launcher of a backend with such a child, and with a stubborn one of that kind, dies."""
    tree = start(backend, f"child={kind}", f"child={kind.replace('plain', 'stubborn')}", env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()


def test_whole_family(start: Starter, family: list[str]) -> None:
    """E2: all kinds at once, time and again."""
    for _ in range(5):
        tree = start("plain", *family, env=SHORT)
        tree.launcher.kill()
        tree.assert_gone()


@pytest.mark.modes("fork")
def test_daemon_of_a_daemon(start: Starter) -> None:
    """E2: what detached itself twice is found as well."""
    tree = start("plain", "child=double:plain[child=double:stubborn]", env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork")
@pytest.mark.parametrize("backend", ["plain", "stubborn"])
def test_forks_without_end(start: Starter, backend: str) -> None:
    """E2: one descendant is never the same process for long, another forks on and on, while they are being killed."""
    for _ in range(3):
        tree = start(backend, "child=setsid:runner", "child=breeder", env=SHORT)
        tree.launcher.kill()
        tree.assert_gone()


def test_backend_is_the_breeder(start: Starter) -> None:
    """E2: the backend itself forks on and on, and ignores SIGTERM."""
    tree = start("breeder", env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()


def test_port_is_free_afterwards(start: Starter) -> None:
    """E2: gone means that its port can be bound, by the next backend."""
    tree = start("plain", "child=setsid:listener")
    port = tree.voice.all("port")[0][0]
    tree.launcher.kill()
    tree.assert_gone()
    again = start("listener", f"port={port}")
    again.launcher.kill()
    again.assert_gone()


def test_fifty_at_once(start: Starter) -> None:
    """E1: fifty backends of one launcher, all of them up."""
    tree = start(launcher=["times=50"])
    for _ in range(49):
        tree.hold(int(tree.voice.next("ready", "backend")[0]))
    assert len(tree.voice.all("ready", "backend")) == 50
    tree.launcher.kill()
    tree.assert_gone()


def test_nested(start: Starter, pdwrap: list[str], family: list[str]) -> None:
    """E2: pdwrap below pdwrap; the outermost launcher's death ends both."""
    tree = start("plain", *family, via=[*pdwrap, "--"], env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()


def test_backend_that_is_stopped(start: Starter) -> None:
    """E1: a stopped backend acts on SIGTERM only when it goes on; it is made to."""
    tree = start("catcher", "exit=15")
    tree.backend.signal(signal.SIGSTOP)
    tree.backend.wait_stopped()
    tree.launcher.kill()
    tree.assert_gone()
    assert signal.SIGTERM in tree.signals()
