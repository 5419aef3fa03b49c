"""Who may import whom: downwards only, and without click or psutil on the straight way (DESIGN's layers)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pdwrap

PACKAGE = Path(pdwrap.__file__).parent
LONGEST = 285

#: Top first. A module imports from the layers below its own, and from those before it in its own, left to right.
LAYERS = (
    ("__main__",),
    ("entry",),
    ("cli", "unwatched"),
    ("exec_mode", "supervisor"),
    ("release",),
    ("inner", "outer", "sidecar"),
    ("acts", "stand_in", "sweep"),
    ("jobs",),
    ("groups", "launch", "marks", "member", "members", "mirror", "terminal", "tree", "watch"),
    ("messages", "wire"),
    ("kernel", "procfs", "signals"),
    ("tables", "lifecycle", "options", "durations", "status"),
    ("__init__",),
)
#: Within a layer: who may import whom.
SIDEWAYS = {
    ("groups", "terminal"),
    ("marks", "member"),
    ("members", "member"),
    ("kernel", "procfs"),
    ("kernel", "signals"),
    ("tables", "lifecycle"),
    ("options", "durations"),
    ("options", "status"),
}
#: Upwards, each with its reason: a signal's name is read with the facts about signals, which have no state.
UPWARDS = {("options", "signals")}
#: Pure: no process, no descriptor, no clock; of the standard library only this.
PURE: dict[str, set[str]] = {
    "lifecycle": set(),
    "tables": set(),
    "options": set(),
    "durations": set(),
    "status": {"errno"},
}
#: On the straight way these are too dear (DESIGN, fact 15).
TOO_DEAR = {
    *("click", "psutil", "prctl", "enum", "signal", "re", "typing", "dataclasses", "pathlib", "logging", "subprocess"),
    *("contextlib", "functools", "ctypes", "json", "argparse", "importlib.metadata", "collections"),
}

#: A tool of its own on top of all that, which nothing of it knows; top first, each imports from those after it.
LOCALAI = (
    *("__main__", "command", "wrap", "upgrades", "backends", "own_command", "disk", "script", "errors"),
    "__init__",
)

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def imports(module: str) -> set[str]:
    """List everything that a module imports, inside functions and for type checkers alike; ours as `pdwrap.x`."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            source = node.module or ""
            if source == "pdwrap":
                found |= {
                    f"pdwrap.{alias.name}" if alias.name in MODULES else "pdwrap.__init__" for alias in node.names
                }
            elif source == "pdwrap.localai":
                found |= {f"{source}.{alias.name}" for alias in node.names}
            else:
                found.add(source)
    return found


def ours(module: str) -> set[str]:
    """List our own modules that a module imports."""
    return {name.removeprefix("pdwrap.") for name in imports(module) if name.startswith("pdwrap.")}


def test_each_module_has_its_layer() -> None:
    """A new module is put into a layer here."""
    assert sorted(RANK) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    """A module imports from the layers below its own; each exception is named above."""
    allowed = SIDEWAYS | UPWARDS
    wrong = {other for other in ours(module) if RANK[other] <= RANK[module] and (module, other) not in allowed}
    assert not wrong


def test_exceptions_are_needed() -> None:
    """An exception that nobody uses any more is dropped."""
    used = {(module, other) for module in MODULES for other in ours(module)}
    assert used >= SIDEWAYS | UPWARDS


def test_no_cycles() -> None:
    """No module imports itself by way of others."""
    graph = {module: ours(module) for module in MODULES}
    finished: set[str] = set()
    while len(finished) < len(graph):
        free = {module for module, below in graph.items() if module not in finished and below <= finished}
        assert free, f"a cycle among {sorted(set(graph) - finished)}"
        finished |= free


@pytest.mark.parametrize("module", PURE)
def test_pure_modules(module: str) -> None:
    """What decides has no way to do anything."""
    allowed = {*PURE[module], *(f"pdwrap.{other}" for other in [*PURE, "signals"]), "collections.abc"}
    assert imports(module) <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module: str) -> None:
    """A module is read in a sitting."""
    assert len((PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("module", MODULES)
def test_modules_say_what_they_are_for(module: str) -> None:
    """Each module begins with a docstring, its contract."""
    assert ast.get_docstring(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8")))


def test_only_the_command_line_knows_click() -> None:
    """Options are click's business, and click is `cli`'s."""
    assert {module for module in MODULES if any(name.split(".")[0] == "click" for name in imports(module))} == {"cli"}


@pytest.mark.parametrize("names", ["entry", "entry, supervisor", "entry, supervisor, durations"])
def test_the_straight_way_is_cheap(names: str) -> None:
    """`pdwrap -- CMD` imports nothing dear before the backend runs."""
    code = (
        f"import sys; sys.path.append({str(PACKAGE.parent)!r}); before = set(sys.modules); from pdwrap import {names}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert not TOO_DEAR & set(loaded.split())


def test_the_tool_for_localai_is_on_top() -> None:
    """Nobody imports the tool for LocalAI, its modules import downwards, and `command` alone knows click."""
    assert sorted(LOCALAI) == sorted(path.stem for path in (PACKAGE / "localai").glob("*.py"))
    assert not {name for module in MODULES for name in imports(module) if name.startswith("pdwrap.localai")}
    for rank, module in enumerate(LOCALAI):
        found = imports(f"localai/{module}")
        own = {name.removeprefix("pdwrap.localai.") for name in found if name.startswith("pdwrap.localai.")}
        assert own <= set(LOCALAI[rank + 1 :]), module
        assert ("click" in found) == (module == "command")
        text = (PACKAGE / "localai" / f"{module}.py").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST
        assert ast.get_docstring(ast.parse(text))
