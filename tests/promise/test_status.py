"""T3 and T4: the caller sees the backend's status, and pdwrap's own failures as 125, 126 and 127."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from tests.harness import Running, Starter, Voice, run, run_many

DEADLY = sorted(
    set(signal.valid_signals())
    - {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
    - {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
)


@pytest.mark.modes("fork", "exec")
def test_all_exit_codes(pdwrap: list[str], mode: str) -> None:
    """T3: 0 to 255; in exec mode, where nothing of pdwrap is in between, some of them."""
    codes = range(0, 256, 1 if mode == "fork" else 15)
    outcomes = run_many([[*pdwrap, "--", "/bin/sh", "-c", f"exit {code}"] for code in codes])
    assert [each.code for each in outcomes] == list(codes)
    assert {each.stderr for each in outcomes} == {""}


@pytest.mark.modes("fork", "exec")
def test_all_deadly_signals(pdwrap: list[str]) -> None:
    """T3: death by a signal is mirrored as death by that signal, real-time ones included."""
    outcomes = run_many([[*pdwrap, "--", "sh", "-c", f"kill -{number} $$"] for number in DEADLY])
    assert [each.raw & 0x7F for each in outcomes] == DEADLY


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT])
def test_no_second_core(pdwrap: list[str], tmp_path: Path, number: int) -> None:
    """T3: the backend may dump core; pdwrap, which only mirrors its death, does not."""

    def with_cores() -> None:
        os.chdir(tmp_path)
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    outcome = run([*pdwrap, "--", "sh", "-c", f"kill -{number} $$"], before_exec=with_cores)
    assert os.WTERMSIG(outcome.raw) == number
    assert not os.WCOREDUMP(outcome.raw)
    assert len(list(tmp_path.iterdir())) <= 1


@pytest.mark.modes("fork", "exec")
def test_stopped_backend_shows_as_stopped(start: Starter) -> None:
    """T3: and goes on when pdwrap is continued, as a job of a shell would."""
    tree = start("plain")
    for _ in range(3):
        tree.backend.signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(tree.status())
        tree.order(f"signal {signal.SIGCONT}")
        assert os.WIFCONTINUED(tree.status())
        tree.backend.wait_state("S", "R")
    tree.launcher.kill()
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_status_with_sigchld_ignored(start: Starter) -> None:
    """T3: a launcher that ignores SIGCHLD hands that on; the status is seen all the same."""
    tree = start("reporter", "exit=15", "code=9", launcher=["ignore=17"])
    tree.order("signal 15")
    tree.reports.next("status", str(9 << 8))
    tree.assert_gone()


@pytest.mark.modes("fork", "exec")
def test_command_not_found(pdwrap: list[str]) -> None:
    """T4: 127, and one line."""
    outcome = run([*pdwrap, "--", "no-such-command-anywhere", "x"])
    assert (outcome.code, outcome.stderr) == (127, "pdwrap: no-such-command-anywhere: command not found\n")


@pytest.mark.modes("fork", "exec")
def test_command_not_executable(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: 126, and one line."""
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    outcome = run([*pdwrap, "--", str(plain)])
    assert (outcome.code, outcome.stderr) == (126, f"pdwrap: {plain}: Permission denied\n")


@pytest.mark.modes("fork", "exec")
def test_command_is_a_folder(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: 126, and one line."""
    outcome = run([*pdwrap, "--", str(tmp_path)])
    assert outcome.code == 126
    assert outcome.stderr.startswith(f"pdwrap: {tmp_path}: ")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.modes("fork", "exec")
def test_command_without_interpreter(pdwrap: list[str], tmp_path: Path) -> None:
    """T4: a script whose first line names a program that does not exist: 127, as a shell says."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    outcome = run([*pdwrap, "--", str(script)])
    assert outcome.code == 127
    assert outcome.stderr.startswith(f"pdwrap: {script}: ")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--"],
        ["--no-such-option", "--", "true"],
        ["--grace", "soon", "--", "true"],
        ["--signal", "NOPE", "--", "true"],
        ["--rewrite", "TERM", "--", "true"],
        ["--leftovers", "keep", "--", "true"],
        ["--lifeline", "99", "--", "true"],
        ["--interval", "-1s", "--", "true"],
        ["--log", "xml", "--", "true"],
    ],
    ids=" ".join,
)
def test_bad_usage(pdwrap: list[str], arguments: list[str]) -> None:
    """T4: 125, and at least one line that begins with our name; never a traceback."""
    outcome = run([*pdwrap, *arguments])
    assert outcome.code == 125
    assert outcome.stderr.startswith("pdwrap: ")
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PDWRAP_GRACE", "soon"),
        ("PDWRAP_SIGNAL", "NOPE"),
        ("PDWRAP_REWRITE", "TERM"),
        ("PDWRAP_LEFTOVERS", "keep"),
        ("PDWRAP_LIFELINE", "99"),
        ("PDWRAP_INTERVAL", "0"),
        ("PDWRAP_LOG", "xml"),
        ("PDWRAP_MODE", "thread"),
        ("PDWRAP_PARENT", "no-such-launcher"),
    ],
)
def test_bad_setting(pdwrap: list[str], name: str, value: str) -> None:
    """T4: 125, and one line with the variable and its value; nothing is started."""
    outcome = run([*pdwrap, "--", "echo", "started"], env={"PATH": os.environ["PATH"], name: value})
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith("pdwrap: ")
    assert name in outcome.stderr
    assert value in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.modes("fork", "exec")
def test_three_megabytes_through(pdwrap: list[str]) -> None:
    """T1: nothing of what passes through stdin and stdout is lost or changed."""
    pipeline = 'seq 500000 | head -c 3145728 | "$@" | cksum'
    outcome = run(["sh", "-c", pipeline, "sh", *pdwrap, "--", "cat"])
    plain = run(["sh", "-c", pipeline, "sh", "cat"])
    assert outcome.stdout == plain.stdout
    assert outcome.stdout.split()[1] == b"3145728"


@pytest.mark.modes("fork", "exec")
def test_end_of_file_reaches_the_backend(pdwrap: list[str]) -> None:
    """T1: pdwrap holds no end of the backend's own pipes: the reader sees its end-of-file while pdwrap still runs."""
    voice = Voice()
    running = Running([*pdwrap, "--", "sh", "-c", "echo hello; exec >&-; exec sleep 60"], fds={1: voice.writes})
    voice.give_away()
    voice.next("hello")
    assert voice.ended()
    running.process.signal(signal.SIGTERM)
    assert running.wait().code == -signal.SIGTERM
    voice.close()
