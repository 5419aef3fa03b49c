"""E3: graceful first, the backend before its workers, one deadline for all, and never a second terminating signal."""

from __future__ import annotations

import signal

import pytest

from tests.harness import Started, Starter
from tests.harness.roles import FENCE

TERM, CONT, KILL = signal.SIGTERM, signal.SIGCONT, signal.SIGKILL
SHORT = {"PDWRAP_GRACE": "0.2s"}
LONG = {"PDWRAP_GRACE": "100s"}


@pytest.mark.modes("fork", "exec")
def test_term_then_cont(start: Starter) -> None:
    """E3: the backend gets SIGTERM and SIGCONT, each once, and then SIGKILL."""
    tree = start("reporter", env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [TERM, CONT]
    assert not tree.voice.all("leaving")


@pytest.mark.modes("fork", "exec")
def test_workers_are_left_alone_until_the_backend_has_exited(start: Starter) -> None:
    """E3: the backend may have workers to drain; they get SIGTERM and SIGCONT when it is gone.

    On its SIGTERM the backend sends its workers the highest signal and waits for their answer: a SIGTERM that they
    had got before would be on record before that.
    """
    worker = "reporter[exit=18]"
    tree = start("reporter", "exit=15", "fence=yes", f"child={worker}", f"child=setsid:{worker}", env=LONG)
    workers = [each for each in tree.members if each.pid != tree.backend.pid]
    tree.launcher.kill()
    tree.assert_gone()
    for each in workers:
        assert tree.signals(each) == [FENCE, TERM, CONT]


@pytest.mark.modes("fork", "exec")
def test_orphans_of_the_grace(start: Starter) -> None:
    """E3: what the backend's exit orphans two levels down is asked as well, before it is killed."""
    tree = start("plain", "child=plain[child=reporter[exit=18]]", env=LONG)
    deepest = next(each for each in tree.members if each.pid == int(tree.voice.all("ready", "reporter")[0][0]))
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals(deepest) == [TERM, CONT]


@pytest.mark.modes("fork", "exec")
def test_grace_of_nothing(start: Starter) -> None:
    """E3: with `--grace 0` the backend is killed, not asked."""
    tree = start("reporter", options=["--grace", "0"])
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == []


@pytest.mark.modes("fork", "exec")
def test_grace_is_waited_for(start: Starter) -> None:
    """E3: within the grace the backend ends in its own time: it is told to go on by us, after its SIGTERM."""
    tree = start("reporter", "exit=10", env=LONG)
    tree.launcher.kill()
    tree.got(TERM)
    tree.got(CONT)
    assert tree.backend.alive
    tree.backend.signal(signal.SIGUSR1)
    tree.assert_gone()
    assert tree.voice.all("leaving")


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("name", ["INT", "SIGUSR2", "12", "RTMIN+1"])
def test_other_signal(start: Starter, name: str) -> None:
    """E3: `--signal` is what the backend is asked with, by name or number."""
    tree = start("reporter", options=["--signal", name, "--grace", "0.2"])
    tree.launcher.kill()
    tree.assert_gone()
    wanted = {"INT": signal.SIGINT, "RTMIN+1": signal.SIGRTMIN + 1}.get(name, signal.SIGUSR2)
    assert sorted(tree.signals()) == sorted([wanted, CONT])


def end_after(tree: Started, number: int) -> None:
    """The launcher sends a signal, and dies at once."""
    tree.send_order(f"signal-and-die {number}")
    tree.assert_gone()


def test_launcher_sends_term_and_dies(start: Starter) -> None:
    """E3: the launcher's own SIGTERM is the only one; its death adds the deadline, and nothing else."""
    for _ in range(5):
        tree = start("reporter", env=SHORT)
        end_after(tree, TERM)
        assert tree.signals().count(TERM) == 1


def test_term_that_is_on_its_way_when_the_launcher_dies(start: Starter) -> None:
    """E3: the same race, made to happen: the SIGTERM waits in a stopped supervisor until the other has sent its own."""
    for _ in range(8):
        tree = start("reporter", env=SHORT)
        tree.wrapper.signal(signal.SIGSTOP)
        tree.wrapper.wait_stopped()
        end_after(tree, TERM)
        assert tree.signals().count(TERM) == 1


def test_term_long_before_the_death(start: Starter) -> None:
    """E3: as above, with the SIGTERM seen by the backend before the launcher dies."""
    tree = start("reporter", env=SHORT)
    tree.order("signal 15")
    tree.got(TERM)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals().count(TERM) == 1


def test_the_chosen_signal_counts_too(start: Starter) -> None:
    """E3: with `--signal INT`, a forwarded SIGINT was the first signal; no second one, and no SIGTERM either."""
    tree = start("reporter", options=["--signal", "INT", "--grace", "0.2"])
    tree.order("signal 2")
    tree.got(signal.SIGINT)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals().count(signal.SIGINT) == 1
    assert TERM not in tree.signals()


@pytest.mark.modes("fork", "exec")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_other_forwarded_signals_are_no_ending(start: Starter, number: int) -> None:
    """E3: a Ctrl-C or a reload by SIGHUP long ago does not count: the backend is still asked by SIGTERM."""
    tree = start("reporter", env=SHORT)
    tree.order(f"signal {number}")
    tree.got(number)
    tree.launcher.kill()
    tree.assert_gone()
    assert tree.signals() == [number, TERM, CONT]


@pytest.mark.modes("fork", "exec")
def test_term_without_a_death(start: Starter) -> None:
    """E3: a forwarded SIGTERM starts no deadline of ours: the backend may take as long as it likes."""
    tree = start("reporter", env={"PDWRAP_GRACE": "0.05s"})
    tree.order("signal 15")
    tree.got(TERM)
    tree.assert_alive(0.5)
    tree.launcher.kill()
    tree.assert_gone()


def test_backend_and_pdwrap_stopped_then_the_launcher_dies(start: Starter) -> None:
    """E3: the kernel sends a stopped group that is orphaned SIGHUP; it must not become a second ending.

    The backend is stopped, so its supervisor is; with its launcher dead the kernel sends the supervisor's group
    SIGHUP and SIGCONT. The backend is to see one SIGTERM, and no SIGHUP.
    """
    for _ in range(5):
        tree = start("catcher", "exit=15", env=LONG)
        tree.backend.signal(signal.SIGSTOP)
        tree.wrapper.wait_stopped()
        tree.launcher.kill()
        tree.assert_gone()
        assert [each for each in tree.signals() if each != CONT] == [TERM]


def test_stopped_by_the_group(start: Starter) -> None:
    """E3: as above, where the launcher stopped pdwrap's whole group, and the backend's."""
    tree = start("catcher", "exit=15", launcher=["group"], env=LONG)
    tree.backend.signal(signal.SIGSTOP)
    tree.order(f"group {signal.SIGSTOP}")
    tree.wrapper.wait_stopped()
    tree.launcher.kill()
    tree.assert_gone()
    assert [each for each in tree.signals() if each != CONT] == [TERM]


@pytest.mark.modes("fork", "exec")
def test_localai_stops_its_backend(start: Starter) -> None:
    """E3: LocalAI's way to stop: SIGTERM to the whole group; the backend gets one, and its end is ours."""
    tree = start("reporter", "exit=15", "code=3", launcher=["group", "close=0"])
    tree.order(f"group {TERM}")
    assert tree.status() == 3 << 8
    tree.assert_gone()
    assert tree.signals() == [TERM]


def test_localai_kills_its_backend(start: Starter) -> None:
    """E3: where that does not help, SIGKILL to the whole group: the backend counts as dead, so it is killed at once."""
    tree = start("reporter", "child=setsid:stubborn", launcher=["group", "close=0"], env=LONG)
    tree.order(f"group {TERM}")
    tree.got(TERM)
    tree.order(f"group {KILL}")
    assert tree.status() == KILL
    tree.assert_tree_gone()
    assert tree.signals() == [TERM]
    tree.assert_gone()
