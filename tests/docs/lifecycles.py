"""The lifecycles, drawn from the tables.

scripts/lifecycles            print them
scripts/lifecycles --write    put them into docs/how-it-works.md
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pdwrap.exec_mode.sidecar_table import SIDECAR
from pdwrap.fork_mode.inner_table import INNER
from pdwrap.fork_mode.outer_table import OUTER
from pdwrap.lifecycle import DONE, Event, State

from .generated import Part

if TYPE_CHECKING:
    from pdwrap.lifecycle import Table

PART = Part(Path(__file__).resolve().parent.parent.parent / "docs" / "how-it-works.md", "lifecycles")
TABLES = {
    "The inner supervisor, with `--leftovers end` and a grace": INNER,
    "The outer supervisor": OUTER,
    "A sidecar, with a grace": SIDECAR,
}


def words(event: type[Event]) -> str:
    """Say the name of an event as people do: `launcher died`."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", event.__name__).lower()


def node(state: State) -> str:
    """Give a state's name in the drawing."""
    return state.replace(" ", "_")


def draw(table: Table) -> str:
    """Draw one table as a mermaid state diagram: an arrow for each pair of states, with the events that lead there."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, cells in table.items():
        for event, (actions, after) in cells.items():
            if actions or after != state:
                does = ", ".join(action.__name__.replace("_", " ") for action in actions)
                arrows.setdefault((state, after), []).append(f"{words(event)} / {does}" if does else words(event))
    lines = ["stateDiagram-v2", f"    [*] --> {node(next(iter(table)))}"]
    lines += [f"    {node(state)} --> {node(after)}: {'<br>'.join(why)}" for (state, after), why in arrows.items()]
    return "\n".join([*lines, f"    {node(DONE)} --> [*]"])


def drawings() -> str:
    """Draw all of them."""
    return "\n\n".join(f"### {title}\n\n```mermaid\n{draw(table)}\n```" for title, table in TABLES.items())


if __name__ == "__main__":
    PART.main(drawings)
