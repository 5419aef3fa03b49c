"""The two pipes between the supervisors: commands go down, reports come up, each a line of words.

A writer never blocks and never fails for want of a reader: one supervisor must not hang on a stopped mate, nor leave
the tree because its mate is gone (E8). A reader that sees end-of-file knows that its mate is gone.
"""

import os

# Commands, outer to inner.
COMMAND_FORWARD = "forward"  # the signal to send, the one received, a flag
COMMAND_LAUNCHER_GONE = "launcher-gone"

# Flags of a signal to forward.
PLAIN = "-"
ONLY_IF_STOPPED = "only-if-stopped"  # it went to the whole group, the backend included

# Reports, inner to outer.
REPORT_BACKEND = "backend"  # its pid: it has been released
REPORT_STOPPED = "stopped"  # by which signal the backend stopped
REPORT_CONTINUED = "continued"  # the backend goes on, whoever continued it
REPORT_ENDING = "ending"  # until when, on the monotonic clock
REPORT_KILLING = "killing"
REPORT_DONE = "done"  # the backend's wait status; what is left, if anything, cannot be killed


class UnknownWord(Exception):  # noqa: N818 - it names the word
    """A mate said something that has no meaning: an error of pdwrap's own (E8)."""


CHUNK = 4096


class Writer:
    """The sending end.

    Args:
        descriptor: the write end of a pipe of ours; made non-blocking here.

    """

    __slots__ = ("_backlog", "descriptor")

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._backlog = b""

    def send(self, *words: object) -> None:
        """Send a line of words; what a full pipe does not take is kept for `flush`."""
        self._backlog += " ".join(map(str, words)).encode() + b"\n"
        self.flush()

    def flush(self) -> bool:
        """Send what was kept; tell whether nothing is left of it."""
        try:
            while self._backlog:
                self._backlog = self._backlog[os.write(self.descriptor, self._backlog) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._backlog = b""  # the reader is gone: its mate learns that otherwise, and actions on it
        return True


class Reader:
    """The receiving end.

    Attributes:
        ended: the sender is gone, and all that it sent has been received.

    """

    __slots__ = ("_rest", "descriptor", "ended")

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.ended = False
        self._rest = b""

    def receive(self) -> list[list[str]]:
        """Take the lines that have come in, each as its words."""
        while not self.ended:
            try:
                chunk = os.read(self.descriptor, CHUNK)
            except BlockingIOError:
                break
            self.ended = not chunk
            self._rest += chunk
        *lines, self._rest = self._rest.split(b"\n")
        return [line.decode().split() for line in lines]
