"""The manual page pdwrap(1): its options, variables and statuses are those of the code, the rest stands here.

scripts/manual            print it
scripts/manual --write    put it into share/pdwrap.1, and pdwrap-localai(1) into share/pdwrap-localai.1
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from pdwrap import exit_status, options
from pdwrap.cli import completion
from pdwrap.option import Option

DATE = "November 25, 2026"
WIDTH = 78
FILE: Path = Path(__file__).resolve().parents[2] / "share" / "pdwrap.1"

PAGE = r"""
.\" Made by scripts/manual from the table of options: do not edit.
.Dd @DATE@
.Dt PDWRAP 1
.Os
.Sh NAME
.Nm pdwrap
.Nd end a command, and all that it started, when the process that launched it dies
.Sh SYNOPSIS
.Nm
.Op Ar options
.Op Fl \&-
.Ar command
.Op Ar argument ...
.Nm
.Fl \&-doctor
.Op Ar options
.Nm
.Fl \&-list
.Op Fl \&-orphans
.Op Ar pid | name ...
.Sh DESCRIPTION
.Nm
runs
.Ar command
(the
.Em backend )
so that it ends when the process that started
.Nm
(the
.Em launcher )
dies, however it dies: by SIGKILL, for want of memory, in a crash.
All that the backend started ends with it.
Nothing else changes: arguments, environment, descriptors, limits, signals, terminal and exit status are as without
.Nm .
.Pp
On the launcher's death the backend gets a first signal
.Pq SIGTERM
and SIGCONT; what is left when it has exited gets the same.
When the grace
.Pq 5 seconds
is over, what is left is killed.
.Pp
In
.Em fork mode ,
the default,
.Nm
stays as the backend's parent, in two processes that watch over each other.
In
.Em exec mode
.Pq Fl \&-exec
it becomes the backend, and two processes beside it watch.
.Pp
The launcher is seen through what only waits: a shell that has
.Nm
in its foreground, sudo, timeout, npm and their like.
The death of any of them counts.
.Sh OPTIONS
@OPTIONS@
.Pp
A
.Ar duration
is a number of seconds, or has units:
.Li 500ms , 5s , 1m30s .
A
.Ar signal
is a name
.Pq Li TERM , SIGTERM , RTMIN+3
or a number.
.Pp
Two options that cannot both be meant are an error that names both; else the last one counts.
.Sh ENVIRONMENT
An option wins over its variable.
An empty variable is none.
They reach the backend unchanged, and so every
.Nm
below it; one that is for fork mode is ignored in exec mode.
.Bl -tag -width Ds
@ENVIRONMENT@
.El
.Sh SIGNALS
In fork mode every signal sent to the pid that the launcher knows, or to its process group, arrives at the backend once
for each time it was sent, but for SIGKILL, SIGSTOP and SIGCHLD.
It goes to the backend's pid alone.
A forwarded SIGTERM starts no deadline while the launcher lives, unless
.Fl \&-stop-grace
is given; if the launcher dies afterwards, it counts as the first signal.
In exec mode every signal reaches the backend directly.
.Sh JOB CONTROL
At a terminal the backend stays in the foreground: Ctrl-C, Ctrl-Z,
.Ic fg ,
.Ic bg ,
pipelines and scripts behave as without
.Nm .
A backend that stops shows as stopped.
.Sh EXIT STATUS
The backend's own; where it was killed by a signal,
.Nm
dies of the same signal.
Its own are:
.Bl -tag -width Ds
.It 0
With
.Fl \&-doctor :
every promise holds.
With
.Fl \&-list :
also where nothing is under
.Nm .
.It 1
With
.Fl \&-doctor :
one does not; the report says what to do.
With
.Fl \&-list
and a pid or name: one is not under
.Nm .
.It @OWN_FAILURE@
.Nm
failed, or declined; bad usage included.
One line on stderr says why.
.It @CANNOT_EXECUTE@
.Ar command
was found, and cannot be executed.
.It @NOT_FOUND@
.Ar command
was not found.
.It 128+n
As PID 1, which cannot die of its own signal: the backend died of signal n.
.El
.Sh EXAMPLES
End a server with the script that starts it:
.Pp
.Dl pdwrap \-\- ./server -m model.gguf &
.Pp
Keep the pid that the launcher knows:
.Pp
.Dl pdwrap --exec \-\- ./server
.Pp
Name whose death counts:
.Pp
.Dl pdwrap --parent local-ai \-\- ./run.sh
.Pp
See what is under
.Nm ,
and what has lost its launcher and holds a port:
.Pp
.Dl pdwrap --list
.Dl pdwrap --list --orphans
.Pp
See whether all of it works on this machine, and whose death would count here:
.Pp
.Dl pdwrap --doctor
.Sh LIMITS
All processes of
.Nm
killed at the same instant: the kernel still kills the backend, not what it started.
Exec mode does not reach what has detached itself before the launcher's death, nor what outlives a backend that ends
first.
A process in uninterruptible sleep, or of another user, cannot be killed; it is named.
SIGPIPE and SIGXFSZ are at their default in the backend.
Linux alone.
.Sh SEE ALSO
.Xr pdwrap-localai 1 ,
.Xr setpriv 1 ,
.Xr timeout 1 ,
.Xr pidfd_open 2 ,
.Xr prctl 2
.Pp
The pages in
.Pa docs/
of the source: options, promise, limits, and what each line that is printed means.
"""


def short(line: str) -> str:
    """Break a line of text that is longer than mandoc likes; a request cannot be broken."""
    return line if line.startswith(".") else textwrap.fill(line, WIDTH, break_on_hyphens=False)


def plain(text: str) -> str:
    """Write a text so that it stands as it is."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def flag(word: str) -> str:
    """Write an option for `.Fl`, which puts one hyphen before it."""
    return f"\\&-{word[2:]}" if word.startswith("--") else word[1:]


def item(words: tuple[str, ...], metavar: str, about: str, more: str = "") -> str:
    """Write one option."""
    typed = " , ".join(f"Fl {flag(word)}" for word in words)
    takes = f" Ar {metavar}" if metavar else ""
    return f".It {typed}{takes}\n{plain(about[0].upper() + about[1:])}.{more}"


def default(row: Option[object]) -> str:
    """Say what only some options are."""
    more = "\nMay be given several times." if row.repeatable else ""
    return more + ("\nFork mode only." if row.fork_only else "")


def rows() -> str:
    """Write all options, by what they are about."""
    parts = []
    for group in options.GROUPS:
        parts.append(f".Ss {group}\n.Bl -tag -width Ds")
        for row in options.OPTIONS:
            if row.group == group:
                parts += [item(words, "", about) for words, _text, about in row.flags]
                if row.words:
                    parts.append(item(row.words, row.metavar, row.help, default(row)))
        parts.append(".El")
    parts.append(".Ss Others\n.Bl -tag -width Ds")
    parts += [item(words, "|".join(takes), about) for words, about, takes in completion.OTHERS]
    return "\n".join([*parts, ".El"])


def variables() -> str:
    """Write all variables."""
    parts = []
    for row in options.OPTIONS:
        if row.variable:
            typed = row.words[-1:] or tuple(words[0] for words, _text, _help in row.flags)
            named = "\nor\n".join(f".Fl {flag(word)}" for word in typed)
            parts.append(f".It Ev {row.variable}\n{named}")
        if row.fallback:
            parts.append(f".It Ev {row.fallback[0]}\nThe same, as LocalAI has it, where pdwrap's own is not set.")
    return "\n".join(parts)


def page() -> str:
    """Write the page."""
    made = PAGE.strip().replace("@OPTIONS@", rows()).replace("@ENVIRONMENT@", variables())
    for name in ("OWN_FAILURE", "CANNOT_EXECUTE", "NOT_FOUND"):
        made = made.replace(f"@{name}@", str(getattr(exit_status, name)))
    return "\n".join(short(line) for line in made.replace("@DATE@", DATE).splitlines()) + "\n"


if __name__ == "__main__":
    from tests.docs import manual_localai

    if sys.argv[1:] == ["--write"]:
        FILE.write_text(page(), encoding="utf-8")
        manual_localai.FILE.write_text(manual_localai.page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
