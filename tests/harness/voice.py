"""The reading end of a pipe: what the programs of a tree say, and that none of them is left."""

from __future__ import annotations

import os

from .patience import LIMIT, Patience, is_readable


class Voice:
    """The reading end of a pipe on which programs speak in lines."""

    def __init__(self, ends: tuple[int, int] | None = None) -> None:
        """Make the pipe, or take *ends*, of a FIFO for one: for reading, for writing."""
        self.reads, self.writes = ends or os.pipe()
        self.lines: list[str] = []
        self._taken = 0
        self._rest = b""
        self._ended = False

    def _read(self, patience: Patience) -> bool:
        """Take in what has come, waiting for it until *patience* is over; False if nothing came."""
        if not is_readable(self.reads, patience):
            return False
        data = os.read(self.reads, 65536)
        self._ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return True

    def next(self, *words: str) -> list[str]:
        """The next line whose first words are *words*, the rest of it split; lines before it are passed over."""
        patience = Patience()
        while True:
            while self._taken < len(self.lines):
                line = self.lines[self._taken].split()
                self._taken += 1
                if tuple(line[: len(words)]) == words:
                    return line[len(words) :]
            if self._ended or not self._read(patience):
                why = "end-of-file" if self._ended else "silence"
                raise AssertionError(f"{why} instead of {' '.join(words)!r}; heard: {self.lines}")

    def all(self, *words: str) -> list[list[str]]:
        """Every line heard so far whose first words are *words*, the rest of it split."""
        return [line.split()[len(words) :] for line in self.lines if tuple(line.split()[: len(words)]) == words]

    def take_in(self) -> None:
        """Take in what has been said, and wait for nothing."""
        while not self._ended and self._read(Patience(0)):
            pass

    def quiet_for(self, seconds: float) -> bool:
        """True if nothing is said (and nobody leaves for good) for *seconds*."""
        return self._taken == len(self.lines) and not self._read(Patience(seconds))

    def ended(self, within: float = LIMIT) -> bool:
        """Wait for end-of-file: nobody is left who could speak. Lines on the way are kept."""
        patience = Patience(within)
        while not self._ended:
            if not self._read(patience):
                return False
        return True

    def give_away(self) -> None:
        """Close our copy of the writing end."""
        if self.writes >= 0:
            os.close(self.writes)
        self.writes = -1

    def close(self) -> None:
        """Close both ends."""
        self.give_away()
        os.close(self.reads)
