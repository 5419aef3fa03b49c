"""Build the one file: freeze, compile, link. For scripts/build-standalone, by the Python whose library is linked.

Nothing of it is left behind if it dies but a folder below build/: the file is put into place last, by a rename.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import marshal
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from modules import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
#: Modules in C that are linked in, by the name of their PyInit_; each is in Debian's libpython or here. Names inside a
#: package are not found as built in by this Python (3.11.2): so it is registered at the top, and put where it belongs.
BUILT_IN = (
    *("_abc", "_ast", "_bisect", "_codecs", "_collections", "_datetime", "_functools", "_heapq", "_io", "_locale"),
    *("_operator", "_posixsubprocess", "_pdwrap", "_psutil_linux", "_signal", "_socket", "_sre", "_stat", "_string"),
    *(
        "_struct",
        "_symtable",
        "_thread",
        "_tokenize",
        "_tracemalloc",
        "_warnings",
        "_weakref",
        "array",
        "atexit",
        "binascii",
    ),
    *("errno", "faulthandler", "fcntl", "gc", "itertools", "marshal", "math", "posix", "resource", "select", "time"),
    *("_imp", "_opcode"),
)
#: Their names in C, where those are others; None: made by the core itself.
INITS: dict[str, str | None] = {
    "_ast": "PyInit__ast",
    "_imp": "PyInit__imp",
    "_string": "PyInit__string",
    "_warnings": "_PyWarnings_Init",
    "gc": "PyInit_gc",
    "marshal": "PyMarshal_Init",
}
#: Where Debian keeps the licences of what it brings.
DOCUMENTS = Path("/usr/share/doc")
#: Needed on every way to a backend: found first.
FIRST = ("encodings", "encodings.utf_8", "_pdwrap_start")
PSUTIL_MACROS = (
    *("-DPSUTIL_POSIX=1", "-DPSUTIL_LINUX=1", "-DPSUTIL_SIZEOF_PID_T=4", "-DPy_LIMITED_API=0x03060000"),
    *("-Ddlopen=one_file_dlopen", "-Ddlsym=one_file_dlsym"),
)


def main() -> None:
    """Build it."""
    reader = argparse.ArgumentParser()
    reader.add_argument("--arch", required=True)
    reader.add_argument("--cc", required=True)
    reader.add_argument("--include", action="append", required=True, help="folders of Python.h, pyconfig.h")
    reader.add_argument("--library", required=True, help="libpython3.11.a")
    reader.add_argument("--sources", type=Path, required=True, help="the folder of click and psutil")
    reader.add_argument("--output", type=Path, required=True)
    given = reader.parse_args()
    psutil = next(given.sources.glob("psutil-*"))
    build = ROOT / "build" / "standalone" / given.arch
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)

    places = [ROOT, HERE / "shims", given.sources, psutil, Path(os.__file__).parent]
    found = Sources(places, {*BUILT_IN, *sys.builtin_module_names, "sys", "builtins", "psutil._psutil_linux"}).closure()
    freeze(found, build)
    (build / "inittab.c").write_text(inittab(), encoding="ascii")

    version = psutil.name.removeprefix("psutil-").replace(".", "")
    c_files = [HERE / name for name in ("main.c", "built_in.c", "lookups.c")] + [
        build / "inittab.c",
        build / "frozen.c",
    ]
    theirs = [psutil / "psutil" / "_psutil_linux.c"]
    for folder in ("all", "posix", "linux"):
        theirs += sorted((psutil / "psutil" / "arch" / folder).glob("*.c"))
    flags = ["-Os", "-std=gnu11", "-fwrapv", "-DNDEBUG", f"-ffile-prefix-map={ROOT}=.", f"-I{HERE}"]
    flags += [f"-I{folder}" for folder in given.include] + [f"-ffile-prefix-map={given.sources}=."]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
    objects: list[str] = []
    for path in [*c_files, *theirs]:
        target = build / f"{len(objects):02}-{path.stem}.o"
        extra = (
            [*PSUTIL_MACROS, f"-DPSUTIL_VERSION={version}", f"-I{psutil / 'psutil'}", "-w"]
            if path in theirs
            else warnings
        )
        run(given.cc, *flags, *extra, "-c", str(path), "-o", str(target))
        objects.append(str(target))
    run(given.cc, "-c", "frozen.S", "-o", "frozen-bytes.o", cwd=build)
    target = build / "pdwrap"
    run(
        *(given.cc, "-static", "-no-pie", "-s", "-Wl,--build-id=none,--gc-sections,-z,noexecstack,-O1"),
        *("-Wl,--wrap=_PyConfig_InitPathConfig", "-Wl,--fatal-warnings"),
        *("-o", str(target), *objects, str(build / "frozen-bytes.o"), given.library, "-lm"),
    )
    given.output.parent.mkdir(parents=True, exist_ok=True)
    target.replace(given.output)
    text = licenses(given.sources, psutil)
    given.output.with_name(f"{given.output.name}.licenses").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(given.output.read_bytes()).hexdigest()
    given.output.with_name(f"{given.output.name}.sha256").write_text(f"{digest}  {given.output.name}\n")
    print(f"{given.output}: {given.output.stat().st_size / 1e6:.1f} MB, {len(found)} modules")


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a compiler; what it says is shown."""
    if subprocess.run(command, cwd=cwd, check=False).returncode:
        sys.exit(f"build-standalone: this failed: {' '.join(command)}")


def freeze(found: dict[str, tuple[Path, bool]], build: Path) -> None:
    """Write the modules' code as bytes, and the table that Python looks them up in."""
    rows, codes, at = [], [], 0
    for name, is_package, code in (*groups(), *alone(found)):
        # Read anew it is written alike each time, however often the compiler held what is in it.
        data = marshal.dumps(marshal.loads(marshal.dumps(code)))  # noqa: S302 - our own
        rows.append(f'    {{"{name}", frozen_bytes + {at}, {len(data)}, {int(is_package)}, NULL}},')
        codes.append(data)
        at += len(data)
    (build / "frozen.bin").write_bytes(b"".join(codes))
    (build / "frozen.S").write_text(
        '    .section .rodata\n    .balign 64\n    .global frozen_bytes\nfrozen_bytes:\n    .incbin "frozen.bin"\n'
        '    .section .note.GNU-stack,"",%progbits\n',
        encoding="ascii",
    )
    rows.append("    {NULL, NULL, 0, 0, NULL},")
    head = '#include "one_file.h"\n\nextern const unsigned char frozen_bytes[];\n'
    table = "const struct _frozen one_file_frozen[] = {\n" + "\n".join(rows) + "\n};\n"
    (build / "frozen.c").write_text(head + table, encoding="ascii")


def alone(found: dict[str, tuple[Path, bool]]) -> Iterator[tuple[str, bool, CodeType]]:
    """Give each module's code, what is always needed first."""
    for name in sorted(found, key=lambda name: (name not in FIRST, name)):
        path, is_package = found[name]
        inside = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
        source: ast.Module = ast.parse(path.read_bytes())
        if name in LIGHTER:
            source = LIGHTER[name](source)
        yield name, is_package, compile(source, inside, "exec", dont_inherit=True, optimize=2)


def os_light(tree: ast.Module) -> ast.Module:
    """Have `os` do without `_collections_abc` until somebody asks for what it has."""

    class Later(ast.NodeTransformer):
        def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
            """At the top: the light one instead."""
            if node.module == "_collections_abc":
                wanted = [alias for alias in node.names if alias.name == "MutableMapping"]
                return ast.ImportFrom("_mapping", wanted, 0) if wanted else None
            return node

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
            """Inside: the real ones, when they are asked for."""
            used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            names = [ast.alias(name) for name in ("Mapping", "_check_methods") if name in used]
            if names:
                node.body.insert(0, ast.ImportFrom("_collections_abc", names, 0))
            return node

    changed: ast.Module = Later().visit(tree)
    return ast.fix_missing_locations(changed)


def mappings(tree: ast.Module) -> ast.Module:
    """Have the real MutableMapping know that os.environ is one."""
    tree.body += ast.parse("import os\nMutableMapping.register(os._Environ)\n").body
    return ast.fix_missing_locations(tree)


#: Modules of the standard library that are changed on their way into the file.
LIGHTER = {"os": os_light, "_collections_abc": mappings}


def groups() -> Iterator[tuple[str, bool, CodeType]]:
    """Give the groups of scripts/straight.d: each a code object whose constant is the modules' names and codes."""
    straight = runpy.run_path(str(ROOT / "scripts" / "straight.d" / "straight.py"))
    package = straight["path_of"](straight["PACKAGE"])
    common = {straight["PACKAGE"]: straight["stripped"](ast.parse(package.read_text(encoding="utf-8")))}
    for trigger, beginnings in straight["GROUPS"].items():
        seen = dict(common)
        for beginning in beginnings:
            straight["in_order"](beginning, seen)
        made = []
        for name, tree in seen.items():
            if trigger == straight["PACKAGE"] or name not in common:
                path = straight["path_of"](name)
                code = compile(tree, str(path.relative_to(ROOT)), "exec", dont_inherit=True, optimize=2)
                made.append((name, path.name == "__init__.py", code))
        yield f"_group {trigger}", False, compile("", trigger, "exec").replace(co_consts=(tuple(made),))
        if trigger == straight["PACKAGE"]:
            common = seen


def inittab() -> str:
    """Write the table of built-in modules, in place of the one in Debian's library, which names them all."""
    inits = {name: INITS.get(name, f"PyInit_{name}") for name in BUILT_IN}
    declared = "\n".join(f"extern PyObject *{init}(void);" for init in inits.values())
    rows = [f'    {{"{name}", {init}}},' for name, init in inits.items()]
    rows += ['    {"builtins", NULL},', '    {"sys", NULL},', "    {NULL, NULL},"]
    table = "struct _inittab _PyImport_Inittab[] = {\n" + "\n".join(rows) + "\n};\n"
    return f"#include <Python.h>\n\n{declared}\n{table}"


def licenses(sources: Path, psutil: Path) -> str:
    """Give the licences of all that is inside, one after the other."""
    inside = {
        "pdwrap": ROOT / "LICENSE",
        "Python (its core, modules and library)": DOCUMENTS / "libpython3.11-minimal" / "copyright",
        "click": next(sources.glob("click-*.dist-info/**/LICENSE*")),
        "psutil": psutil / "LICENSE",
        "the GNU C library (linked in; scripts/build-standalone links it anew, with another one)": DOCUMENTS
        / "libc6-dev"
        / "copyright",
        "GCC's runtime library (by its exception)": DOCUMENTS / "libgcc-12-dev" / "copyright",
    }
    parts = [f"{'=' * 100}\n{what}\n{'=' * 100}\n\n{path.read_text(encoding='utf-8')}" for what, path in inside.items()]
    return "What is inside this file, and the licence of each.\n\n" + "\n".join(parts)


if __name__ == "__main__":
    main()
