"""The command line by click: help, version, mistakes, and all that the small reader (`command_line`) leaves to it.

What is an option, and what a text means, is decided in `options`, for options and variables alike.
"""

import os

import click

from pdwrap import options
from pdwrap.cli import completion, hints, version
from pdwrap.exit_status import OWN_FAILURE, Refusal

HELP = """\b
Run COMMAND so that it, and all it started, ends when who launched it dies:
  pdwrap -- ./server -m model.gguf        ends with whoever started it
  pdwrap --exec -- ./server               ... and keeps the pid
  pdwrap --parent local-ai -- ./run.sh    ends with the nearest local-ai above
Defaults are in brackets. Variables: PDWRAP_MODE=exec, PDWRAP_GRACE=30s ...
"""
FLAG = "__"  # in click's name of a flag, between the setting and the text that the flag stands for


def _parameters() -> list[click.Parameter]:
    made: list[click.Parameter] = []
    for row in options.OPTIONS:
        if row.words:
            made.append(click.Option([*row.words, row.name], multiple=True, metavar=row.metavar, help=row.help))
        made += [
            click.Option([*words, f"{row.name}{FLAG}{text}"], is_flag=True, help=about)
            for words, text, about in row.flags
        ]
    return made


class _Command(click.Command):
    """Click's command, but for the help: its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its heading; what belongs to no row comes last."""
        groups = {row.name: row.group for row in options.OPTIONS}
        for heading in options.GROUPS:
            records = [
                record
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option)
                and groups.get((parameter.name or "").partition(FLAG)[0], options.INSTEAD) == heading
                and (record := parameter.get_help_record(ctx)) is not None
            ]
            with formatter.section(heading):
                formatter.write_dl(records)


def parse(arguments: list[str]) -> tuple[options.Settings, list[str]]:
    """Read the command line.

    Args:
        arguments: without the program's own name.

    Returns:
        The settings and the backend's command.

    Raises:
        Refusal: bad usage.
        SystemExit: never; `--help` and `--version` end the process with status 0.

    """
    given, command = split(arguments)
    return options.read(os.environ, given), command


def split(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Tell pdwrap's options from the backend's command, without a look at what they mean.

    Returns:
        The texts that were given, by setting, and the command.

    Raises:
        Refusal: bad usage.
        SystemExit: never; `--help` and `--version` end the process with status 0.

    """
    command = _Command(
        "pdwrap",
        params=[
            *_parameters(),
            click.Option(
                ["--completion"],
                metavar="|".join(completion.SHELLS),
                type=click.Choice(completion.SHELLS),
                is_eager=True,
                expose_value=False,
                callback=_completion,
                help="print it, and exit",
            ),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_version,
                help="print it, and exit",
            ),
            click.Argument(["command"], nargs=-1, type=click.UNPROCESSED, metavar="COMMAND [ARG]..."),
        ],
        help=HELP,
        callback=_collect,
        context_settings={
            "allow_interspersed_args": False,
            "help_option_names": ["-h", "--help"],
            "max_content_width": 80,
        },
        options_metavar="[OPTIONS] [--]",
    )
    try:
        result = command.main(arguments, prog_name="pdwrap", standalone_mode=False)
    except click.exceptions.Exit as done:
        os._exit(done.exit_code)
    except click.NoSuchOption as error:
        hint = hints.for_unknown_option(error.option_name)
        raise Refusal(
            f"No such option: {error.option_name}{f' ({hint})' if hint else ''} (see pdwrap --help)", OWN_FAILURE
        ) from None
    except click.ClickException as error:
        raise Refusal(f"{error.format_message()} (see pdwrap --help)".replace("\n", " "), OWN_FAILURE) from None
    except click.Abort:
        raise Refusal("interrupted: nothing was started") from None
    if isinstance(result, int):  # --help and --version give click's exit status
        os._exit(result)
    given, words = result
    if not words and options.IN_PLACE.isdisjoint(given):
        raise Refusal("Missing argument 'COMMAND [ARG]...'. (see pdwrap --help)", OWN_FAILURE)
    return given, list(words)


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's form
    if value:
        click.echo(version.line())
        context.exit()


def _completion(context: click.Context, _parameter: click.Parameter, shell: str | None) -> None:
    if shell:
        click.echo(completion.script(shell), nl=False)
        context.exit()


def _collect(
    *, command: tuple[str, ...], **found: tuple[str, ...] | bool
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    given: dict[str, list[str]] = {}
    for name, texts in found.items():
        setting, _, flag = name.partition(FLAG)
        if texts:
            given.setdefault(setting, []).extend([flag] if isinstance(texts, bool) else texts)
    return given, command
