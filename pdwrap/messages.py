"""What pdwrap says on stderr: one line at a time, never a line that could block, and nothing while all is well.

Descriptor 2 is shared with the launcher and the backend, so it is never made non-blocking. A pipe or a terminal is
opened once more, for a description of our own that is; anything else takes a line only when poll(2) says so. A line
is kept below what a pipe takes whole (PIPE_BUF, pipe(7)). One that cannot be written is lost: ending the tree matters
more.
"""

import os
import select
import stat

from pdwrap.lifecycle import KILL_TIME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pdwrap.options import Settings

LONGEST_LINE = 4000  # bytes
LONGEST_TEXT = 400  # characters of somebody else's text in a line
MOST_NAMED = 20  # processes named in a line
STDERR = 2


def write_line(line: str) -> None:
    """Write one line to stderr, if that does not block.

    Args:
        line: the text; what cannot be printed in it is replaced, so that it stays one line.

    """
    printable = "".join(char if char.isprintable() else "?" for char in line)
    data = printable.encode("utf-8", "replace")[:LONGEST_LINE].decode("utf-8", "ignore").encode() + b"\n"
    try:
        if not _write_at_once(data) and _takes_a_line():
            os.write(STDERR, data)
    except OSError:
        pass  # nobody reads it: closed, full, or its reader is gone


def _write_at_once(data: bytes) -> bool:
    """Write to a pipe or terminal through a non-blocking description of our own; False where there can be none.

    A terminal that poll(2) calls writable may block all the same: output processing makes more of a line (measured).
    """
    if not (stat.S_ISFIFO(os.fstat(STDERR).st_mode) or os.isatty(STDERR)):
        return False
    try:
        descriptor = os.open(f"/proc/self/fd/{STDERR}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # another user's terminal, after a change of uid; no descriptor left
        return False
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    return True


def _takes_a_line() -> bool:
    if not hasattr(select, "poll"):  # Windows
        return True
    waiting = select.poll()
    waiting.register(STDERR, select.POLLOUT)
    return any(event == select.POLLOUT for _descriptor, event in waiting.poll(0))


def complain(message: str) -> None:
    """Say why pdwrap does not go on. Also where `-q` was given: the status alone explains nothing."""
    write_line(f"pdwrap: {message}")


def _people(pids_and_names: "list[tuple[int, str]]") -> str:
    named = ", ".join(f"{name} (pid {pid})" for pid, name in pids_and_names[:MOST_NAMED])
    more = len(pids_and_names) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


class Log:
    """The lines that tell of an ending, as text or as JSON, one object a line.

    Args:
        settings: format and verbosity.
        backend_name: the command as it was given.

    """

    __slots__ = ("_dump", "_verbosity", "backend_name")

    def __init__(self, settings: "Settings", backend_name: str) -> None:
        self._verbosity = settings.verbosity
        self.backend_name = backend_name
        self._dump: Callable[[object], str] | None = None
        if settings.log == "json":
            import json  # now: an ending must not depend on a file that an upgrade has taken away

            self._dump = json.dumps

    def _say(self, event: str, text: str, fields: "dict[str, object]", verbosity: int = 0) -> None:
        if self._verbosity >= verbosity:
            write_line(self._dump({"event": event, **fields}) if self._dump else f"pdwrap: {text}")

    def watch(self, launcher: tuple[int, str], mechanisms: str) -> None:
        """Say whose death counts and how it will be seen (`-v`); no mechanism is no watch."""
        text = (
            f"watching {_people([launcher])} by {mechanisms}" if mechanisms else f"not watching {_people([launcher])}"
        )
        fields: dict[str, object] = {
            "launcher_name": launcher[1],
            "launcher_pid": launcher[0],
            "mechanisms": mechanisms,
        }
        self._say("watching", text, fields, verbosity=1)

    def ending(
        self,
        reason: str,
        launcher: tuple[int, str],
        backend: tuple[int, str],
        signal_name: str,
        grace: float,
        leftovers: int = 0,
    ) -> None:
        """Say that the tree is being ended: why, whom, how.

        Args:
            reason: `launcher-died`, `lifeline-closed`, `leftovers`, `supervisor-lost`, `outer-lost`.
            launcher: pid and name of the launcher.
            backend: pid and name of the backend.
            signal_name: the first signal.
            grace: seconds until SIGKILL.
            leftovers: how many processes the backend left behind.

        """
        who = _people([backend])
        how = f"with {signal_name}" + (f", grace {grace:g}s" if signal_name != "SIGKILL" else "")
        left = "1 process behind: ending it" if leftovers == 1 else f"{leftovers} processes behind: ending them"
        text = {
            "launcher-died": f"launcher {_people([launcher])} died: ending {who} {how}",
            "lifeline-closed": f"lifeline closed: ending {who} {how}",
            "leftovers": f"{who} exited and left {left} {how}",
            "supervisor-lost": f"a supervisor was lost: ending {who} {how}",
            "outer-lost": f"the outer supervisor was lost: ending {who} {how}",
        }[reason]
        fields: dict[str, object] = {
            "reason": reason,
            "launcher_name": launcher[1],
            "launcher_pid": launcher[0],
            "backend_name": backend[1],
            "backend_pid": backend[0],
            "signal": signal_name,
            "grace_seconds": grace,
            "leftovers": leftovers,
        }
        self._say("ending", text, fields)

    def done(self, processes: int, seconds: float) -> None:
        """Say that it is over: how many processes were reaped, and how long it took."""
        noun = "process" if processes == 1 else "processes"
        text = f"done: {processes} {noun} ended in {seconds:.3f}s"
        self._say("done", text, {"processes": processes, "seconds": round(seconds, 6)})

    def survivors(self, processes: "list[tuple[int, str]]") -> None:
        """Name what is still there after SIGKILL, as it does not die (yet), or may not be killed. Nobody: no line."""
        if not processes:
            return
        listed: list[dict[str, object]] = [{"pid": pid, "name": name} for pid, name in processes[:MOST_NAMED]]
        fields: dict[str, object] = {"survivors": listed, "count": len(processes)}
        text = f"still there {KILL_TIME:g}s after SIGKILL, pdwrap leaves: {_people(processes)}"
        self._say("survivors", text, fields, verbosity=-1)

    def error(self, error: BaseException) -> None:
        """Say that pdwrap itself failed, in one line."""
        what = f"{type(error).__name__}: {error}"[:LONGEST_TEXT] if str(error) else type(error).__name__
        self._say("error", f"internal error ({what}): ending the tree", {"error": what}, verbosity=-1)
