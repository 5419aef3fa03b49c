"""Where the command begins: `pdwrap -- CMD` goes straight on, options through `command_line`, all else through click.

Every import on the straight way is counted: it stands between the launcher's fork and the backend's exec.
"""

import os
import sys

from pdwrap import messages, options
from pdwrap.exit_status import OWN_FAILURE, Refusal, not_started
from pdwrap.stderr import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(arguments: "list[str]") -> "NoReturn":
    """Run pdwrap with the command line `arguments`, and end this process."""
    first_parent = os.getppid()  # before anything that takes time: an import can outlive the launcher
    try:
        if arguments[:1] == ["localai"]:
            _localai(arguments[1:])
        elif arguments[:1] == ["--"] and len(arguments) > 1:
            settings, command = options.read(os.environ), arguments[1:]
        elif arguments and not arguments[0].startswith("-"):
            settings, command = options.read(os.environ), arguments
        else:
            given, command = _split(arguments)
            if "list" in given.get("report", ()):
                command = _take_options(given, command)
            settings = options.read(os.environ, given)
        if settings.report or settings.orphans:
            _show(settings, command, first_parent)
        _run(settings, command, first_parent)
    except Refusal as refusal:
        messages.complain(f"{refusal}{_hint(arguments, str(refusal))}")
        os._exit(refusal.status)
    except OSError as error:
        messages.complain(str(not_started("cannot start", error)))
    except Exception as error:  # noqa: BLE001 - one line, never a traceback (T4)
        if not (isinstance(error, ImportError) and _says_what_is_missing(error)):
            messages.complain(f"internal error ({type(error).__name__}: {error}): nothing was started")
    os._exit(OWN_FAILURE)


def _localai(arguments: "list[str]") -> "NoReturn":
    """Run `pdwrap localai ...`, which is pdwrap-localai: for the one file, which has one name."""
    import signal  # not on the way to a backend

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # it says what it had done
    from pdwrap.localai.command import main as localai

    sys.exit(localai(arguments))


def _split(arguments: "list[str]") -> "tuple[dict[str, list[str]], list[str]]":
    from pdwrap import command_line  # only where there are options

    plain = command_line.split(arguments)
    if plain is not None:
        return plain
    from pdwrap.cli import click_parser

    return click_parser.split(arguments)


def _take_options(given: "dict[str, list[str]]", words: "list[str]") -> "list[str]":
    """Take the options out of the words behind `--list`: there is no command that they could be meant for."""
    names = []
    while words:
        names.append(words[0])
        if not words[1:]:
            break
        more, words = _split(["--list", *words[1:]])
        for setting, texts in more.items():
            given.setdefault(setting, []).extend(texts)
    return names


def _show(settings: options.Settings, words: "list[str]", first_parent: int) -> "NoReturn":
    """Show what was asked for in place of a command."""
    if settings.orphans and settings.report != "list":
        raise Refusal("--orphans means nothing without --list")
    if settings.report == "doctor":
        from pdwrap.cli import doctor

        doctor.run(settings, words, first_parent)
    from pdwrap.cli import list_command

    list_command.run(settings, words)


def _hint(arguments: "list[str]", refusal: str) -> str:
    """Give what to write instead, in brackets; nothing where nobody knows, or what would know is not there."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    try:
        from pdwrap.cli import hints
    except (ImportError, OSError):  # not there, or no descriptor is left to read it by
        return ""
    hint = hints.for_refusal(own, refusal)
    return f" ({hint})" if hint else ""


def _says_what_is_missing(error: ImportError) -> bool:
    """Say which package brings a module that this Python lacks: Debian's python3-minimal has half of the library."""
    module = (error.name or "").partition(".")[0]
    if module in ("", "pdwrap"):
        return False
    if module in sys.stdlib_module_names:
        messages.complain(
            f"this Python lacks {module}: install the whole python3, not python3-minimal alone; nothing was started"
        )
    else:
        messages.complain(f"this Python lacks {module}: install python3-{module}, or by pip; nothing was started")
    return True


def _run(settings: options.Settings, command: "list[str]", first_parent: int) -> "NoReturn":
    """Do what both modes begin with, in this order, and go into one of them."""
    if not hasattr(os, "fork"):
        from pdwrap.cli import unsupported

        unsupported.run(command)
    if sys.platform != "linux":
        raise Refusal("pdwrap needs Linux: no subreaper, so nothing could be promised for a tree; nothing was started")
    # Not before: other systems lack what these need.
    from pdwrap.ancestry import find_launcher
    from pdwrap.inherited import Inherited
    from pdwrap.linux import descriptors

    if settings.lifeline is not None:
        from pdwrap import lifeline  # only where there is one

        lifeline.check(settings)
    descriptors.hold_standard()
    log = messages.Log(settings, settings.name or os.path.basename(command[0]))
    if settings.lifeline == STDERR and log.file is not None:
        settings.lifeline = os.dup(STDERR)  # the file takes that number in pdwrap's own processes
    inherited = Inherited()
    launcher = find_launcher(settings, first_parent, hint=settings.mode == "fork")
    log.watch(launcher.people() if launcher.pid else [], launcher.mechanisms, settings.lifeline, launcher.why_not)
    if settings.mode == "exec":
        from pdwrap.exec_mode import start as exec_mode

        exec_mode.run(settings, command, launcher, inherited, log)
    from pdwrap.fork_mode import start as fork_mode

    fork_mode.run(settings, command, launcher, inherited, log)
