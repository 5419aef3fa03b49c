"""pidfds by each way that a Python may have to them, and what each refusal means (E1, E6)."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys

import pytest

from pdwrap.linux import pidfd, signals
from tests.harness import denied
from tests.linux.interpreters import NO_CTYPES, python


def test_pidfd_of_a_process() -> None:
    """E1: a pidfd is close-on-exec, and readable when the process is dead."""
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(release)
            os.read(hold, 1)
        finally:
            os._exit(0)
    descriptor = pidfd.pidfd_open(pid)
    assert descriptor is not None
    assert not os.get_inheritable(descriptor)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    assert waiting.poll(0) == []
    os.close(release)
    assert waiting.poll(20_000)
    os.waitpid(pid, 0)
    for end in (hold, descriptor):
        os.close(end)


def dead_pid() -> int:
    """Give the number of a process that is gone."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_pidfd_of_nobody() -> None:
    """E1: that there is no such process is no refusal."""
    with pytest.raises(ProcessLookupError):
        pidfd.pidfd_open(dead_pid())


@pytest.mark.parametrize("number", sorted(pidfd.REFUSALS))
def test_a_refusal_is_none(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """E6: `not here` (old kernel, seccomp) is None: another mechanism is to hold."""

    def refuse(_pid: int, _flags: int = 0) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert pidfd.pidfd_open(1) is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENODEV, errno.EINTR])
def test_not_now_is_no_refusal(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """E8: running out of something is no reason to do without a mechanism."""

    def refuse(_pid: int, _flags: int = 0) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        pidfd.pidfd_open(1)
    assert raised.value.errno == number


NO_NAME = "vars(os).pop('pidfd_open'); import _signal; vars(_signal).pop('pidfd_send_signal'); "


@pytest.mark.parametrize("hide", ["", NO_NAME], ids=["named", "by number"])
@pytest.mark.parametrize("refusal", ["ENOSYS", "EPERM"])
def test_a_real_filter(hide: str, refusal: str) -> None:
    """E6: a kernel that refuses, asked by name or by number, gives None."""
    code = f"{hide}from pdwrap.linux import pidfd, prctl; print(pidfd.pidfd_open(os.getpid()))"
    assert python(code, prefix=tuple(denied(refusal, "pidfd_open"))) == "None"


def test_by_number() -> None:
    """E6: where CPython's build lacked the names (conda), the calls are made by number, with the same answers."""
    code = (
        f"{NO_NAME}from pdwrap.linux import pidfd, prctl, signals\n"
        "import fcntl, resource\n"
        "me = pidfd.pidfd_open(os.getpid())\n"
        "print(os.readlink(f'/proc/self/fd/{me}'), fcntl.fcntl(me, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)\n"
        "signals.api.pthread_sigmask(signals.api.SIG_BLOCK, [10])\n"
        "pidfd.pidfd_send_signal(me, 10)\n"
        "info = signals.api.sigtimedwait([10], 0)\n"
        "print(info.si_signo, info.si_pid == os.getpid())\n"
        "pid = os.fork() or os._exit(0)\n"
        "descriptor = pidfd.pidfd_open(pid)\n"
        "os.waitpid(pid, 0)\n"
        "def failure(call, *arguments):\n"
        "    try:\n"
        "        call(*arguments)\n"
        "    except OSError as error:\n"
        "        return type(error).__name__, error.errno\n"
        "print(*failure(pidfd.pidfd_send_signal, descriptor, 10))\n"
        "print(*failure(pidfd.pidfd_open, pid))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\n"
        "print(*failure(pidfd.pidfd_open, os.getpid()))\n"
    )
    held, sent, signalled, opened, full = python(code).splitlines()
    assert held == "anon_inode:[pidfd] 1"
    assert sent == "10 True"
    assert signalled == opened == f"ProcessLookupError {errno.ESRCH}"
    assert full == f"OSError {errno.EMFILE}"


def test_by_number_without_ctypes() -> None:
    """E6: no name and no ctypes is the same as a refusal."""
    code = f"{NO_NAME}{NO_CTYPES}from pdwrap.linux import pidfd, prctl; print(pidfd.pidfd_open(os.getpid()))"
    assert python(code) == "None"


def test_out_of_descriptors() -> None:
    """E8: with no descriptor left, the real call raises."""
    code = (
        "from pdwrap.linux import pidfd, prctl; import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\n"
        "try:\n"
        "    pidfd.pidfd_open(os.getpid())\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    assert python(code) == str(errno.EMFILE)


def test_a_signal_by_pidfd() -> None:
    """N3: a signal by pidfd reaches that process; when it has been reaped, nobody."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
    descriptor = pidfd.pidfd_open(process.pid)
    assert descriptor is not None
    pidfd.pidfd_send_signal(descriptor, signals.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        pidfd.pidfd_send_signal(descriptor, signals.SIGTERM)
    os.close(descriptor)
