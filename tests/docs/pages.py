"""The documents as data, read by markdown-it-py: headings, links, blocks of code, code within a line, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PATHS = [*(ROOT / name for name in FIRST), *sorted((ROOT / "docs").glob("*.md"))]
MARK = re.compile(r"<!-- (not run|needs|field): (.+?) -->\s*", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        where: page and line, for people.
        language: what follows the fence.
        text: what is in it.
        not_run: why it cannot be run, as a comment before it says; else empty.
        needs: a program that it needs, as a comment before it says; else empty.
        field: what of tests/field runs it, as a comment before it says; else empty.

    """

    where: str
    language: str
    text: str
    not_run: str
    needs: str
    field: str


class Page:
    """One document."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        """What markdown-it-py makes of it."""
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    def _inline(self) -> Iterator[tuple[int, Token]]:
        for token in self.tokens:
            line = token.map[0] + 1 if token.map else 0
            for child in token.children or []:
                yield line, child

    @cached_property
    def anchors(self) -> set[str]:
        """The names by which a link may lead into it, as GitHub makes them from the headings."""
        found: set[str] = set()
        for opening, token in zip(self.tokens, self.tokens[1:], strict=False):
            if opening.type == "heading_open":
                words = "".join(child.content for child in token.children or [])
                slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
                again = sum(1 for known in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", known))
                found.add(f"{slug}-{again}" if again else slug)
        return found

    @cached_property
    def links(self) -> list[tuple[int, str]]:
        """Where it leads, with the line."""
        return [
            (line, str(token.attrs["src" if token.type == "image" else "href"]))
            for line, token in self._inline()
            if token.type in ("link_open", "image")
        ]

    @cached_property
    def blocks(self) -> list[Block]:
        """Its blocks of code."""
        found = []
        marks: dict[str, str] = {}
        for token in self.tokens:
            if token.type == "html_block":
                marks = {kind: " ".join(what.split()) for kind, what in MARK.findall(token.content)}
                continue
            if token.type == "fence":
                line = token.map[0] + 1 if token.map else 0
                found.append(
                    Block(
                        f"{self.name}:{line}",
                        token.info.strip(),
                        token.content,
                        marks.get("not run", ""),
                        marks.get("needs", ""),
                        marks.get("field", ""),
                    )
                )
            marks = {}
        return found

    @cached_property
    def words(self) -> list[str]:
        """What is written as code within a line."""
        return [token.content for _line, token in self._inline() if token.type == "code_inline"]

    @cached_property
    def rows(self) -> list[list[list[str]]]:
        """The rows of its tables: for each cell what is written as code in it."""
        rows: list[list[list[str]]] = []
        for opening, token in zip(self.tokens, self.tokens[1:], strict=False):
            if opening.type == "tr_open":
                rows.append([])
            if opening.type in ("td_open", "th_open"):
                rows[-1].append([child.content for child in token.children or [] if child.type == "code_inline"])
        return rows


PAGES = {page.name: page for page in map(Page, PATHS)}
