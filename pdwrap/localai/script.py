"""The wrapper that stands in for a backend's `run.sh`: its text, and how it is known again. Pure.

LocalAI starts the file by its bare name in its folder, with descriptor 0 closed (go-processmanager: `os.StartProcess`
with `Dir`), so `$0` has no slash there. The original gets a `$0` of the same form. It stays beside the wrapper, where
`realpath "$0"` and `dirname $0` find what they found before, also when the folder was moved or is mounted elsewhere.
Called through a link the shell cannot tell where the wrapper is without a program of PATH; then the folder's name at
the time of wrapping is used. Positional parameters alone: a variable could be one of the backend's environment.

Between this shell's look and the backend's exec `--unwrap` may give the original its old name back: then that is
started. A second shell, which becomes the backend, looks at the last moment. Where both names are gone, or only a
wrapper is left, a line says so (127): it does not start itself for ever.

No mode is written: fork mode is the default, and PDWRAP_MODE in LocalAI's environment decides for all backends at once.
`--parent` is: this shell becomes pdwrap, so its parent is the launcher, and it starts sooner than Python.
"""

import json
import os
import shlex
from collections.abc import Sequence
from typing import NamedTuple

SUFFIX = ".pdwrap-original"
HEAD = b"#!/bin/sh\n# Made by pdwrap-localai: "
_OPTIONS = "# options: "
_MODE = "# mode: "
_TOP = """\
the file beside it that ends in SUFFIX is what was here, and
# ends with its launcher now. `pdwrap-localai --unwrap` puts it back; what is changed here by hand is lost then.
"""
_FIND = """\
if [ -L "$0" ]; then
    set -- ABSOLUTE "$@"
elif [ "${0##*/}" = "$0" ] && [ -e ./NAME.pdwrap-original ]; then
    set -- ./NAME "$@"
elif [ -e "${0%/*}"/NAME.pdwrap-original ]; then
    set -- "${0%/*}"/NAME "$@"
else
    set -- ABSOLUTE "$@"
fi
is_wrapper() (
    read -r _ && read -r line || exit 1
    case $line in "# Made by pdwrap-localai: "*) ;; *) exit 1 ;; esac
)
if ! [ -e "$1".pdwrap-original ] && is_wrapper <"$1"; then
    echo "pdwrap-localai: $1.pdwrap-original is gone: install the backend anew" >&2
    exit 127
fi
"""
_BACKEND = """ -- /bin/sh -c '[ ! -e "$0".pdwrap-original ] || exec "$0".pdwrap-original "$@"; exec "$0" "$@"' "$@"\n"""
#: A launcher in an outer pid namespace (`docker exec`) shows as 0, which no --parent can name.
_OUTSIDE = '[ "$PPID" != 0 ] || exec '
_PARENT = ' --parent "$PPID"'


class Kept(NamedTuple):
    """What a wrapper remembers.

    Attributes:
        options: the user's, without the tool's own.
        was_exec: a wrapper of before, whose exec mode was the tool's choice.
        mode: what the original's mode was before it was made executable; None: it was.

    """

    options: list[str]
    was_exec: bool = False
    mode: int | None = None


def make(path: str, command: Sequence[str], kept: Kept, *, parent: bool) -> bytes:
    """Write the wrapper.

    Args:
        path: where it is, absolute.
        command: the command line that starts pdwrap, with the tool's own options and the user's.
        kept: what is to be found in it again.
        parent: name the shell's parent as the launcher.

    """
    text = _TOP.replace("SUFFIX", SUFFIX) + _OPTIONS + json.dumps(kept.options) + "\n"
    if kept.mode is not None:
        text += f"{_MODE}{kept.mode:04o}\n"
    pieces = _FIND.replace("ABSOLUTE", "\0a").replace("NAME", "\0n").split("\0")  # the words may hold each other
    words = {"a": shlex.quote(path), "n": shlex.quote(os.path.basename(path))}
    text += pieces[0] + "".join(words[piece[0]] + piece[1:] for piece in pieces[1:])
    started = shlex.join(command)
    if parent:
        text += _OUTSIDE + started + _BACKEND
        started += _PARENT
    return HEAD + os.fsencode(text + "exec " + started + _BACKEND)


def is_wrapper(content: bytes) -> bool:
    """Tell whether a file that begins with `content` says that it was made here: whoever can write can say so."""
    return content.startswith(HEAD)


def kept(content: bytes) -> Kept:
    """Read what a wrapper remembers.

    Raises:
        ValueError: it cannot be read.

    """
    lines = os.fsdecode(content).split("\n", 5)
    if len(lines) < 4 or not lines[3].startswith(_OPTIONS):  # noqa: PLR2004 - the fourth line
        return _kept_before(content)
    try:
        options = json.loads(lines[3].removeprefix(_OPTIONS))
    except RecursionError:
        raise ValueError(lines[3]) from None
    if not isinstance(options, list) or not all(isinstance(word, str) for word in options):
        raise ValueError(lines[3])
    mode = int(lines[4].removeprefix(_MODE), 8) if len(lines) > 4 and lines[4].startswith(_MODE) else None  # noqa: PLR2004
    return Kept(options, mode=mode)


def command(content: bytes) -> list[str]:
    """Read from a wrapper which pdwrap it starts; nothing if it cannot be read."""
    try:
        words = _last_line(content)
    except ValueError:
        return []
    return words[: _length(words)]


def _kept_before(content: bytes) -> Kept:
    """Read a wrapper of before, where the tool's options and the user's stood together."""
    words = _last_line(content)
    options = words[_length(words) : -2]
    if options[-2:] == ["--parent", "$PPID"]:
        options = options[:-2]
    was_exec = options[:1] == ["--exec"]
    return Kept(options[1:] if was_exec else options, was_exec)


def _last_line(content: bytes) -> list[str]:
    return shlex.split(os.fsdecode(content).rpartition("\nexec ")[2])


def _length(words: list[str]) -> int:
    """Tell how many words start pdwrap: an interpreter, -I and a file, or a command alone."""
    return 3 if words[1:2] == ["-I"] else 1
