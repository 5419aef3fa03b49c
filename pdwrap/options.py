"""The settings, and how each is read from the environment or from an option's text.

Pure, and without click: `pdwrap -- CMD` comes through here alone. The command line is `cli`'s business; it hands the
texts of its options to the same readers, so both say the same of a bad value.
"""

from pdwrap.exit_status import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOCALAI_WATCH = "LOCALAI_BACKEND_PARENT_WATCH"
LOCALAI_INTERVAL = "LOCALAI_BACKEND_PARENT_WATCH_INTERVAL"
FALSE_WORDS = ("false", "0", "no", "off")
TRUE_WORDS = ("true", "1", "yes", "on", "auto")
DEFAULT_GRACE = 5.0
DEFAULT_INTERVAL = 2.0


class Settings:
    """What one run is to do; the defaults are those of the README's table.

    Attributes:
        explicit: where each setting that is no default came from (`--grace`, `PDWRAP_GRACE`), by setting.
        mode: `fork` or `exec`.
        signal: the first signal once the launcher has died.
        grace: seconds from the first signal to SIGKILL.
        parent: a pid or a name of an ancestor; 0 lives in an outer pid namespace; None is who started us.
        lifeline: a descriptor whose end-of-file counts as the launcher's death; None is none.
        watch: `auto`, `poll` or `off`.
        interval: seconds between two looks, where only looking helps.
        leftovers: `end`, `wait` or `leave`.
        rewrite: forward the value in place of the key; 0 drops it.
        log: `text` or `json`.
        verbosity: -1 quiet, 0 speaks when it ends something, 1 says what it watches, too.

    """

    __slots__ = (
        "explicit",
        "grace",
        "interval",
        "leftovers",
        "lifeline",
        "log",
        "mode",
        "parent",
        "rewrite",
        "signal",
        "verbosity",
        "watch",
    )

    def __init__(self) -> None:
        self.explicit: dict[str, str] = {}
        self.mode = "fork"
        self.signal = 15
        self.grace = DEFAULT_GRACE
        self.parent: int | str | None = None
        self.lifeline: int | None = None
        self.watch = "auto"
        self.interval = DEFAULT_INTERVAL
        self.leftovers = "end"
        self.rewrite: dict[int, int] = {}
        self.log = "text"
        self.verbosity = 0


def _duration(text: str) -> float:
    from pdwrap import durations  # only where a duration is given

    return durations.parse(text)


def _grace(text: str) -> float:
    grace = _duration(text)
    if grace < 0:
        raise ValueError(text)
    return grace


def _interval(text: str) -> float:
    interval = _duration(text)
    if interval <= 0:
        raise ValueError(text)
    return interval


def _first_signal(text: str) -> int:
    from pdwrap.linux import signals

    number = signals.parse(text)
    if number in (signals.SIGSTOP, signals.SIGCHLD, signals.SIGCONT):  # none of them asks anybody to end
        raise ValueError(text)
    return number


def _parent(text: str) -> int | str:
    if not text or text.strip() != text:
        raise ValueError(text)
    if not (text.isascii() and text.isdigit()):
        return text
    if len(text) > len(str(1 << 31)):
        raise ValueError(text)
    return int(text)


def _descriptor(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 31:
        raise ValueError(text)
    return int(text)


def _watch(text: str) -> str:
    word = text.strip().lower()
    if word in FALSE_WORDS:
        return "off"
    if word in TRUE_WORDS:
        return "auto"
    if word == "poll":
        return word
    raise ValueError(text)


def _rewrite(text: str) -> dict[int, int]:
    from pdwrap.linux import signals

    rules: dict[int, int] = {}
    for rule in text.replace(",", " ").split():
        source, colon, target = rule.partition(":")
        number = signals.parse(source)
        if not colon or number in signals.NOT_FORWARDED:
            raise ValueError(text)
        rules[number] = 0 if target == "0" else signals.parse(target)
    if not rules:
        raise ValueError(text)
    return rules


def _one_of(*words: str) -> "Callable[[str], str]":
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return read


_DURATION_HELP = "a duration like 5s, 500ms or 1m30s, or a number of seconds"

#: Setting, its variable, its option, its reader, what is allowed.
READERS: "tuple[tuple[str, str, str, Callable[[str], object], str], ...]" = (
    ("mode", "PDWRAP_MODE", "--fork/--exec", _one_of("fork", "exec"), "fork or exec"),
    ("signal", "PDWRAP_SIGNAL", "--signal", _first_signal, "a signal that ends, like TERM, INT or 15"),
    ("grace", "PDWRAP_GRACE", "--grace", _grace, f"{_DURATION_HELP}; not negative"),
    ("parent", "PDWRAP_PARENT", "--parent", _parent, "an ancestor's pid or name"),
    ("lifeline", "PDWRAP_LIFELINE", "--lifeline", _descriptor, "the number of an open descriptor"),
    ("watch", "PDWRAP_WATCH", "--watch", _watch, "auto, poll or off"),
    ("interval", "PDWRAP_INTERVAL", "--interval", _interval, f"{_DURATION_HELP}; above 0"),
    ("leftovers", "PDWRAP_LEFTOVERS", "--leftovers", _one_of("end", "wait", "leave"), "end, wait or leave"),
    ("rewrite", "PDWRAP_REWRITE", "--rewrite", _rewrite, "FROM:TO, two signals; TO may be 0 to drop it"),
    ("log", "PDWRAP_LOG", "--log", _one_of("text", "json"), "text or json"),
)


def read(environ: "Mapping[str, str]", given: "Mapping[str, str] | None" = None) -> Settings:
    """Put the settings together; an option wins over its variable, pdwrap's variable over LocalAI's.

    Args:
        environ: the environment.
        given: texts from the command line, by setting.

    Raises:
        Refusal: a text cannot be read. Names the option or variable, the text, and what is allowed.

    """
    settings = Settings()
    for setting, variable, option, reader, allowed in READERS:
        text = given.get(setting) if given else None
        where = option
        if text is None:
            text = environ.get(variable)
            where = variable
        if text is not None:
            try:
                setattr(settings, setting, reader(text))
            except ValueError:
                raise Refusal(f"{where}: {text!r} cannot be read: give {allowed}") from None
            settings.explicit[setting] = where
        elif setting == "watch":
            settings.watch = _localai_watch(environ.get(LOCALAI_WATCH))
        elif setting == "interval":
            settings.interval = _localai_interval(environ.get(LOCALAI_INTERVAL))
    return settings


def _localai_watch(text: str | None) -> str:
    """LocalAI's switch: on unless it says no (pkg/grpc/parentwatch.go there)."""
    return "off" if text is not None and text.strip().lower() in FALSE_WORDS else "auto"


def _localai_interval(text: str | None) -> float:
    """LocalAI's interval: never an error; what cannot be read, or is not above 0, is its default."""
    if not text:
        return DEFAULT_INTERVAL
    try:
        return _interval(text)
    except ValueError:
        return DEFAULT_INTERVAL
