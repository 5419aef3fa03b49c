"""The `docker` commands of the documents are run as they are written: by podman."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, Block
from tests.docs.shell_session import steps
from tests.docs.test_commands import differences, slow_down

from .podman import Engine

SESSIONS = [block for page in PAGES.values() for block in page.blocks if block.field == "podman"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first one builds the images


@pytest.mark.timeout(400)
@pytest.mark.parametrize("block", SESSIONS, ids=lambda block: block.where)
def test_sessions(block: Block, podman: Engine, file_example: str, tmp_path: Path) -> None:
    """What is shown is what happens; pids and times apart. `with-pdwrap` is the image of examples/docker/Dockerfile."""
    commands = tmp_path / "commands"
    commands.mkdir()
    docker = commands / "docker"
    environment = f"CONTAINERS_CONF={podman.env['CONTAINERS_CONF']}"
    docker.write_text(
        f'#!/bin/sh\nexec {shlex.join(podman.inside("env", environment, "podman"))} "$@"\n', encoding="utf-8"
    )
    docker.chmod(0o755)
    wanted = steps(block.text)
    wrong = differences(wanted, tmp_path / "work", commands, alone=False)
    if wrong:
        podman.ask("rm", "--force", "--time", "0", "--all")
        podman.ask("volume", "prune", "--force")
        slow_down(commands, 10)
        wrong = differences(wanted, tmp_path / "again", commands, alone=False)
    assert not wrong


def test_there_are_some() -> None:
    """None of them is overlooked."""
    assert len(SESSIONS) >= 3
    assert os.path.basename(SESSIONS[0].where).startswith("containers.md")
