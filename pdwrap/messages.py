"""What pdwrap says: nothing while all is well, else one line at a time, on stderr or to a log file.

Words come after deeds: a line that cannot be written is lost (`stderr`, `log_file`).
"""

from pdwrap.lifecycle import KILL_TIME
from pdwrap.stderr import write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pdwrap.log_file import LogFile
    from pdwrap.options import Settings

LONGEST_TEXT = 400  # characters of somebody else's text in a line
USE_LIFELINE = ": use --lifeline"  # what to do where no pid can name the launcher
MOST_NAMED = 20  # processes named in a line


def complain(message: str) -> None:
    """Say why pdwrap does not go on. Also where `-q` was given: the status alone explains nothing.

    A person waits for it on stderr; where there is a log file, whoever reads that one does, too.
    """
    file = Log.file
    if file is None or not file.alone:
        write_line(f"pdwrap: {message}")
    if file is not None:
        file.write("refusal", message, {"message": message})


def quoted(name: str) -> str:
    """Give a process's name for a line: it may call itself `x (pid 1) died`. `?` stands for one that cannot be seen."""
    if name == "?" or (name and all(char.isalnum() or char in "._-" for char in name)):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _people(pids_and_names: "list[tuple[int, str]]") -> str:
    named = ", ".join(f"{quoted(name)} (pid {pid})" for pid, name in pids_and_names[:MOST_NAMED])
    more = len(pids_and_names) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _list_people(pids_and_names: "list[tuple[int, str]]") -> "list[dict[str, object]]":
    return [{"pid": pid, "name": name} for pid, name in pids_and_names[:MOST_NAMED]]


class Log:
    """The lines that tell of an ending.

    Args:
        settings: form, verbosity and file.
        backend_name: what to call the backend.

    Attributes:
        file: where they go; None is stderr. Of the class: a process has one, and `complain` finds it there.

    Raises:
        Refusal: the log file cannot be opened.

    """

    __slots__ = ("_as_json", "_verbosity", "backend_name")

    file: "LogFile | None" = None

    def __init__(self, settings: "Settings", backend_name: str) -> None:
        self._verbosity = settings.verbosity
        self.backend_name = backend_name
        self._as_json: Callable[[str, str, dict[str, object]], str] | None = None
        if settings.log == "json" or settings.log_file:
            from pdwrap.form import Form

            stamped = Form(settings.log).stamped
            if settings.log == "json":
                self._as_json = stamped
            if settings.log_file:
                from pdwrap.log_file import LogFile

                Log.file = LogFile(settings.log_file, settings.explicit.get("log_file", "--log-file"), stamped)

    def leave_stderr(self) -> None:
        """Hold descriptor 2 no longer, where there is a log file: who reads it sees when the backend has closed it."""
        if Log.file is not None:
            Log.file.take_place_of_stderr()

    def _say(self, event: str, text: str, fields: "dict[str, object]", verbosity: int = 0) -> None:
        if self._verbosity < verbosity:
            return
        if Log.file is not None:
            Log.file.write(event, text, fields)
        else:
            write_line(self._as_json(event, text, fields) if self._as_json else f"pdwrap: {text}")

    def watch(
        self, people: "list[tuple[int, str]]", mechanisms: str, lifeline: int | None = None, why_not: str = ""
    ) -> None:
        """Say whose death counts and how it will be seen (`-v`), and why nobody else's.

        Args:
            people: pid and name of the launcher, and of those through whom it started us; empty where none is watched.
            mechanisms: by what.
            lifeline: its descriptor.
            why_not: why nobody is watched, or nobody farther.

        """
        reason = why_not or "nobody started pdwrap"
        also = "" if lifeline is None else f", and the lifeline (descriptor {lifeline})"
        through = f" through {_people(people[1:])}" if people[1:] else ""
        beyond = f"; nobody farther: {why_not}" if why_not else ""
        text = (
            f"watching {_people(people[:1])}{through} by {mechanisms}{also}{beyond}"
            if people
            else f"watching the lifeline (descriptor {lifeline}) alone: {reason.removesuffix(USE_LIFELINE)}"
            if lifeline is not None
            else f"not watching: {reason}"
        )
        launcher = people[0] if people else (0, "")
        fields: dict[str, object] = {
            "launcher_name": launcher[1],
            "launcher_pid": launcher[0],
            "through": _list_people(people[1:]),
            "mechanisms": mechanisms,
            "lifeline": lifeline,
            "why_not": why_not,
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
        through: "list[tuple[int, str]] | None" = None,
    ) -> None:
        """Say that the tree is being ended: why, whom, how.

        Args:
            reason: `launcher-died`, `lifeline-closed`, `leftovers`, `stop-overdue`, `supervisor-lost`, `outer-lost`.
            launcher: pid and name of the launcher, or of the member of its chain that died.
            backend: pid and name of the backend.
            signal_name: the first signal.
            grace: seconds until SIGKILL.
            leftovers: how many processes the backend left behind.
            through: pids and names of the others whose death counts.

        """
        who = _people([backend])
        how = f"with {signal_name}" + (f", grace {grace:g}s" if signal_name != "SIGKILL" else "")
        left = "1 process behind: ending it" if leftovers == 1 else f"{leftovers} processes behind: ending them"
        meant = "; --parent PID if that one was not meant" if through else ""
        text = {
            "launcher-died": f"launcher {_people([launcher])} died: ending {who} {how}{meant}",
            "lifeline-closed": f"lifeline closed: ending {who} {how}",
            "leftovers": f"{who} exited and left {left} {how}; a daemon? --leftovers wait",
            "stop-overdue": f"{who} was asked to end, and has not within --stop-grace: ending it {how}",
            "supervisor-lost": f"a supervisor was lost: ending {who} {how}",
            "outer-lost": f"the outer supervisor was lost: ending {who} {how}",
        }[reason]
        fields: dict[str, object] = {
            "reason": reason,
            "launcher_name": launcher[1],
            "launcher_pid": launcher[0],
            "through": _list_people(through or []),
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
        fields: dict[str, object] = {"survivors": _list_people(processes), "count": len(processes)}
        text = f"still there {KILL_TIME:g}s after SIGKILL, pdwrap leaves: {_people(processes)}"
        self._say("survivors", text, fields, verbosity=-1)

    def error(self, error: BaseException) -> None:
        """Say that pdwrap itself failed, in one line."""
        what = f"{type(error).__name__}: {error}"[:LONGEST_TEXT] if str(error) else type(error).__name__
        self._say("error", f"internal error ({what}): ending the tree", {"error": what}, verbosity=-1)
