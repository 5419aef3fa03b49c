"""Every link of the documents leads somewhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, Page

LONGEST_README = 170


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_links_lead_somewhere(page: Page) -> None:
    """A relative link names a file of the repository, its anchor a heading in there."""
    lost = []
    for line, link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path
        name = str(target.relative_to(ROOT))
        if not target.exists() or (anchor and (name not in PAGES or anchor not in PAGES[name].anchors)):
            lost.append(f"{page.name}:{line}: {link}")
    assert not lost


def test_every_page_is_in_the_index() -> None:
    """Who opens docs/ finds every page of it."""
    index = PAGES["docs/README.md"]
    listed = {link.partition("#")[0] for _line, link in index.links}
    assert listed >= {Path(name).name for name in PAGES if name.startswith("docs/")} - {"README.md"}


def test_the_first_page_is_short() -> None:
    """A new user reads it to its end."""
    assert len(PAGES["README.md"].text.splitlines()) <= LONGEST_README


def sources() -> list[Path]:
    """The texts of the repository in which something may be cited."""
    folders = ("pdwrap", "tests", "scripts", "examples", "docs")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [
        path for path in found if "__pycache__" not in path.parts and path.suffix in ("", ".py", ".sh", ".c", ".md")
    ]


def test_facts_that_are_cited_exist() -> None:
    """Code, tests and documents cite facts by their numbers, and each of these is there."""
    facts = {anchor for anchor in PAGES["docs/facts.md"].anchors if anchor.isdigit()}
    assert facts == {str(number) for number in range(1, len(facts) + 1)}
    unknown = []
    for path in sources():
        text = path.read_text(encoding="utf-8", errors="replace")
        for cited in re.findall(r"docs/facts\.md,? ([\d, and]+)", text):
            unknown += [f"{path}: {number}" for number in re.findall(r"\d+", cited) if number not in facts]
    assert not unknown


def test_each_fact_has_its_source() -> None:
    """What is only believed is no fact."""
    parts = re.split(r"^## \d+$", PAGES["docs/facts.md"].text, flags=re.MULTILINE)[1:]
    assert parts
    assert all(re.search(r"^Source: .", part, re.MULTILINE) for part in parts)


def test_nothing_else_is_cited() -> None:
    """A citation leads to a page of the repository, not to a paper that only its author has."""
    unknown = re.compile(r"\bDESIGN\b|(?<!\[)\b[Ff]acts? \d")
    allowed = {Path(__file__), *(ROOT / "docs").glob("*.md")}
    found = [
        str(path) for path in sources() if path not in allowed and unknown.search(path.read_text("utf-8", "replace"))
    ]
    assert not found
