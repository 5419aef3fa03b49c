"""Durations as Go writes them (`1h15m30.5s`, `500ms`), or a bare number of seconds.

The grammar and the limits are those of Go's time.ParseDuration: an optional sign, then one or more decimal numbers,
each with an optional fraction and with a unit. Done by hand: `re` costs more than the rest of pdwrap's start.
"""

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
DIGITS = "0123456789"
LONGEST = (1 << 63) - 1  # a Go duration is an int64 of nanoseconds


def parse(text: str) -> float:
    """Read a duration.

    Args:
        text: Go's notation, or a number of seconds without a unit. Blanks around it are allowed.

    Returns:
        Seconds; negative where the text has a minus sign.

    Raises:
        ValueError: it is not a duration, or longer than Go can hold (about 292 years).

    """
    rest = text.strip()
    negative = rest.startswith("-")
    if rest[:1] in ("-", "+"):
        rest = rest[1:]
    total = _bare_seconds(rest) if rest and not rest.strip(DIGITS + ".") else _with_units(rest)
    if total > LONGEST + negative:
        raise ValueError(text)
    return (-total if negative else total) / 1e9


def _bare_seconds(rest: str) -> int:
    nanoseconds, after = _number(rest, NANOSECONDS["s"])
    if after:
        raise ValueError(rest)
    return nanoseconds


def _with_units(rest: str) -> int:
    if not rest:
        raise ValueError(rest)
    total = 0
    while rest:
        after = rest.lstrip(DIGITS + ".")
        end = next((n for n, char in enumerate(after) if char in DIGITS + "."), len(after))
        unit = NANOSECONDS.get(after[:end])
        if unit is None:
            raise ValueError(rest)
        nanoseconds, left = _number(rest[: len(rest) - len(after)], unit)
        if left:
            raise ValueError(rest)
        total += nanoseconds
        rest = after[end:]
    return total


def _number(text: str, unit: int) -> tuple[int, str]:
    """Read one decimal number of `unit` nanoseconds; what follows it is given back."""
    after = text.lstrip(DIGITS)
    whole = text[: len(text) - len(after)]
    fraction = ""
    if after.startswith("."):
        text = after[1:]
        after = text.lstrip(DIGITS)
        fraction = text[: len(text) - len(after)]
    if not whole and not fraction:
        raise ValueError(text)
    if len(whole) > len(str(LONGEST)):  # long before int() itself would refuse (4300 digits)
        whole = whole.lstrip("0")
        if len(whole) > len(str(LONGEST)):
            raise ValueError(text)
    fraction = fraction[:18]  # finer than a nanosecond of an hour
    return int(whole or "0") * unit + (int(fraction or "0") * unit) // 10 ** len(fraction), after
