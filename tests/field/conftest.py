"""What several tests of the field need, and is dear to make."""

from __future__ import annotations

from pathlib import Path

import pytest

from .llama import cannot_run
from .models import make_llama


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two models of random weights."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("first", "second"):
        make_llama(folder / f"{name}.gguf")
    return folder


@pytest.fixture(scope="session")
def original(models: Path) -> Path:
    """The models for the original server. Where it cannot run, that is expected, no skip (tests/ci_no_skips.py)."""
    if cannot_run(models / "first.gguf"):
        pytest.xfail("llama-server-vulkan was built for other processors: SIGILL")
    return models
