"""Pdwrap in a session of its own whose starter is gone (setsid(1)): no sign of adoption (docs/facts.md, 7)."""

from __future__ import annotations

import os

import pytest

from tests.harness.foreign import Foreign, reporter

BOTH = pytest.mark.modes("fork", "exec")
LAUNCHER = 'export PDWRAP_PARENT={parent}; setsid --fork sh -c "$0" "$@"; exec 9>&-; read -r line'
"""The launcher: a shell that goes on with something else; `--parent` is in the environment, or empty."""
ORPHAN = 'while [ "$(ps -o ppid= -p $$)" -ne "$0" ]; do :; done; exec "$@"'
"""Run what follows when our parent is gone, and process $0 has adopted us."""


def detached(mode: str, parent: str, *command: str) -> Foreign:
    """Below `setsid --fork`, which has exited."""
    script = LAUNCHER.format(parent=parent) if parent else LAUNCHER.partition("; ")[2]
    return Foreign(mode, ["sh", "-c", script, ORPHAN, str(os.getpid()), *command])


@BOTH
@pytest.mark.limit
def test_setsid_fork(pdwrap: list[str], mode: str) -> None:
    """A session leader says nothing about who started it: its new parent counts, and the backend stays."""
    with detached(mode, "", *pdwrap, "--", *reporter()) as tree:
        tree.settle()
        tree.program.kill()
        assert tree.program.is_dead()
        tree.fence()
        assert tree.heard() == []
        tree.backend.kill()
        tree.assert_gone()


@BOTH
@pytest.mark.parametrize("parent", ["$$", "no-such-name"])
def test_setsid_fork_with_parent(pdwrap: list[str], mode: str, parent: str) -> None:
    """E1: with `--parent` it is refused: the launcher lives, but is no ancestor any more, and nothing is started."""
    with detached(mode, parent, *pdwrap, "--", "echo", "here") as tree:
        assert tree.voice.ended()
        assert tree.program.alive
        tree.tell_no_more()
        tree.assert_gone()
        assert "not an ancestor of pdwrap" in tree.stderr
        assert "here" not in tree.stdout
