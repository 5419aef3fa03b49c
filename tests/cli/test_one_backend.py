"""Options about one backend: what lines call it (`--name`), which of its statuses count as success (`--success`)."""

from __future__ import annotations

import signal

import pytest

from tests.harness import Starter, run

SHORT = {"PDWRAP_GRACE": "0.2s"}


@pytest.mark.modes("fork", "exec")
def test_name(start: Starter) -> None:
    """A launcher that starts every backend by the same file says which one a line is about."""
    tree = start("plain", options=["--name", "llama-cpp"], env=SHORT)
    tree.launcher.kill()
    tree.assert_gone()
    assert f"ending llama-cpp (pid {tree.backend.pid})" in tree.stderr


@pytest.mark.parametrize(
    ("statuses", "script", "code"),
    [
        ([143], "kill -TERM $$", 0),
        ([143], "exit 143", 0),
        ([3, 7], "exit 7", 0),
        ([3], "exit 4", 4),
        ([0], "exit 4", 4),
        ([143], "kill -INT $$", -int(signal.SIGINT)),
        ([15], "kill -TERM $$", -int(signal.SIGTERM)),
        ([137], "kill -KILL $$", 0),
    ],
)
def test_success(pdwrap: list[str], statuses: list[int], script: str, code: int) -> None:
    """T3: but for the statuses that are named, the caller sees what it would have seen."""
    words = [word for status in statuses for word in ("--success", str(status))]
    outcome = run([*pdwrap, *words, "--", "sh", "-c", script])
    assert (outcome.code, outcome.stderr) == (code, "")


def test_what_nobody_knows_is_no_success(start: Starter) -> None:
    """T3: an inner supervisor that is lost takes the backend with it; what it gave is the backend's own death."""
    tree = start("plain", "child=plain", options=["--success", "143"], env=SHORT)
    tree.inner.kill()
    assert tree.status() == signal.SIGKILL
    tree.assert_gone()
