"""The examples, each read by the program that it is written for, or by its linter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, run

EXAMPLES = ROOT / "examples"
BIN = Path(sys.prefix) / "bin"

CHECKS = {
    "docker/Dockerfile": [str(BIN / "hadolint"), "--failure-threshold", "style"],
    "docker/Dockerfile.scratch": [str(BIN / "hadolint"), "--failure-threshold", "style"],
    "docker/Dockerfile.wheel": [str(BIN / "hadolint"), "--failure-threshold", "style"],
    "docker/compose.yaml": [str(BIN / "docker-compose"), "config", "--quiet"],
    "kubernetes/pod.yaml": [str(BIN / "kubernetes-validate"), "--strict"],
    "lifelines/daemon.py": [str(BIN / "ruff"), "check", "--isolated", "--quiet"],
    "lifelines/shared.sh": ["shellcheck"],
    "lifelines/successor.py": [str(BIN / "ruff"), "check", "--isolated", "--quiet"],
    "localai/compose.yaml": [str(BIN / "docker-compose"), "config", "--quiet"],
    "localai/Dockerfile": [str(BIN / "hadolint"), "--failure-threshold", "style"],
    "localai/entrypoint.sh": ["shellcheck"],
    "localai/external-backend": ["shellcheck", "--shell=sh"],
    "systemd/local-ai.service": ["systemd-analyze", "verify"],
    "systemd/pdwrap-localai-follow.service": ["systemd-analyze", "verify"],
}


def command_of(name: str, file: Path) -> list[str]:
    """Build the command line that checks *file*."""
    program, *rest = CHECKS[name]
    return [program, "-f", str(file), *rest] if program.endswith("docker-compose") else [program, *rest, str(file)]


def test_no_example_is_forgotten() -> None:
    """Each example has a check."""
    found = {str(each.relative_to(EXAMPLES)) for each in EXAMPLES.rglob("*") if each.is_file()}
    assert found == set(CHECKS)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_correct(name: str) -> None:
    """It is accepted, without a warning."""
    file = EXAMPLES / name
    outcome = run(command_of(name, file))
    assert outcome.code == 0, outcome
    assert b"WARN" not in outcome.stdout, outcome
    if name.startswith("systemd"):
        assert str(file.name) not in outcome.stderr
    if file.suffix == ".sh" or file.name == "external-backend":
        assert os.access(file, os.X_OK)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_check_finds_a_mistake(name: str, tmp_path: Path) -> None:
    """The check is one: the same file with a mistake at its end is refused, or warned of."""
    file = tmp_path / Path(name).name
    mistakes = {
        "Dockerfile": "ENTRYPINT x",
        "Dockerfile.scratch": "ENTRYPINT x",
        "Dockerfile.wheel": "ENTRYPINT x",
        "compose.yaml": "x: 1",
        "pod.yaml": "x: 1",
    }
    mistake = mistakes.get(file.name, "[ x")
    file.write_text((EXAMPLES / name).read_text(encoding="utf-8") + f"\n{mistake}\n", encoding="utf-8")
    outcome = run(command_of(name, file))
    assert outcome.code != 0 or file.name in outcome.stderr, outcome
