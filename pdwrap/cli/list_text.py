"""What `pdwrap --list` has found, for a person: columns, and a sentence where one says it better."""

import shlex
import textwrap

from pdwrap.cli.columns import COMMA, LIST, NAME, NUMBER, RARE_LIST, WORD, Column, lay_out
from pdwrap.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pdwrap.cli.list_facts import Facts

UNKNOWN = "?"
NONE = "-"
INDENT = "  "
MINUTE, HOUR, DAY = 60, 3600, 86400


def of_backends(rows: "list[Facts]", width: int, *, verbose: bool) -> "list[str]":
    """Give the lines for backends.

    Args:
        rows: the facts of each.
        width: columns.
        verbose: behind each the chain, and what else there is to know.

    """
    kind, cells = _memory_cells(rows)
    columns = [
        *(Column("BACKEND", NAME), Column("PID", NUMBER), Column("LAUNCHER", NAME), Column("PID", NUMBER)),
        *(Column("MODE", RARE_LIST), Column("WATCHED", LIST), Column("AGE", NUMBER), Column("PROCS", NUMBER)),
        *(Column(kind, NUMBER), Column("PORTS", LIST)),
    ]
    texts = []
    for row, memory in zip(rows, cells, strict=True):
        state = "" if row["state"] == "running" else f",{row['state']}"
        hidden = "launcher" in row["unreadable"]
        texts.append(
            [
                shown(row["backend_name"]),
                _number(row["backend_pid"], unknown="backend" in row["unreadable"]),
                UNKNOWN if hidden else shown(row["launcher_name"]) if row["launcher_pid"] else NONE,
                _number(row["launcher_pid"], unknown=hidden),
                (row["mode"] or UNKNOWN) + state,
                _ways(row),
                age(row["age_seconds"]),
                _number(row["processes"], unknown="backend" in row["unreadable"]),
                memory,
                _ports(row["ports"], unknown="ports" in row["unreadable"]),
            ]
        )
    titles, *blocks = lay_out(columns, texts, width)
    lines = titles
    for row, block in zip(rows, blocks, strict=True):
        lines += block
        if verbose:
            lines += [line for text in _details(row) for line in _filled(text, width)]
    return lines


def age(seconds: float) -> str:
    """Give a time that has passed, in two units at most."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m{whole % MINUTE:02}s"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02}m"
    return f"{whole // DAY}d{whole % DAY // HOUR:02}h"


def size(count: int) -> str:
    """Give a number of bytes in the largest unit of 1024 that leaves it above 1, in four characters or five."""
    value = float(count)
    for unit in ("B", "K", "M", "G", "T"):
        if value < 1000:  # noqa: PLR2004 - three digits
            return f"{value:.1f}{unit}" if value < 10 and unit != "B" else f"{value:.0f}{unit}"  # noqa: PLR2004
        value /= 1024
    return f"{value:.1f}P"


def shown(name: "str | None") -> str:
    """Give a name as it stands in a column: in quotes where it could be taken for more than one, ASCII alone."""
    return _plain(quoted(name or UNKNOWN))


def _plain(text: str) -> str:
    """Replace what has no width of one."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


def of_orphans(rows: "list[Facts]", width: int) -> "list[str]":
    """Give the lines for orphans."""
    kind, cells = _memory_cells(rows)
    columns = [
        *(Column("ORPHAN", NAME), Column("PID", NUMBER), Column("ADOPTED BY", NAME), Column("PID", NUMBER)),
        *(Column("AGE", NUMBER), Column("PROCS", NUMBER), Column(kind, NUMBER), Column("PORTS", LIST)),
        Column("TO END IT", WORD),
    ]
    texts = [
        [
            shown(row["name"]),
            str(row["pid"]),
            shown(row["adopted_by_name"]),
            str(row["adopted_by_pid"]),
            age(row["age_seconds"]),
            str(row["processes"]),
            memory,
            _ports(row["ports"], unknown=False),
            row["to_end"],
        ]
        for row, memory in zip(rows, cells, strict=True)
    ]
    return [line for block in lay_out(columns, texts, width) for line in block]


def of_process(facts: "Facts") -> str:
    """Say in a sentence whose death ends a process."""
    who = _person(facts)
    if not facts["under_pdwrap"]:
        return f"{who} is not under pdwrap"
    ends = " or ".join(_person(member) for member in facts["ends_with"])
    parts = [f"it ends with {ends}"] if ends else []
    if facts["lifeline"]:
        parts.append("it ends when its lifeline is closed")
    if facts["unreadable"]:
        parts.append("whose death ends it cannot be read (another user's, or polled)")
        parts += [f"{_person(starter)} started it" for starter in facts["started_by"]]
    return f"{who} is under pdwrap: {'; '.join(parts) if parts else 'nobody is watched now'}"


def _person(facts: "Facts") -> str:
    return f"{shown(facts['name'])} (pid {facts['pid']})"


def _memory_cells(rows: "list[Facts]") -> "tuple[str, list[str]]":
    """Give title and cells for the memory: the title says which, or each cell where they differ."""
    kinds = {row["memory_kind"] for row in rows} - {None}
    if len(kinds) == 1:
        return kinds.pop().upper(), [
            UNKNOWN if row["memory_bytes"] is None else size(row["memory_bytes"]) for row in rows
        ]
    cells = [
        UNKNOWN if row["memory_bytes"] is None else f"{row['memory_kind']} {size(row['memory_bytes'])}" for row in rows
    ]
    return "MEMORY", cells


def _number(number: int | None, *, unknown: bool) -> str:
    return UNKNOWN if unknown else NONE if number is None else str(number)


def _ports(ports: "list[int] | None", *, unknown: bool) -> str:
    texts = [str(port) for port in ports or ()] + ([UNKNOWN] if unknown else [])
    return COMMA.join(texts) or NONE


def _ways(row: "Facts") -> str:
    ways = row["watched_by"]
    return UNKNOWN if ways is None else COMMA.join(ways) or NONE


def _details(row: "Facts") -> "list[str]":
    """Give what is behind a row, a line each."""
    nearest = row["through"][::-1]
    lines = []
    if row["launcher_pid"]:
        first = _person({"name": row["launcher_name"], "pid": row["launcher_pid"]})
        lines.append(f"ends with {' or '.join([first, *map(_person, nearest)])}")
    elif row["started_by_pid"]:
        lines.append(f"started by {_person({'name': row['started_by_name'], 'pid': row['started_by_pid']})}")
    if row["interval_seconds"] is not None:
        lines.append(f"polls every {row['interval_seconds']:g}s")
    if row["lifeline"] is not None:
        lines.append(f"lifeline: descriptor {row['lifeline']}")
    inside = "" if row["backend_pid_inside"] is None else f"; pid {row['backend_pid_inside']} in its pid namespace"
    lines.append(f"since {row['since']}; pdwrap: pid {', '.join(map(str, row['pdwrap_pids']))}{inside}")
    if row["command"]:
        lines.append(f"command: {_plain(shlex.join(row['command']))}")
    return lines


def _filled(text: str, width: int) -> "list[str]":
    """Break a line of details between words."""
    return textwrap.wrap(text, width, initial_indent=INDENT, subsequent_indent=INDENT * 2, break_on_hyphens=False)
