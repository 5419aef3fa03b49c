"""Facts about signals: names and numbers, which are forwarded, which the terminal sends.

`signal` brings `enum`, a third of what pdwrap adds to the interpreter's start. `_signal`, the built-in module below
it, has all that is needed; where it is missing, `signal` serves as well.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as api
    from collections.abc import Collection
else:
    try:
        import _signal as api
    except ImportError:
        import signal as api

SIGCHLD = int(api.SIGCHLD)
SIGCONT = int(api.SIGCONT)
SIGHUP = int(api.SIGHUP)
SIGINT = int(api.SIGINT)
SIGKILL = int(api.SIGKILL)
SIGQUIT = int(getattr(api, "SIGQUIT", 3))  # Windows has none
SIGSTOP = int(api.SIGSTOP)
SIGTERM = int(api.SIGTERM)
SIGTTIN = int(api.SIGTTIN)
SIGTTOU = int(api.SIGTTOU)

#: Set to ignored by CPython's start whatever they were, so to default in the backend (Python/pylifecycle.c).
IGNORED_BY_PYTHON = tuple(int(getattr(api, name)) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(api, name))

#: What the kernel sends to a whole foreground group for a key, a resize or a background access (termios(3),
#: tty_ioctl(4)), SIGCONT on becoming orphaned (setpgid(2)): where the backend shares our group, it has had it.
FROM_TERMINAL = frozenset(
    int(getattr(api, name)) for name in ("SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGWINCH", "SIGCONT")
)
#: Stops that can be held back: blocked, they stay pending.
STOPPING = frozenset(int(getattr(api, name)) for name in ("SIGTSTP", "SIGTTIN", "SIGTTOU"))
WANTS_TERMINAL = frozenset((SIGTTIN, SIGTTOU))

BY_PROCESS = 0  # SI_USER: kill(2), and what the kernel sends in a process's name
#: The `si_code` of what the kernel sends by itself; between 0 and it are those of descriptors (sigaction(2)).
BY_KERNEL = 0x80  # SI_KERNEL

#: SIGKILL and SIGSTOP cannot be caught. SIGCHLD is the supervisors' own: parent-death signal, children, pokes.
NOT_FORWARDED = frozenset((SIGKILL, SIGSTOP, SIGCHLD))

ALL = frozenset(int(number) for number in api.valid_signals())
_RTMIN = int(getattr(api, "SIGRTMIN", 0))
_RTMAX = int(getattr(api, "SIGRTMAX", 0))
#: Real-time signals: each one sent is kept (signal(7)).
QUEUED = frozenset(number for number in ALL if _RTMIN and number >= _RTMIN)


def wait(numbers: "Collection[int]", seconds: float | None) -> "api.struct_siginfo | None":
    """Take one of the pending signals `numbers`, or wait for one (sigtimedwait(2)). They are blocked.

    Args:
        numbers: which ones.
        seconds: how long to wait for; 0 only takes what is pending, None waits for ever.

    Returns:
        What the kernel says of it, who sent it included; None where there was none.

    """
    if seconds is None:
        return api.sigwaitinfo(numbers)
    info = api.sigtimedwait(numbers, seconds)
    # Stopped, and continued when the time is over: CPython then gives what lay in that memory (Modules/signalmodule.c
    # leaves its loop at a deadline that has passed, without an error).
    return info if info is None or info.si_signo in numbers else None


def take_twin(info: "api.struct_siginfo", seconds: float) -> "api.struct_siginfo | None":
    """Make one of two that were sent as one: give what comes right behind `info` only if it is not such a second one.

    timeout(1) signals its child, and 30 to 50 us later its whole group (measured). Two signals of one number that are
    pending at the same time are one (signal(7)), so a program of its own mostly gets one; we, waiting for nothing
    else, would take both (up to half of 99 trials), and for llama-server the second means "at once, without cleaning
    up".
    """
    number = int(info.si_signo)
    if info.si_code > 0 or number == SIGCONT or number in QUEUED:
        return None
    twin = wait({number}, seconds)
    return None if twin is None or (twin.si_pid == info.si_pid and twin.si_code <= 0) else twin


def name(number: int) -> str:
    """Give the usual name (`SIGTERM`, `SIGRTMIN+3`) of signal `number`."""
    for key, value in vars(api).items():
        if value == number and key.startswith("SIG") and "_" not in key and key not in ("SIGCLD", "SIGIOT", "SIGPOLL"):
            return key
    return f"SIGRTMIN+{number - _RTMIN}" if _RTMIN < number < _RTMAX else f"signal {number}"


def parse(text: str) -> int:
    """Read a signal: `TERM`, `SIGTERM` in any case, `RTMIN+3`, `RTMAX-1`, or a number.

    Raises:
        ValueError: there is no such signal here.

    """
    word = text.strip().upper().removeprefix("SIG")
    number = 0
    if word.isascii() and word.isdigit():
        number = int(word)
    elif word.isalnum():
        number = int(getattr(api, f"SIG{word}", 0))
    elif word[:6] in ("RTMIN+", "RTMAX-") and word[6:].isascii() and word[6:].isdigit():
        number = _RTMIN + int(word[6:]) if word[4] == "N" else _RTMAX - int(word[6:])
        if not _RTMIN <= number <= _RTMAX:
            number = 0
    if number not in ALL:
        raise ValueError(text)
    return number
