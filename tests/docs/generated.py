"""What stands between two marks on a page was made by code, and is made anew by the script that the marks name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


class Part:
    """The part of a page that a script makes.

    Attributes:
        page: the page.
        script: its name in scripts/.

    """

    def __init__(self, page: Path, script: str) -> None:
        """Find nothing yet."""
        self.page = page
        self._begin = f"<!-- begin: scripts/{script} -->"
        self._end = f"<!-- end: scripts/{script} -->"

    def shown(self) -> str:
        """Give what is on the page."""
        return self.page.read_text(encoding="utf-8").partition(self._begin)[2].partition(self._end)[0].strip()

    def write(self, text: str) -> None:
        """Put it on the page."""
        before, _, rest = self.page.read_text(encoding="utf-8").partition(self._begin)
        after = rest.partition(self._end)[2]
        self.page.write_text(f"{before}{self._begin}\n\n{text}\n\n{self._end}{after}", encoding="utf-8")

    def main(self, make: Callable[[], str]) -> None:
        """Be the script: print it, or with `--write` put it on the page."""
        if sys.argv[1:] == ["--write"]:
            self.write(make())
        else:
            sys.stdout.write(make() + "\n")
