"""Start one program with exactly the descriptors, session and signals that a test asks for."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from .patience import LIMIT
from .processes import Process

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ONE_FILE = os.environ.get("PDWRAP_TEST_FORM") == "one-file"
"""What is tested is the file of scripts/build-standalone, which `PDWRAP_TEST_COMMAND` names."""
"""The checkout."""
CLOSED = -1
"""As a descriptor's source: the program finds it closed."""

PYTHON = (sys.executable, "-I", "-S")

ATTACHED = [f"child={kind}{name}" for name in ("plain", "stubborn") for kind in ("", "setsid:", "group:")]
DETACHED = ["child=double:plain", "child=double:stubborn"]
"""Options that start a child of each kind (roles.py): still the backend's children, or orphaned by a double fork."""
FAMILY = [*ATTACHED, *DETACHED]


def role(name: str, *arguments: str) -> list[str]:
    """The command line of a role (roles.py)."""
    return [*PYTHON, str(HERE / "roles.py"), name, *arguments]


def denied(error: str, *calls: str) -> list[str]:
    """A prefix under which the kernel answers *calls* with *error* (seccomp.py): ``denied("EPERM", "pidfd_open")``."""
    return [*PYTHON, str(HERE / "seccomp.py"), error, *calls, "--"]


def shell(script: str, *arguments: str) -> list[str]:
    """A backend in sh, for users who may not read this folder; ``echo ready backend $$ >&9`` says that it is ready."""
    return ["/bin/sh", "-c", script, "sh", *arguments]


READY = "echo ready backend $$ >&9"


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without any setting of pdwrap's, and *extra*."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PDWRAP_", "LOCALAI_", "PYTHON"))}
    return {**kept, **(extra or {})}


def _become(
    argv: Sequence[str], fds: Mapping[int, int], env: Mapping[str, str], before_exec: Callable[[], None]
) -> NoReturn:
    """In the child: put the descriptors in place, then exec."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # CPython ignored both; programs expect the default
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    high = {target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, 100) for target, source in fds.items() if source >= 0}
    for target in fds:
        if target in high:
            os.dup2(high[target], target)
        else:
            try:
                os.close(target)
            except OSError:
                pass
    before_exec()
    os.execvpe(argv[0], list(argv), dict(env))


def spawn(
    argv: Sequence[str],
    *,
    fds: Mapping[int, int],
    env: Mapping[str, str] | None = None,
    before_exec: Callable[[], None] = lambda: None,
) -> int:
    """Fork and exec *argv*; its descriptor ``n`` is our ``fds[n]``, or closed. Returns the pid once exec succeeded."""
    told, tell = os.pipe()  # close-on-exec: end-of-file says that exec happened
    pid = os.fork()
    if pid == 0:
        try:
            _become(argv, fds, clean_environment() if env is None else env, before_exec)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the forked child goes no farther
            os.write(tell, repr(error).encode())
        finally:
            os._exit(99)
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        failure = answer.read()
    if failure:
        os.waitpid(pid, 0)
        raise OSError(f"{argv[0]}: {failure.decode()}")
    return pid


class Outcome(NamedTuple):
    """How a program ended, and what it wrote."""

    raw: int
    stdout: bytes
    stderr: str

    @property
    def code(self) -> int:
        """Exit status; -N for death by signal N."""
        return os.waitstatus_to_exitcode(self.raw)


class Running:
    """A program that was started and has not been waited for; its output goes to files without a name."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        fds: Mapping[int, int] | None = None,
        env: Mapping[str, str] | None = None,
        before_exec: Callable[[], None] = lambda: None,
    ) -> None:
        """Start *argv* with /dev/null as input; *fds* replaces or adds descriptors."""
        self._out = paper("stdout")
        self._err = paper("stderr")
        with open(os.devnull, "rb") as null:
            places = {0: null.fileno(), 1: self._out, 2: self._err, **(fds or {})}
            self.pid = spawn(argv, fds=places, env=env, before_exec=before_exec)
        self.process = Process(self.pid)

    def wait(self, within: float = LIMIT) -> Outcome:
        """Wait for its end."""
        ended = self.process.is_dead(within)
        if not ended:
            text = f"still there: {self.process!r}; stderr: {self.stderr!r}"
            self.process.kill()
            os.waitpid(self.pid, 0)
            self._close()
            raise AssertionError(text)
        raw = os.waitpid(self.pid, 0)[1]
        outcome = Outcome(raw, _content(self._out), self.stderr)
        self._close()
        return outcome

    @property
    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return _content(self._err).decode(errors="replace")

    @property
    def stdout(self) -> str:
        """What it has written to stdout so far."""
        return _content(self._out).decode(errors="replace")

    def _close(self) -> None:
        self.process.close()
        os.close(self._out)
        os.close(self._err)


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def run(
    argv: Sequence[str],
    *,
    fds: Mapping[int, int] | None = None,
    env: Mapping[str, str] | None = None,
    before_exec: Callable[[], None] = lambda: None,
    within: float = LIMIT,
) -> Outcome:
    """Run *argv* to its end."""
    return Running(argv, fds=fds, env=env, before_exec=before_exec).wait(within)


def run_many(commands: Sequence[Sequence[str]], *, at_once: int = 8) -> list[Outcome]:
    """Run all *commands*, several at once, and give their outcomes in order."""
    outcomes: list[Outcome] = []
    running: list[Running] = []
    for command in commands:
        running.append(Running(command))
        if len(running) == at_once:
            outcomes.append(running.pop(0).wait())
    return outcomes + [each.wait() for each in running]


def paper(name: str) -> int:
    """A file without a name for several writers: without O_APPEND each writes to its own place, and lines are lost."""
    descriptor = os.memfd_create(name)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
    return descriptor


def pause_for(seconds: float) -> None:
    """Let *seconds* pass where the delay itself is what the test varies. Never a way to wait for something."""
    time.sleep(seconds)
