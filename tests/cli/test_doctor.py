"""`pdwrap --doctor`: what it says is so, what fails is named, and nothing of it stays; with real processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from pdwrap.cli import guarantees
from pdwrap.cli.proof import own_command
from pdwrap.cli.proof_tree import KILLED, KINDS
from tests.harness import CLOSED, PYTHON, ROOT, Outcome, Running, clean_environment, denied, pause_for, reap_all, run

NO_PIDFD = denied("EPERM", "pidfd_open", "pidfd_send_signal")
HIDE_PROC = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
NOTHING = ["setpriv", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
HIDE_OTHERS = ["unshare", "-m", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh", *NOTHING]
ALL = {mode: list(promises) for mode, promises in guarantees.PROMISES.items()}


def examined(command: list[str], code: int, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Ask for the report as JSON; nothing is left behind, zombies included."""
    outcome = run([*command, "--doctor", "--log", "json"], env=clean_environment(env))
    assert (outcome.code, outcome.stderr) == (code, ""), outcome
    assert reap_all()[1] == []
    report: dict[str, Any] = json.loads(outcome.stdout)
    assert report["holds"] is (code == 0)
    assert outcome.stdout.count(b"\n") == 1
    return report


def text_of(outcome: Outcome) -> str:
    """Give the report as a person reads it, without the breaks."""
    return " ".join(outcome.stdout.decode().split())


def promises_of(changes: list[dict[str, Any]]) -> set[str]:
    """Give the promises that changes are about."""
    return {promise for change in changes for promise in change["promises"]}


@pytest.mark.wheel
@pytest.mark.modes("fork", "exec")
def test_all_is_well(pdwrap: list[str], mode: str) -> None:
    """E1, E2, E3: everything works, all promises hold, and the launcher's death ends a tree of six."""
    report = examined([*pdwrap, f"--{mode}"], 0)
    assert all(each == {"works": True, "why_not": ""} for each in report["mechanisms"].values())
    assert list(report["modes"]) == [mode]
    found = report["modes"][mode]
    assert (found["holds"], found["weaker"], found["broken"]) == (ALL[mode], [], [])
    proof = found["proof"]
    assert (proof["failure"], proof["refusal"], proof["processes"]) == ("", "", len(KINDS))
    assert proof["asked"] == len(KINDS) - len(KILLED[mode])
    assert 0 < proof["seconds_asked"] < proof["seconds"]


def test_both_modes_unless_one_is_named(pdwrap: list[str]) -> None:
    """Without `--fork` or `--exec` both are examined; a variable names none."""
    assert list(examined(pdwrap, 0, {"PDWRAP_MODE": "exec"})["modes"]) == ["fork", "exec"]


def test_what_a_person_reads(pdwrap: list[str]) -> None:
    """The report fits a terminal of 80 columns, has no control character, and ends in a sentence that says it all."""
    outcome = run([*pdwrap, "--doctor"])
    assert outcome.code == 0
    lines = outcome.stdout.decode().splitlines()
    assert all(len(line) <= 80 or " " not in line.strip() for line in lines[1:])
    assert not any(unicodedata.category(char) == "Cc" for line in lines for char in line)
    assert lines[-1] == "Every promise holds here."
    assert "6 processes gone: 5 in " in text_of(outcome)


def test_who_counts(pdwrap: list[str]) -> None:
    """E9: who started it, through a shell that waits; the launcher proper comes first."""
    script = ["sh", "-c", '"$@"; exit', "sh", *pdwrap]
    report = examined(script, 0)
    names = [person["name"] for person in report["launcher"]["people"]]
    assert report["launcher"]["people"][0]["pid"] == os.getpid()
    assert names[1:] == ["sh"]
    assert "neither a shell nor a runner" in report["launcher"]["ends"]


def test_who_is_in_the_background_of_whom(pdwrap: list[str]) -> None:
    """N4: a shell that has it in its background is the last one, and the report says why."""
    script = ["sh", "-c", '"$@" & wait $!', "sh", *pdwrap]
    report = examined(script, 0)
    assert [person["name"] for person in report["launcher"]["people"]] == ["sh"]
    assert "background" in report["launcher"]["ends"]


@pytest.mark.parametrize(
    ("options", "env", "said"),
    [
        ([], {"PDWRAP_WATCH": "off"}, "PDWRAP_WATCH off"),
        (["--parent", "nobody-here"], {}, "--parent nobody-here: not an ancestor of pdwrap"),
        (["--lifeline", "77"], {}, "--lifeline 77: not an open descriptor"),
    ],
)
def test_nobody_counts(pdwrap: list[str], options: list[str], env: dict[str, str], said: str) -> None:
    """E1: where nobody's death would end it, the promise does not hold: named, with what to do."""
    report = examined([*pdwrap, *options], 1, env)
    for found in report["modes"].values():
        assert promises_of(found["broken"]) == {"E1"}
        assert said in found["broken"][0]["why"]
        assert "--parent" in found["broken"][0]["what_to_do"]
        assert found["proof"]["failure"] == ""


def test_as_pid_1(pdwrap: list[str], root: None) -> None:
    """T5: a container ends with its PID 1, so nobody need be watched."""
    report = examined(["unshare", "--pid", "--fork", "--mount-proc", *pdwrap], 0)
    assert report["launcher"]["people"] == []
    assert report["machine"]["first_pid_namespace"] is False


DENIED = [
    # What is denied; then for each mode what does not hold, and what is weaker.
    (NO_PIDFD, 1, {"fork": (set(), {"E1", "E2", "E9"}), "exec": (set(ALL["exec"]), set())}, "pidfd_open"),
    (denied("ENOSYS", "prctl:36"), 1, {"fork": (set(ALL["fork"]), set()), "exec": (set(), set())}, "seccomp profile"),
    (denied("EPERM", "prctl"), 1, {"fork": (set(ALL["fork"]), set()), "exec": (set(), set())}, "seccomp profile"),
    (denied("EPERM", "prctl:1"), 0, {"fork": (set(), {"E4"}), "exec": (set(), set())}, "allow prctl"),
]


@pytest.mark.parametrize(("prefix", "code", "wanted", "to_do"), DENIED)
def test_denied(
    pdwrap: list[str], prefix: list[str], code: int, wanted: dict[str, tuple[set[str], set[str]]], to_do: str
) -> None:
    """E6: what the kernel denies makes a promise weaker, or a mode refuse to start: the report and the proof agree."""
    report = examined([*prefix, *pdwrap], code)
    assert report["machine"]["seccomp"] == "filter"
    assert report["machine"]["no_new_privs"] is True
    for mode, (broken, weaker) in wanted.items():
        found = report["modes"][mode]
        assert promises_of(found["broken"]) == broken, mode
        assert promises_of(found["weaker"]) == weaker, mode
        assert set(found["holds"]) == set(ALL[mode]) - broken - weaker
        assert bool(found["proof"]["refusal"]) == bool(broken)
        assert found["proof"]["failure"] == ""
        for change in (*found["broken"], *found["weaker"]):
            assert to_do in change["what_to_do"] or change["what_to_do"] == "the same"


def test_a_mode_that_works_where_the_other_does_not(pdwrap: list[str]) -> None:
    """E6: asked for the mode that works, the doctor is content; asked for both it says which one works."""
    assert examined([*NO_PIDFD, *pdwrap, "--fork"], 0)["modes"]["fork"]["broken"] == []
    outcome = run([*NO_PIDFD, *pdwrap, "--doctor"])
    assert outcome.code == 1
    assert "Not every promise holds here, in exec mode" in text_of(outcome)
    assert text_of(outcome).endswith("In fork mode every promise holds.")
    assert "not kept: pidfd: denied, as by a seccomp profile: pdwrap refuses to start (125)." in text_of(outcome)


def test_without_proc(pdwrap: list[str], root: None) -> None:
    """E6: without /proc neither mode starts, and both say what to do."""
    report = examined([*HIDE_PROC, *pdwrap], 1)
    for mode, found in report["modes"].items():
        assert promises_of(found["broken"]) == set(ALL[mode])
        assert found["proof"]["refusal"]
        assert found["broken"][0]["what_to_do"] == "mount -t proc proc /proc"


def test_hidden_processes(pdwrap: list[str], root: None) -> None:
    """E9: where /proc hides other users' processes, whoever started one of them is not seen through it."""
    report = examined([*HIDE_OTHERS, *pdwrap], 0)
    assert report["machine"]["hidepid"] == "invisible"
    for found in report["modes"].values():
        assert promises_of(found["weaker"]) == {"E9"}
        assert found["proof"]["failure"] == ""


def test_few_descriptors(pdwrap: list[str]) -> None:
    """E8: with too few descriptors for pdwrap itself the proof fails, with a low limit large trees are named."""
    report = examined(["prlimit", "--nofile=100:100", *pdwrap], 0)
    assert promises_of(report["modes"]["exec"]["weaker"]) == {"E2", "N3"}
    assert report["modes"]["fork"]["weaker"] == []
    outcome = run(["prlimit", "--nofile=9:9", *pdwrap, "--doctor"])
    assert outcome.code == 1
    assert "Too many open files" in text_of(outcome)
    assert reap_all()[1] == []


def test_killmode_of_a_unit(pdwrap: list[str], tmp_path: Path, root: None) -> None:
    """E3: in a unit that systemd stops by signalling everybody, the backend is asked twice."""
    (tmp_path / "cgroup").write_text("0::/system.slice/local-ai.service\n")
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "$@" >&2\ncase $* in *local-ai.service) echo KillMode=$MODE;; esac\n')
    systemctl.chmod(0o755)
    bound = ["unshare", "-m", "sh", "-c", f'mount --bind {tmp_path}/cgroup /proc/$$/cgroup && exec "$@"', "sh"]
    path = f"{tmp_path}:{os.environ.get('PATH', os.defpath)}"
    for mode, weaker in (("control-group", {"E3"}), ("mixed", set())):
        report = examined([*bound, *pdwrap], 0, {"PATH": path, "MODE": mode})
        assert (report["machine"]["unit"], report["machine"]["kill_mode"]) == ("local-ai.service", mode)
        for found in report["modes"].values():
            assert promises_of(found["weaker"]) == weaker


def broken(statement: str) -> list[str]:
    """A pdwrap of which a part is taken away."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); {statement}; from pdwrap.entry import main; main(sys.argv[1:])"
    return [*PYTHON, "-c", code]


@pytest.mark.timeout(180)
@pytest.mark.modes("fork", "exec")
def test_a_pdwrap_that_ends_nothing_is_found_out(mode: str) -> None:
    """E1: the proof is one: where the launcher's death is not seen, it says what was left, and that goes away too."""
    blind = "from pdwrap.launcher import Launcher; Launcher.is_dead = lambda *_x, **_y: False"
    report = examined([*broken(blind), f"--{mode}"], 1)
    found = report["modes"][mode]
    assert found["proof"]["failure"].startswith("6 of 6 processes left: backend, ")
    assert promises_of(found["broken"]) == {"E1", "E2"}


@pytest.mark.timeout(180)
def test_a_pdwrap_that_stays_is_found_out() -> None:
    """E4: a process of pdwrap's own that stays when all of the tree is gone is a failure."""
    slow = "import os, time; leave = os._exit; os._exit = lambda n: (time.sleep(6 if n == 125 else 0), leave(n))"
    seen = "from pdwrap.fork_mode.outer_loop import Outer; Outer.run = lambda self: time.sleep(6)"
    report = examined([*broken(f"{slow}; {seen}"), "--fork"], 1)
    assert report["modes"]["fork"]["proof"]["failure"] == "a process of pdwrap's own has stayed"


def test_no_interpreter_has_a_name() -> None:
    """As in the single file: without `sys.executable` it starts itself by what the kernel says that it is."""
    report = examined(broken("sys.executable = ''"), 0)
    assert all(found["proof"]["processes"] == len(KINDS) for found in report["modes"].values())


@pytest.mark.parametrize(
    ("executable", "argv", "orig_argv", "wanted"),
    [
        ("/v/python", ["x", "--doctor"], ["python", "-I", "x", "--doctor"], ["/v/python", "-I", "x"]),
        ("/v/python", ["-m", "--doctor", "-q"], ["p", "-m", "pdwrap", "--doctor", "-q"], ["/v/python", "-m", "pdwrap"]),
        ("/opt/pdwrap-linux", [""], [], ["/opt/pdwrap-linux"]),
    ],
)
def test_how_it_starts_itself(
    monkeypatch: pytest.MonkeyPatch, executable: str, argv: list[str], orig_argv: list[str], wanted: list[str]
) -> None:
    """By the interpreter's path and all that stood before its own arguments; the single file has nothing of these."""
    for name, value in (("executable", executable), ("argv", argv), ("orig_argv", orig_argv)):
        monkeypatch.setattr(sys, name, value)
    assert own_command() == wanted


def test_killed_meanwhile(pdwrap: list[str]) -> None:
    """Nothing of it stays, whenever it is killed."""
    for moment in range(0, 400, 20):
        doctor = Running([*pdwrap, "--doctor"])
        pause_for(moment / 1000)
        doctor.process.kill()
        outcome = doctor.wait()
        assert outcome.raw == signal.SIGKILL or outcome.stdout
        assert reap_all()[1] == []


@pytest.mark.parametrize("words", [["true"], ["--", "true"], ["proof-tree"], ["proof-tree", "fork", "7", "8", "9"]])
def test_it_takes_no_command(pdwrap: list[str], words: list[str]) -> None:
    """T4: a command behind it is refused, in one line; so is what it says to itself."""
    outcome = run([*pdwrap, "--doctor", *words])
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith("pdwrap: --doctor")
    assert outcome.stderr.count("\n") == 1


def test_nobody_reads_it(pdwrap: list[str]) -> None:
    """T4: a report that cannot be written is refused, in one line, and never a traceback."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for place in (full, CLOSED):
            outcome = run([*pdwrap, "--doctor"], fds={1: place})
            assert outcome.code == 125
            assert outcome.stderr.startswith("pdwrap: --doctor: its report cannot be written (")
            assert outcome.stderr.count("\n") == 1
    finally:
        os.close(full)


def test_it_is_quick_to_read(pdwrap: list[str]) -> None:
    """A well-formed line needs no click; with click it is the same."""
    forms = [["--doctor", "--log=json"], ["--log", "json", "--doctor"], ["-qq", "--log", "json", "--doctor"]]
    for words in forms:
        assert json.loads(run([*pdwrap, *words]).stdout)["holds"]
    loaded = f"import sys; sys.argv[1:] = ['--doctor']; sys.path.append({str(ROOT)!r}); from pdwrap import command_line"
    said = run([sys.executable, "-I", "-c", f"{loaded}; print(command_line.split(['--doctor']))"])
    assert said.stdout == b"({'report': ['doctor']}, [])\n"
