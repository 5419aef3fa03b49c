"""The manual page pdwrap-localai(1): options, variables and statuses are those of the code, the rest stands here."""

from __future__ import annotations

from pathlib import Path

from pdwrap.localai import backends, command
from tests.docs import manual

FILE: Path = manual.FILE.with_name("pdwrap-localai.1")

PAGE = r"""
.\" Made by scripts/manual from the options of pdwrap-localai: do not edit.
.Dd @DATE@
.Dt PDWRAP-LOCALAI 1
.Os
.Sh NAME
.Nm pdwrap-localai
.Nd put pdwrap in front of LocalAI's backends
.Sh SYNOPSIS
.Nm
.Op @SYNOPSIS@
.Op Fl \&-shared
.Op Ar path ...
.Op Fl \&- Op Ar pdwrap-options
.Sh DESCRIPTION
.Nm
makes each backend's
.Pa run.sh
a wrapper that starts what it was by
.Xr pdwrap 1 ,
so that it, and all that it started, ends when LocalAI dies.
What it was stays beside it, as
.Pa run.sh.pdwrap-original .
Doing it twice changes nothing; a crash at any point leaves a
.Pa run.sh
that runs.
.Pp
.Ar path
is a folder of backends, one backend's folder, a file, or
.Li NAME:/path/file
as LocalAI takes external backends.
Without one, the folders are those that LocalAI's variables name, or LocalAI's defaults.
.Pp
What follows
.Fl \&-
are pdwrap's options.
Without any, each backend keeps those of before; a bare
.Fl \&-
drops them.
.Pp
Where LocalAI itself can be started by pdwrap there is nothing to wrap:
.Pp
.Dl pdwrap --grace 60s \-\- local-ai run
.Sh OPTIONS
.Bl -tag -width Ds
@OPTIONS@
.It Fl \&-version
Say the version, and exit.
.It Fl h , Fl \&-help
Show a summary, and exit.
.El
.Sh ENVIRONMENT
.Bl -tag -width Ds
@ENVIRONMENT@
.El
.Sh FILES
.Bl -tag -width Ds
.It Pa run.sh.pdwrap-original
What
.Pa run.sh
was; its wrapper starts it.
.It Pa .pdwrap-wrapped
In the folder of backends: which are wrapped, and with which options, for the time after an upgrade.
.El
.Pp
Nothing else is changed, and nothing outside of the folders that are named.
.Sh EXIT STATUS
.Bl -tag -width Ds
.It @FINE@
All backends are as wanted.
.It @NOT_ALL@
One is not; a line on stderr says which, and why.
The others are done all the same.
.It @USAGE@
Bad usage; nothing was done.
.El
.Sh EXAMPLES
Wrap all of them, see which are, and put back what was there:
.Pp
.Dl pdwrap-localai /var/lib/local-ai/backends
.Dl pdwrap-localai --check /var/lib/local-ai/backends
.Dl pdwrap-localai --unwrap /var/lib/local-ai/backends
.Pp
Give them half a minute to end:
.Pp
.Dl pdwrap-localai backends \-\- --grace 30s
.Pp
Wrap what LocalAI installs or upgrades from now on, as long as this shell lives:
.Pp
.Dl pdwrap \-\- pdwrap-localai --follow backends &
.Sh LIMITS
An upgrade by LocalAI replaces the folder: the backend is plain again, until it is wrapped again or
.Fl \&-follow
has seen it.
A backend that is running is wrapped at its next start.
The wrapper names pdwrap by its full path: where that is removed, unwrap before.
A folder in which others than its owner and root can write is left as it is, but for
.Fl \&-shared .
.Sh SEE ALSO
.Xr pdwrap 1
.Pp
The page
.Pa docs/localai.md
of the source.
"""


def options() -> str:
    """Write the options."""
    return "\n".join(f".It Fl {manual.flag(names[0])}\n{manual.plain(about)}" for names, about in command.FLAGS)


def synopsis() -> str:
    """Write those of which one can be given."""
    return " | ".join(f"Fl {manual.flag(names[0])}" for names, _about in command.FLAGS[:-1])


def variables() -> str:
    """Write the variables of LocalAI's that are read, and what is taken where they are not set."""
    return "\n".join(
        f".It Ev {' , '.join(names)}\nThe folder of backends; else\n.Pa {default} ,\nwhere that is there."
        for names, default in backends.VARIABLES
    )


def page() -> str:
    """Write the page."""
    made = PAGE.strip().replace("@OPTIONS@", options()).replace("@ENVIRONMENT@", variables())
    made = made.replace("@SYNOPSIS@", synopsis()).replace("@DATE@", manual.DATE)
    for name in ("FINE", "NOT_ALL", "USAGE"):
        made = made.replace(f"@{name}@", str(getattr(command, name)))
    return "\n".join(manual.short(line) for line in made.splitlines()) + "\n"
