"""What the code says to people, read from its source: lines, as patterns; variables; statuses; keys of JSON."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pdwrap
from pdwrap import exit_status

PACKAGE = Path(pdwrap.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "straight")  # that is made of the others
OWN_FILES = [path for path in FILES if "localai" not in path.parts[len(PACKAGE.parts) :]]
"""Without the tool for LocalAI."""
SPEAKERS = {"Refusal": (0, "{}"), "complain": (0, "{}"), "_say": (1, "{}")}
"""Who says a line: which of its arguments that is, and what becomes of it."""
SPEAKERS |= {"Trouble": (0, "(?:.*: )?{}"), "UsageError": (0, "{}"), "say": (0, "{}")}  # behind a backend's name
SPEAKERS["not_started"] = (0, r"{} \(.*\): nothing was started.*")
FEWEST_LETTERS = 8
"""A line with fewer letters of its own (`NAME: REASON`) says what the system says."""


class Lines(ast.NodeVisitor):
    """Collects the lines that a module says, each as a regular expression."""

    def __init__(self, constants: dict[str, ast.expr]) -> None:
        """*constants* are the texts that the package has names for."""
        self._constants = constants
        self._local: list[dict[str, ast.expr]] = [{}]
        self.found: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A name in a function means what the function has made it. How a speaker does it is not what is said."""
        if node.name in SPEAKERS:
            return
        inside = [sub for sub in ast.walk(node) if isinstance(sub, ast.Assign) and isinstance(sub.targets[0], ast.Name)]
        self._local.append({sub.targets[0].id: sub.value for sub in inside if isinstance(sub.targets[0], ast.Name)})
        self.generic_visit(node)
        self._local.pop()

    def visit_Call(self, node: ast.Call) -> None:
        """Somebody speaks, or not."""
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        at, form = SPEAKERS.get(name, (0, ""))
        if form and len(node.args) > at:
            self.found |= {form.format(line) for line in self._texts(node.args[at]) if _letters(line) >= FEWEST_LETTERS}
        self.generic_visit(node)

    def _texts(self, node: ast.expr) -> Iterator[str]:
        """Give what an expression may come to; what only a run can tell stands as `.*`."""
        match node:
            case ast.Constant(value=str(text)):
                yield re.sub(r"\\\{\\?\w*\\\}", ".+", re.escape(text))  # for str.format
            case ast.JoinedStr(values=parts):
                yield "".join(self._part(part) for part in parts)
            case ast.IfExp(body=one, orelse=other):
                yield from self._texts(one)
                yield from self._texts(other)
            case ast.BinOp(left=left, right=right):
                yield from (before + after for before in self._texts(left) for after in self._texts(right))
            case ast.Dict(values=values) | ast.BoolOp(values=values):
                for value in values:
                    yield from self._texts(value)
            case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner)):
                yield from self._texts(inner)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                meant = self._local[-1].get(name) or self._constants.get(name)
                if meant is not None and meant is not node:
                    yield from self._texts(meant)

    def _part(self, part: ast.expr) -> str:
        """Give a piece of an f-string: as it is written, the text that the package has a name for, or anything."""
        match part:
            case ast.Constant(value=text):
                return re.escape(str(text))
            case ast.FormattedValue(value=ast.Name(id=name) | ast.Attribute(attr=name)) if name in self._constants:
                return next(self._texts(self._constants[name]), ".*")
        return ".*"


def _letters(pattern: str) -> int:
    return len(re.findall(r"[a-z]", pattern.replace("\\n", "")))


def _trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def lines() -> set[str]:
    """Every line that pdwrap may print, as a regular expression, without `pdwrap: `."""
    trees = _trees()
    constants: dict[str, ast.expr] = {
        node.targets[0].id: node.value
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    found: set[str] = set()
    for tree in trees.values():
        collector = Lines(constants)
        collector.visit(tree)
        found |= collector.found
    return found


def variables(files: Iterable[Path] = OWN_FILES) -> set[str]:
    """The variables of the environment that mean something to these modules: pdwrap's own, or all of them."""
    words = {
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {word for word in words if re.fullmatch(r"(PDWRAP|LOCALAI)_[A-Z_]+", word)}


def statuses() -> set[int]:
    """The exit statuses that are pdwrap's own."""
    return {value for name, value in vars(exit_status).items() if name.isupper() and isinstance(value, int)}


def keys(*files: str) -> set[str]:
    """The keys of the JSON objects that these modules make; by default those of the lines that tell of an ending."""
    names = files or ("messages.py", "form.py")
    trees = [ast.parse((PACKAGE / name).read_text(encoding="utf-8")) for name in names]
    dicts = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    return {
        key.value for node in dicts for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
