"""Pdwrap with a fault: at one place of it something fails, or something is lost.

As a module, for tests::

    INNER_LOOP = place("fork_mode.inner_loop.Inner._take_time")     # at the top of the module: see `place`

    def test_...(faulty: Faulty) -> None:
        tree = faulty.fail(INNER_LOOP, "running", error="memory")("plain")      # a `Starter`
        tree = faulty.strike("self", signal.SIGKILL, "before", INNER_LOOP)("plain")
        ...
        faulty.assert_reached()

As a program, the pdwrap that is started: ``python -I faulty.py fail PLACE REACHED STATE WHEN ERROR [arguments]`` or
``python -I faulty.py strike PLACE REACHED WHOM SIGNAL before|after [arguments]``. It creates the file REACHED when the
fault happens.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NewType

if TYPE_CHECKING:
    from pathlib import Path

    from .started import Starter

Place = NewType("Place", str)
"""A function of pdwrap's that exists: `place` makes it."""

ME, LAUNCHER = os.getpid(), os.getppid()

WHOM: dict[str, Callable[[], int]] = {
    "pdwrap": lambda: ME,  # the pid that the launcher knows
    "launcher": lambda: LAUNCHER,
    "self": os.getpid,  # who got there
    "parent": os.getppid,
}

ERRORS: dict[str, Callable[[], BaseException]] = {
    "memory": MemoryError,
    "descriptors": lambda: OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    "processes": lambda: BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
    "denied": lambda: PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "pipe": lambda: BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)),
    "bug": lambda: KeyError("no such\nkey"),
    "interrupt": KeyboardInterrupt,
}
ANY = "-"


def place(name: str) -> Place:
    """Name a function of pdwrap's (``fork_mode.placement.move``), and fail if there is none of that name (any more).

    Only at the top of a test's module: so it fails when tests are collected, not when (or, worse, if) it is reached.
    """
    assert sys._getframe(1).f_code.co_name in ("<module>", "<listcomp>"), "call place() at the top of the module"  # noqa: SLF001 - asks who calls
    find(name)
    return Place(name)


def find(name: str) -> tuple[Any, str, Callable[..., Any]]:
    """Give who owns the function *name*, its name there, and itself."""
    *path, last = name.split(".")
    owner: Any = importlib.import_module("pdwrap")
    for each in path:
        if not hasattr(owner, each):
            importlib.import_module(f"{owner.__name__}.{each}")
        owner = getattr(owner, each)
    function = getattr(owner, last) if last != "__init__" else vars(owner)[last]  # every class inherits that one
    assert callable(function), f"{name} is no function"
    return owner, last, function


class Faulty:
    """The fixture `faulty`: starters of a pdwrap with a fault."""

    def __init__(self, mode: str, folder: Path) -> None:
        """Pdwrap is to be in *mode*; *folder* is for its notes."""
        self._mode = mode
        self._folder = folder
        self._made: list[Starter] = []

    def fail(self, where: Place, state: str = ANY, *, when: object = ANY, error: str = "memory") -> Starter:
        """At *where*, *error* is raised instead of doing its work, each time.

        In lifecycle state *state* alone, and not before the file *when* exists.
        """
        return self._starter("fail", where, state, str(when), error)

    def strike(self, whom: str, number: int, when: str, where: Place) -> Starter:
        """*whom* (`WHOM`) gets signal *number* ``before`` or ``after`` *where*: by who gets there first, and once."""
        return self._starter("strike", where, whom, str(int(number)), when)

    def _starter(self, what: str, where: Place, *arguments: str) -> Starter:
        from .started import Starter

        reached = str(self.reached(len(self._made)))
        option = [] if self._mode == "fork" else [f"--{self._mode}"]
        command = [sys.executable, "-I", __file__, what, where, reached, *arguments, *option]
        self._made.append(Starter(command, self._mode))
        return self._made[-1]

    def reached(self, at: int) -> Path:
        """Give the file that is there when the fault of starter number *at* has happened."""
        return self._folder / f"reached-{at}"

    def wait_reached(self, at: int) -> None:
        """Look until the fault of starter number *at* has happened."""
        from .patience import wait_until

        wait_until(self.reached(at).exists, lambda: f"fault {at} does not happen: {self._made[at].pdwrap}")

    def assert_reached(self) -> None:
        """Each fault has happened: what a test says of it has been seen."""
        for at in range(len(self._made)):
            assert self.reached(at).exists(), f"fault {at} never happened: {self._made[at].pdwrap}"

    def close(self) -> None:
        """Let go of all trees."""
        for each in self._made:
            each.close()


def fail(where: str, reached: str, state: str, when: str, error: str) -> None:
    """Have the function at *where* fail."""
    owner, name, whole = find(where)

    def broken(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for any function
        there = state == ANY or arguments[0].life.state == state
        if there and (when == ANY or os.path.exists(when)):
            note(reached)
            failure = ERRORS[error]()
            raise failure
        return whole(*arguments, **named)

    setattr(owner, name, broken)


def strike(where: str, reached: str, whom: str, number: str, when: str) -> None:
    """Have the function at *where* lose somebody, once."""
    owner, name, whole = find(where)

    def send() -> None:
        if note(reached):
            os.kill(WHOM[whom](), int(number))

    def struck(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for any function
        if when == "before":
            send()
        result = whole(*arguments, **named)
        if when == "after":
            send()
        return result

    setattr(owner, name, struck)


def note(reached: str) -> bool:
    """Create the file *reached*; tell whether it was not there. Without a descriptor, which may be what is lacking."""
    try:
        os.mknod(reached)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    import signal

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as scripts/pdwrap does
    {"fail": fail, "strike": strike}[sys.argv[1]](*sys.argv[2:7])
    from pdwrap.entry import main

    main(sys.argv[7:])
