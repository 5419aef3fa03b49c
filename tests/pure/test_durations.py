"""Durations: what Go's time.ParseDuration reads, and a bare number of seconds."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdwrap import durations
from pdwrap.durations import LONGEST, NANOSECONDS

NS, US, MS, S, M, H = 1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000
FINEST = 1.5e-9  # Go rounds the last nanosecond of a fraction by floats

#: The cases of Go's own test (time/time_test.go, parseDurationTests), in nanoseconds.
VALID = {
    # simple
    "0": 0,
    "5s": 5 * S,
    "30s": 30 * S,
    "1478s": 1478 * S,
    # sign
    "-5s": -5 * S,
    "+5s": 5 * S,
    "-0": 0,
    "+0": 0,
    # decimal
    "5.0s": 5 * S,
    "5.6s": 5 * S + 600 * MS,
    "5.s": 5 * S,
    ".5s": 500 * MS,
    "1.0s": 1 * S,
    "1.00s": 1 * S,
    "1.004s": 1 * S + 4 * MS,
    "1.0040s": 1 * S + 4 * MS,
    "100.00100s": 100 * S + 1 * MS,
    # different units
    "10ns": 10 * NS,
    "11us": 11 * US,
    "12\u00b5s": 12 * US,
    "12\u03bcs": 12 * US,
    "13ms": 13 * MS,
    "14s": 14 * S,
    "15m": 15 * M,
    "16h": 16 * H,
    # composite durations
    "3h30m": 3 * H + 30 * M,
    "10.5s4m": 4 * M + 10 * S + 500 * MS,
    "-2m3.4s": -(2 * M + 3 * S + 400 * MS),
    "1h2m3s4ms5us6ns": 1 * H + 2 * M + 3 * S + 4 * MS + 5 * US + 6 * NS,
    "39h9m14.425s": 39 * H + 9 * M + 14 * S + 425 * MS,
    # large value
    "52763797000ns": 52763797000 * NS,
    # more than 9 digits after the decimal point
    "0.3333333333333333333h": 20 * M,
    # 9007199254740993 = 1<<53+1 cannot be stored precisely in a float64
    "9007199254740993ns": (1 << 53) + 1,
    # the largest duration
    "9223372036854775807ns": LONGEST,
    "9223372036854775.807us": LONGEST,
    "9223372036s854ms775us807ns": LONGEST,
    # large negative value
    "-9223372036854775807ns": -LONGEST,
    # huge string
    "0.100000000000000000000h": 6 * M,
    # this value tests the first overflow check in leadingFraction
    "0.830103483285477580700h": 49 * M + 48 * S + 372539827 * NS,
}

#: Go's parseDurationErrorTests, but "3": a number without a unit is seconds here.
INVALID = [
    "",
    "-",
    "s",
    ".",
    "-.",
    ".s",
    "+.s",
    "1d",
    "\x85\x85",
    "\xffff",
    "hello \xffff world",
    "\ufffd",
    "\ufffd hello \ufffd world",
    # overflow
    "9223372036854775810ns",
    "9223372036854775808ns",
    "-9223372036854775809ns",
    "9223372036854776us",
    "3000000h",
    "9223372036854775.808us",
    "9223372036854ms775us808ns",
    # others
    "+-5s",
    "--5s",
    "5s-",
    "1e3s",
    "1_000s",
    "5 s",
    "5S",
    "1,5s",
    "1.5.5s",
    "1..5s",
    "5s5",
    "5s 5s",
    "1.2.3",
    "5s\n3s",
    "inf",
    "nan",
    "NaNs",
    "\u0665s",
    "\u0665",
    "\u00b2s",
    "0x10s",
    "1" * 5000 + "s",
    "9" * 5000,
]


@pytest.mark.parametrize("text", VALID)
def test_valid(text: str) -> None:
    """What Go reads is read, to the nanosecond of a float."""
    assert durations.parse(text) == pytest.approx(VALID[text] / 1e9, rel=1e-15, abs=FINEST)


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    """What Go refuses is refused, and nothing but ValueError says so."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the caller's business
        durations.parse(text)


@pytest.mark.parametrize("text", ["-9223372036854775808ns", "-9223372036854775.808us", "-2562047h47m16.854775808s"])
def test_the_most_negative(text: str) -> None:
    """Go's least duration has no positive counterpart, and is read."""
    assert durations.parse(text) == -(1 << 63) / 1e9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0.25", 0.25), (".5", 0.5), ("5.", 5.0), ("-1", -1.0), ("+2", 2.0), ("0005", 5.0), ("00", 0.0)],
)
def test_a_bare_number_is_seconds(text: str, seconds: float) -> None:
    """Beyond Go: a number without a unit."""
    assert durations.parse(text) == seconds


def test_blanks_around_it() -> None:
    """Beyond Go: blanks around the whole are no matter, inside they are."""
    assert durations.parse(" 5s\n") == 5.0


def test_many_digits() -> None:
    """Leading zeros and endless fractions cost nothing and change nothing."""
    assert durations.parse("0" * 10_000 + "5s") == 5.0
    assert durations.parse("1." + "0" * 10_000 + "s") == 1.0
    assert durations.parse("0." + "9" * 10_000 + "s") == pytest.approx(1.0, abs=FINEST)


def test_longest_bare_number() -> None:
    """The limit is the same without a unit."""
    assert durations.parse("9223372036.854775807") == pytest.approx(LONGEST / 1e9)
    with pytest.raises(ValueError, match="9223372036"):
        durations.parse("9223372036.854775808")


def written(nanoseconds: int) -> str:
    """Write a duration as Go's Duration.String does."""
    sign = "-" if nanoseconds < 0 else ""
    size = abs(nanoseconds)
    for unit, below in (("ns", US), ("\u00b5s", MS), ("ms", S)):
        if size and size < below:
            whole, rest = divmod(size, NANOSECONDS[unit])
            fraction = f"{Fraction(rest, NANOSECONDS[unit]).numerator}" if rest else ""
            width = len(str(NANOSECONDS[unit])) - 1
            decimals = f".{rest:0{width}d}".rstrip("0") if fraction else ""
            return f"{sign}{whole}{decimals}{unit}"
    hours, rest = divmod(size, H)
    minutes, rest = divmod(rest, M)
    seconds, rest = divmod(rest, S)
    decimals = f".{rest:09d}".rstrip("0") if rest else ""
    text = f"{seconds}{decimals}s"
    if hours:
        text = f"{hours}h{minutes}m{text}"
    elif minutes:
        text = f"{minutes}m{text}"
    return sign + text


@settings(deadline=None)
@given(st.integers(-LONGEST, LONGEST))
def test_round_trip(nanoseconds: int) -> None:
    """What Go writes is read back as what it was."""
    assert durations.parse(written(nanoseconds)) == nanoseconds / 1e9


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(NANOSECONDS))), min_size=1, max_size=8))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    """Any number of parts, in any order, add up."""
    total = sum(number * NANOSECONDS[unit] for number, unit in parts)
    assert durations.parse("".join(f"{number}{unit}" for number, unit in parts)) == total / 1e9


@settings(deadline=None)
@given(st.text(alphabet="0123456789.+-hmsnu\u00b5 e_", max_size=12) | st.text(max_size=8))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a duration within Go's limits, or ValueError, comes of any text."""
    try:
        seconds = durations.parse(text)
    except ValueError:
        return
    assert abs(seconds) <= (1 << 63) / 1e9
