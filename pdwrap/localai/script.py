"""The wrapper that stands in for a backend's `run.sh`: its text, and how it is known again. Pure.

LocalAI starts the file by its bare name in its folder, with descriptor 0 closed (go-processmanager: `os.StartProcess`
with `Dir`), so `$0` has no slash there. The original gets a `$0` of the same form. It stays beside the wrapper, where
`realpath "$0"` and `dirname $0` find what they found before, also when the folder was moved or is mounted elsewhere.
Called through a link the shell cannot tell where the wrapper is without a program of PATH; then the folder's name at
the time of wrapping is used. Positional parameters alone: a variable could be one of the backend's environment.
"""

import os
import shlex
from collections.abc import Sequence

SUFFIX = ".pdwrap-original"
HEAD = b"#!/bin/sh\n# Made by pdwrap-localai: "
_TEXT = """\
the file beside it that ends in {suffix} is what was here, and
# ends with its launcher now. `pdwrap-localai --unwrap` puts it back; what is changed here by hand is lost then.
if [ -L "$0" ]; then
    set -- {absolute} "$@"
elif [ "${{0##*/}}" = "$0" ] && [ -e ./{original} ]; then
    set -- ./{original} "$@"
elif [ -e "${{0%/*}}"/{original} ]; then
    set -- "${{0%/*}}"/{original} "$@"
else
    set -- {absolute} "$@"
fi
"""
#: A launcher in an outer pid namespace (`docker exec`) shows as 0, which no --parent can name.
_OUTSIDE = '[ "$PPID" != 0 ] || exec {pdwrap} {options} -- "$@"\n'
_EXEC = 'exec {pdwrap} {options} -- "$@"\n'


def make(folder: str, original: str, pdwrap: Sequence[str], options: Sequence[str], *, parent: bool) -> bytes:
    """Write the wrapper.

    Args:
        folder: where the original is, absolute.
        original: its name there.
        pdwrap: the command line that starts pdwrap.
        options: its options.
        parent: name the shell's parent as the launcher. The shell starts sooner than Python: the time in which the
            launcher's death can go unnoticed shrinks to the shell's own start.

    """
    words = {"pdwrap": shlex.join(pdwrap), "options": shlex.join(options)}
    text = _TEXT.format(
        suffix=SUFFIX, original=shlex.quote(original), absolute=shlex.quote(os.path.join(folder, original))
    )
    if parent:
        text += _OUTSIDE.format(**words)
        words["options"] += ' --parent "$PPID"'
    return HEAD + os.fsencode(text + _EXEC.format(**words))


def is_wrapper(content: bytes) -> bool:
    """Tell whether a file that begins with `content` was made here."""
    return content.startswith(HEAD)


def command(content: bytes) -> tuple[list[str], str]:
    """Read from a wrapper which pdwrap it starts, and with which options; nothing if it cannot be read."""
    last = os.fsdecode(content).rpartition("\nexec ")[2]
    try:
        words = shlex.split(last)
    except ValueError:
        return [], ""
    first = next((n for n, word in enumerate(words) if word.startswith("--")), len(words))
    options = words[first:-2]
    return words[:first], " ".join(word if word == "$PPID" else shlex.quote(word) for word in options)
