"""Samples, the sections they are told in, and the verdicts on targets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar

T = TypeVar("T")
Comparison = Literal["ratio", "difference"]


class Column(NamedTuple):
    """One thing measured."""

    key: str
    heading: str
    unit: str
    """ms, MiB, or nothing for a count."""


class Row(NamedTuple):
    """What one candidate gave: its samples by column. None: it did not get there."""

    candidate: str
    samples: dict[str, list[float] | None]
    note: str = ""

    @property
    def n(self) -> int:
        """How many samples there are."""
        return max((len(values) for values in self.samples.values() if values), default=0)

    def median(self, key: str) -> float | None:
        """Give the median of a column."""
        values = self.samples.get(key)
        return statistics.median(values) if values else None


class Section(NamedTuple):
    """One measurement of all candidates."""

    name: str
    title: str
    columns: list[Column]
    rows: list[Row]
    baseline: str | None = None
    """With whom all are compared, by the first column."""
    comparison: Comparison = "ratio"
    notes: tuple[str, ...] = ()

    def row(self, candidate: str) -> Row | None:
        """Find a candidate's row."""
        return next((row for row in self.rows if row.candidate == candidate), None)

    def compared(self, candidate: str, key: str | None = None) -> float | None:
        """Compare a candidate's median with that of the baseline."""
        key = key or self.columns[0].key
        row, base = self.row(candidate), self.row(self.baseline or "")
        if row is None or base is None:
            return None
        mine, theirs = row.median(key), base.median(key)
        if mine is None or theirs is None:
            return None
        if self.comparison == "difference":
            return mine - theirs
        return mine / theirs if theirs else None


class Target(NamedTuple):
    """A figure that is to be reached, and what was."""

    what: str
    value: float | None
    limit: float | None
    """At most this; None: reported only."""
    aim: float
    unit: str

    @property
    def verdict(self) -> str:
        """Say whether it was reached, and by how much not."""
        if self.value is None:
            return "not measured"
        limit = self.aim if self.limit is None else self.limit
        word = "aim" if self.limit is None else "target"
        if self.value > limit:
            return f"{word} missed by {show(self.value - limit, self.unit)}"
        if self.value > self.aim:
            return f"reached, aim missed by {show(self.value - self.aim, self.unit)}"
        return "reached" if self.limit == self.aim else "reached, the aim too" if self.limit else "aim reached"


def show(value: float | None, unit: str) -> str:
    """Write a figure with its unit."""
    if value is None:
        return "-"
    if unit == "x":
        return f"{value:.2f} x"
    if unit == "":
        return f"{value:.0f}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:.{digits}f} {unit}"


def interleave(who: Sequence[T], samples: int, measure: Callable[[T], None], wanted: Callable[[T, int], bool]) -> None:
    """Take turns: one sample of each, then the next of each, every round beginning with another.

    Noise then meets all alike. `wanted` says whether somebody still takes part in a round.
    """
    for turn in range(samples):
        first = turn % len(who)
        for one in (*who[first:], *who[:first]):
            if wanted(one, turn):
                measure(one)


def milliseconds(values: Iterable[float]) -> list[float]:
    """Give seconds as milliseconds."""
    return [value * 1e3 for value in values]
