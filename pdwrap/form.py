"""What a line looks like that is JSON, or goes to a log file: it says when, and whose it is.

Imported only where either was asked for, and then at the start: an ending must not depend on a file that an upgrade has
taken away.
"""

import os
import time

from pdwrap.stderr import LONGEST_LINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_TEXT = 400, 100, 20  # characters of a text in JSON, tried in turn: one may take twelve bytes; our words fit


class Form:
    """Text, or JSON, one object a line.

    Made by the process that the launcher started, whose pid marks the lines of one run wherever they come from.

    Args:
        log: `text` or `json`.

    """

    __slots__ = ("_dump", "_pid")

    def __init__(self, log: str) -> None:
        self._pid = os.getpid()
        self._dump: Callable[[object], str] | None = None
        if log == "json":
            import json

            self._dump = json.dumps

    def stamped(self, event: str, text: str, fields: "dict[str, object]") -> str:
        """Make a line of an event, its text and its fields."""
        if not self._dump:
            return f"{now()} pdwrap[{self._pid}]: {text}"
        head = {"time": now(), "event": event, "pdwrap_pid": self._pid}
        for longest in LONGEST_TEXT:
            line = self._dump({**head, **{key: valid(value, longest) for key, value in fields.items()}})
            if len(line) <= LONGEST_LINE:
                break  # what is cut off afterwards is no JSON any more
        return line


def now() -> str:
    """Give the time as RFC 3339 has it, in UTC, to the millisecond."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03}Z"


def valid(value: object, longest: int) -> object:
    """Replace lone surrogates, Python's stand-in for bytes that are no UTF-8: other readers of JSON refuse them.

    Args:
        value: what is to be written.
        longest: how many characters of a text are kept.

    """
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value[:longest])
    if isinstance(value, list):
        return [valid(each, longest) for each in value]
    return {key: valid(each, longest) for key, each in value.items()} if isinstance(value, dict) else value
