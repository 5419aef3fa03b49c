"""The options, one row each: setting, default, reader, option, variable, help. All else is made from the rows.

Who reads them: `read` below, `command_line` (a well-formed command line), `cli.click_parser` (every other one, and
`--help`), the tests of the documents. To add an option, add a row to `Settings`.

Pure, and on the way to the backend: a row is a few texts, and nothing is read that was not given.
"""

from pdwrap import option
from pdwrap.exit_status import Refusal
from pdwrap.option import Option, one_of, some_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# What an option is about: the groups of `--help`, in this order.
LAUNCHER = "Whose death counts"
ENDING = "How the backend is ended"
MODE = "What pdwrap is meanwhile"
WORDS = "What it says"
INSTEAD = "In place of a command"
GROUPS = (LAUNCHER, ENDING, MODE, WORDS, INSTEAD)

_UNSEEN = "nobody is left to see the backend exit"
_DIRECT = "signals reach the backend directly"


class Settings:
    """What one run is to do; a setting that is not given has its row's default.

    Attributes:
        explicit: where each setting that was given came from (`--grace`, `PDWRAP_GRACE`), by setting.

    """

    def __init__(self) -> None:
        self.explicit: dict[str, str] = {}

    #: `fork` or `exec`. First: some of what follows means nothing in one of them.
    mode = Option(
        "fork",
        (one_of("fork", "exec"), "fork or exec"),
        group=MODE,
        flags=(
            (("--fork",), "fork", "stay as supervisor (the default)"),
            (("--exec",), "exec", "become the backend; sidecars watch"),
        ),
        variable="PDWRAP_MODE",
    )
    #: A pid or a name of an ancestor; 0 lives in an outer pid namespace; None is who started us.
    parent = Option(
        None,
        option.PARENT,
        group=LAUNCHER,
        words=("-p", "--parent"),
        metavar="auto|PID|NAME",
        variable="PDWRAP_PARENT",
        help="an ancestor (auto: who started us)",
    )
    #: A descriptor whose end-of-file counts as the launcher's death; None is none.
    lifeline = Option(
        None,
        option.DESCRIPTOR,
        group=LAUNCHER,
        words=("--lifeline",),
        metavar="FD",
        variable="PDWRAP_LIFELINE",
        help="end-of-file on FD counts as its death, too",
    )
    #: `auto`, `poll` or `off`.
    watch = Option(
        "auto",
        option.WATCH,
        group=LAUNCHER,
        words=("--watch",),
        metavar="auto|poll|off",
        variable="PDWRAP_WATCH",
        fallback=("LOCALAI_BACKEND_PARENT_WATCH", option.localai_watch),
        help="how to watch it (auto); off: a lifeline alone",
    )
    #: Seconds between two looks, where only looking helps.
    interval = Option(
        2.0,
        option.INTERVAL,
        group=LAUNCHER,
        words=("-i", "--interval"),
        metavar="DURATION",
        variable="PDWRAP_INTERVAL",
        fallback=("LOCALAI_BACKEND_PARENT_WATCH_INTERVAL", option.interval),
        help="between two looks, where polling (2s)",
    )
    #: The first signal once the launcher has died.
    signal = Option(
        15,
        option.SIGNAL,
        group=ENDING,
        words=("-s", "--signal"),
        metavar="NAME",
        variable="PDWRAP_SIGNAL",
        help="first signal (TERM)",
    )
    #: Seconds from the first signal to SIGKILL.
    grace = Option(
        5.0,
        option.DURATION,
        group=ENDING,
        words=("-g", "-k", "--grace"),
        metavar="DURATION",
        variable="PDWRAP_GRACE",
        help="from it to SIGKILL (5s)",
    )
    #: Seconds from a forwarded SIGTERM, or first signal, to SIGKILL for the whole tree, the launcher living.
    stop_grace = Option(
        option.FOR_EVER,
        option.DURATION,
        group=ENDING,
        words=("--stop-grace",),
        metavar="DURATION",
        variable="PDWRAP_STOP_GRACE",
        fork_only=_DIRECT,
        help="from a forwarded SIGTERM to SIGKILL (none)",
    )
    #: `end`, `wait` or `leave`.
    leftovers = Option(
        "end",
        (one_of("end", "wait", "leave"), "end, wait or leave"),
        group=ENDING,
        words=("--leftovers",),
        metavar="end|wait|leave",
        variable="PDWRAP_LEFTOVERS",
        fork_only=_UNSEEN,
        help="what it leaves behind when it exits (end)",
    )
    #: Forward the value in place of the key; 0 drops it.
    rewrite = Option(
        option.NO_RULES,
        option.REWRITE,
        group=MODE,
        words=("--rewrite",),
        metavar="FROM:TO",
        variable="PDWRAP_REWRITE",
        repeatable=True,
        fork_only=_DIRECT,
        help="forward TO in place of FROM; TO=0 drops it",
    )
    #: Exit statuses that count as 0, and 128+n for death by signal n.
    success = Option(
        option.NO_STATUSES,
        option.STATUSES,
        group=MODE,
        words=("--success",),
        metavar="STATUS",
        repeatable=True,
        fork_only=_UNSEEN,
        help="this status counts as 0; 143: death by SIGTERM",
    )
    #: What lines call the backend; empty is the last part of the command.
    name = Option(
        "",
        (some_text, "a name"),
        group=WORDS,
        words=("--name",),
        metavar="NAME",
        help="what lines call the backend",
    )
    #: A file to append lines to; empty is stderr.
    log_file = Option(
        "",
        (some_text, "a file"),
        group=WORDS,
        words=("--log-file",),
        metavar="FILE",
        variable="PDWRAP_LOG_FILE",
        help="append lines there, with the time (stderr)",
    )
    #: `text` or `json`.
    log = Option(
        "text",
        (one_of("text", "json"), "text or json"),
        group=WORDS,
        words=("--log",),
        metavar="text|json",
        variable="PDWRAP_LOG",
        help="their form (text)",
    )
    #: -1 quiet, 0 speaks when it ends something, 1 says what it watches, too.
    verbosity = Option(
        0,
        ({"quiet": -1, "verbose": 1}.__getitem__, "-q or -v"),
        group=WORDS,
        flags=(
            (("-q", "--quiet"), "quiet", "errors alone"),
            (("-v", "--verbose"), "verbose", "say what is watched, too"),
        ),
    )
    #: What is shown in place of running a command; empty runs one.
    report = Option(
        "",
        (one_of("doctor", "list"), "--doctor or --list"),
        group=INSTEAD,
        flags=(
            (("--doctor",), "doctor", "try what this machine offers, and prove it"),
            (("--list",), "list", "what is under pdwrap; a PID or NAME: is it?"),
        ),
    )
    #: With `list`: what has lost its launcher.
    orphans = Option(
        "",
        (one_of("orphans"), "--orphans"),
        group=INSTEAD,
        flags=((("--orphans",), "orphans", "with --list: what is left, and holds a port"),),
    )


OPTIONS: "tuple[Option[Any], ...]" = tuple(row for row in vars(Settings).values() if type(row) is Option)
#: The settings that stand in place of a command.
IN_PLACE = frozenset(row.name for row in OPTIONS if row.group == INSTEAD)


def read(environ: "Mapping[str, str]", given: "Mapping[str, Sequence[str]] | None" = None) -> Settings:
    """Put the settings together; an option wins over its variable, pdwrap's variable over LocalAI's.

    A variable that is empty is none, and one that means nothing in the mode at hand is not read: it was meant for
    another pdwrap. An option is a person's word: it is refused then.

    Args:
        environ: the environment.
        given: texts from the command line, by setting, in their order.

    Raises:
        Refusal: a text cannot be read, or means nothing. Names the option or variable, the text, and what is allowed.

    """
    settings = Settings()
    for row in OPTIONS:
        texts = given.get(row.name) if given else None
        if texts:
            where, text = _one(row, texts)
        elif row.fork_only and settings.mode == "exec":
            continue
        else:
            where, text = row.variable, environ.get(row.variable, "")
            if not text:
                _read_fallback(settings, row, environ)
                continue
        value = _value(row, where, text)
        if row.fork_only and settings.mode == "exec" and value != row.default:
            raise Refusal(f"{where} means nothing in exec mode ({row.fork_only}): leave it out, or use --fork")
        setattr(settings, row.name, value)
        settings.explicit[row.name] = where
    return settings


def _one(row: "Option[Any]", texts: "Sequence[str]") -> tuple[str, str]:
    """Make one text of those that an option was given, and tell how the option is called."""
    if not row.flags:
        return row.words[-1], option.SEVERAL.join(texts) if row.repeatable else texts[-1]
    typed = [words[0] for words, text, _help in row.flags if text in texts]
    if len(typed) > 1:
        raise Refusal(f"{' and '.join(typed)} at once: give one of them")
    return typed[0], texts[0]


def _value(row: "Option[Any]", where: str, text: str) -> object:
    try:
        return row.read(text)
    except option.Contradiction as both:
        raise Refusal(f"{where}: {both.first} and {both.second} at once: give one of them") from None
    except ValueError:
        raise Refusal(f"{where}: {text!r} cannot be read: give {row.allowed}") from None


def _read_fallback(settings: Settings, row: "Option[Any]", environ: "Mapping[str, str]") -> None:
    """Read LocalAI's variable, which never is an error."""
    if row.fallback:
        variable, reader = row.fallback
        try:
            if text := environ.get(variable):
                setattr(settings, row.name, reader(text))
        except ValueError:
            pass
