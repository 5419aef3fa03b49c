"""`scripts/compare`: the same trials for pdwrap and for what else ends, or starts, a backend."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.processes import become_subreaper, sweep

from . import cells, costs, peers
from .beside import Beside
from .build import ROOT, program
from .workers import Result, results

PAGE = ROOT / "docs" / "comparison.md"
BEGIN, END = "<!-- begin: scripts/compare -->", "<!-- end: scripts/compare -->"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="compare", description="The same trials for pdwrap and its peers.")
    made.add_argument("--times", type=int, default=5, metavar="N", help="each so many times (default 5)")
    made.add_argument("--only", action="append", metavar="NAME", help="this one alone (may be repeated)")
    made.add_argument("--question", metavar="PATTERN", help="the rows that this regular expression finds, no costs")
    made.add_argument("--jobs", type=int, default=4, help="workers (default 4)")
    made.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    made.add_argument("--write", action="store_true", help="put the table into docs/comparison.md, too")
    return made


class Cell(NamedTuple):
    """What was answered."""

    yes: int
    no: int

    def __str__(self) -> str:
        """As the table has it: yes, no, how often of how many, or that it was not to be asked."""
        if not self.yes + self.no:
            return "-"
        if self.yes and self.no:
            return f"{self.yes} of {self.yes + self.no}"
        return "yes" if self.yes else "no"


class Found:
    """All that was found out."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.peers, self.left_out = peers.present(options.only)
        pattern = re.compile(options.question or "")
        self.rows = [(group, row) for group, rows in cells.ROWS.items() for row in rows if pattern.search(row.text)]
        self.answers: dict[tuple[int, int], list[bool | None]] = defaultdict(list)
        self.figures: dict[tuple[str, int], list[float | None]] = defaultdict(list)
        self.broken: list[str] = []

    def _share(self, beside: Beside, worker: int) -> Iterator[Result]:
        work = [
            (row, peer, turn)
            for row in range(len(self.rows))
            for peer in range(len(self.peers))
            for turn in range(self._options.times)
        ]
        for row, peer, turn in work[worker :: self._options.jobs]:
            yield {"row": row, "peer": peer, "answer": cells.ask(self.rows[row][1], self.peers[peer], beside, turn)}

    def _take(self, result: Result) -> None:
        if "broken" in result:
            self.broken.append(result["broken"])
            print(f"compare: broken: {result['broken']}", file=sys.stderr)
        elif "figure" in result:
            self.figures[result["figure"], result["peer"]].append(result["value"])
        else:
            self.answers[result["row"], result["peer"]].append(result["answer"])

    def find_out(self, beside: Beside) -> None:
        """Ask all questions, several at a time; then measure, one at a time."""
        for result in results(self._options.jobs, lambda worker: self._share(beside, worker)):
            self._take(result)
        if not self._options.question:
            times = self._options.times * 3
            for result in results(1, lambda worker: costs.measure(self.peers, times, beside)):
                self._take(result)

    def cell(self, row: int, peer: int) -> Cell:
        """Sum up."""
        answers = self.answers[row, peer]
        return Cell(answers.count(True), answers.count(False))

    def _line(self, text: str, words: list[str]) -> str:
        return f"| {text} | {' | '.join(words)} |"

    def table(self) -> str:
        """Write it in Markdown: who they are, and what was answered."""
        names = [peer.name for peer in self.peers]
        lines = [f"- {peer.name}: `{peer.shown}`" for peer in self.peers]
        lines += [f"- left out here: {name} ({why})" for name, why in self.left_out.items()]
        lines += ["", self._line(f"{self._options.times} trials of each", names), "|---" * (len(names) + 1) + "|"]
        group = ""
        for number, (above, row) in enumerate(self.rows):
            if above != group:
                group = above
                lines.append(self._line(f"**{group}**", [""] * len(names)))
            lines.append(self._line(row.text, [str(self.cell(number, peer)) for peer in range(len(names))]))
        if self.figures:
            lines.append(self._line("**Costs** (medians, in turns)", [""] * len(names)))
            for figure, text in costs.FIGURES.items():
                lines.append(self._line(text, [self._figure(figure, peer) for peer in range(len(names))]))
        return "\n".join(lines)

    def _figure(self, figure: str, peer: int) -> str:
        value = costs.median(self.figures[figure, peer])
        if value is None:
            return "lives on"
        return f"{value:.0f}" if figure == "processes" else f"{value:.1f}"

    def as_json(self) -> str:
        """Write the same for a program."""
        rows = [
            {"question": row.text, "peer": peer.name, "yes": self.cell(n, m).yes, "no": self.cell(n, m).no}
            for n, (_, row) in enumerate(self.rows)
            for m, peer in enumerate(self.peers)
        ]
        figures = [
            {"figure": figure, "peer": self.peers[peer].name, "values": values}
            for (figure, peer), values in self.figures.items()
        ]
        return json.dumps({"rows": rows, "figures": figures, "left_out": self.left_out}, indent=1)

    def write(self) -> None:
        """Put the table into its page."""
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{self.table()}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run; nothing that we started is left."""
    options = parser().parse_args(arguments)
    program("actors")
    become_subreaper()
    beside = Beside()
    try:
        found = Found(options)
        if unknown := set(options.only or ()) - {peer.name for peer in peers.peers()}:
            print(f"compare: --only: nobody is called {', '.join(sorted(unknown))}", file=sys.stderr)
            return 2
        found.find_out(beside)
    finally:
        sweep()
    print(found.as_json() if options.json else found.table())
    if options.write:
        found.write()
    return 1 if found.broken else 0
