"""The rule for shells: does this one only wait for its child, or does it go on with work of its own? Pure.

POSIX ("asynchronous lists"): a shell without job control starts a background command with SIGINT *and* SIGQUIT
ignored, and with /dev/null as its descriptor 0; one with job control gives each job a process group. So a child says
in what it has inherited whether its shell waits. What blurs it, each tried (docs/facts.md, 48):

- who sets those signals anew says nothing by them (a column of `runners`); of bash's own subshells SIGQUIT alone tells,
  SIGINT is caught while they wait; they are known by having their parent's command line, word by word;
- a shell that was put into the background itself has both ignored, waiting or not, and so has all below it;
- `trap '' INT` ignores one of the two; bash always ignores SIGQUIT itself, for itself alone;
- under a service descriptor 0 is /dev/null everywhere: then it counts whether the two are one and the same open file,
  as only the kernel can tell (kcmp(2)), for a shell opens a new one for its background;
- `x | y &` leaves x its descriptor 0: x's neighbours in the pipeline have the signals;
- zsh gives /dev/null only in place of a terminal; and `set -m` shows in nothing but the group, which timeout leaves
  by itself.

Known limits: who says `<&0 &` hides a background that only descriptor 0 would show, a bash coprocess or `>(...)` looks
like the end of a pipeline.
"""

from pdwrap.runners import BELOW, KEPT, find_runner, last_part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    class Seen(Protocol):
        """What /proc says of a process."""

        @property
        def pid(self) -> int:
            """Its number."""

        @property
        def group(self) -> int:
            """Its process group."""

        @property
        def words(self) -> "tuple[str, ...]":
            """Its command line."""

        @property
        def ignores_interrupt(self) -> bool | None:
            """Whether it ignores SIGINT; None where that may not be seen."""

        @property
        def ignores_quit(self) -> bool | None:
            """Whether it ignores SIGQUIT."""

        @property
        def ignores_both(self) -> bool | None:
            """Whether it ignores SIGINT and SIGQUIT."""

        @property
        def catches_interrupt(self) -> bool | None:
            """Whether it has a handler for SIGINT."""

        @property
        def stdin(self) -> str | None:
            """What its descriptor 0 is; CLOSED; or None where that may not be seen."""

        @property
        def stdout(self) -> str | None:
            """What its descriptor 1 is."""


WAITS, GOES_ON, DOUBT = "waits", "goes on", "cannot be told"
BACKGROUND = "it has its child in the background"
SILENT = "neither signals nor descriptors tell"
NULL = "/dev/null"
CLOSED = ""
TERMINALS = ("/dev/pts/", "/dev/tty", "/dev/console", "/dev/hvc")
SHELLS = frozenset(("sh", "dash", "bash", "ash", "ksh", "mksh", "zsh"))
#: Shells' options that take the next word.
WITH_WORD = ("-o", "+o", "-O", "+O", "--rcfile", "--init-file")
#: What stands at the end of pipelines, and leaves SIGINT and SIGQUIT as it finds them.
FILTERS = frozenset(
    ("awk", "cat", "cut", "gawk", "grep", "head", "logger", "mawk", "sed", "sort", "tail", "tee", "tr", "ts")
)


def name_of_shell(words: "Sequence[str]") -> str:
    """Name the shell that has this command line; empty where it is none.

    By its first word: the kernel's name for a shell is its script's. A login shell has a `-` in front.
    """
    if not words:
        return ""
    name = last_part(words[0].removeprefix("-"))
    if name == "busybox" and len(words) > 1:
        name = words[1] if words[1] in ("sh", "ash") else ""
    return name if name in SHELLS else ""


def has_job_control(words: "Sequence[str]", stdin: str | None) -> bool:
    """Tell whether a shell was started with job control: asked for it, or has a person at it.

    Interactive is a shell that takes its commands from a terminal: neither by `-c` nor from a script.
    """
    arguments = list(words[2 if last_part(words[0]) == "busybox" else 1 :])
    takes_input = True
    while arguments:
        word = arguments.pop(0)
        if word in WITH_WORD:
            if word == "-o" and arguments[:1] == ["monitor"]:
                return True
            del arguments[:1]
        elif word.startswith("--") and word != "--":
            continue
        elif word[:1] in ("-", "+") and word not in ("-", "--"):
            if word[0] == "-" and ("i" in word or "m" in word):
                return True
            if "c" in word:
                takes_input = False
                break
        else:
            takes_input = word in ("-", "--") and not arguments
            break
    return takes_input and (stdin is None or stdin.startswith(TERMINALS))


def judge(
    shell: "Seen",
    below: "Sequence[Seen]",
    others: "Callable[[], Sequence[Seen]]",
    is_same_open_file: "Callable[[int, int], bool | None]",
) -> tuple[str, str]:
    """Tell whether a shell only waits for a child of its.

    Args:
        shell: the shell.
        below: the child, its child, and so on down to pdwrap.
        others: gives the shell's other children.
        is_same_open_file: tells of two pids whether their descriptors 0 are one open file; None where it cannot.

    Returns:
        WAITS, GOES_ON (the child is in its background, or it has job control) or DOUBT; and why, for a person.

    """
    if has_job_control(shell.words, shell.stdin):
        return GOES_ON, "it has job control"
    if _has_left_group(shell, below[0]):
        return DOUBT, "its child has a process group of its own, as under job control"
    if shell.ignores_both is None:
        return DOUBT, "its signals may not be seen"
    if not shell.ignores_both and has_background(below, shell.words):
        return GOES_ON, BACKGROUND
    told = _keeper_of_signals(shell, below)
    if told is not None and told.ignores_both is False:
        return WAITS, ""
    return _judge_by_descriptors(shell, below, others, is_same_open_file)


def has_background(path: "Sequence[Seen]", forked_from: "tuple[str, ...]" = ()) -> bool:
    """Tell whether a shell has put one of these into its background: it has inherited both signals as ignored.

    Who sets them itself says nothing. A shell says it together with what it has executed: bash ignores SIGQUIT for
    itself, and with `trap '' INT` both.

    Args:
        path: processes, each the parent of the next.
        forked_from: the command line of the shell above; a subshell of its has inherited all that it has.

    """
    for number, process in enumerate(path):
        runner = find_runner(process.words)
        if not process.ignores_both or (runner is not None and runner.signals != KEPT):
            continue
        executed = name_of_shell(process.words) and process.words != forked_from
        if not executed or number + 1 == len(path) or path[number + 1].ignores_both:
            return True
    return False


def _has_left_group(shell: "Seen", child: "Seen") -> bool:
    """Tell whether the child's group could be job control's."""
    if child.group == shell.group:
        return False
    runner = find_runner(child.words)
    if runner is None or not runner.group or child.group != child.pid:
        return True
    # bash catches SIGINT while it waits without job control, and only then (measured); so do dash and mksh.
    return not (shell.catches_interrupt or shell.ignores_interrupt)


def _keeper_of_signals(shell: "Seen", below: "Sequence[Seen]") -> "Seen | None":
    """Find the process whose signals are still as the shell gave them to its child."""
    for process in below:
        if process.words == shell.words:  # forked, not executed: bash catches SIGINT in it, and leaves SIGQUIT alone
            return None if process.ignores_quit is not False else process
        runner = find_runner(process.words)
        if runner is None or runner.signals == KEPT:
            return process
        if runner.signals != BELOW:
            return None
    return None


def _judge_by_descriptors(
    shell: "Seen",
    below: "Sequence[Seen]",
    others: "Callable[[], Sequence[Seen]]",
    is_same_open_file: "Callable[[int, int], bool | None]",
) -> tuple[str, str]:
    child = next((each for each in below if (runner := find_runner(each.words)) is None or runner.stdin), below[-1])
    if child.stdin is None or shell.stdin is None:
        return DOUBT, "its descriptors may not be seen"
    if child.stdin == NULL and shell.stdin not in (NULL, CLOSED):  # who finds 0 closed may open it as that
        return GOES_ON, BACKGROUND
    if child.stdin != shell.stdin or name_of_shell(shell.words) == "zsh":
        return DOUBT, SILENT
    if below[0].stdout != shell.stdout and (below[0].stdout or "").startswith("pipe:"):
        return _judge_by_neighbours(below[0], others())
    same = is_same_open_file(child.pid, shell.pid) if child.stdin == NULL else True
    return {True: (WAITS, ""), False: (GOES_ON, BACKGROUND), None: (DOUBT, SILENT)}[same]


def _judge_by_neighbours(child: "Seen", others: "Sequence[Seen]") -> tuple[str, str]:
    """Ask who reads what the child writes: in the background, a whole pipeline ignores both signals."""
    for other in others:
        if other.stdin != child.stdout:
            continue
        if other.ignores_both:
            return GOES_ON, BACKGROUND
        if other.ignores_both is False and last_part(other.words[0] if other.words else "") in FILTERS:
            return WAITS, ""
    return DOUBT, "its child writes to a pipe of which nothing tells"
