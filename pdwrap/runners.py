"""Runners: programs that execute one command and wait for it, and what each does to the signs of who waits. Pure.

Who waits can be told by what a process inherits (`shells`), so it matters what a runner does to that:

| column     | meaning                                                                                              |
|------------|------------------------------------------------------------------------------------------------------|
| signals    | SIGINT and SIGQUIT: KEPT as inherited; BELOW: its own are set, its command has what was inherited;   |
|            | LOST: set, for the command too, or not known                                                         |
| group      | it leaves its parent's process group for one of its own                                              |
| others     | it may have other children than its command                                                          |
| stdin      | its descriptor 0 is the one that it inherited                                                        |
| forwards   | it hands a SIGTERM on to its command                                                                 |

Tried on Debian 12, in the foreground and background of scripts (docs/facts.md, 48), or read in the manual
page; where neither: LOST, which says nothing. `poetry run` and `pipenv run` execute their command in their own place,
so they are seen only where they do not. An `xvfb-run` is a shell that waits.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEPT, BELOW, LOST = "kept", "below", "lost"
PYTHON, NODE, PERL, TCL = "python", "node", "perl", "tclsh"
INTERPRETERS = (PYTHON, NODE, PERL, TCL, "expect", "pypy")
SUFFIXES = (".js", ".cjs", ".mjs", ".py", ".pl")


class Runner:
    """One row; see the module."""

    __slots__ = ("forwards", "group", "interpreter", "name", "others", "signals", "stdin")

    def __init__(
        self,
        name: str,
        signals: str = LOST,
        *,
        group: bool = False,
        others: bool = False,
        stdin: bool = True,
        forwards: bool = False,
        interpreter: str = "",
    ) -> None:
        self.name = name
        self.signals = signals
        self.group = group
        self.others = others
        self.stdin = stdin
        self.forwards = forwards
        self.interpreter = interpreter


_ROWS = (
    # Other users. With a terminal, sudo has a monitor of its own between (sudoers(5), use_pty): a sudo below a sudo.
    Runner("sudo", BELOW, others=True, forwards=True),  # catches all, restores all for the command
    Runner("su", KEPT, forwards=True),  # su(1): "kills the child" on a signal
    Runner("runuser", KEPT, forwards=True),  # the same program
    Runner("doas", KEPT),
    # util-linux and coreutils
    Runner("timeout", LOST, group=True, forwards=True),  # timeout(1): setpgid, and its handlers are reset by exec
    Runner("flock", KEPT),
    Runner("script", KEPT, others=True),  # script(1): older ones fork a process for the output
    Runner("unshare", KEPT),  # --fork ignores SIGINT and SIGTERM since 2.36, when they reach unshare alone
    Runner("nsenter", KEPT),
    Runner("setsid", KEPT),  # --wait; without it there is no parent that waits
    Runner("time", BELOW),  # ignores both itself while it waits, as system(3) has it
    # Tracers, sandboxes
    Runner("strace", BELOW, stdin=False),  # ignores both itself; its descriptor 0 is a pipe of its own
    Runner("ltrace"),
    Runner("bwrap", KEPT),
    Runner("firejail"),
    # Surroundings
    Runner("chronic", KEPT, interpreter=PERL),
    Runner("unbuffer", KEPT, interpreter=TCL),
    Runner("dbus-run-session", KEPT, others=True),  # its daemon
    # Python's
    Runner("uv", BELOW, forwards=True),
    Runner("uvx", BELOW, forwards=True),
    Runner("conda", interpreter=PYTHON),
    Runner("mamba", interpreter=PYTHON),
    Runner("micromamba"),
    Runner("pixi"),
    Runner("poetry", interpreter=PYTHON),
    Runner("pipenv", interpreter=PYTHON),
    Runner("pdm", interpreter=PYTHON),
    Runner("hatch", interpreter=PYTHON),
    # node's: it sets every signal to its default when it starts (PlatformInit in its src/node.cc)
    Runner("npm", interpreter=NODE, forwards=True),
    Runner("npx", interpreter=NODE, forwards=True),
    Runner("pnpm", interpreter=NODE, forwards=True),
    Runner("yarn", interpreter=NODE, forwards=True),
    Runner("bunx"),
    # What stands first in a container, in the middle
    Runner("tini", KEPT, forwards=True),
    Runner("dumb-init", LOST, forwards=True),  # its command gets all signals by default
    Runner("catatonit", KEPT, forwards=True),
)

RUNNERS = {row.name: row for row in _ROWS}
#: Programs that write a title over their command line: `npm run x`, `npm exec`.
TITLED = ("npm", "npx", "pnpm", "yarn")


def find_runner(words: "Sequence[str]") -> Runner | None:
    """Find the row of a process by its command line; None where it is no runner.

    Never by the kernel's name for a process, which any program may set. A script is known by the script's name, and
    only below the interpreter that it is written for.
    """
    if not words:
        return None
    title, _, more = words[0].partition(" ")
    if more and title in TITLED:
        return RUNNERS[title]
    program = last_part(words[0])
    row = RUNNERS.get(program)
    if row is not None:
        return None if row.interpreter else row
    interpreter = next((name for name in INTERPRETERS if program.startswith(name)), "")
    if not interpreter:
        return None
    row = RUNNERS.get(_script_of(words[1:]))
    if row is None or not row.interpreter:
        return None
    other = {"expect": TCL, "pypy": PYTHON}.get(interpreter, interpreter)
    return row if row.interpreter == other else None


def _script_of(arguments: "Iterable[str]") -> str:
    """Name the script that an interpreter runs, without the suffix of its language."""
    module = False
    for word in arguments:
        if word == "-m":
            module = True
        elif module or not word.startswith("-"):
            name = last_part(word)
            suffix = next((each for each in SUFFIXES if name.endswith(each)), "")
            name = name.removesuffix(suffix)
            return name.removesuffix("-cli") if suffix else name  # npm's own files: npx-cli.js
        elif word in ("-c", "-e"):
            return ""
    return ""


def last_part(path: str) -> str:
    """Give the last part of a program's path."""
    return path.rpartition("/")[2]
