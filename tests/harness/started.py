"""One launcher, the pdwrap that it started, and the backend below: start it, hear it, kill parts of it, see it gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .patience import LIMIT
from .processes import Process, children, describe, parent_of, reap_all
from .sidecars import wait_for_sidecars, watchers
from .spawn import HERE, PYTHON, clean_environment, paper, role, spawn
from .voice import Voice

COMMANDS, REPORTS, TREE = 7, 8, 9


class Setting(NamedTuple):
    """How a tree is to be started; see `Started`."""

    pdwrap: Sequence[str]
    backend: Sequence[str]
    ready: str | None
    launcher: Sequence[str] = ()
    launcher_via: Sequence[str] = ()
    env: Mapping[str, str] | None = None
    fds: Mapping[int, int] | None = None
    before_exec: Callable[[], None] = lambda: None
    session: bool = True
    mode: str = "fork"


class Started:
    """launcher -> pdwrap (outer -> inner) -> backend -> whatever it starts.

    In exec mode: launcher -> backend, and beside them, below us, sidecar -> sidecar.

    `launcher`, `wrapper` (the pid that the launcher knows; in fork mode the outer supervisor, in exec mode the
    backend), `inner` and `backend` are `Process`es. `voice` is the tree pipe: what the roles say, and its end-of-file.
    `reports` is what the launcher says. The launcher runs in a session of its own, so that an orphaned pdwrap can tell
    that it is one.
    """

    def __init__(self, setting: Setting) -> None:
        """Start it; see `start`."""
        self.setting = setting
        self.voice, self.reports = Voice(), Voice()
        obeys, self._orders = os.pipe()
        self._stderr = paper("stderr")
        self._stdout = paper("stdout")
        null = os.open(os.devnull, os.O_RDONLY)
        argv = [*setting.launcher_via, *PYTHON, str(HERE / "launcher.py"), *setting.launcher, "--"]
        fds = {0: null, 1: self._stdout, 2: self._stderr, COMMANDS: obeys, REPORTS: self.reports.writes}

        def prepare() -> None:
            if setting.session:
                os.setsid()
            setting.before_exec()

        pid = spawn(
            [*argv, *setting.pdwrap, *setting.backend],
            fds={**fds, TREE: self.voice.writes, **(setting.fds or {})},
            env=clean_environment(setting.env),
            before_exec=prepare,
        )
        self.launcher = Process(pid)
        self._processes = [self.launcher]
        self._known: dict[str, Process] = {}
        for fd in (null, obeys):
            os.close(fd)
        self.voice.give_away()
        self.reports.give_away()

    # -- who is who -------------------------------------------------------------------------------------------------

    def hold(self, pid: int) -> Process:
        """A handle on *pid* whose end `assert_gone` checks too."""
        process = Process(pid)
        self._processes.append(process)
        return process

    def settle(self) -> Started:
        """Wait until the backend is ready."""
        if self.setting.ready is not None:
            self._known["wrapper"] = self.wrapper
            self._known["backend"] = self.hold(int(self._hear("ready", self.setting.ready)[0]))
            if self.setting.mode == "fork":
                self._known["inner"] = self.hold(parent_of(self.backend.pid))
            else:
                for pid in watchers(self.backend.pid):  # one at least stands before the backend does
                    self.hold(pid)
        return self

    def _hear(self, *words: str) -> list[str]:
        try:
            return self.voice.next(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}; launcher: {self.reports.lines}; stderr: {self.stderr!r}") from None

    @property
    def wrapper(self) -> Process:
        """The process that the launcher started: the outer supervisor; in exec mode the backend."""
        if "wrapper" not in self._known:
            self._known["wrapper"] = self.hold(int(self.reports.next("child")[0]))
        return self._known["wrapper"]

    @property
    def backend(self) -> Process:
        """The first process of the backend's tree."""
        return self._known["backend"]

    @property
    def inner(self) -> Process:
        """Fork mode: the inner supervisor."""
        return self._known["inner"]

    @property
    def supervisors(self) -> list[Process]:
        """Both supervisors; in exec mode both sidecars."""
        return self.sidecars if self.setting.mode == "exec" else [self.wrapper, self.inner]

    @property
    def sidecars(self) -> list[Process]:
        """Exec mode: the first and the second as soon as there are two, held from now on."""
        return [self.hold(pid) for pid in wait_for_sidecars(self.backend.pid)]

    @property
    def members(self) -> list[Process]:
        """Every process that said `ready`, held from now on."""
        return [self.hold(int(words[1])) for words in self.voice.all("ready")]

    # -- what it does -----------------------------------------------------------------------------------------------

    def order(self, line: str) -> None:
        """Have the launcher do something (launcher.py), and wait until it says that it has."""
        _ = self.wrapper.pid  # the line that names it comes first
        self.send_order(line)
        self.reports.next("done", *line.split())

    def send_order(self, line: str) -> None:
        """Have the launcher do something that it does not live to tell."""
        os.write(self._orders, f"{line}\n".encode())

    def status(self) -> int:
        """The next raw wait status of pdwrap that the launcher saw: ended, stopped or continued."""
        return int(self.reports.next("status")[0])

    def got(self, signal_number: int, process: Process | None = None) -> None:
        """Wait until *process* (default: the backend) says that it got the signal."""
        self._hear("got", str((process or self.backend).pid), str(signal_number))

    def signals(self, process: Process | None = None) -> list[int]:
        """The signals that *process* (default: the backend) said it got, in order."""
        return [int(words[0]) for words in self.voice.all("got", str((process or self.backend).pid))]

    @property
    def stderr(self) -> str:
        """What launcher, pdwrap and backend wrote to stderr."""
        return os.pread(self._stderr, os.fstat(self._stderr).st_size, 0).decode(errors="replace")

    @property
    def stdout(self) -> str:
        """What launcher, pdwrap and backend wrote to stdout."""
        return os.pread(self._stdout, os.fstat(self._stdout).st_size, 0).decode(errors="replace")

    # -- its end ----------------------------------------------------------------------------------------------------

    def assert_tree_gone(self, within: float = LIMIT) -> None:
        """Backend and descendants are gone, and so is pdwrap; the launcher may live."""
        assert self.voice.ended(within), f"still there: {self._living()}; stderr: {self.stderr!r}"
        for process in self._processes:
            if process is not self.launcher:
                assert process.is_dead(within), f"still there: {process!r}; stderr: {self.stderr!r}"

    def assert_gone(self, within: float = LIMIT) -> None:
        """Everything is gone, the launcher (dismissed if it still lives) too, and nothing has fallen to us."""
        self.assert_tree_gone(within)
        self.dismiss()
        assert self.launcher.is_dead(within), f"still there: {self.launcher!r}"
        left = reap_all(within)[1]
        assert not left, f"left behind: {left}; stderr: {self.stderr!r}"

    def assert_alive(self, seconds: float = 0.0) -> None:
        """Backend and supervisors live, and say nothing for *seconds*."""
        assert self.voice.quiet_for(seconds), f"heard: {self.voice.lines}; stderr: {self.stderr!r}"
        for process in (self.wrapper, self.backend, *self.supervisors):
            assert process.alive, f"gone: {process!r}; stderr: {self.stderr!r}"

    def dismiss(self) -> None:
        """End the launcher in order, as at the end of its work."""
        if self._orders >= 0:
            os.close(self._orders)
        self._orders = -1

    def _living(self) -> list[str]:
        waiting, found = list(children()), []
        while waiting:
            pid = waiting.pop()
            found.append(describe(pid))
            waiting += children(pid)
        return found

    def close(self) -> None:
        """Let go of all descriptors; what still lives is the business of `kill_what_is_left`."""
        self.dismiss()
        for process in self._processes:
            process.close()
        self.voice.close()
        self.reports.close()
        os.close(self._stderr)
        os.close(self._stdout)


class Starter:
    """The fixture `start`: starts trees with the pdwrap under test, and cleans up after them."""

    def __init__(self, pdwrap: Sequence[str], mode: str = "fork") -> None:
        """*pdwrap* is the command under test, in *mode*."""
        self.pdwrap = list(pdwrap)
        self.mode = mode
        self._trees: list[Started] = []

    def __call__(
        self,
        name: str = "plain",
        *arguments: str,
        argv: Sequence[str] | None = None,
        via: Sequence[str] = (),
        options: Sequence[str] = (),
        launcher: Sequence[str] = (),
        launcher_via: Sequence[str] = (),
        pdwrap_via: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        fds: Mapping[int, int] | None = None,
        before_exec: Callable[[], None] = lambda: None,
        session: bool = True,
        ready: bool = False,
        settle: bool = True,
    ) -> Started:
        """Start ``launcher -> [pdwrap_via] pdwrap [options] -- [via] ROLE [arguments]``, and wait until it is ready.

        *argv* instead of a role: any command; waited for only if it is *ready* (says ``ready backend PID``).
        *launcher* are options of launcher.py; *launcher_via*, *pdwrap_via* and *via* are commands that run what
        follows them (``setpriv ...``). ``settle=False`` does not wait. ``session=False`` leaves the launcher in our
        session.
        """
        backend = role(name, *arguments) if argv is None else list(argv)
        setting = Setting(
            pdwrap=[*pdwrap_via, *self.pdwrap, *options, "--"],
            backend=[*via, *backend],
            ready="backend" if ready or argv is None else None,
            launcher=launcher,
            launcher_via=launcher_via,
            env=env,
            fds=fds,
            before_exec=before_exec,
            session=session,
            mode=self.mode,
        )
        tree = Started(setting)
        self._trees.append(tree)
        return tree.settle() if settle else tree

    def close(self) -> None:
        """Close all trees."""
        for tree in self._trees:
            tree.close()
        self._trees.clear()
