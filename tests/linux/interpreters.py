"""An interpreter of its own, which lacks what some builds of Python lack."""

from __future__ import annotations

import sys

from tests.harness import run

CODE = "import os, sys; sys.path.insert(0, os.getcwd()); "

#: As python-prctl's C half is missing, as `_ctypes` is, and both.
NO_PYTHON_PRCTL = "sys.modules['_prctl'] = None; "
NO_CTYPES = "sys.modules['_ctypes'] = None; "


def python(code: str, *, prefix: tuple[str, ...] = ()) -> str:
    """Run `code` in an interpreter of its own, with our `pdwrap` on its path; give what it prints."""
    outcome = run([*prefix, sys.executable, "-I", "-c", CODE + code])
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout.decode().strip()
