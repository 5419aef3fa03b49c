"""The command line that starts this pdwrap from anywhere, with nothing in the environment: tried before it is used."""

import os
import subprocess
import sys
import sysconfig

import pdwrap
from pdwrap.localai.errors import Trouble

#: pdwrap starts in some 15 ms.
_PATIENCE = 60


def find() -> list[str]:
    """Find the first that works.

    By its interpreter and with -I: LocalAI's environment may hold a PYTHONHOME or PYTHONPATH meant for its backends.

    Raises:
        Trouble: none does.

    """
    beside = os.path.join(os.path.dirname(sys.executable), "pdwrap")
    installed = os.path.join(sysconfig.get_path("scripts"), "pdwrap")
    user = os.path.join(sysconfig.get_path("scripts", "posix_user"), "pdwrap")
    package = os.path.dirname(os.path.abspath(pdwrap.__file__))
    checkout = os.path.join(os.path.dirname(package), "scripts", "pdwrap")
    if sys.executable:
        scripts = [path for path in (beside, installed, checkout) if os.path.isfile(path)]
        for command in [*([sys.executable, "-I", path] for path in scripts), [user]]:
            if _works(command):
                return command
    raise Trouble("no pdwrap starts by an absolute path with an empty environment: install it (README, Install)")


def _works(command: list[str]) -> bool:
    if not (os.path.isabs(command[0]) and os.access(command[0], os.X_OK)):
        return False
    try:
        done = subprocess.run(
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env={},
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.split()[:2] == [b"pdwrap", pdwrap.__version__.encode()]
