"""What a person types: `pdwrap-localai [PATH...] [--check | --unwrap | --follow] [-- PDWRAP-OPTIONS]`."""

import io
import os
import sys
from collections.abc import Sequence

import click

from pdwrap import __version__
from pdwrap.localai import backends, own_command, treat
from pdwrap.localai.errors import Trouble, shown
from pdwrap.localai.follow import follow
from pdwrap.localai.options import Options

HELP = """Put pdwrap in front of LocalAI's backends, so that they end when LocalAI dies.

PATH is a folder of backends, one backend's folder, or a file; NAME:/path/file as in --external-grpc-backends, too.
Without one, the folders that LocalAI's variables name (LOCALAI_BACKENDS_PATH, LOCALAI_BACKENDS_SYSTEM_PATH), or its
defaults. Each run.sh becomes a wrapper; what it was stays beside it as run.sh.pdwrap-original.

What follows -- are pdwrap's options. Without any, each backend keeps those of before; a bare -- drops them. Do it again
after an upgrade of a backend, or let --follow do it.

Where LocalAI itself can be started by pdwrap there is nothing to wrap: pdwrap --grace 60s -- local-ai run

\b
Examples:
  pdwrap-localai /var/lib/local-ai/backends           wrap all of them
  pdwrap-localai backends -- --grace 30s              with options of pdwrap's
  pdwrap-localai --check                              which are wrapped, where LocalAI looks for them
  pdwrap-localai --follow backends                    and what is installed or upgraded from now on
  pdwrap-localai --unwrap backends/llama-cpp          as it was

Exit status: 0 all of them are as wanted, 1 one is not (a line says which and why), 2 bad usage.
"""
FINE, NOT_ALL, USAGE = 0, 1, 2
#: The options: how each is typed, by which name its value goes where that is another, and what it does. The manual page
#: is made from them.
FLAGS = (
    (("--check",), "Only tell which are wrapped."),
    (("--unwrap",), "Put back what was there."),
    (("--follow", "stay"), "Stay, and wrap what appears or is replaced, at once."),
    (("--shared",), "Also where others than the owner and root can write."),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and give its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    at = words.index("--") if "--" in words else len(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the locale cannot show
    command = click.Command(
        "pdwrap-localai",
        params=[
            click.Argument(["paths"], nargs=-1, type=click.UNPROCESSED, metavar="[PATH]..."),
            *(click.Option(list(names), is_flag=True, help=about) for names, about in FLAGS),
        ],
        help=HELP,
        options_metavar="[--check | --unwrap | --follow]",
        epilog="pdwrap's options are told by: pdwrap --help",
        callback=lambda paths, **flags: _run(paths, words[at + 1 :] if at < len(words) else None, **flags),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command = click.version_option(__version__, prog_name="pdwrap-localai", message="%(prog)s %(version)s")(command)
    try:
        status: int = command.main(words[:at], prog_name="pdwrap-localai", standalone_mode=False)
    except click.ClickException as error:
        say(f"{error.format_message()} (see pdwrap-localai --help)", error=True)
        return USAGE
    except Trouble as error:
        say(str(error), error=True)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        say("interrupted: each backend is as it was, or done", error=True)
        return NOT_ALL
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter says so once more when it ends
        return NOT_ALL
    return status


def _run(paths: Sequence[str], words: list[str] | None, *, check: bool, unwrap: bool, stay: bool, shared: bool) -> int:
    if check + unwrap + stay > 1:
        raise click.UsageError("--check, --unwrap and --follow at once: give one of them")
    if (check or unwrap) and words:
        raise click.UsageError("options after -- are for wrapping: leave them out with --check and --unwrap")
    given = None if words is None else Options.read(words)
    if not paths:
        paths = backends.named_by_localai(os.environ)
        if not paths:
            raise click.UsageError("no PATH, no variable of LocalAI's, no ./backends: name the folder of backends")
        say(f"taking {' and '.join(map(shown, paths))}")
    verb = treat.CHECK if check else treat.UNWRAP if unwrap else treat.WRAP
    pdwrap = [] if unwrap else own_command.find()
    task = treat.Task(verb, pdwrap, given, shared, say)
    if stay:
        return follow(paths, task)
    return NOT_ALL if [path for path in paths if not treat.path(path, task)] else FINE


def say(line: str, *, error: bool = False) -> None:
    """Write a line for a person; the first word of a complaint is who complains."""
    click.echo(f"pdwrap-localai: {line}" if error else line, err=error)
