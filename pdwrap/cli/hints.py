"""What to write instead: for a misspelt option, and for one that tini or dumb-init means something else by."""

from collections.abc import Callable

from pdwrap import options
from pdwrap.linux import signals

#: Options that are none of pdwrap's, and what those who know them from there are to write.
FOREIGN = {
    "-e": "for tini's -e write --success",
    "-c": "dumb-init's -c is always on here: leave it out",
    "--single-child": "dumb-init's --single-child is always on here: leave it out",
    "-r": "for dumb-init's -r write --rewrite",
}
#: Options that take a text here, how it is read, and what those are to write who know them as flags.
FLAGS = (
    ("-s", options.Settings.signal.read, "tini's -s is always on here: leave it out"),
    ("-g", options.Settings.grace.read, "tini's -g: all that is left is ended here anyway: leave it out"),
)
#: How far two words may be from each other to be taken for one (letters left out, put in, changed, swapped); in a short
#: word half as far.
FURTHEST = 2
SHORT = len("--success")


def for_unknown_option(word: str) -> str:
    """Say what may have been meant by an option that is not there; empty where nobody can tell."""
    if word in FOREIGN:
        return FOREIGN[word]
    long = [row.words[-1] for row in options.OPTIONS if row.words]
    long += [words[-1] for row in options.OPTIONS for words, _text, _help in row.flags] + [
        "--help",
        "--version",
        "--completion",
    ]
    begun = [known for known in long if len(word) > len("--") and known.startswith(word)]
    near = sorted((_distance(word, known), known) for known in long)
    furthest = FURTHEST if len(word) >= SHORT else FURTHEST // 2
    best = [known for distance, known in near if distance == near[0][0] <= furthest]
    for found in (begun, best):
        if len(found) == 1:
            return f"did you mean {found[0]}?"
    return ""


def for_refusal(arguments: list[str], refusal: str) -> str:
    """Say what to write where a command line was refused that is well-formed to tini; empty where it is not."""
    for word, read, hint in FLAGS:
        if word in arguments:
            following = [*arguments, ""][arguments.index(word) + 1]
            if not _can(read, following):  # tini takes no text there: it is the command, or another option
                return hint
    if refusal.startswith("--parent ") and "-p" in arguments[:-1]:
        name = arguments[arguments.index("-p") + 1]
        if not name.isdigit() and _can(signals.parse, name):
            return f"for tini's -p {name} write --signal {name}"
    return ""


def _can(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _distance(one: str, other: str) -> int:
    """Count the letters to leave out, put in, change or swap with their neighbour to make one word of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        above = row
        row = [at]
        for to, wanted in enumerate(other, 1):
            cost = min(above[to] + 1, row[-1] + 1, above[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, before[to - 2] + 1)
            row.append(cost)
        before = above
    return row[-1]
