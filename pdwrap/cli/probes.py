"""What this kernel lets us do, each tried by doing it, in a process forked for that alone; for `pdwrap --doctor`.

Nothing changes for the process that asks, and nothing stays: whoever is forked here ends by itself within seconds,
whatever becomes of the others, and is reaped here: PID 1 of a container might not.
"""

import os
from collections.abc import Callable
from select import POLLIN, poll

from pdwrap.cli.forked import fork
from pdwrap.exit_status import LIMITS
from pdwrap.linux import machine, pidfd, pipe_signal, prctl, procfs, signals

PATIENCE = 5.0  # seconds until a probe has answered, on a machine that stalls
WAIT = 1.0  # in which the kernel has sent a signal
WORKS = ""  # a probe says why not, and nothing where there is no why


def prctl_way() -> str:
    """Say why prctl(2) cannot be called at all."""
    return "" if prctl.PRCTL_WAY != "none" else "this Python has no way to call it: install the whole python3"


def subreaper() -> str:
    """An orphan's orphan falls to whoever has made itself a subreaper."""
    prctl.become_subreaper()
    asked, ask = os.pipe()
    answers, answer = os.pipe()
    os.waitpid(fork(lambda: fork(lambda: (_read(asked), os.write(answer, str(os.getppid()).encode())))), 0)
    os.write(ask, b"x")
    return WORKS if _read(answers) == str(os.getpid()).encode() else "orphans did not fall to it"


def parent_death_signal() -> str:
    """The kernel kills a child whose parent has ended."""
    lives, alive = os.pipe()
    ready, is_ready = os.pipe()

    def wait() -> None:
        try:
            prctl.set_parent_death_signal(signals.SIGKILL)
        except OSError as error:
            os.write(alive, f"refused ({error.strerror})".encode())
            return
        finally:
            os.write(is_ready, b"x")
        signals.wait((), WAIT)
        os.write(alive, b"it was not sent")

    def start_and_end() -> None:
        fork(wait)
        _read(ready)

    os.waitpid(fork(start_and_end), 0)
    os.close(alive)
    return (_read(lives) or b"").decode()


def process_descriptors() -> str:
    """A pidfd is opened, a signal is sent by it, and it tells the end."""
    child = fork(lambda: signals.wait((), WAIT))
    descriptor = pidfd.pidfd_open(child)
    if descriptor is None:
        return "denied, as by a seccomp profile" if machine.is_kernel_at_least(5, 3) else "Linux 5.3 brings it"
    pidfd.pidfd_send_signal(descriptor, signals.SIGKILL)
    return WORKS if _is_readable(descriptor) and pidfd.has_ended(descriptor) else "it did not tell the end"


def proc() -> str:
    """What is mounted on /proc shows our own pid namespace."""
    return WORKS if machine.has_own_proc() else f"{procfs.ROOT} is not mounted, or is that of another pid namespace"


def lists_of_children() -> str:
    """The kernel lists the children of a process."""
    child = fork(lambda: signals.wait((), WAIT))
    found = procfs.children(procfs.open_children())
    os.kill(child, signals.SIGKILL)
    return WORKS if child in found else "a child was not in the list"


def signal_by_pipe() -> str:
    """The kernel sends a signal of our choice when the other end of a pipe is closed (O_ASYNC, F_SETSIG)."""
    signals.api.pthread_sigmask(signals.api.SIG_BLOCK, signals.ALL)
    here, there = os.pipe()
    if not (pipe_signal.own(here, os.getpid(), signals.SIGTERM) and pipe_signal.set_async(here, on=True)):
        return "refused"
    os.close(there)
    return WORKS if signals.wait({signals.SIGTERM}, WAIT) is not None else "it was not sent"


PROBES: dict[str, Callable[[], str]] = {
    "prctl": prctl_way,
    "subreaper": subreaper,
    "parent_death_signal": parent_death_signal,
    "pidfd": process_descriptors,
    "proc": proc,
    "children": lists_of_children,
    "pipe_signal": signal_by_pipe,
}


def results() -> dict[str, str]:
    """Carry out all of them; give for each why it does not work, and nothing where it does."""
    return {name: _in_child(probe) for name, probe in PROBES.items()}


def _in_child(probe: Callable[[], str]) -> str:
    """Carry a probe out in a process of its own."""
    try:
        read, write = os.pipe()
        child = fork(lambda: os.write(write, (_tried(probe) or "\0").encode(errors="replace")))
    except OSError as error:
        return f"cannot be tried ({error.strerror})"
    try:
        os.close(write)
        said = _read(read)
        os.kill(child, signals.SIGKILL)  # not reaped yet, so it is ours
        os.waitpid(child, 0)
    finally:
        os.close(read)
    return said.decode(errors="replace").strip("\0") if said else "the probe gave no answer"


def _tried(probe: Callable[[], str]) -> str:
    """Carry a probe out here, and reap all that it has forked."""
    try:
        prctl.become_subreaper()
    except OSError:
        pass
    said = _reason(probe)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return said


def _reason(probe: Callable[[], str]) -> str:
    try:
        return probe()
    except OSError as error:
        return f"{'cannot be tried' if error.errno in LIMITS else 'refused'} ({error.strerror or error})"


def _is_readable(descriptor: int) -> bool:
    waiting = poll()
    waiting.register(descriptor, POLLIN)
    return bool(waiting.poll(int(PATIENCE * 1000)))


def _read(descriptor: int) -> bytes | None:
    """Read once; None where nothing comes in time."""
    return os.read(descriptor, 4096) if _is_readable(descriptor) else None
