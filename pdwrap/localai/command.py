"""What a person types: `pdwrap-localai PATH... [--check | --unwrap] [-- PDWRAP-OPTIONS]`."""

import io
import sys
from collections.abc import Callable, Sequence

import click

from pdwrap import __version__
from pdwrap.cli import click_parser
from pdwrap.exec_mode.start import MEANINGLESS
from pdwrap.exit_status import Refusal
from pdwrap.localai import own_command, wrap
from pdwrap.localai.backends import Target, find
from pdwrap.localai.errors import Trouble, from_error, shown

HELP = """Put pdwrap in front of LocalAI's backends, so that they end when LocalAI dies.

PATH is a folder of backends, one backend's folder, or a file; NAME:/path/file as in --external-grpc-backends, too.
Each run.sh becomes a wrapper; what it was stays beside it as run.sh.pdwrap-original.

What follows -- are pdwrap's options. Without --fork it is exec mode, as LocalAI reads a backend's memory by the pid
that it started; without --parent the launcher is the wrapper's parent. Do it again after an upgrade of a backend.

Exit status: 0 all of them are as wanted, 1 one is not (a line says which and why), 2 bad usage.
"""
FINE, NOT_ALL, USAGE = 0, 1, 2


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
            click.Argument(["paths"], nargs=-1, required=True, type=click.UNPROCESSED, metavar="PATH..."),
            click.Option(["--check"], is_flag=True, help="Only tell which are wrapped."),
            click.Option(["--unwrap"], is_flag=True, help="Put back what was there."),
        ],
        help=HELP,
        options_metavar="[--check | --unwrap]",
        epilog="pdwrap's options are told by: pdwrap --help",
        callback=lambda paths, check, unwrap: _run(paths, words[at + 1 :], check=check, unwrap=unwrap),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command = click.version_option(__version__, prog_name="pdwrap-localai")(command)
    try:
        status: int = command.main(words[:at], prog_name="pdwrap-localai", standalone_mode=False)
    except click.ClickException as error:
        _say(f"{error.format_message()} (see pdwrap-localai --help)", error=True)
        return USAGE
    except (Refusal, Trouble) as error:
        _say(str(error), error=True)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted: each backend is as it was, or done", error=True)
        return NOT_ALL
    return status


def _run(paths: Sequence[str], options: list[str], *, check: bool, unwrap: bool) -> int:
    if check and unwrap:
        raise click.UsageError("--check and --unwrap at once: give one of them")
    if (check or unwrap) and options:
        raise click.UsageError("options after -- are for wrapping: leave them out with --check and --unwrap")
    if check:
        return _each(paths, wrap.check)
    if unwrap:
        return _each(paths, lambda target: (True, wrap.unwrap(target)))
    wanted, parent = read(options)
    pdwrap = own_command.find()
    return _each(paths, lambda target: (True, wrap.wrap(target, pdwrap, wanted, parent=parent)))


def read(options: list[str]) -> tuple[list[str], bool]:
    """Check pdwrap's options now rather than when LocalAI starts a backend.

    Returns:
        The options with exec mode before them where none is given, and whether to name the shell's parent.

    Raises:
        Refusal: pdwrap would not take them.

    """
    settings, command = click_parser.parse([*options, "--", "backend"])
    if command != ["backend"]:
        raise Refusal(f"{shown(command[0])!r} is no option of pdwrap: only options can follow --")
    given = {name: where for name, where in settings.explicit.items() if where.startswith("-")}
    fork = "mode" in given and settings.mode == "fork"
    for setting, why in MEANINGLESS.items():
        if setting in given and not fork:
            raise Refusal(f"{given[setting]} means nothing in exec mode ({why}): leave it out, or add --fork")
    return (options if "mode" in given else ["--exec", *options]), "parent" not in given


def _each(paths: Sequence[str], act: Callable[[Target], tuple[bool, str]]) -> int:
    status = FINE
    for path in paths:
        try:
            targets = find(path)
        except Trouble as trouble:
            _say(f"{shown(path)}: {trouble}", error=True)
            status = NOT_ALL
            continue
        for target in targets:
            try:
                fine, line = act(target)
                _say(f"{shown(target.label)}: {line}")
            except (Trouble, OSError) as error:
                fine = False
                why = from_error(error) if isinstance(error, OSError) else error
                _say(f"{shown(target.label)}: {why}", error=True)
            if not fine:
                status = NOT_ALL
    return status


def _say(line: str, *, error: bool = False) -> None:
    click.echo(f"pdwrap: {line}" if error else line, err=error)
