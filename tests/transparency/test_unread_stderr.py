"""A stderr that takes no line: nobody reads it any more (SIGPIPE), or it is at a file-size limit (SIGXFSZ).

What a line of pdwrap's own raises there is pdwrap's own: it changes no status (T4), and never reaches the backend (T1).
"""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Outcome, role, run
from tests.harness.faulty import Faulty, place

PIPE, FULL = "pipe", "full"
BOTH = pytest.mark.parametrize("unread", [PIPE, FULL])
STARTS_SIDECAR = place("exec_mode.sidecar_pipes.SidecarPipes.__init__")
RAISED = {PIPE: signal.SIGPIPE, FULL: signal.SIGXFSZ}

Start = Callable[..., Outcome]


@pytest.fixture
def with_stderr() -> Iterator[Start]:
    """Run a command whose stderr is the write end of a pipe that nobody reads, or a file at its limit."""
    reads, writes = os.pipe()
    os.close(reads)
    with tempfile.TemporaryFile() as file:
        file.write(b"full")
        file.flush()

        def start(argv: list[str], unread: str, block: bool = False) -> Outcome:  # noqa: FBT001, FBT002 - a fixture's
            def prepare() -> None:
                if block:
                    signal.pthread_sigmask(signal.SIG_BLOCK, {RAISED[unread]})
                if unread == FULL:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))

            os.lseek(file.fileno(), 0, os.SEEK_END)
            return run(argv, fds={2: writes if unread == PIPE else file.fileno()}, before_exec=prepare)

        yield start
    os.close(writes)


@BOTH
@pytest.mark.modes("fork", "exec")
def test_command_that_cannot_be_run(pdwrap: list[str], with_stderr: Start, tmp_path: Path, unread: str) -> None:
    """T4: 127 and 126 all the same, and 125 for what pdwrap refuses."""
    plain = tmp_path / "plain"
    plain.write_text("")
    for _ in range(4):
        assert with_stderr([*pdwrap, "--", "no-such-command"], unread).code == 127
        assert with_stderr([*pdwrap, "-v", "--", "no-such-command"], unread).code == 127
        assert with_stderr([*pdwrap, "--", str(plain)], unread).code == 126
        assert with_stderr([*pdwrap, "--parent", "no-such-ancestor", "--", "true"], unread).code == 125


@BOTH
@pytest.mark.modes("fork", "exec")
def test_backend_starts(pdwrap: list[str], with_stderr: Start, unread: str) -> None:
    """T1, T3: with `-v` a line fails before the backend runs; the backend runs, and is none the worse."""
    for _ in range(4):
        outcome = with_stderr([*pdwrap, "-v", "--", "sh", "-c", "exit 7"], unread)
        assert outcome.code == 7


#: Exits with 1 where signal $1 is blocked, and 2 more where it is pending, to the thread or to the process (proc(5)).
#: In sh: Python would discard it at its own start, by ignoring it.
MASKS = """
found=0
while read -r name mask; do
    case $name in
    SigBlk:) found=$((found | 0x$mask >> $1 - 1 & 1)) ;;
    SigPnd: | ShdPnd:) found=$((found | (0x$mask >> $1 - 1 & 1) << 1)) ;;
    esac
done </proc/self/status
exit $found
"""


@BOTH
@pytest.mark.modes("fork", "exec")
def test_nothing_is_pending(pdwrap: list[str], with_stderr: Start, unread: str) -> None:
    """T1, T6: where the launcher blocks that signal, the backend finds it blocked, and none of ours pending."""
    command = ["sh", "-c", MASKS, "sh", str(int(RAISED[unread]))]
    assert with_stderr([*pdwrap, "-v", "--", *command], unread, block=True).code == 1


@BOTH
@pytest.mark.modes("exec")
def test_somebody_elses_is_kept(faulty: Faulty, with_stderr: Start, unread: str) -> None:
    """T2: somebody sends the same signal during the start: it arrives, though one of ours is pending as well."""
    for _ in range(4):
        struck = faulty.strike("pdwrap", RAISED[unread], "before", STARTS_SIDECAR).pdwrap
        outcome = with_stderr([*struck, "-v", "--", *role("plain")], unread)
        assert outcome.code == -RAISED[unread]
    faulty.assert_reached()
