"""The pipes of the sidecars: what the kernel does when one is written or closed (E3, E4)."""

from __future__ import annotations

import ctypes
import os
import signal

import pytest

from pdwrap.exec_mode.member import Member
from pdwrap.exec_mode.sidecar_pipes import REPORT_ANNOUNCED, REPORT_FINISHED, REPORT_KILLING, SidecarPipes
from pdwrap.linux import pidfd
from tests.harness import Process

SENT = int(signal.SIGUSR1)
NOBODY = 65534
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2


def backend() -> tuple[Process, Member]:
    """A child that counts how often it gets the signal, and exits with that number on SIGTERM."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {SENT, signal.SIGTERM})
            os.write(tell, b"r")
            got = 0
            while True:
                # SIGUSR1 is the lower number: of several pending ones it is taken first (signal(7)).
                number = signal.sigwait({SENT, signal.SIGTERM})
                if number == signal.SIGTERM:
                    os._exit(got)
                got += 1
        finally:
            os._exit(99)
    os.read(told, 1)
    os.close(told)
    os.close(tell)
    held = pidfd.pidfd_open(pid)
    return Process(pid), Member(pid, held, 0)


def status(process: Process) -> int:
    """Its raw wait status."""
    assert process.is_dead()
    raw = os.waitpid(process.pid, 0)[1]
    process.close()
    return raw


def close_all(pipes: SidecarPipes, *, reverse: bool = False) -> None:
    """As the end of the last holder does, in either order."""
    ends = [pipes._asked, pipes._ask, pipes._hear, pipes._say, *pipes._held]  # noqa: SLF001 - nobody else may
    for end in sorted(ends, reverse=reverse):
        os.close(end)


@pytest.mark.parametrize("by_kernel", [True, False])
def test_asks_once(monkeypatch: pytest.MonkeyPatch, by_kernel: bool) -> None:  # noqa: FBT001 - pytest's form
    """E3: the mark and the signal are one; where the kernel does not do that, there are both all the same."""
    if not by_kernel:
        monkeypatch.setattr("pdwrap.exec_mode.sidecar_pipes._signal_by", lambda *_: False)
    process, member = backend()
    pipes = SidecarPipes(member, SENT)
    assert not pipes.has_asked()
    pipes.ask()
    assert pipes.has_asked()
    process.signal(signal.SIGTERM)
    assert status(process) == 1 << 8
    close_all(pipes)


def test_the_other_marks_send_nothing() -> None:
    """E3: nor does reading one."""
    process, member = backend()
    pipes = SidecarPipes(member, SENT)
    assert pipes.hear() == []
    pipes.say(REPORT_ANNOUNCED)
    pipes.say(REPORT_KILLING)
    assert pipes.hear() == [REPORT_ANNOUNCED, REPORT_KILLING]
    pipes.say(REPORT_FINISHED)
    assert pipes.hear() == [REPORT_FINISHED]
    assert pipes.hear() == []
    assert pipes.heard == {REPORT_ANNOUNCED, REPORT_KILLING, REPORT_FINISHED}
    assert not pipes.has_asked()
    process.signal(signal.SIGTERM)
    assert status(process) == 0
    close_all(pipes)


@pytest.mark.parametrize("reverse", [False, True])
def test_last_holder_gone(reverse: bool) -> None:  # noqa: FBT001 - pytest's form
    """E4: the backend is killed when the last holder lets go, whichever end goes first."""
    process, member = backend()
    pipes = SidecarPipes(member, SENT)
    mate = os.fork()
    if mate == 0:
        signal.pause()
        os._exit(0)
    close_all(pipes, reverse=reverse)
    assert process.alive
    os.kill(mate, signal.SIGKILL)
    os.waitpid(mate, 0)
    assert status(process) == signal.SIGKILL


def test_nobody_else() -> None:
    """N3: a backend that is gone already, so that its number may be a stranger's: nothing is left to be signalled."""
    process, _member = backend()
    dead, dead_member = backend()
    dead.kill()
    status(dead)
    dead_member.pid = process.pid  # reused
    pipes = SidecarPipes(dead_member, SENT)
    pipes.ask()
    close_all(pipes)
    process.signal(signal.SIGTERM)
    assert status(process) == 0


@pytest.mark.parametrize("end", [0, 1])
def test_either_end(end: int) -> None:
    """E4: which end the kernel lets go first is its own business: the loss of each is seen by the other."""
    process, member = backend()
    pipes = SidecarPipes(member, SENT)
    os.close(pipes._held[end])  # noqa: SLF001 - as in the death of the last holder, half done
    assert status(process) == signal.SIGKILL
    os.close(pipes._held[1 - end])  # noqa: SLF001
    close_all_others(pipes)


def test_backend_whom_the_kernel_may_not_signal(root: None) -> None:
    """E3, E6: CAP_KILL counts in kill(2), not here (fs/fcntl.c, sigio_perm): root of a user namespace needs that way.

    As is root without a namespace for this purpose: an ordinary user with the one capability.
    """
    asker = os.fork()
    if asker == 0:
        code = 99
        try:
            process, member = backend()  # stays root
            become_a_user_with_all_capabilities()
            pipes = SidecarPipes(member, SENT)
            pipes.ask()
            member.send(signal.SIGTERM)
            code = os.waitstatus_to_exitcode(status(process))
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(asker, 0)[1]) == 1


def become_a_user_with_all_capabilities() -> None:
    """Change the uid, and keep what root may do (capabilities(7), SECBIT_NO_SETUID_FIXUP)."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
    os.setresuid(NOBODY, NOBODY, NOBODY)


def close_all_others(pipes: SidecarPipes) -> None:
    """What is not the pipe that is held."""
    for end in (pipes._asked, pipes._ask, pipes._hear, pipes._say, pipes._listed, pipes._list):  # noqa: SLF001
        os.close(end)


def test_passes_on_whom_it_holds() -> None:
    """E2, E4: all of them, in the order in which they were found, however many writes that takes; and once."""
    process, member = backend()
    pipes = SidecarPipes(member, SENT)
    many = [(2**22 - at, 2**40 + at, at % 2 == 0) for at in range(250)]
    assert pipes.passed_on() == []
    pipes.pass_on(many[:7])
    pipes.pass_on([])
    pipes.pass_on(many[7:])
    assert pipes.passed_on() == many
    assert pipes.passed_on() == []
    process.signal(signal.SIGTERM)
    assert status(process) == 0
    close_all_others(pipes)
    for end in pipes._held:  # noqa: SLF001 - nobody else may
        os.close(end)


def test_passes_on_no_halves() -> None:
    """E8, N3: more than the pipe holds: the sidecar is not kept waiting, and no number is cut into another's."""
    process, member = backend()
    pipes = SidecarPipes(member, SENT)
    many = [(2**22 - at, 2**40 + at, at % 2 == 0) for at in range(10_000)]
    pipes.pass_on(many)
    got = pipes.passed_on()
    assert 1_000 < len(got) < len(many)
    assert got == many[: len(got)]
    process.signal(signal.SIGTERM)
    assert status(process) == 0
    close_all_others(pipes)
    for end in pipes._held:  # noqa: SLF001 - nobody else may
        os.close(end)
