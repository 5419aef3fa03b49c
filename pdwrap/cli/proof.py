"""The live proof: a throw-away launcher with a tree below it is killed, and all of it is seen to be gone.

    doctor -- nurse -- launcher -- pdwrap ... -- backend and five more (`proof_tree`)

The nurse is a subreaper, where that is allowed, so that what falls out of the tree falls to it. It holds the lease, a
pipe that everybody in the tree waits at: when the nurse is gone, for whatever reason, so are they, and the launcher,
and with it pdwrap. The end is told by pipes that everybody holds, as end-of-file: that needs none of what is on trial.

pdwrap and the backend are this command, executed anew, as a person would: no interpreter and no shell need be known.
"""

import os
import sys
import time
from functools import partial
from select import POLLHUP, POLLIN, poll
from typing import NamedTuple

from pdwrap.cli import proof_tree
from pdwrap.cli.forked import fork
from pdwrap.linux import machine, prctl, procfs, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

GRACE = 0.1  # seconds, for the one that is deaf to SIGTERM
INTERVAL = 0.1  # where pdwrap polls
START_TIME = 10.0  # until the tree stands, on a machine that stalls
END_TIME = 5.0  # more than the grace, until all of it is gone: a supervisor may be late, and leaves after 4 (E7)
STEP = 0.001  # between two looks for what has ended
LONGEST = START_TIME + GRACE + 3 * END_TIME + 0.5
OURS = ("PDWRAP_", "LOCALAI_")  # variables that would make the proof one of something else


class Result(NamedTuple):
    """What a proof has shown.

    Attributes:
        processes: how many there were.
        asked: how many of them are asked to end, and do.
        first: seconds from the SIGKILL until those were gone.
        last: seconds until all were.
        failure: what went wrong, for a person; empty where nothing did.
        refusal: the line by which pdwrap refused to start; empty where it did not.

    """

    processes: int = 0
    asked: int = 0
    first: float = 0.0
    last: float = 0.0
    failure: str = ""
    refusal: str = ""


def own_command() -> list[str]:
    """Give the command line that starts this program, without its arguments.

    The interpreter, its options and the script; the single file has none of them, and names itself.
    """
    itself = sys.executable or machine.own_program()
    words = list(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1])
    return [itself or words[0], *words[1:]] if words else [itself]


def prove(mode: str) -> Result:
    """Carry the proof out, in a mode."""
    try:
        read, write = os.pipe()
        child = os.fork()
    except OSError as error:
        return Result(failure=f"it cannot be tried ({error.strerror})")
    if child == 0:
        try:
            os.close(read)
            os.write(write, repr(tuple(_nurse(mode))).encode("ascii", "backslashreplace"))
        finally:
            os._exit(0)
    os.close(write)
    said = b""
    while _has_come(read, LONGEST) and (part := os.read(read, 4096)):
        said += part
    os.close(read)
    os.kill(child, signals.SIGKILL)  # not reaped yet, so it is ours; what is left of it ends with it
    os.waitpid(child, 0)
    return _read_result(said)


def _read_result(said: bytes) -> Result:
    import ast

    return Result(*ast.literal_eval(said.decode("ascii"))) if said else Result(failure="it came to no end")


def _nurse(mode: str) -> Result:
    for ask in (partial(prctl.set_parent_death_signal, signals.SIGKILL), prctl.become_subreaper):
        try:
            ask()
        except OSError:
            pass  # then what is left falls to somebody else, and ends all the same
    try:
        lease, lease_held = os.pipe()
        most, most_held = os.pipe()
        every, every_held = os.pipe()
        said, said_held = os.pipe()
        inherited = (lease, most_held, every_held)
        launcher = fork(lambda: _be_launcher(mode, inherited, said_held, (lease_held, most, every, said)))
    except OSError as error:
        return Result(failure=f"it cannot be tried ({error.strerror})")
    for descriptor in (*inherited, said_held):
        os.close(descriptor)
    try:
        return _kill_and_see(mode, launcher, most, every, said)
    finally:
        os.kill(launcher, signals.SIGKILL)
        os.close(lease_held)
        _reap(time.monotonic() + END_TIME)


def _kill_and_see(mode: str, launcher: int, most: int, every: int, said: int) -> Result:
    kinds = proof_tree.KINDS
    tree = _hear_of(every, len(kinds), time.monotonic() + START_TIME)
    if len(tree) < len(kinds):
        if line := _last_line(said):
            return Result(refusal=line)
        return Result(failure=f"the tree did not come to stand ({len(tree)} of {len(kinds)})")
    killed = time.monotonic()
    os.kill(launcher, signals.SIGKILL)
    until = killed + GRACE + END_TIME
    first = _wait_for_end(most, until)
    last = _wait_for_end(every, until)
    asked = len(kinds) - len(proof_tree.KILLED[mode])
    if first is None or last is None:
        left = [kind for kind in kinds if _lives(tree[kind])]
        return Result(len(kinds), failure=f"{len(left)} of {len(tree)} processes left: {', '.join(left)}")
    stayed = _wait_for_end(said, last + END_TIME) is None
    failure = "a process of pdwrap's own has stayed" if stayed else ""
    return Result(len(kinds), asked, first - killed, last - killed, failure)


def _be_launcher(mode: str, inherited: tuple[int, ...], said: int, closed: tuple[int, ...]) -> None:
    """Start pdwrap, and wait to be killed; or for the end of the lease."""
    for descriptor in closed:
        os.close(descriptor)
    os.setsid()  # whatever is typed at, or sent to, the doctor's job is not this one's
    fork(lambda: _become_pdwrap(mode, inherited, said))
    lease, *others = inherited
    for descriptor in (*others, said):
        os.close(descriptor)
    waiting = poll()
    waiting.register(lease, POLLHUP)
    waiting.poll(int(LONGEST * 1000))


def _become_pdwrap(mode: str, inherited: tuple[int, ...], said: int) -> "NoReturn":
    options = [f"--{mode}", "--grace", f"{GRACE:g}", "--interval", f"{INTERVAL:g}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    ours = own_command()
    backend = [*ours, "--doctor", proof_tree.WORD, mode, *map(str, inherited)]
    try:
        os.setpgid(0, 0)  # as LocalAI does; exec mode finds what has forked itself away by the group that it is in
        for descriptor in (1, 2):
            os.dup2(said, descriptor)
        for descriptor in inherited:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - it takes its flag by position alone
        os.execvpe(ours[0], [*ours, *options, "--", *backend], env)
    except OSError as error:
        os.write(2, f"{ours[0]} cannot be started once more ({error.strerror})\n".encode())
    os._exit(1)


def _hear_of(descriptor: int, number: int, until: float) -> dict[str, int]:
    """Read who is there: a line each, with name and pid."""
    said = b""
    while said.count(b"\n") < number and _has_come(descriptor, until - time.monotonic()):
        part = os.read(descriptor, 4096)
        if not part:
            break
        said += part
    words = [line.split() for line in said.decode().splitlines()]
    return {name: int(pid) for name, pid in words}


def _wait_for_end(descriptor: int, until: float) -> float | None:
    """Wait for end-of-file; tell when it came, and None if it has not."""
    while _has_come(descriptor, until - time.monotonic()):
        if not os.read(descriptor, 4096):
            return time.monotonic()
    return None


def _last_line(descriptor: int) -> str:
    said = b""
    while _has_come(descriptor, 0) and (part := os.read(descriptor, 4096)):
        said += part
    lines = said.decode(errors="replace").splitlines()
    return lines[-1].removeprefix("pdwrap: ") if lines else ""


def _has_come(descriptor: int, seconds: float) -> bool:
    waiting = poll()
    waiting.register(descriptor, POLLIN)
    return bool(waiting.poll(max(0, int(seconds * 1000 + 1))))


def _reap(until: float) -> None:
    """Reap what falls to us: PID 1 of a container might not."""
    try:
        while time.monotonic() < until:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                signals.wait((), STEP)
    except ChildProcessError:
        pass


def _lives(pid: int) -> bool:
    seen = procfs.stat(pid)
    return seen is not None and seen.alive
