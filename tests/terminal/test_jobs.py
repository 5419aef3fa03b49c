"""T2, T3 under a shell with job control: Ctrl-Z, `fg`, `bg`, and who has the terminal.

Each test runs without pdwrap too: what it demands is what happens anyway.
"""

from __future__ import annotations

import os
import signal

from tests.harness import Process, stat
from tests.harness.pty_session import (
    CTRL_C,
    CTRL_Z,
    Command,
    Shell,
    job_control,
)
from tests.harness.terminal_player import VOICE

INT, CONT, WINCH = int(signal.SIGINT), int(signal.SIGCONT), int(signal.SIGWINCH)


def start(session: Shell, command: Command, *orders: str, after: str = "") -> tuple[Process, Process]:
    """Start the player as a job; give the process that the shell knows, and the player."""
    session.type(command.line("b", *orders) + after)
    player = session.started()
    return command.outermost(player), Process(player)


def finish(session: Shell, *processes: Process) -> None:
    """Have the player in the foreground exit, and leave the shell."""
    session.order("exit 7")
    assert session.at_prompt() == 7
    for process in processes:
        assert process.is_dead()
        process.close()
    session.leave()


def wait_stopped(outermost: Process, player: Process) -> None:
    """Wait until the player has stopped, and with it the process that the shell knows."""
    player.wait_stopped()
    outermost.wait_stopped()


def states(*processes: Process) -> str:
    """Their states (proc(5))."""
    return "".join(stat(process.pid)[0] for process in processes)


def test_stop_and_foreground(command: Command) -> None:
    """T2, T3: Ctrl-Z stops the job, the shell says so and has the terminal; `fg` continues it, once; three times."""
    with job_control() as session:
        group = session.foreground
        outermost, player = start(session, command, f"catch {INT} {CONT}")
        job = session.foreground
        for times in range(1, 4):
            session.keys(CTRL_Z)
            assert session.at_prompt() == 128 + signal.SIGTSTP
            assert states(outermost, player) == "TT"
            assert session.foreground == group
            session.type("fg")
            session.hear("b", "got", str(CONT))
            assert session.fence(outermost) == [CONT] * times
            assert session.foreground == job
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        assert session.fence(outermost) == [CONT, CONT, CONT, INT]
        finish(session, outermost, player)


def test_stop_and_background(command: Command) -> None:
    """T2: after Ctrl-Z and `bg` the job runs without the terminal, stops when it reads it, and reads after `fg`."""
    with job_control() as session:
        group = session.foreground
        outermost, player = start(session, command, f"catch {CONT}")
        session.keys(CTRL_Z)
        session.at_prompt()
        session.type("bg")
        session.hear("b", "got", str(CONT))
        assert session.fence(outermost) == [CONT]
        assert session.foreground == group
        session.order("read")
        wait_stopped(outermost, player)
        assert session.foreground == group
        session.type("fg")
        session.keys("typed\n")
        assert session.hear("b", "line") == ["typed"]
        assert session.fence(outermost) == [CONT, CONT]
        finish(session, outermost, player)


def test_background_reads_after_fg(command: Command) -> None:
    """T2: a background job does not take the terminal, stops with SIGTTIN when it reads, and has it on `fg`."""
    with job_control() as session:
        group = session.foreground
        outermost, player = start(session, command, f"catch {INT} {WINCH}", after=" &")
        assert session.at_prompt() == 0
        assert session.foreground == group
        session.order("read")
        wait_stopped(outermost, player)
        assert session.foreground == group
        session.type("fg")
        session.keys("typed\n")
        assert session.hear("b", "line") == ["typed"]
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        session.resize(30, 90)
        session.hear("b", "got", str(WINCH))
        assert session.fence(outermost) == [INT, WINCH]
        finish(session, outermost, player)


def test_background_to_foreground_while_running(command: Command) -> None:
    """T2: `fg` of a running job sends nothing; the job has the terminal all the same as soon as it reads."""
    with job_control() as session:
        outermost, player = start(session, command, f"catch {INT} {CONT}", after=" &")
        session.at_prompt()
        session.type("fg")
        session.wait_foreground(os.getpgid(outermost.pid))
        session.order("read")
        session.keys("typed\n")
        assert session.hear("b", "line") == ["typed"]
        session.keys(CTRL_C)
        session.hear("b", "got", str(INT))
        assert [number for number in session.fence(outermost) if number != CONT] == [INT]
        finish(session, outermost, player)


def test_brought_to_foreground_then_stopped(command: Command) -> None:
    """T2, T3: a job that was given the terminal later obeys Ctrl-Z, `bg` and `fg` as any other."""
    with job_control() as session:
        group = session.foreground
        outermost, player = start(session, command, f"catch {CONT}", "read", after=" &")
        wait_stopped(outermost, player)
        session.at_prompt()
        for word in ("one", "two", "three"):
            session.type("fg")
            session.hear("b", "got", str(CONT))
            session.keys(f"{word}\n")
            assert session.hear("b", "line") == [word]
            session.keys(CTRL_Z)
            assert session.at_prompt() == 128 + signal.SIGTSTP
            assert states(outermost, player) == "TT"
            assert session.foreground == group
            session.type("bg")
            session.hear("b", "got", str(CONT))
            session.order("read")
            wait_stopped(outermost, player)
            assert session.foreground == group
        session.type("fg")
        session.keys("last\n")
        assert session.hear("b", "line") == ["last"]
        finish(session, outermost, player)


def start_job_that_reads_on(session: Shell, command: Command, *orders: str) -> Process:
    """Start a background job of the player and, after it, a line that the same job reads and says; give the player."""
    session.type(f"{{ {command.line('b', *orders)}; read line; echo job $line >&{VOICE}; }} &")
    return Process(session.started())


def read_one_after_the_other(session: Shell, *, exits: bool) -> None:
    """The player reads a line, and when it has gone (by itself: *exits*) the rest of its job reads the next one."""
    session.keys("one\n")
    assert session.hear("b", "line") == ["one"]
    if not exits:
        session.order("exit 0")
    session.keys("two\n")
    assert session.hear("job") == ["two"]
    session.at_prompt()
    session.leave()


def test_terminal_is_given_back(command: Command) -> None:
    """T2: what follows in a job that was brought to the foreground reads the terminal after the backend has ended."""
    with job_control() as session:
        player = start_job_that_reads_on(session, command)
        group = os.getpgid(command.outermost(player.pid).pid)
        session.type("fg")
        session.wait_foreground(group)
        session.order("read")
        read_one_after_the_other(session, exits=False)


def test_reading_stops_the_whole_job(command: Command) -> None:
    """T2: SIGTTIN stops the job around the backend too, so that the shell knows, and `fg` continues it."""
    with job_control() as session:
        player = start_job_that_reads_on(session, command, "read", "exit 0")
        player.wait_stopped()
        command.outermost(player.pid).wait_stopped()
        session.type("wait %1")  # returns at once for a job that bash has seen stop
        assert session.at_prompt() == 128 + signal.SIGTTIN
        session.type("fg")
        read_one_after_the_other(session, exits=True)


def test_writing_from_the_background(command: Command) -> None:
    """T2: with `stty tostop` a background job stops with SIGTTOU when it writes, and goes on after `fg`."""
    with job_control() as session:
        session.type("stty tostop")
        outermost, player = start(session, command, "write from the background", after=" &")
        wait_stopped(outermost, player)
        session.at_prompt()
        assert "from the background" not in session.look().replace("'write from the background'", "")
        session.type("fg")
        session.hear("b", "wrote")
        finish(session, outermost, player)


def test_stops_itself(command: Command) -> None:
    """T3: a backend that stops itself shows as stopped, by whichever signal, and goes on with `fg`."""
    with job_control() as session:
        outermost, player = start(session, command, f"catch {CONT}")
        for times, number in enumerate((signal.SIGSTOP, signal.SIGTSTP), 1):
            session.order(f"signal {int(number)}")
            assert session.at_prompt() > 128
            assert states(outermost, player) == "TT"
            session.type("jobs -l")
            session.type("fg")
            session.hear("b", "got", str(CONT))
            assert session.fence(outermost) == [CONT] * times
        finish(session, outermost, player)


def test_stopped_job_is_killed(command: Command) -> None:
    """T2, T3: a background job stops by `kill -TSTP %1`, and ends by `kill %1`: bash adds SIGCONT for a stopped one."""
    with job_control() as session:
        outermost, player = start(session, command, after=" &")
        session.type("kill -TSTP %1")
        wait_stopped(outermost, player)
        assert session.at_prompt() == 0
        session.type("set -o notify; kill %1")
        assert outermost.is_dead()
        assert player.is_dead()
        session.expect("Terminated")  # as bash names death by SIGTERM
        session.leave()


def test_two_jobs_at_once(command: Command) -> None:
    """T2: two background jobs; each has the terminal when it is brought to the foreground, and only then."""
    with job_control() as session:
        for name in ("a", "c"):
            session.type(f"{command.line(name, 'read', 'exit 0')} &")
            player = session.started(name)
            Process(player).wait_stopped()
            command.outermost(player).wait_stopped()
        session.at_prompt()
        for job, name in ((2, "c"), (1, "a")):
            session.type(f"fg %{job}")
            session.keys(f"for {name}\n")
            assert session.hear(name, "line") == ["for", name]
            session.at_prompt()
        session.leave()
