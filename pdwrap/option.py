"""What an option is, and how the text that it was given is read, whether on the command line or in a variable.

Pure. A reader raises ValueError for a text that it cannot read; who called it says whose text that was. What only some
texts need (durations, names of signals) is imported where one is given: this module is on the way to the backend.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar, overload

    Value = TypeVar("Value")
else:
    Value = None

    class Generic:
        """Stands for `typing.Generic`, which costs more than all options together."""

        def __class_getitem__(cls, _value: object) -> type:
            """Be the same class for every type."""
            return cls


#: LocalAI's words (pkg/grpc/parentwatch.go there), in any case and with blanks around.
FALSE_WORDS = ("false", "0", "no", "off")
TRUE_WORDS = ("true", "1", "yes", "on", "auto")
HIGHEST_STATUS = 255
SEVERAL = " "  # between the texts of an option that was given several times


class Option(Generic[Value]):
    """One row. As an attribute of a `Settings` it is the value that was read, or the default.

    Attributes:
        name: the setting.
        words: how it is typed, the long form last.
        default: what holds where nothing is given.
        read: makes the value of a text; raises ValueError (`kind`, with the next).
        allowed: what such a text may be, for the line that says so.
        group: what it is about.
        help: what it does, for a person, in a line.
        metavar: what stands for its text there.
        flags: for one that takes no text: the words that are typed, the text that they stand for, their help.
        variable: where it is read from if it is not given; empty is nowhere.
        fallback: LocalAI's variable, and the reader of that; a text that it cannot read is the default.
        repeatable: several texts add up, with a blank between them; else the last one counts.
        fork_only: why it means nothing in exec mode; empty where it means the same.

    """

    __slots__ = (
        "allowed",
        "default",
        "fallback",
        "flags",
        "fork_only",
        "group",
        "help",
        "metavar",
        "name",
        "read",
        "repeatable",
        "variable",
        "words",
    )

    def __init__(
        self,
        default: Value,
        kind: "tuple[Callable[[str], Value], str]",
        *,
        group: str,
        words: tuple[str, ...] = (),
        metavar: str = "",
        help: str = "",  # noqa: A002 - what it is called everywhere
        flags: tuple[tuple[tuple[str, ...], str, str], ...] = (),
        variable: str = "",
        fallback: "tuple[str, Callable[[str], Value]] | None" = None,
        repeatable: bool = False,
        fork_only: str = "",
    ) -> None:
        self.name = ""
        self.default = default
        self.read, self.allowed = kind
        self.group = group
        self.words = words
        self.metavar = metavar
        self.help = help
        self.flags = flags
        self.variable = variable
        self.fallback = fallback
        self.repeatable = repeatable
        self.fork_only = fork_only

    def __set_name__(self, _owner: type, name: str) -> None:
        """Learn the setting's name."""
        self.name = name

    if TYPE_CHECKING:

        @overload
        def __get__(self, settings: None, owner: type) -> "Option[Value]": ...
        @overload
        def __get__(self, settings: object, owner: type) -> Value: ...
        def __get__(self, settings: object, owner: type) -> "Value | Option[Value]":
            """Be the row of the class, and the value of the settings."""
            raise NotImplementedError

        def __set__(self, settings: object, value: Value) -> None:
            """Take a value."""

    else:

        def __get__(self, settings: object, owner: type) -> object:
            """Give the default. There is no `__set__`, so a value that was set hides the row."""
            return self if settings is None else self.default


class Contradiction(ValueError):  # noqa: N818 - not an error of pdwrap's
    """A text says two things that cannot both be meant: `first` and `second`."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first, second)
        self.first = first
        self.second = second


def one_of(*words: str) -> "Callable[[str], str]":
    """Make a reader that takes these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return read


def some_text(text: str) -> str:
    """Read a text that may be anything but empty."""
    if not text:
        raise ValueError(text)
    return text


def duration(text: str) -> float:
    """Read seconds, not negative."""
    from pdwrap import durations

    seconds = durations.parse(text)
    if seconds < 0:
        raise ValueError(text)
    return seconds


def interval(text: str) -> float:
    """Read seconds, above 0."""
    seconds = duration(text)
    if not seconds:
        raise ValueError(text)
    return seconds


def ending_signal(text: str) -> int:
    """Read a signal that asks somebody to end."""
    from pdwrap.linux import signals

    number = signals.parse(text)
    if number in (signals.SIGSTOP, signals.SIGCHLD, signals.SIGCONT):
        raise ValueError(text)
    return number


def parent(text: str) -> int | str | None:
    """Read a pid or a name; `auto` is None."""
    if text == "auto":
        return None
    if not text or text.strip() != text:
        raise ValueError(text)
    if not (text.isascii() and text.isdigit()):
        return text
    if len(text) > len(str(1 << 31)):
        raise ValueError(text)
    return int(text)


def descriptor(text: str) -> int:
    """Read a descriptor's number."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(1 << 31)) or int(text) >= 1 << 31:
        raise ValueError(text)
    return int(text)


def watch(text: str) -> str:
    """Read how to watch: LocalAI's words for on and off count, too."""
    word = text.strip().lower()
    if word in FALSE_WORDS:
        return "off"
    if word in TRUE_WORDS:
        return "auto"
    if word == "poll":
        return word
    raise ValueError(text)


def localai_watch(text: str) -> str:
    """Read LocalAI's switch: on unless it says no."""
    return "off" if text.strip().lower() in FALSE_WORDS else "auto"


def rewrite(text: str) -> dict[int, int]:
    """Read rules, apart by blanks or commas.

    Raises:
        Contradiction: there are two for one signal.

    """
    from pdwrap.linux import signals

    rules: dict[int, int] = {}
    written: dict[int, str] = {}
    for rule in text.replace(",", SEVERAL).split():
        source, colon, target = rule.partition(":")
        number = signals.parse(source)
        if not colon or number in signals.NOT_FORWARDED:
            raise ValueError(text)
        sent = 0 if target == "0" else signals.parse(target)
        if rules.setdefault(number, sent) != sent:
            raise Contradiction(written[number], rule)
        written[number] = rule
    if not rules:
        raise ValueError(text)
    return rules


def statuses(text: str) -> frozenset[int]:
    """Read exit statuses, apart by blanks or commas."""
    words = text.replace(",", SEVERAL).split()
    if not words or not all(word.isascii() and word.isdigit() and len(word) <= 3 for word in words):  # noqa: PLR2004
        raise ValueError(text)
    found = frozenset(map(int, words))
    if max(found) > HIGHEST_STATUS:
        raise ValueError(text)
    return found


FOR_EVER = float("inf")
NO_RULES: dict[int, int] = {}
NO_STATUSES: frozenset[int] = frozenset()
_DURATION = "a duration like 5s, 500ms or 1m30s, or a number of seconds"
#: A reader, and what it allows.
DURATION = (duration, f"{_DURATION}; not negative")
INTERVAL = (interval, f"{_DURATION}; above 0")
SIGNAL = (ending_signal, "a signal that ends, like TERM, INT or 15")
PARENT = (parent, "auto, or an ancestor's pid or name")
DESCRIPTOR = (descriptor, "the number of an open descriptor")
WATCH = (watch, "auto, poll or off")
REWRITE = (rewrite, "FROM:TO, two signals; TO may be 0 to drop it")
STATUSES = (statuses, "an exit status from 0 to 255")
