"""Where there is no fork (Windows): the backend runs as it would without pdwrap, and one line says so."""

import os
import subprocess

from pdwrap import messages
from pdwrap.exit_status import CANNOT_EXECUTE, NOT_FOUND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def run(command: "list[str]") -> "NoReturn":
    """Run `command`, unwatched, and exit with its status."""
    messages.complain("this system does not reparent orphans: the backend runs unwatched")
    try:
        os._exit(subprocess.call(command))
    except FileNotFoundError:
        messages.complain(f"{command[0]}: command not found")
        os._exit(NOT_FOUND)
    except OSError as error:
        messages.complain(f"{command[0]}: {error.strerror}")
        os._exit(CANNOT_EXECUTE)
