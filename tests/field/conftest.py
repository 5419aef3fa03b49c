"""What several tests of the field need, and is dear to make."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PASSED
from tests.harness import ROOT, reap_all, run

from .llama import cannot_run
from .models import make_llama
from .podman import Boxes, Engine

DEBIAN = ROOT / ".venv-field" / "debian.tar"
"""Debian's smallest root, without Python (scripts/setup.sh)."""
STATIC = "pdwrap-linux-" + os.uname().machine
"""The one file, as the examples call it."""


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


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A podman of our own, and tools for its containers: what cannot be had fails, and says why."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = Path(tempfile.mkdtemp(prefix="pdwrap-podman."))
    made = Engine(folder)
    tools = made.folder / "tools"
    tools.mkdir()
    witness = ROOT / "tests" / "field" / "podman" / "witness.c"
    subprocess.run(["cc", "-static", "-O1", "-o", str(tools / "witness"), str(witness)], check=True)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one file that needs nothing, in a folder of its own."""
    file = tmp_path_factory.mktemp("standalone") / STATIC
    outcome = run([str(ROOT / "scripts" / "build-standalone"), "--output", str(file)], within=300)
    assert outcome.code == 0, outcome
    return file


@pytest.fixture(scope="session")
def debian(engine: Engine) -> str:
    """Debian, under the name that the examples use."""
    engine.load("debian:12-slim", DEBIAN)
    return "debian:12-slim"


@pytest.fixture(scope="session")
def wheel_example(engine: Engine, debian: str) -> str:
    """The image of examples/docker/Dockerfile.wheel."""
    return engine.build_as_written(ROOT / "examples" / "docker" / "Dockerfile.wheel", ROOT)


@pytest.fixture(scope="session")
def file_example(engine: Engine, debian: str, standalone: Path) -> str:
    """The image of examples/docker/Dockerfile."""
    return engine.build_as_written(ROOT / "examples" / "docker" / "Dockerfile", standalone.parent)


@pytest.fixture(scope="session")
def wheel_image(engine: Engine, wheel_example: str) -> str:
    """The same without its own user and entrypoint, for tests that say them."""
    context = engine.folder / "wheel"
    context.mkdir()
    lines = [f"FROM {wheel_example}", "USER 0:0", "ENTRYPOINT []", "CMD []"]
    (context / "Containerfile").write_text("\n".join(lines), encoding="ascii")
    engine.build("wheel", context)
    return "wheel"


@pytest.fixture(scope="session")
def file_image(engine: Engine, standalone: Path) -> str:
    """An image that has nothing but the one file, and busybox-static."""
    context = engine.folder / "file"
    (context / "root" / "bin").mkdir(parents=True)
    shutil.copy(standalone, context / "root" / "bin" / "pdwrap")
    shutil.copy("/bin/busybox", context / "root" / "bin" / "busybox")
    for name in ("sh", "sleep", "cat"):
        (context / "root" / "bin" / name).symlink_to("busybox")
    lines = ["FROM scratch", "COPY root /", "ENV PATH=/bin"]
    (context / "Containerfile").write_text("\n".join(lines), encoding="ascii")
    engine.build("file", context)
    return "file"


@pytest.fixture(params=["file", "wheel"])
def image(request: pytest.FixtureRequest) -> str:
    """An image with `pdwrap` in its PATH, and a shell: the static file with nothing else, Debian with the wheel."""
    name: str = request.getfixturevalue(f"{request.param}_image")
    return name


@pytest.fixture
def podman(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine; after a test that passed it has no container, and after any other none either."""
    yield engine
    left = engine.containers()
    engine.call("pod", "rm", "--force", "--time", "0", "--all")
    engine.call("volume", "prune", "--force")
    if left:
        engine.call("rm", "--force", "--time", "0", "--all")
    passed = request.node.stash.get(PASSED, False)
    assert not left or not passed, f"containers left behind by the test: {left}"
    if passed:
        reap_all()  # podman's conmon, one for each command, which fell to us as to any subreaper


@pytest.fixture
def box(podman: Engine, image: str, tmp_path: Path) -> Boxes:
    """Starts containers of *image*."""
    return Boxes(podman, image, tmp_path)
