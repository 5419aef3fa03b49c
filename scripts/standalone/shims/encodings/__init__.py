"""The three encodings of the one file. Python's own package knows a hundred, and takes its time to say so."""

import codecs
import sys

NAMES = {
    **dict.fromkeys(("utf_8", "utf8", "u8", "utf"), "utf_8"),
    **dict.fromkeys(("ascii", "us_ascii", "646", "ansi_x3.4_1968"), "ascii"),
    **dict.fromkeys(("latin_1", "latin1", "iso8859_1", "iso_8859_1", "l1"), "latin_1"),
}


def normalize_encoding(encoding: str) -> str:
    """Make one of the ways to write a name; for `locale`."""
    return encoding.replace("-", "_").replace(" ", "_")


def search_function(encoding: str) -> "codecs.CodecInfo | None":
    """Find an encoding, for `codecs`."""
    name = NAMES.get(normalize_encoding(encoding.lower()))
    if name is None:
        return None
    __import__(f"encodings.{name}")
    found: codecs.CodecInfo = sys.modules[f"encodings.{name}"].getregentry()
    return found


codecs.register(search_function)
