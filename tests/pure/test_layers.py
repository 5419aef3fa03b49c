"""Who may import whom: downwards only, folder by folder; and what is on the way to the backend's exec is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pdwrap

PACKAGE = Path(pdwrap.__file__).parent
LONGEST = 285

#: Which folders a folder may import from, itself aside; "" is the root. Any folder that is not here is a mistake.
BELOW: dict[str, set[str]] = {
    "linux": set(),
    "": {"linux"},
    "fork_mode": {"", "linux"},
    "exec_mode": {"", "linux"},
    "processes": {"", "linux"},
    "cli": {"", "linux", "processes"},
    "localai": {"", "linux", "cli", "exec_mode", "fork_mode"},
}
#: The modules at the root where the command begins: they alone go into the folders above the root.
BEGINNINGS = {"__main__", "entry"}
#: Pure: no process, no descriptor, no clock; of the standard library only this.
PURE: dict[str, set[str]] = {
    "lifecycle": {"typing"},  # for type checkers alone, as `test_the_straight_way_is_cheap` shows
    "option": {"typing"},
    "options": {"typing"},
    "durations": set(),
    "exit_status": {"errno"},
}
#: The tables: data that name what is done, and how it follows; which actions each names.
TABLES = {
    "fork_mode.inner_table": "fork_mode.inner_actions",
    "fork_mode.outer_table": "fork_mode.outer_actions",
    "exec_mode.sidecar_table": "exec_mode.sidecar_actions",
}
#: The facts about signals have no state, and may be asked by who is pure.
FACTS = {"pdwrap.linux.signals"}
#: What only Linux has, by the names that give it away, stands in `linux/` alone.
LINUX_ALONE = {
    *("sigtimedwait", "sigwaitinfo", "POLLRDHUP", "pidfd_open", "_prctl", "_ctypes", "F_SETSIG", "O_ASYNC"),
    *("F_SETOWN", "memfd_create", "inotify_init", "waitid", "unshare", "setns"),
}
#: On the straight way these are too dear (docs/facts.md, 15).
TOO_DEAR = {
    *("click", "psutil", "prctl", "enum", "signal", "re", "typing", "dataclasses", "pathlib", "logging", "subprocess"),
    *("contextlib", "functools", "ctypes", "json", "argparse", "importlib.metadata", "collections"),
}


def dotted(path: Path) -> str:
    """Name a module: `linux.procfs`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MADE = PACKAGE / "straight"  # of the others, by scripts/straight.d; not in git
SOURCES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py")) if MADE not in path.parents}
MODULES = [name for name in SOURCES if name.rpartition(".")[2] != "__init__"]
FOLDERS = {"", *(path.name for path in PACKAGE.iterdir() if path != MADE and (path / "__init__.py").exists())}


def folder(module: str) -> str:
    """Name the folder of a module."""
    return module.rpartition(".")[0]


def imports(module: str) -> set[str]:
    """List everything that a module imports, inside functions and for type checkers alike; ours as `pdwrap.x.y`."""
    found = set()
    for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            source = node.module or ""
            inside = source.removeprefix("pdwrap").removeprefix(".")
            if source.split(".")[0] == "pdwrap" and inside in FOLDERS:
                found |= {
                    f"{source}.{alias.name}" if f"{inside}.{alias.name}".lstrip(".") in SOURCES else source
                    for alias in node.names
                }
            else:
                found.add(source)
    return found


def ours(module: str) -> set[str]:
    """List our own modules that a module imports; the package itself has the version alone, and is no one's layer."""
    return {name.removeprefix("pdwrap.") for name in imports(module) if name.startswith("pdwrap.")}


def test_each_folder_has_its_layer() -> None:
    """A new folder is put into its layer here."""
    assert set(BELOW) == FOLDERS


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    """A module imports from its own folder and from those below it."""
    if module not in BEGINNINGS:
        allowed = BELOW[folder(module)] | {folder(module)}
        assert not {other for other in ours(module) if folder(other) not in allowed}


def test_where_the_command_begins_is_needed_by_nobody() -> None:
    """`entry` is on top of all."""
    users = {module for module in MODULES if BEGINNINGS & ours(module)}
    assert users <= BEGINNINGS


def test_no_cycles() -> None:
    """No module imports itself by way of others."""
    graph = {module: ours(module) & set(MODULES) for module in MODULES}
    finished: set[str] = set()
    while len(finished) < len(graph):
        free = {module for module, below in graph.items() if module not in finished and below <= finished}
        assert free, f"a cycle among {sorted(set(graph) - finished)}"
        finished |= free


@pytest.mark.parametrize("module", PURE)
def test_pure_modules(module: str) -> None:
    """What decides has no way to do anything."""
    allowed = {*PURE[module], *(f"pdwrap.{other}" for other in PURE), *FACTS, "collections.abc"}
    assert imports(module) <= allowed


def called(tree: ast.AST) -> set[str]:
    """Name everything that is called in a piece of source, by its last part."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {func.attr if isinstance(func, ast.Attribute) else ast.unparse(func) for func in calls}


@pytest.mark.parametrize("module", TABLES)
def test_tables_do_nothing(module: str) -> None:
    """A table names actions, and calls none: it only puts cells together."""
    assert imports(module) <= {"pdwrap.lifecycle", f"pdwrap.{TABLES[module]}"}
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    assert called(tree) <= {"State", "on", "row", "dict", "items", "super", "__init__"}


def names_used(module: str) -> set[str]:
    """List all names, attributes and imported names of a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


@pytest.mark.parametrize("module", [module for module in MODULES if folder(module) not in ("linux", "localai")])
def test_what_only_linux_has_is_confined(module: str) -> None:
    """The kernel's facts are touched in `linux/`: system calls that others lack, and paths below /proc."""
    used = names_used(module) & LINUX_ALONE
    if "pidfd" in names_used(module):
        used -= {"pidfd_open"}  # of `linux.pidfd`
    assert not used
    texts = {
        node.value
        for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    }
    assert not {text for text in texts if text.startswith(("/proc", "/sys"))}


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module: str) -> None:
    """A module is read in a sitting."""
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("module", MODULES)
def test_modules_say_what_they_are_for(module: str) -> None:
    """Each module begins with a docstring, its contract."""
    assert ast.get_docstring(ast.parse(SOURCES[module].read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", [name for name in SOURCES if name.rpartition(".")[2] == "__init__"])
def test_folders_cost_nothing(name: str) -> None:
    """A folder's `__init__` is on the way to the backend: empty, but for the version and what only a reader sees."""
    body = ast.parse(SOURCES[name].read_text(encoding="utf-8")).body
    allowed = (ast.Expr, ast.Assign) if name == "__init__" else ast.Expr
    assert all(isinstance(node, allowed) for node in body)


def test_only_the_command_lines_know_click() -> None:
    """Options are click's business, and click is known where a person types."""
    users = {module for module in MODULES if any(name.split(".")[0] == "click" for name in imports(module))}
    assert users == {"cli.click_parser", "localai.command"}


@pytest.mark.parametrize(
    "names", ["pdwrap.entry", "pdwrap.entry, pdwrap.fork_mode.start", "pdwrap.entry, pdwrap.durations"]
)
def test_the_straight_way_is_cheap(names: str) -> None:
    """`pdwrap -- CMD` imports nothing dear before the backend runs."""
    code = (
        f"import sys; sys.path.append({str(PACKAGE.parent)!r}); before = set(sys.modules); import {names}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert not TOO_DEAR & set(loaded.split())
