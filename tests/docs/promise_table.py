"""Which test proves which promise, in which mode: collected by pytest from the docstrings, and drawn as a table.

    scripts/promise            print the table
    scripts/promise --write    put it into docs/promise.md

A test names what it proves at the beginning of its docstring ("E1, E2: ..."), and its modes by `@pytest.mark.modes`.
One without a mode runs no pdwrap of its own: it proves a piece of code, which both modes share or its folder names.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from .generated import Part

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "promise.md"
PART = Part(PAGE, "promise")
FORK, EXEC, PIECE = "f", "e", "·"
#: What is promised in the other mode alone, and why. A test of both modes that names it proves it there.
NOT_PROMISED = {
    ("E5", EXEC): "fork mode's promise: in exec mode nobody is left to see the backend exit",
    ("T6", FORK): "exec mode's promise: in fork mode pdwrap is the backend's parent",
}
UNEXPLAINED = "nobody has said why"

Proofs = dict[str, dict[str, set[str]]]
"""By file and promise, the modes."""


class Collector:
    """A plug-in that notes what each collected test proves."""

    def __init__(self) -> None:
        """Nothing is collected yet."""
        self.proofs: Proofs = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the docstrings."""
        for item in items:
            test = getattr(item, "function", None)
            file = str(item.path.relative_to(ROOT / "tests"))
            params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
            mode = {"fork": FORK, "exec": EXEC}.get(str(params.get("mode")), PIECE)
            for promise in proven(test.__doc__ or "" if test else ""):
                if (promise, mode) not in NOT_PROMISED:
                    self.proofs.setdefault(file, {}).setdefault(promise, set()).add(mode)


def proven(docstring: str) -> list[str]:
    """Give the promises that a docstring begins with."""
    found = re.match(r"(?:[ENT]\d+(?:, | and |: |; ))+", docstring)
    return re.findall(r"[ENT]\d+", found.group()) if found else []


def promises() -> list[str]:
    """The promises in their order on the page."""
    return re.findall(r"^- \*\*([ENT]\d+)\*\*", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def collect() -> Proofs:
    """Have pytest collect every test but those of tests/field, which need other programs."""
    collector = Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[collector]
        )
    if status:
        sys.exit(said.getvalue()[-2000:])
    return collector.proofs


def missing(proofs: Proofs) -> set[tuple[str, str]]:
    """Give the promises and modes that no test proves by a process tree."""
    shown = {
        (promise, mode) for found in proofs.values() for promise, modes in found.items() for mode in modes - {PIECE}
    }
    return {(promise, mode) for promise in promises() for mode in (FORK, EXEC)} - shown


def table(proofs: Proofs, names: Iterable[str]) -> str:
    """Draw it: a row for each file, a column for each promise."""
    names = list(names)
    lines = [f"| tests/ | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for file in sorted(proofs):
        cells = ["".join(mode for mode in (FORK, EXEC, PIECE) if mode in proofs[file].get(name, ())) for name in names]
        cells = [cell if len(cell) == 1 else cell.replace(PIECE, "") for cell in cells]  # a whole tree proves more
        lines.append(f"| [{file.removesuffix('.py')}](../tests/{file}) | {' | '.join(cells)} |")
    lines += ["", "Without a test:", ""]
    for promise, mode in sorted(missing(proofs)):
        why = NOT_PROMISED.get((promise, mode), UNEXPLAINED)
        lines.append(f"- {promise} in {'fork' if mode == FORK else 'exec'} mode: {why}")
    return "\n".join(lines)


def made() -> str:
    """Collect, and draw.

    Raises:
        SystemExit: a test names what is not promised.

    """
    found = collect()
    unknown = {promise for proves in found.values() for promise in proves} - set(promises())
    if unknown:
        sys.exit(f"not promised in docs/promise.md: {', '.join(sorted(unknown))}")
    return table(found, promises())


if __name__ == "__main__":
    PART.main(made)
