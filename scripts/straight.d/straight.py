"""Make `pdwrap/straight/`: the modules on the way from `pdwrap -- CMD` to the backend's exec, in few files.

Finding some forty modules one by one, and making a module of each, costs half of what they cost in all (docs/
performance.md). So whoever installs pdwrap installs them a second time, a group to a file: each module is the body of a
function there, which is carried out with that module's own names as its globals. What it does is the same, by the same
source; docstrings, and what type checkers alone read, are left out.

As a program: ``python straight.py FOLDER [--checked]`` makes the folder. With ``--checked``, for a checkout that
somebody works in: what was made of files that have changed since is not used (`import` refuses it, and the modules
themselves are). The wheel's is made by `build_hook`.
"""

from __future__ import annotations

import ast
import symtable
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
PACKAGE = "pdwrap"

#: What is carried out together, when its name, the trigger, is imported: where it begins, and what else `entry` imports
#: in functions whatever it was told to do.
GROUPS = {
    "pdwrap": ("pdwrap.entry", "pdwrap.ancestry", "pdwrap.inherited", "pdwrap.linux.descriptors"),
    "pdwrap.fork_mode": ("pdwrap.fork_mode.start",),
    "pdwrap.exec_mode": ("pdwrap.exec_mode.start",),
    "pdwrap.chain": ("pdwrap.chain",),  # where a shell or a runner started pdwrap
}

HEAD = (
    '"""Made by scripts/straight.d/straight.py, of the modules named in it: those are what to read, and to change."""'
)

CHECK = """
import os

for _source, _seen in {sources}:
    _file = os.stat(__file__.rpartition("/straight/")[0] + _source)
    if (_file.st_mtime_ns, _file.st_size) != _seen:
        raise ImportError("made of other sources")
"""

# How it is used, in the first file.
USE = '''
import sys
from _frozen_importlib import ModuleSpec

_HOME = __file__.rpartition("/straight/")[0]
_OTHERS = {others}
_new = type(sys)


def _carry_out(group):
    for name, source, body in group:
        if name in sys.modules:
            continue
        module = _new(name)
        module.__file__ = _HOME + source
        parent, _, own = name.rpartition(".")
        module.__package__ = parent
        if source.endswith("/__init__.py"):
            module.__package__ = name
            module.__path__ = [module.__file__.rpartition("/")[0]]
        sys.modules[name] = module
        try:
            type(body)(body.__code__, module.__dict__)()
        except BaseException:
            del sys.modules[name]
            raise
        setattr(sys.modules[parent], own, module)


class _Finder:
    """Carries out a group when its trigger is imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        file = _OTHERS.pop(name, None)
        if file is None:
            return None
        try:
            group = __import__(file, fromlist=["GROUP"]).GROUP
        except (ImportError, FileNotFoundError):
            return None
        _carry_out(group)
        return ModuleSpec(name, _Finder, is_package=hasattr(sys.modules[name], "__path__"))

    @staticmethod
    def create_module(spec):
        return sys.modules[spec.name]

    @staticmethod
    def exec_module(module):
        pass


_carry_out(GROUP)
sys.meta_path.insert(0, _Finder)
main = sys.modules["pdwrap.entry"].main
'''


def path_of(module: str) -> Path:
    """Give the file of a module."""
    path = HOME.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def stripped(tree: ast.Module) -> ast.Module:
    """Leave out what nobody reads at run time: docstrings, annotations, and what type checkers alone see."""
    _Stripper().visit(tree)
    return ast.fix_missing_locations(tree)


class _Stripper(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> object:
        """`if TYPE_CHECKING` is false."""
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else node

    def visit_Expr(self, node: ast.Expr) -> object:
        """A docstring, or `...`: a constant that goes nowhere."""
        return None if isinstance(node.value, ast.Constant) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> object:
        """A value stays."""
        return node.value and ast.Assign([node.target], node.value)

    def visit_arg(self, node: ast.arg) -> object:
        """A name."""
        return ast.arg(node.arg)

    def visit_ClassDef(self, node: ast.ClassDef) -> object:
        """Nothing may be left of its body."""
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> object:
        """Nothing may be left of its body."""
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        node.returns = None
        return node


def imported(tree: ast.Module) -> list[str]:
    """List our own modules that a module imports when it is imported itself, in order."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                found.append(inside if path_of(inside).exists() else str(node.module))
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE]
    return found


def in_order(module: str, seen: dict[str, ast.Module]) -> None:
    """Put a module, and before it all that it needs, into `seen`."""
    if module in seen or module == PACKAGE:
        return  # the package itself is imported already, by who imports its `straight`
    if parent := module.rpartition(".")[0]:
        in_order(parent, seen)
    tree = stripped(ast.parse(path_of(module).read_text(encoding="utf-8")))
    for other in imported(tree):
        in_order(other, seen)
    seen[module] = tree


def bound(tree: ast.Module) -> list[str]:
    """List the names that a module binds: they are to be its own, not a function's."""
    table = symtable.symtable(ast.unparse(tree), "", "exec")
    return sorted(name.get_name() for name in table.get_symbols() if name.is_assigned() or name.is_imported())


def body(name: str, tree: ast.Module) -> str:
    """Make a function that does what a module does."""
    statements = list(tree.body)
    own = bound(tree)
    if own:
        statements.insert(0, ast.Global(own))
    lines = ast.unparse(ast.Module(statements or [ast.Pass()], [])).splitlines()
    return f"def {name}():\n" + "\n".join(f"    {line}" for line in lines)


def file_of(trigger: str) -> str:
    """Name the file of a group."""
    return f"{trigger.rpartition('.')[2]}.py" if trigger != PACKAGE else "__init__.py"


def text_of(trigger: str, group: dict[str, ast.Module], *, checked: bool) -> str:
    """Write the file of a group."""
    parts = [HEAD]
    files = {module: path_of(module).relative_to(HOME / PACKAGE) for module in group}
    if checked:
        stats = {source: (HOME / PACKAGE / source).stat() for source in files.values()}
        seen = tuple((f"/{source}", (stat.st_mtime_ns, stat.st_size)) for source, stat in stats.items())
        parts.append(CHECK.format(sources=seen))
    rows = []
    for number, (module, tree) in enumerate(group.items()):
        parts.append(body(f"_{number}", tree))
        rows.append(f"({module!r}, '/{files[module]}', _{number})")
    parts.append(f"GROUP = ({', '.join(rows)},)")
    if trigger == PACKAGE:
        others = {other: f"{PACKAGE}.straight.{file_of(other)[:-3]}" for other in GROUPS if other != PACKAGE}
        parts.append(USE.replace("{others}", repr(others)))
    return "\n".join(parts) + "\n"


def make(*, checked: bool) -> dict[str, str]:
    """Give the texts of the files, by their names."""
    common: dict[str, ast.Module] = {}
    texts = {}
    for trigger, beginnings in GROUPS.items():
        seen = dict(common)
        for beginning in beginnings:
            in_order(beginning, seen)
        texts[file_of(trigger)] = text_of(
            trigger, {module: tree for module, tree in seen.items() if module not in common}, checked=checked
        )
        if trigger == PACKAGE:
            common = seen
    return texts


def main(folder: Path, *, checked: bool) -> None:
    """Write the files. Somebody may be reading the older ones."""
    folder.mkdir(exist_ok=True)
    for name, text in make(checked=checked).items():
        new = folder / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), checked="--checked" in sys.argv[2:])
