"""Which modules are inside the one file: what pdwrap, click and psutil import, and what those import in turn.

Read from the sources, without running them: the same for every processor, on every machine.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Where it begins: the rest of `encodings` is for what nobody types here.
ROOTS = (
    "encodings",
    "_pdwrap_start",
    "_mapping",
    "os",
    "_collections_abc",
    "encodings.aliases",
    "encodings.utf_8",
    "encodings.ascii",
    "encodings.latin_1",
    "importlib",
    "pdwrap",
    "psutil",
)
#: Imported where it is never reached here: other systems, a pager, an editor, a browser, network, tests. An import of
#: one of them fails, as where it is not installed.
LEFT_OUT = {
    *("_winapi", "_wmi", "_overlapped", "nt", "ntpath", "msvcrt", "winreg", "click._winconsole", "click.testing"),
    *("psutil._psbsd", "psutil._psosx", "psutil._psaix", "psutil._pssunos", "psutil._pswindows", "psutil._psutil_osx"),
    *("psutil._psutil_windows", "psutil._pssunos", "typing_extensions", "ctypes", "_ctypes", "_prctl"),
    *("tempfile", "webbrowser", "urllib", "urllib.parse", "getpass", "importlib.metadata", "tty", "termios", "pdb"),
    *("asyncio", "multiprocessing", "concurrent.futures", "unittest", "doctest", "pickle", "random", "argparse"),
    *("zlib", "bz2", "lzma", "zipfile", "tarfile", "ssl", "hashlib"),
    *("importlib.resources", "importlib.abc", "_bootlocale", "_pydatetime", "_pyio", "_strptime", "_typing"),
    *("optparse", "getopt", "posix1e", "grp", "vms_lib", "java.lang", "_frozen_importlib_external", "_json"),
    *("_frozen_importlib", "_contextvars", "contextvars", "_uuid", "_typeshed", "org.python.core", "_curses", "mmap"),
    *("_suggestions", "_queue", "_osx_support", "_scproxy", "ipaddress", "cPickle", "pyexpat", "_overlapped"),
}
#: Frozen into Python's own library already, as objects that need no reading (Python/frozen.c).
FROZEN = {
    *(
        "abc",
        "codecs",
        "io",
        "os.path",
        "_sitebuiltins",
        "genericpath",
        "posixpath",
        "stat",
        "site",
    ),
    *("importlib._bootstrap", "importlib._bootstrap_external", "zipimport", "importlib.util", "importlib.machinery"),
}


class Missing(Exception):
    """A module that is imported, and neither found nor left out by name."""


class Sources:
    """Where modules are found.

    Args:
        places: folders, the first one that has a module gives it.
        built_in: names of modules that are written in C, and linked in.

    """

    def __init__(self, places: list[Path], built_in: set[str]) -> None:
        self._places = places
        self._built_in = built_in

    def find(self, name: str) -> tuple[Path, bool] | None:
        """Give a module's source, and whether it is a package."""
        inside = name.replace(".", "/")
        for place in self._places:
            for path, is_package in ((place / inside / "__init__.py", True), (place / f"{inside}.py", False)):
                if path.is_file():
                    return path, is_package
        return None

    def closure(self) -> dict[str, tuple[Path, bool]]:
        """Give all modules, by name, sorted.

        Raises:
            Missing: one is imported that nobody knows.

        """
        found: dict[str, tuple[Path, bool]] = {}
        waiting = [(name, "the list of roots") for name in ROOTS]
        for package in ("pdwrap", "click"):
            start = self.find(package)
            if start is None:
                raise Missing(package)
            folder = start[0].parent
            names = [".".join(path.relative_to(folder.parent).with_suffix("").parts) for path in folder.rglob("*.py")]
            waiting += [(name.removesuffix(".__init__"), package) for name in names if not name.endswith("__main__")]
        while waiting:
            name, user = waiting.pop()
            if name in found or name in LEFT_OUT or name in self._built_in or name in FROZEN:
                continue
            here = self.find(name)
            if here is None:
                raise Missing(f"{name}, which {user} imports")
            found[name] = here
            if "." in name:
                waiting.append((name.rpartition(".")[0], name))
            everywhere = name.partition(".")[0] in ("pdwrap", "click")
            tree = ast.parse(here[0].read_bytes())
            package = name if here[1] else name.rpartition(".")[0]
            waiting += [(each, name) for each in self._imported(tree, package, everywhere)]
        return dict(sorted(found.items()))

    def _imported(self, tree: ast.AST, package: str, everywhere: bool) -> Iterator[str]:  # noqa: FBT001 - told once
        for node in _statements(tree, everywhere):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")
                above = above[: len(above) - node.level + 1] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                yield module
                for alias in node.names:
                    if self.find(f"{module}.{alias.name}"):
                        yield f"{module}.{alias.name}"


def _statements(tree: ast.AST, everywhere: bool) -> Iterator[ast.AST]:  # noqa: FBT001 - told once
    """Go through what may run: not what is for type checkers alone, nor, unless `everywhere`, inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not everywhere:
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "t.TYPE_CHECKING",
            "__name__ == '__main__'",
        ):
            for other in node.orelse:
                yield other
                yield from _statements(other, everywhere)
            continue
        yield node
        yield from _statements(node, everywhere)
