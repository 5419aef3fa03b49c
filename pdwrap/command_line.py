"""A well-formed command line, read by itself: click, which costs twice the rest of the start, is for all others.

Read here: `--grace 3s`, `--grace=3s`, `-g 3s`, `-g3s`, flags, repeated ones, `--`, and the command from the first word
that is no option. Handed over to click, which then says it as well as it can: help and version, mistakes,
abbreviations, and what is well-formed to click alone, each by its name:

- a text that begins with `-` as a word of its own (`--grace -5`; `-p -- x` takes `--` as the text);
- short options in one word (`-qv`, `-qg3s`);
- `=` behind a short option (`-g=3s` is the text `=3s`);
- `-` alone, as a command.

Both mean the same wherever this one reads a line: tests/cli/test_command_line.py, with click 8.5.1; by hand also with
8.1.0, 8.1.8, 8.2.1 and 8.3.1.
"""

from pdwrap.options import IN_PLACE, OPTIONS


def split(words: list[str]) -> tuple[dict[str, list[str]], list[str]] | None:
    """Tell pdwrap's options from the backend's command.

    Args:
        words: the command line, without the program's own name.

    Returns:
        The texts that were given, by setting, and the command (empty only with a report); None where click is to say.

    """
    flags = {typed: (row.name, text) for row in OPTIONS for each, text, _help in row.flags for typed in each}
    takes = {typed: row.name for row in OPTIONS for typed in row.words}
    given: dict[str, list[str]] = {}
    at = 0
    while at < len(words):
        word = words[at]
        if not word.startswith("-"):
            return given, words[at:]
        at += 1
        if word == "--":
            return (given, words[at:]) if at < len(words) else None
        if word in flags:
            setting, text = flags[word]
        elif word in takes:
            if at == len(words) or words[at].startswith("-"):
                return None
            setting, text = takes[word], words[at]
            at += 1
        else:
            name, text = _joined(word)
            if name not in takes:
                return None
            setting = takes[name]
        given.setdefault(setting, []).append(text)
    return (given, []) if not IN_PLACE.isdisjoint(given) else None


def _joined(word: str) -> tuple[str, str]:
    """Part `--grace=3s` or `-g3s` into option and text; no option where it is neither."""
    if word.startswith("--"):
        name, equals, text = word.partition("=")
        return (name, text) if equals else ("", "")
    return ("", "") if "=" in word else (word[:2], word[2:])
