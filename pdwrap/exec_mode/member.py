"""One process of a tree that is not our child, held so that no other is ever taken for it (N3)."""

import os

from pdwrap.linux import pidfd, procfs


class Member:
    """One process of the tree.

    Attributes:
        pid: its number.
        descriptor: a pidfd of it; None where we ran out of descriptors: then its start time identifies it.
        started: its start time.
        asked: it has had its first signal.

    """

    __slots__ = ("_ended", "asked", "descriptor", "pid", "started")

    def __init__(self, pid: int, descriptor: int | None, started: int) -> None:
        self.pid = pid
        self.descriptor = descriptor
        self.started = started
        self.asked = False
        self._ended = False

    def alive(self) -> bool:
        """Tell whether it has not ended (a zombie has)."""
        if not self._ended:
            if self.descriptor is not None:
                self._ended = pidfd.has_ended(self.descriptor)
            else:
                seen = procfs.stat(self.pid)
                self._ended = seen is None or seen.started != self.started or not seen.alive
        return not self._ended

    def send(self, number: int) -> None:
        """Send it a signal; one that is gone or not ours to signal is passed over."""
        try:
            if self.descriptor is not None:
                pidfd.pidfd_send_signal(self.descriptor, number)
            elif self.alive():
                os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass
