"""`pdwrap --list --orphans`: what has lost its launcher, and holds a port; and what has not."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.harness import Process, Starter, Voice, children, clean_environment, role, run, spawn, wait_until
from tests.harness.containers import CONTAINER, INIT
from tests.harness.listing import NOBODY, listed, person, shown
from tests.harness.processes import parent_of

ORPHANED = ["sh", "-c", '"$@" <&- & exec 9>&-; kill -9 $$', "sh"]
"""A launcher that starts what follows, and dies."""
NULL = ["sh", "-c", '"$@" </dev/null & exec 9>&-; kill -9 $$', "sh"]
"""... with /dev/null as its input, as a daemon has."""


class Scene:
    """Programs with a voice, of which something is orphaned."""

    def __init__(self) -> None:
        """Nothing is started."""
        self.voice = Voice()

    def start(self, argv: list[str]) -> int:
        """Start it in a session of its own; give its pid."""
        null = os.open(os.devnull, os.O_RDONLY)
        pid = spawn(argv, fds={0: null, 9: self.voice.writes}, env=clean_environment(), before_exec=os.setsid)
        os.close(null)
        return pid

    def orphan(self, argv: list[str]) -> tuple[int, int]:
        """Start a launcher that leaves a listener behind, and is gone; give the listener's pid and port."""
        launcher = self.start(argv)
        self.voice.give_away()
        port = int(self.voice.next("port")[0])
        pid = int(self.voice.next("ready", "backend")[0])
        if launcher in children():
            os.waitpid(launcher, 0)
        return pid, port

    def end(self, *pids: int) -> None:
        """End them."""
        for pid in pids:
            process = Process(pid)
            process.kill()
            assert process.is_dead()
            if pid in children():
                os.waitpid(pid, 0)
            process.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """One scene."""
    made = Scene()
    yield made
    made.voice.close()


def own() -> set[int]:
    """We, and those above us: whoever started the tests may be gone, and then one of these looks like a daemon."""
    found = {os.getpid()}
    pid = os.getppid()
    while pid > 1:
        found.add(pid)
        pid = parent_of(pid)
    return found


def everybody(*words: object, pdwrap: list[str]) -> dict[int, dict[str, object]]:
    """What is listed, by pid."""
    return {each["pid"]: each for each in listed(pdwrap, "--orphans", *words).of("orphan")}


def orphans(*words: object, pdwrap: list[str]) -> dict[int, dict[str, object]]:
    """What is listed, but for ourselves."""
    return {pid: facts for pid, facts in everybody(*words, pdwrap=pdwrap).items() if pid not in own()}


def test_an_orphan_with_a_port(scene: Scene, pdwrap: list[str]) -> None:
    """It fell to a subreaper: who it is, who has it, its port, and what would end it. Which is done, and it ends."""
    pid, port = scene.orphan([*ORPHANED, *role("listener", "child=plain")])
    facts = orphans(pdwrap=pdwrap)[pid]
    assert facts.pop("memory_kind") == "pss"
    for key in ("memory_bytes", "age_seconds", "since"):
        assert facts.pop(key)
    assert facts == {
        "event": "orphan",
        "name": person(pid)["name"],
        "pid": pid,
        "adopted_by_name": person(os.getpid())["name"],
        "adopted_by_pid": os.getpid(),
        "certain": True,
        "processes": 2,
        "ports": [port],
        "to_end": f"kill {pid}",
    }
    below = children(pid)
    status, lines = shown(pdwrap, "--orphans", pid)
    assert status == 0
    assert lines[0].split() == [
        "ORPHAN",
        "PID",
        "ADOPTED",
        "BY",
        "PID",
        "AGE",
        "PROCS",
        "PSS",
        "PORTS",
        "TO",
        "END",
        "IT",
    ]
    assert lines[1].split()[1] == str(pid)
    assert lines[1].endswith(f" {port} kill {pid}")
    assert run(["sh", "-c", str(facts["to_end"])]).code == 0
    held = Process(pid)
    assert held.is_dead()
    held.close()
    os.waitpid(pid, 0)
    assert pid not in orphans(pdwrap=pdwrap)
    scene.end(*below)


def test_it_only_lists(scene: Scene, pdwrap: list[str]) -> None:
    """Nobody gets a signal."""
    pid, _port = scene.orphan([*ORPHANED, *role("listener")])
    shown(pdwrap, "--orphans", "-v")
    held = Process(pid)
    assert held.alive
    held.close()
    scene.end(pid)


def test_without_a_port_it_is_none(scene: Scene, pdwrap: list[str]) -> None:
    """What holds no port stands in nobody's way, and is not listed."""
    launcher = scene.start([*ORPHANED, *role("plain")])
    scene.voice.give_away()
    pid = int(scene.voice.next("ready", "backend")[0])
    os.waitpid(launcher, 0)
    wait_until(lambda: pid in children(), lambda: "not orphaned")
    assert pid not in orphans("-v", pdwrap=pdwrap)
    assert listed(pdwrap, "--orphans", pid).status == 1
    scene.end(pid)


def test_who_has_its_launcher_is_none(scene: Scene, pdwrap: list[str]) -> None:
    """A child of ours in a session of its own: its parent is who started it, though a subreaper."""
    pid = scene.start(role("listener"))
    scene.voice.give_away()
    scene.voice.next("ready", "backend")
    assert pid not in orphans("-v", pdwrap=pdwrap)
    scene.end(pid)


@pytest.mark.parametrize("argv", [NULL], ids=["/dev/null"])
def test_what_may_be_a_daemon(scene: Scene, pdwrap: list[str], argv: list[str]) -> None:
    """Left by who is gone, with /dev/null as its input: JSON says that it is not certain; text shows it with -v."""
    pid, port = scene.orphan([*argv, *role("listener")])
    facts = orphans(pdwrap=pdwrap)[pid]
    assert (facts["certain"], facts["ports"]) == (False, [port])
    more = sum(not facts["certain"] for facts in everybody(pid, pdwrap=pdwrap).values())
    they = "1 more may be one" if more == 1 else f"{more} more may be"
    _status, lines = shown(pdwrap, "--orphans", pid)
    assert lines[-1] == f"{they}, or a daemon, which looks the same: -v shows"
    assert not any(line.endswith(f"kill {pid}") for line in lines)
    _status, lines = shown(pdwrap, "--orphans", "-v", pid)
    assert f"{they}, or a daemon, which looks the same:" in lines
    assert lines[-1].endswith(f"kill {pid}")
    scene.end(pid)


def test_a_session_of_its_own_below_pid_1(root: None, scene: Scene, pdwrap: list[str]) -> None:
    """In a pid namespace: what called setsid and fell to PID 1 may be a daemon; seen from outside and inside."""
    leaves = ["sh", "-c", 'setsid "$@" <&- & exec 9>&-; kill -9 $$', "sh", *role("listener")]
    container = scene.start([*CONTAINER, *INIT, *leaves])
    scene.voice.give_away()
    port = int(scene.voice.next("port")[0])

    def found() -> list[dict[str, object]]:
        return [each for each in orphans(pdwrap=pdwrap).values() if each["ports"] == [port]]

    wait_until(lambda: bool(found()), lambda: "it is not adopted")
    (facts,) = found()
    assert facts["certain"] is False
    assert facts["adopted_by_pid"] in children(container)
    scene.end(int(str(facts["pid"])))
    assert os.waitstatus_to_exitcode(os.waitpid(container, 0)[1]) == 0  # PID 1 ends when nobody is left


def test_what_another_user_may_not_see_is_counted(root: None, scene: Scene) -> None:
    """Its ports may not be read: it is not listed, and counted."""
    pid, _port = scene.orphan([*ORPHANED, *role("listener")])
    before = listed(NOBODY, "--orphans")
    assert pid not in {each["pid"] for each in before.of("orphan")}
    assert before.facts[-1]["unreadable"] > 0
    _status, lines = shown(NOBODY, "--orphans")
    assert lines[-1].endswith("more may hold ports that only their user or root can see")
    scene.end(pid)


@pytest.mark.modes("fork", "exec")
def test_who_is_under_pdwrap_is_none(start: Starter, pdwrap: list[str]) -> None:
    """A backend, and in fork mode what it has orphaned, is looked after; sidecars are nobody's orphans."""
    tree = start("listener", "child=double:listener") if "--exec" not in pdwrap else start("listener")
    mine = {process.pid for process in (*tree.members, *tree.supervisors)}
    assert not mine & set(orphans("-v", pdwrap=pdwrap))
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork")
def test_alone_it_means_nothing(pdwrap: list[str]) -> None:
    """T4: without --list it is a mistake."""
    for words in (["--orphans"], ["--orphans", "--", "true"]):
        outcome = run([*pdwrap, *words])
        assert (outcome.code, outcome.stderr) == (125, "pdwrap: --orphans means nothing without --list\n")
