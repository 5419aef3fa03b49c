"""Two things that must hold though any sidecar may be killed at any moment: the kernel itself carries them out.

It can send a signal when something happens to a pipe (fcntl(2): O_ASYNC, F_SETOWN, F_SETSIG; pipes since 2.6). It
keeps the process that is to get it, not its number (fs/fcntl.c), so nobody else is ever signalled (N3); and it may
signal whom the sidecar may (the credentials at F_SETOWN count).

*Exactly one first signal.* The signal, and the mark by which the second sees that it has been sent, are one system
call: the backend is signalled when the mark is written (fs/pipe.c, pipe_write), and a process that is killed in a
system call finishes it. Marked before the signal was sent, the backend got none in up to 3 of 104 trials; marked
afterwards, it would have got two.

*Both sidecars lost.* A pipe that the two alone hold is closed when the last of them is gone, and then the kernel kills
the backend (fs/pipe.c, pipe_release). Which of its ends the kernel lets go first is its own business, so both ends
signal the loss of the other. This takes the place of the parent-death signal, which follows a thread of the launcher
(prctl(2)), would spoil the grace, and takes the backend away before its tree can be listed (38 of 60 trials).
"""

import os

from pdwrap.linux import procfs, signals
from pdwrap.linux.pipe_signal import disarm, own, set_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.exec_mode.member import Member

MARK = b"m"
# What the first says to the second while it ends the tree, a byte each.
REPORT_ANNOUNCED = b"a"  # people have been told
REPORT_KILLING = b"k"
REPORT_FINISHED = b"f"
LINES = 100  # in one write: below PIPE_BUF (4096), with pids up to 2**22 and start times of years


class SidecarPipes:
    """Four pipes, which both sidecars hold. To be made while the backend is known to live.

    Args:
        backend: whom to ask, and to kill when nobody is left to watch over it.
        number: the first signal.

    Attributes:
        heard: what has been read of what the other sidecar said.

    """

    __slots__ = (
        "_ask",
        "_asked",
        "_backend",
        "_hear",
        "_held",
        "_list",
        "_listed",
        "_number",
        "_reaches_all",
        "_say",
        "_sent_by_kernel",
        "heard",
    )

    def __init__(self, backend: "Member", number: int) -> None:
        self._backend = backend
        self._number = number
        self._asked, self._ask = os.pipe()
        self._hear, self._say = os.pipe()
        self._listed, self._list = os.pipe()
        self._held = os.pipe()  # last, so closed first: the end of `_ask` is a signal, too
        os.set_blocking(self._asked, False)
        for each in (self._hear, self._listed, self._list):
            os.set_blocking(each, False)
        # A real-time signal that finds no room is SIGIO in its place (fs/fcntl.c), of which a backend dies.
        self._sent_by_kernel = number not in signals.QUEUED and _signal_by(self._asked, backend, number)
        self._reaches_all = _is_root_of_the_machine()
        self.heard: set[bytes] = set()
        for end in self._held:
            _signal_by(end, backend, signals.SIGKILL)

    def ask(self) -> None:
        """Send the backend the first signal, and leave the mark that says so."""
        if self._sent_by_kernel and not self._reaches_all and not _kernel_may_signal(self._backend.pid):
            self._sent_by_kernel = not disarm(self._asked)
        os.write(self._ask, MARK)
        if not self._sent_by_kernel:
            self._backend.send(self._number)

    def let_go(self) -> None:
        """Before anybody watches: the backend is not to be killed when these are closed."""
        for end in self._held:
            disarm(end)

    def say(self, what: bytes) -> None:
        """Tell the other sidecar how far we are."""
        os.write(self._say, what)

    def hear(self) -> list[bytes]:
        """Give what the other sidecar has said since the last call."""
        try:
            said = os.read(self._hear, 65536)
        except BlockingIOError:
            return []
        new = [said[at : at + 1] for at in range(len(said))]
        self.heard.update(new)
        return new

    def pass_on(self, members: "list[tuple[int, int, bool]]") -> None:
        """Tell the mate whom we hold, by pid and start time: its own listing may come when the backend is gone.

        And whether it has had its first signal, or is just about to.
        """
        lines = [b"%d %d %d\n" % member for member in members]
        try:
            for at in range(0, len(lines), LINES):
                os.write(self._list, b"".join(lines[at : at + LINES]))  # whole or not at all (pipe(7), PIPE_BUF)
        except BlockingIOError:
            pass  # thousands: the rest it has to find by itself

    def passed_on(self) -> "list[tuple[int, int, bool]]":
        """Give whom the mate held, and whether it has asked it."""
        parts = []
        try:
            while part := os.read(self._listed, 65536):
                parts.append(part)
        except BlockingIOError:
            pass
        words = [line.split() for line in b"".join(parts).splitlines()]
        return [(int(pid), int(started), asked == b"1") for pid, started, asked in words]

    def has_asked(self) -> bool:
        """Tell whether the first signal has been sent."""
        return _is_marked(self._asked)


def _is_marked(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 1) == MARK
    except BlockingIOError:
        return False


def _signal_by(descriptor: int, backend: "Member", number: int) -> bool:
    """Have the kernel signal `backend` when something happens to this end of a pipe; tell whether it will."""
    # Alive afterwards: so the number, which may have been another's by then, was its own.
    return own(descriptor, backend.pid, number) and backend.alive() and set_async(descriptor, on=True)


def _is_root_of_the_machine() -> bool:
    try:
        every = [b"0", b"0", b"4294967295"]  # user_namespaces(7): all ids as they are
        return os.geteuid() == 0 and procfs.read(f"{procfs.ROOT}/self/uid_map").split() == every
    except OSError:
        return False


def _kernel_may_signal(pid: int) -> bool:
    """Tell for certain that `_signal_by` reaches `pid`, whose uid may have changed.

    It is root of the machine or one of our uids that must match (fs/fcntl.c, sigio_perm): not CAP_KILL, which counts in
    kill(2). So root of a user namespace (a rootless container) reaches nothing that has changed its uid.
    """
    try:
        status = procfs.read(f"{procfs.ROOT}/{pid}/status")
        real, _effective, saved = status.partition(b"\nUid:")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return not {os.getuid(), os.geteuid()}.isdisjoint((int(real), int(saved)))
