"""docs/how-it-works.md: its drawings are the tables', its modules and functions are the package's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pdwrap
from pdwrap.lifecycle import DONE

from . import lifecycles
from .pages import PAGES

PACKAGE = Path(pdwrap.__file__).parent
PAGE = PAGES["docs/how-it-works.md"]


def test_the_drawings_are_up_to_date() -> None:
    """`./scripts/lifecycles --write` makes them anew."""
    assert lifecycles.drawings() == lifecycles.PART.shown()


def test_the_drawings_show_every_state() -> None:
    """Whatever a table can come to is in its drawing, and so is each event that changes something."""
    for table in lifecycles.TABLES.values():
        drawn = lifecycles.draw(table)
        assert all(lifecycles.node(state) in drawn for state in [*table, DONE])
        for cells in table.values():
            for event, (actions, _after) in cells.items():
                assert not actions or lifecycles.words(event) in drawn


def test_every_module_has_its_layer() -> None:
    """The table of layers names each module of the package once, and no other."""
    section = PAGE.text.partition("## Layers")[2].partition("\n## ")[0]
    listed: list[str] = []
    for row in re.findall(r"^\| (.+) \| (.+) \|$", section, re.MULTILINE):
        folder = "".join(re.findall(r"`(\w+/)`", row[0]))
        listed += [word if "/" in word else folder + word for word in re.findall(r"`([\w/]+)`", row[1])]
    modules = {
        str(path.relative_to(PACKAGE).with_suffix(""))
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "straight"
    }
    wanted = {name for name in modules if not name.endswith("__init__") and not name.startswith("localai/")}
    assert sorted(listed) == sorted({*wanted, "localai/"})


def test_the_walks_go_through_functions_that_exist() -> None:
    """What follows the link to a module, `like this()`, is defined in it."""
    lost = []
    for steps in re.findall(r"\]\(\.\./(pdwrap/[\w/]+\.py)\)((?:,? (?:and )?\s*`\w+\(\)`)*)", PAGE.text):
        names = {
            node.name
            for node in ast.walk(ast.parse((PACKAGE.parent / steps[0]).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        lost += [f"{steps[0]}: {name}" for name in re.findall(r"`(\w+)\(\)`", steps[1]) if name not in names]
    assert not lost
    assert len(re.findall(r"`\w+\(\)`", PAGE.text)) > 20
