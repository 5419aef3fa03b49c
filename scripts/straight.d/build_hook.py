"""Puts `pdwrap/straight/` into the wheel, when hatchling makes one (`straight` says what it is for)."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found,unused-ignore]


class StraightWay(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Makes the files before the wheel, and takes them away again."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable one has none: its sources change (scripts/setup.sh makes some that see that)."""
        self._folder = tempfile.TemporaryDirectory()
        if version != "editable":
            make = runpy.run_path(str(Path(self.root, "scripts", "straight.d", "straight.py")))["make"]
            for name, text in make(checked=False).items():
                path = Path(self._folder.name, name)
                path.write_text(text, encoding="utf-8")
                build_data["force_include"][str(path)] = f"pdwrap/straight/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take them away."""
        self._folder.cleanup()
