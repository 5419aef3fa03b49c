"""The command line, by click. What a text means is decided in `options`, for options and variables alike."""

import os

import click

from pdwrap import __version__, options
from pdwrap.exit_status import OWN_FAILURE, Refusal

HELP = """Run COMMAND so that it, and everything it started, ends when the process that launched it dies.

The launcher is who started pdwrap, or --parent. Each option can also be set by the variable in brackets.
"""


def _text(*names: str, variable: str, metavar: str, text: str) -> "click.Option":
    return click.Option(names, metavar=metavar, help=f"{text}  [{variable}]")


PARAMETERS: list[click.Parameter] = [
    click.Option(["--fork", "mode"], flag_value="fork", help="Stay as supervisor (the default).  [PDWRAP_MODE]"),
    click.Option(["--exec", "mode"], flag_value="exec", help="Become the backend; sidecars watch.  [PDWRAP_MODE]"),
    _text("-s", "--signal", variable="PDWRAP_SIGNAL", metavar="NAME", text="First signal; default TERM."),
    _text("-g", "--grace", variable="PDWRAP_GRACE", metavar="DURATION", text="From it to SIGKILL; default 5s."),
    _text("-p", "--parent", variable="PDWRAP_PARENT", metavar="PID|NAME", text="The ancestor whose death counts."),
    _text("--lifeline", variable="PDWRAP_LIFELINE", metavar="FD", text="End-of-file on FD counts as that death, too."),
    _text(
        "--watch",
        variable="PDWRAP_WATCH, LOCALAI_BACKEND_PARENT_WATCH",
        metavar="auto|poll|off",
        text="How to watch the launcher; default auto.",
    ),
    _text(
        "-i",
        "--interval",
        variable="PDWRAP_INTERVAL, LOCALAI_BACKEND_PARENT_WATCH_INTERVAL",
        metavar="DURATION",
        text="Between two looks, where polling; default 2s.",
    ),
    _text(
        "--leftovers",
        variable="PDWRAP_LEFTOVERS",
        metavar="end|wait|leave",
        text="What the backend leaves behind when it exits; default end.",
    ),
    click.Option(
        ["--rewrite"],
        multiple=True,
        metavar="FROM:TO",
        help="Forward TO in place of FROM; TO=0 drops it. Repeatable.  [PDWRAP_REWRITE]",
    ),
    _text("--log", variable="PDWRAP_LOG", metavar="text|json", text="Form of the lines on stderr; default text."),
    click.Option(["-q", "--quiet"], is_flag=True, help="Say nothing but errors."),
    click.Option(["-v", "--verbose"], is_flag=True, help="Say what is watched, too."),
    click.Argument(["command"], nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARG]..."),
]


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
    command = click.Command(
        "pdwrap",
        params=[*PARAMETERS],
        help=HELP,
        callback=_settings,
        context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
        add_help_option=True,
    )
    command.params.append(
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Version.")
    )
    try:
        result = command.main(arguments, prog_name="pdwrap", standalone_mode=False)
    except click.exceptions.Exit as done:
        os._exit(done.exit_code)
    except click.ClickException as error:
        raise Refusal(f"{error.format_message()} (see pdwrap --help)".replace("\n", " "), OWN_FAILURE) from None
    except click.Abort:
        raise Refusal("interrupted: nothing was started") from None
    if isinstance(result, int):  # --help and --version give click's exit status
        os._exit(result)
    settings, words = result
    return settings, list(words)


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's form
    if value:
        click.echo(f"pdwrap {__version__}")
        context.exit()


def _settings(
    *, command: tuple[str, ...], rewrite: tuple[str, ...], quiet: bool, verbose: bool, **texts: str | None
) -> tuple[options.Settings, tuple[str, ...]]:
    given = {name: text for name, text in texts.items() if text is not None}
    if rewrite:
        given["rewrite"] = " ".join(rewrite)
    settings = options.read(os.environ, given)
    settings.verbosity = -1 if quiet else int(verbose)
    return settings, command
