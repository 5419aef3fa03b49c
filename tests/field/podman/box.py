"""A running container: its processes, held from out here; what it says; and that nothing of it is left."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.harness import Outcome, Process, Running, Voice, describe, stat
from tests.harness.containers import inside

from .engine import Engine

NUMBERS = itertools.count(1)


class FifoVoice(Voice):
    """A voice that is spoken to by a name, *folder*/pipe, so that containers can."""

    def __init__(self, folder: Path) -> None:
        """Make the FIFO; anybody may write."""
        folder.mkdir()
        folder.chmod(0o755)
        path = folder / "pipe"
        os.mkfifo(path)
        path.chmod(0o666)
        reads = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # to open does not wait (fifo(7))
        super().__init__((reads, os.open(path, os.O_WRONLY | os.O_CLOEXEC)))  # no end-of-file before one has spoken


class Box:
    """A container that was started in the background, and has been seen to run."""

    def __init__(self, engine: Engine, image: str, command: Sequence[str], *options: str, folder: Path) -> None:
        """``podman run -d OPTIONS IMAGE COMMAND``; *folder* is an empty one of the test's."""
        self.engine, self.name = engine, f"box{next(NUMBERS)}"
        self.folder = folder / self.name
        self.voice = FifoVoice(self.folder)
        mounts = ["-v", f"{self.folder}:/voice", "-v", f"{engine.folder / 'tools'}:/tools:ro"]
        engine.ask("run", "-d", "--name", self.name, *mounts, *options, image, *command)
        self.held: dict[int, Process] = {}
        self._hold()

    def _hold(self) -> None:
        said = self.engine.ask("inspect", "-f", "{{.State.Pid}} {{.State.ConmonPid}}", self.name).split()
        self.first, self.conmon = (self.hold(int(pid)) for pid in said)

    def hold(self, pid: int) -> Process:
        """Hold *pid*, as it is called out here, until the end."""
        if pid not in self.held:
            self.held[pid] = Process(pid)
        return self.held[pid]

    def ready(self, name: str) -> int:
        """Wait until *name* is ready: its pid in the container."""
        try:
            pid = int(self.voice.next("ready", name)[0])
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.logs()}") from None
        return pid

    def got(self, name: str, number: int) -> None:
        """Wait until *name* says that it got signal *number*."""
        self.voice.next("got", name, str(int(number)))

    def signals(self, name: str) -> list[int]:
        """All that *name* said it got, in order."""
        self.voice.take_in()
        return [int(words[0]) for words in self.voice.all("got", name)]

    def find(self, pid: int) -> Process:
        """Hold the process whose pid in the container is *pid*."""
        for each in self.pids():
            try:
                if inside(each) == pid:
                    return self.hold(each)
            except (FileNotFoundError, ProcessLookupError):
                continue  # gone meanwhile
        raise AssertionError(f"no {pid} among {[describe(each) for each in self.pids()]}")

    def pids(self) -> list[int]:
        """Who is in it now, what was entered included, zombies too: by its cgroup (cgroups(7))."""
        lines = Path(f"/proc/{self.first.pid}/cgroup").read_text(encoding="utf-8").splitlines()
        paths = {line.split(":")[1]: line.split(":")[2] for line in lines}
        folder = "/sys/fs/cgroup" + (f"/pids{paths['pids']}" if "pids" in paths else paths[""])
        return [int(pid) for pid in Path(folder, "cgroup.procs").read_text(encoding="ascii").split()]

    def zombies(self) -> list[str]:
        """Who is dead in it and has not been reaped."""
        found = []
        for pid in self.pids():
            try:
                if stat(pid)[0] == "Z":
                    found.append(describe(pid))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def enter(self, *command: str, options: Sequence[str] = (), fds: dict[int, int] | None = None) -> Running:
        """``podman exec OPTIONS COMMAND``, in the background."""
        argv = self.engine.inside("podman", "exec", *options, self.name, *command)
        return Running(argv, fds=fds, env=self.engine.env)

    def entered(self, *command: str) -> Outcome:
        """``podman exec COMMAND``, to its end."""
        return self.enter(*command).wait()

    def kill(self, number: signal.Signals) -> None:
        """``podman kill -s NUMBER``."""
        self.engine.ask("kill", "-s", number.name, self.name)

    def logs(self) -> str:
        """What it wrote."""
        outcome = self.engine.call("logs", self.name)
        return outcome.stdout.decode() + outcome.stderr

    def inspect(self, field: str) -> str:
        """One field of ``podman inspect``."""
        return self.engine.ask("inspect", "-f", f"{{{{{field}}}}}", self.name)

    def wait_until_ended(self) -> int:
        """Wait until all of it is gone, podman's own included: its exit status."""
        assert self.voice.ended(), self.describe()
        assert self.first.is_dead(), self.describe()
        assert self.conmon.is_dead(), self.describe()
        for each in self.held.values():
            assert each.is_dead(), self.describe()
        return int(self.inspect(".State.ExitCode"))

    def again(self) -> None:
        """It was started again: hold the new ones."""
        for each in self.held.values():
            assert each.is_dead(), self.describe()
            each.close()
        self.held.clear()
        self._hold()

    def end(self) -> tuple[int, str]:
        """Wait for its end, and remove it: its exit status, and what it wrote on stdout and stderr."""
        self.voice.give_away()
        code, text = self.wait_until_ended(), self.logs()
        self.engine.ask("rm", self.name)
        self._let_go()
        return code, text

    def remove(self) -> None:
        """Remove it, whatever it does: its conmon has been killed, so podman does not know what became of it."""
        self.voice.give_away()
        assert self.voice.ended(), self.voice.lines
        assert self.first.is_dead()
        os.waitpid(self.first.pid, 0)  # it fell to us; to podman a zombie is alive
        self.engine.call("rm", "--force", "--time", "0", self.name)  # it misses what conmon would have written
        self.engine.ask("rm", "--force", "--ignore", "--time", "0", self.name)
        self._let_go()

    def _let_go(self) -> None:
        for each in self.held.values():
            assert each.is_dead(), each
            each.close()
        self.voice.close()

    def describe(self) -> str:
        """For messages of failed tests."""
        try:
            there = [describe(pid) for pid in self.pids()]
        except OSError:
            there = []
        return f"in it: {there}; heard: {self.voice.lines}; wrote: {self.logs()}"


class Boxes:
    """Starts containers of an image: ``box("pdwrap", "--", "/tools/witness", "backend", options=["--init"])``."""

    def __init__(self, engine: Engine, image: str, folder: Path) -> None:
        """*folder* is an empty one of the test's."""
        self.engine, self.image, self.folder = engine, image, folder

    def __call__(self, *command: str, options: Sequence[str] = ()) -> Box:
        """Start one."""
        return Box(self.engine, self.image, command, *options, folder=self.folder)
