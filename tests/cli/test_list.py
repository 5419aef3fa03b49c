"""`pdwrap --list`: real trees, and what is said of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.harness import ROOT, Process, Starter, clean_environment, denied, parent_of, role, run, wait_until
from tests.harness.containers import CONTAINER, INIT, Told, find, inside
from tests.harness.faulty import place
from tests.harness.listing import NOBODY, held_pdwrap, listed, person, shown
from tests.harness.patience import Patience

pytestmark = pytest.mark.modes("fork", "exec")

FOREVER = ["--grace", "100s"]
WAITS = ["sh", "-c", '"$@"; true', "sh"]
HELD_AT = {
    "fork": place("fork_mode.placement.Placement.leave"),
    "exec": place("exec_mode.sidecar_start._see_to_room"),
}


def test_what_is_said_of_a_backend(start: Starter, pdwrap: list[str], mode: str) -> None:
    """Backend, launcher, mode, watch, age, tree, memory, ports, pdwrap's own: as they are."""
    began = time.time()
    tree = start("listener", "child=setsid:plain", "child=listener", options=["--name", "my server"])
    found = listed(pdwrap, tree.backend.pid)
    facts = found.backend
    ports = sorted(int(words[0]) for words in tree.voice.all("port"))
    assert len(ports) == 2
    assert facts.pop("pdwrap_pids") == [process.pid for process in tree.supervisors]
    assert 0 < facts.pop("memory_bytes") < 2**30
    assert 0 <= facts.pop("age_seconds") <= time.time() - began + 0.02  # the kernel counts in hundredths
    assert time.strptime(facts.pop("since"), "%Y-%m-%dT%H:%M:%SZ")
    launcher = person(tree.launcher.pid)
    assert facts == {
        "event": "backend",
        "backend_name": "my server",
        "backend_pid": tree.backend.pid,
        "backend_pid_inside": None,
        "launcher_name": launcher["name"],
        "launcher_pid": launcher["pid"],
        "through": [],
        "started_by_name": launcher["name"],
        "started_by_pid": launcher["pid"],
        "mode": mode,
        "state": "running",
        "watched_by": ["pidfd", "signal"] if mode == "fork" else ["pidfd"],
        "interval_seconds": None,
        "lifeline": None,
        "processes": 3,
        "memory_kind": "pss",
        "ports": ports,
        "command": role("listener", "child=setsid:plain", "child=listener"),
        "unreadable": [],
    }
    assert found.status == 0
    assert found.facts[-1] == {"event": "listed", "backends": 1, "unreadable": 0}
    tree.launcher.kill()
    tree.assert_gone()


def test_all_of_them_are_listed(start: Starter, pdwrap: list[str]) -> None:
    """Without a name every backend is there, each once, in the order of their pids."""
    trees = [start("plain") for _ in range(3)]
    backends = [each["backend_pid"] for each in listed(pdwrap).of("backend")]
    assert sorted(tree.backend.pid for tree in trees) == [
        pid for pid in backends if pid in {tree.backend.pid for tree in trees}
    ]
    for tree in trees:
        tree.launcher.kill()
    for tree in trees:
        tree.assert_gone()


def test_the_whole_chain(start: Starter, pdwrap: list[str]) -> None:
    """Through two shells: the launcher is the last of those whose death counts, the shells are named as well."""
    tree = start("plain", pdwrap_via=[*WAITS, *WAITS])
    known = tree.backend.pid if "--exec" in pdwrap else parent_of(tree.inner.pid)
    shells = [parent_of(known), parent_of(parent_of(known))]
    facts = listed(pdwrap, tree.backend.pid).backend
    assert (facts["launcher_pid"], facts["through"]) == (tree.launcher.pid, [person(pid) for pid in shells])
    status, lines = shown(pdwrap, "-v", tree.backend.pid)
    names = [f"{each['name']} (pid {each['pid']})" for each in map(person, [tree.launcher.pid, *reversed(shells)])]
    assert status == 0
    assert f"  ends with {' or '.join(names)}" in lines
    assert lines[-1].endswith(f"(pid {tree.backend.pid}) is under pdwrap: it ends with {' or '.join(names)}")
    tree.launcher.kill()
    tree.assert_gone()


def test_a_lifeline(start: Starter, pdwrap: list[str], mode: str) -> None:
    """It is named, beside the launcher, and where nobody else is watched."""
    for options, ways in [
        ([], ["pidfd", "signal", "lifeline"] if mode == "fork" else ["pidfd", "lifeline"]),
        (["--watch", "off"], ["lifeline"]),
    ]:
        theirs, ours = os.pipe()
        tree = start("plain", options=["--lifeline", "5", *options], fds={5: theirs})
        os.close(theirs)
        found = listed(pdwrap, tree.backend.pid)
        assert found.backend["watched_by"] == ways
        assert found.backend["lifeline"] == 5
        assert found.of("process")[0]["lifeline"] is True
        os.close(ours)
        tree.assert_gone()


def test_polling(start: Starter, pdwrap: list[str]) -> None:
    """Whom a polling pdwrap looks at is known to itself alone: `?`, and counted; who started it is seen."""
    tree = start("plain", options=["--watch", "poll", "--interval", "50ms"])
    found = listed(pdwrap, tree.backend.pid)
    facts = found.backend
    assert (facts["launcher_pid"], facts["launcher_name"], facts["through"]) == (None, None, [])
    assert (facts["watched_by"], facts["interval_seconds"]) == (["polling"], 0.05)
    assert facts["unreadable"] == ["launcher"]
    assert facts["started_by_pid"] == tree.launcher.pid
    assert found.facts[-1] == {"event": "listed", "backends": 1, "unreadable": 1}
    _status, lines = shown(pdwrap, tree.backend.pid)
    assert lines[1].split()[2:6] == ["?", "?", facts["mode"], "polling"]
    assert "1 of 1 not read in full (?): another user's, or polled" in lines
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork")
def test_no_pidfd(start: Starter, pdwrap: list[str]) -> None:
    """The kernel denies pidfds: it polls, and has the parent-death signal; whom it looks at is not seen."""
    tree = start("plain", pdwrap_via=denied("EPERM", "pidfd_open"))
    facts = listed(pdwrap, tree.backend.pid).backend
    assert (facts["watched_by"], facts["interval_seconds"]) == (["polling", "signal"], 2.0)
    assert (facts["launcher_pid"], facts["unreadable"]) == (None, ["launcher"])
    assert facts["started_by_pid"] == tree.launcher.pid
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork")
def test_not_watched(start: Starter, pdwrap: list[str]) -> None:
    """With the watch off it is under pdwrap, and nobody's death ends it."""
    tree = start("plain", options=["--watch", "off"])
    found = listed(pdwrap, tree.backend.pid)
    assert (found.status, found.backend["watched_by"], found.backend["launcher_pid"]) == (0, [], None)
    assert found.backend["unreadable"] == []
    _status, lines = shown(pdwrap, tree.backend.pid)
    assert lines[-1].endswith("is under pdwrap: nobody is watched now")
    tree.backend.kill()
    tree.assert_gone()


def test_another_uid(root: None, start: Starter, pdwrap: list[str]) -> None:
    """Launcher and backend have changed their uid: root sees all."""
    through = ["setpriv", "--reuid=65534", "--clear-groups"]
    ready = ["sh", "-c", "echo ready backend $$ >&9; exec sleep 600"]
    tree = start(argv=[*through, *ready], ready=True)
    tree.order("setuid 65533")
    wait_until(lambda: Path(f"/proc/{tree.backend.pid}/comm").read_text() == "sleep\n", lambda: "no sleep")
    facts = listed(pdwrap, tree.backend.pid).backend
    assert (facts["backend_name"], facts["launcher_pid"], facts["unreadable"]) == ("sleep", tree.launcher.pid, [])
    assert facts["memory_kind"] == "pss"
    tree.launcher.kill()
    tree.assert_gone()


def test_what_another_user_sees(root: None, start: Starter, pdwrap: list[str], mode: str) -> None:
    """What may not be read is null in JSON and `?` in text, is named, and counted; what may is there."""
    tree = start("plain", "child=setsid:plain")
    own = tree.supervisors[0].pid
    found = listed(NOBODY, own)
    facts = found.backend
    assert facts["pdwrap_pids"] == [process.pid for process in tree.supervisors]
    assert (facts["mode"], facts["launcher_pid"], facts["watched_by"]) == (mode, None, None)
    if mode == "fork":
        assert (facts["backend_pid"], facts["processes"], facts["memory_kind"]) == (tree.backend.pid, 2, "rss")
        assert facts["unreadable"] == ["launcher", "watched_by", "ports"]
        assert facts["ports"] is None
    else:
        assert (facts["backend_pid"], facts["processes"]) == (None, None)
        assert facts["unreadable"] == ["backend", "launcher", "watched_by"]
    assert found.facts[-1] == {"event": "listed", "backends": 1, "unreadable": 1}
    _status, lines = shown(NOBODY, own)
    cells = lines[1].split()
    assert cells[2:6] == ["?", "?", mode, "?"]
    assert (cells[1] == "?") == (mode == "exec")
    assert cells[-1] == ("?" if mode == "fork" else "-")
    assert "1 of 1 not read in full (?): another user's, or polled" in lines
    tree.launcher.kill()
    tree.assert_gone()


def test_nested(start: Starter, pdwrap: list[str], mode: str) -> None:
    """A pdwrap below another: both runs have the process in their tree; each ends with its own launcher."""
    tree = start("plain", via=[*pdwrap, "--"])
    found = listed(pdwrap, tree.backend.pid)
    rows = found.of("backend")
    assert len(rows) == 2
    if mode == "fork":
        outer, inner = (row["pdwrap_pids"] for row in sorted(rows, key=lambda row: -row["processes"]))
        assert outer[0] == tree.wrapper.pid
        assert [rows[0]["processes"], rows[1]["processes"]] == [3, 1]
        assert inner == [parent_of(tree.inner.pid), tree.inner.pid]
        assert {row["launcher_pid"] for row in rows} == {tree.launcher.pid, outer[1]}
    else:
        assert {row["launcher_pid"] for row in rows} == {tree.launcher.pid}
        assert {row["backend_pid"] for row in rows} == {tree.backend.pid}
        assert len({pid for row in rows for pid in row["pdwrap_pids"]}) == 4
    assert {each["pid"] for each in found.of("process")[0]["ends_with"]} == {row["launcher_pid"] for row in rows}
    tree.launcher.kill()
    tree.assert_gone()


def test_nested_with_the_same_command_line(start: Starter, pdwrap: list[str], tmp_path: Path) -> None:
    """A script that executes pdwrap with itself: two runs have one command line, and are told apart."""
    script = tmp_path / "again.sh"
    again = " ".join([*pdwrap, "--", str(script)])
    backend = " ".join(role("plain"))
    script.write_text(f'#!/bin/sh\n[ "$AGAIN" ] && exec {backend}\nAGAIN=yes exec {again}\n')
    script.chmod(0o755)
    tree = start(argv=[str(script)], ready=True)
    rows = listed(pdwrap, tree.backend.pid).of("backend")
    owns = [pid for row in rows for pid in row["pdwrap_pids"]]
    assert len(rows) == 2
    assert len(owns) == len(set(owns)) == 4
    assert {row["state"] for row in rows} == {"running"}
    tree.launcher.kill()
    tree.assert_gone()


def test_in_a_pid_namespace(root: None, start: Starter, pdwrap: list[str]) -> None:
    """Seen from outside, by the pids of here; from inside, by those of there, and nobody of outside."""
    tree = start("plain", pdwrap_via=[*CONTAINER, *INIT, *WAITS], settle=False)
    backend = find(tree, Told(tree).pid)
    facts = listed(pdwrap, backend.pid).backend
    shell = facts["launcher_pid"]
    assert facts["backend_pid_inside"] == inside(backend.pid) != backend.pid
    assert inside(shell) == 2
    assert Path(f"/proc/{shell}/comm").read_text() == "sh\n"
    assert facts["unreadable"] == []
    enter = ["nsenter", "--target", str(backend.pid), "--pid", "--mount"]
    within = listed([*enter, *pdwrap])
    assert within.backend["backend_pid"] == inside(backend.pid)
    assert within.backend["launcher_pid"] == 2
    assert within.backend["backend_pid_inside"] is None
    os.kill(shell, signal.SIGKILL)
    tree.assert_gone()


@pytest.mark.modes("fork")
@pytest.mark.parametrize("init", [[], INIT], ids=["as PID 1", "below PID 1"])
def test_below_nobody(root: None, start: Starter, pdwrap: list[str], init: list[str]) -> None:
    """Nobody is watched: not who started a container from outside, not its PID 1. That is known, no `?`."""
    tree = start("plain", pdwrap_via=[*CONTAINER, *init], settle=False)
    backend = find(tree, Told(tree).pid)
    facts = listed(pdwrap, backend.pid).backend
    assert (facts["watched_by"], facts["launcher_pid"], facts["unreadable"]) == ([], None, [])
    backend.kill()
    tree.assert_gone()


def test_while_it_starts(pdwrap: list[str], mode: str, tmp_path: Path) -> None:
    """Before the backend's exec it is there already, as starting."""
    fifo = str(tmp_path / "fifo")
    command = held_pdwrap(str(tmp_path), fifo, f"pdwrap.{HELD_AT[mode]}")
    options = ["--exec"] if mode == "exec" else []
    starter = Starter([*command, *options], mode)
    tree = starter("plain", settle=False)
    holding = os.open(fifo, os.O_WRONLY)  # returns when it waits there
    facts = listed(pdwrap, tree.wrapper.pid).backend
    assert (facts["state"], facts["mode"], facts["launcher_pid"]) == ("starting", mode, tree.launcher.pid)
    assert (facts["backend_pid"] == tree.wrapper.pid) == (mode == "exec")
    assert facts["unreadable"] == []
    os.close(holding)
    tree.settle()
    assert listed(pdwrap, tree.backend.pid).backend["state"] == "running"
    tree.launcher.kill()
    tree.assert_gone()
    starter.close()


def test_while_it_ends(start: Starter, pdwrap: list[str], mode: str) -> None:
    """From the launcher's death on it is ending, until the tree is gone."""
    tree = start("reporter", "child=plain", options=FOREVER)
    tree.launcher.kill()
    tree.got(signal.SIGTERM)
    facts = listed(pdwrap, tree.backend.pid).backend
    assert (facts["state"], facts["backend_pid"], facts["mode"]) == ("ending", tree.backend.pid, mode)
    assert (facts["launcher_pid"], facts["processes"]) == (None, 2)
    _status, lines = shown(pdwrap, tree.backend.pid)
    assert f"{mode},ending" in lines[1].split()
    for process in tree.members:
        process.kill()
    tree.assert_gone()


@pytest.mark.modes("exec")
def test_a_lost_sidecar(start: Starter, pdwrap: list[str]) -> None:
    """Whoever is lost is replaced, and the run stays one and whole."""
    tree = start("plain")
    for number in (0, 1, 0):
        lost = tree.sidecars[number]
        lost.kill()
        assert lost.is_dead()
        pair = [process.pid for process in tree.sidecars]
        facts = listed(pdwrap, tree.backend.pid).backend
        assert (facts["pdwrap_pids"], facts["backend_pid"]) == (pair, tree.backend.pid)
        assert (facts["launcher_pid"], facts["state"]) == (tree.launcher.pid, "running")
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork")
def test_a_stopped_job(start: Starter, pdwrap: list[str]) -> None:
    """While the outer is stopped with the backend, the waker is one of pdwrap's own."""
    tree = start("plain")
    tree.backend.signal(signal.SIGSTOP)
    tree.backend.wait_stopped()
    tree.wrapper.wait_stopped()
    facts = listed(pdwrap, tree.backend.pid).backend
    assert facts["pdwrap_pids"][:2] == [process.pid for process in tree.supervisors]
    assert len(facts["pdwrap_pids"]) == 3
    assert (facts["processes"], facts["state"]) == (1, "running")
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork")
def test_orphans_of_the_tree_count(start: Starter, pdwrap: list[str]) -> None:
    """What has forked twice is in the tree still: it fell to the inner supervisor."""
    tree = start("plain", "child=double:plain")
    facts = listed(pdwrap, tree.backend.pid).backend
    assert (facts["backend_pid"], facts["processes"]) == (tree.backend.pid, 2)
    (orphan,) = (process for process in tree.members if process.pid != tree.backend.pid)
    found = listed(pdwrap, orphan.pid)
    assert (found.status, found.backend["backend_pid"]) == (0, tree.backend.pid)
    tree.launcher.kill()
    tree.assert_gone()


def test_whether_it_is_protected(start: Starter, pdwrap: list[str]) -> None:
    """By pid, by name, a descendant, one that is not, one that is not there: status and words."""
    tree = start("plain", "child=plain", options=["--name", "pdwrap-test-name"])
    child = next(process for process in tree.members if process.pid != tree.backend.pid)
    for word in (tree.backend.pid, child.pid, "pdwrap-test-name"):
        found = listed(pdwrap, word)
        assert found.status == 0
        (process,) = found.of("process")
        assert process["under_pdwrap"] is True
        assert process["ends_with"] == [person(tree.launcher.pid)]
    me = listed(pdwrap, os.getpid())
    assert (me.status, me.of("backend"), me.of("process")[0]["under_pdwrap"]) == (1, [], False)
    assert listed(pdwrap, tree.backend.pid, os.getpid()).status == 1
    nobody = listed(pdwrap, "nobody-is-called-so")
    assert (nobody.status, nobody.of("absent")) == (1, [{"event": "absent", "name": "nobody-is-called-so"}])
    assert shown(pdwrap, "nobody-is-called-so") == (1, ["no process nobody-is-called-so"])
    assert shown(pdwrap, "-q", tree.backend.pid) == (0, [])
    assert shown(pdwrap, "-q", os.getpid()) == (1, [])
    tree.launcher.kill()
    tree.assert_gone()


def test_nothing_there(root: None, pdwrap: list[str]) -> None:
    """Nothing is under pdwrap: it says so, and that is no error. It is not in its own list."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc", *pdwrap]
    assert shown(alone) == (0, ["nothing runs under pdwrap, as far as can be seen"])
    assert listed(alone) == (0, [{"event": "listed", "backends": 0, "unreadable": 0}])
    assert shown(alone, "--orphans") == (0, ["no orphan holds a port"])


@pytest.mark.modes("fork")
def test_a_reader_that_has_enough(pdwrap: list[str]) -> None:
    """`pdwrap --list | true` ends like any other program whose reader is gone, without a word."""
    reads, writes = os.pipe()
    os.close(reads)
    outcome = run([*pdwrap, "--list"], fds={1: writes})
    os.close(writes)
    assert (outcome.code, outcome.stderr) == (-signal.SIGPIPE, "")


@pytest.mark.modes("fork")
def test_a_command_needs_none_of_it() -> None:
    """`pdwrap -- x` loads no module that only a list needs, nor psutil."""
    code = (
        f"import sys; sys.path.append({str(ROOT)!r}); import pdwrap.entry, pdwrap.fork_mode.start; print(*sys.modules)"
    )
    loaded = run([sys.executable, "-I", "-c", code], env=clean_environment()).stdout.decode().split()
    assert not [name for name in loaded if "psutil" in name or "processes" in name or "pdwrap.cli" in name]
    assert not {"pdwrap.linux.others", "pdwrap.linux.sockets"} & set(loaded)


def test_a_name_that_looks_like_more(start: Starter, pdwrap: list[str]) -> None:
    """A name cannot forge a column or a line."""
    tree = start("plain", options=["--name", "x 1 root 2\nfork \x1b[31m"])
    _status, lines = shown(pdwrap, tree.backend.pid)
    assert lines[1].startswith('"x 1 root 2?fork ?[31m"')
    tree.launcher.kill()
    tree.assert_gone()


def test_many_look_at_once(start: Starter, pdwrap: list[str]) -> None:
    """Backends come and go while the table is read: no look fails, and none shows two for one."""
    patience = Patience()
    short = [*pdwrap, "--", "true"]
    churn = [sys.executable, "-I", "-c", "import subprocess, sys\nwhile True: subprocess.run(sys.argv[1:])", *short]
    busy = Process(os.spawnvpe(os.P_NOWAIT, churn[0], churn, clean_environment()))
    tree = start("plain")
    try:
        for _ in range(5):
            found = listed(pdwrap)
            assert [row["backend_pid"] for row in found.of("backend")].count(tree.backend.pid) == 1
            assert patience.left()
    finally:
        busy.kill()
        os.waitpid(busy.pid, 0)
        busy.close()
    tree.launcher.kill()
    tree.assert_gone()
