"""A Python that lacks something, as Debian's python3-minimal does: one line names it and what brings it (T4)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness import reap_all, run

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "pdwrap"

#: What the interpreter lacks, the command line, the module and the package that the line names.
LACKING = [
    ("_ctypes _prctl", ["--", "echo", "started"], "ctypes", "python3"),
    ("gettext", ["--help"], "gettext", "python3"),
    ("json", ["--log", "json", "--", "echo", "started"], "json", "python3"),
    ("click", ["--help"], "click", "python3-click"),
]


@pytest.mark.parametrize(("modules", "arguments", "named", "package"), LACKING)
def test_a_module_is_missing(modules: str, arguments: list[str], named: str, package: str) -> None:
    """T4: 125, nothing is started, and no traceback."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({modules.split()!r})); sys.argv[0] = {str(SCRIPT)!r}; "
        f"exec(compile(open({str(SCRIPT)!r}).read(), sys.argv[0], 'exec'))"
    )
    outcome = run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.append({str(SCRIPT.parents[1])!r}); {code}", *arguments]
    )
    assert (outcome.code, outcome.stdout) == (125, b"")
    assert outcome.stderr.startswith(f"pdwrap: this Python lacks {named}: install ")
    assert package in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_what_is_not_needed_is_not_missed() -> None:
    """Exec mode needs neither."""
    modules = ["_ctypes", "_prctl", "ctypes", "prctl", "gettext", "json", "click", "psutil"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({modules!r})); sys.path.append({str(SCRIPT.parents[1])!r}); "
        "from pdwrap.entry import main; main(sys.argv[1:])"
    )
    outcome = run(
        [sys.executable, "-I", "-c", code, "--", "echo", "started"],
        env={"PDWRAP_MODE": "exec", "PATH": "/bin:/usr/bin"},
    )
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"started\n", "")
    assert reap_all()[1] == []  # the sidecars end by themselves
