"""Columns of text: never wider than they may be, never a number cut.

Pure. There are names, which are shortened; lists, which go on in the next line after a comma; and all else, which
stands as it is. What is rarely a list is broken first, then names are shortened, down to SHORTEST characters, then
lists are broken, then names are shortened on.
"""

NAME = "name"
LIST = "list"
RARE_LIST = "rare list"
NUMBER = "number"
WORD = "word"
SHORTEST = 8  # characters of a name, as long as lists can be broken instead
FEWEST = 2
GAP = " "
CUT = "+"  # as ps(1) marks a name that goes on
COMMA = ","


class Column:
    """One column.

    Args:
        title: what stands above it.
        kind: NAME, LIST, RARE_LIST, NUMBER (to the right) or WORD.

    """

    __slots__ = ("kind", "title")

    def __init__(self, title: str, kind: str) -> None:
        self.title = title
        self.kind = kind


def lay_out(columns: "list[Column]", rows: "list[list[str]]", width: int) -> "list[list[str]]":
    """Give the lines of each row of a table, of the titles first.

    Args:
        columns: what the cells of a row are.
        rows: their texts.
        width: of a line at most; kept wherever the numbers and the longest words of lists leave two characters to each
            name.

    """
    table = [[column.title for column in columns], *rows]
    wanted = [max(len(row[at]) for row in table) for at in range(len(columns))]
    narrow = [
        max(len(part) for row in table for part in _parts(row[at])) if column.kind in (LIST, RARE_LIST) else wanted[at]
        for at, column in enumerate(columns)
    ]
    names = [at for at, column in enumerate(columns) if column.kind == NAME]
    room = width - len(GAP) * (len(columns) - 1)
    widths = list(wanted)
    _break_lists(columns, RARE_LIST, widths, narrow, room)
    _shorten(names, widths, room, SHORTEST)
    _break_lists(columns, LIST, widths, narrow, room)
    _shorten(names, widths, room, FEWEST)
    return [_lines(columns, row, widths) for row in table]


def _break_lists(columns: "list[Column]", kind: str, widths: "list[int]", narrow: "list[int]", room: int) -> None:
    """Take from the lists of a kind, the last first, what is too much, as far as they can be broken."""
    for at in reversed(range(len(columns))):
        over = sum(widths) - room
        if over > 0 and columns[at].kind == kind:
            widths[at] = max(narrow[at], widths[at] - over)


def _shorten(names: "list[int]", widths: "list[int]", room: int, shortest: int) -> None:
    """Take from the names, the longest first, what is too much."""
    while sum(widths) > room:
        longest = max(names, key=lambda at: widths[at], default=-1)
        if longest < 0 or widths[longest] <= shortest:
            break
        widths[longest] -= 1


def _parts(text: str) -> "list[str]":
    """Part a list after its commas."""
    words = text.split(COMMA)
    return [f"{word}{COMMA}" for word in words[:-1]] + words[-1:]


def _lines(columns: "list[Column]", row: "list[str]", widths: "list[int]") -> "list[str]":
    cells = [_cell(column, text, width) for column, text, width in zip(columns, row, widths, strict=True)]
    made = []
    for number in range(max(map(len, cells))):
        texts = [
            (cell[number] if number < len(cell) else "").rjust(width)
            if column.kind == NUMBER
            else (cell[number] if number < len(cell) else "").ljust(width)
            for column, cell, width in zip(columns, cells, widths, strict=True)
        ]
        made.append(GAP.join(texts).rstrip())
    return made


def _cell(column: Column, text: str, width: int) -> "list[str]":
    """Give the lines of one cell."""
    if column.kind in (LIST, RARE_LIST):
        return _broken(text, width)
    return [_shortened(text, width) if column.kind == NAME else text]


def _broken(text: str, width: int) -> "list[str]":
    lines = [""]
    for part in _parts(text):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - len(CUT)] + CUT
