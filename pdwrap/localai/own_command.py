"""The command line that starts this pdwrap from anywhere, with nothing in the environment: tried before it is used."""

import os
import subprocess
import sys

import pdwrap
from pdwrap.localai.errors import Trouble, shown

#: pdwrap starts in some 15 ms.
_PATIENCE = 60
LOCALAI = "pdwrap-localai"


def find() -> list[str]:
    """Find the first that works.

    By its interpreter and with -I: LocalAI's environment may hold a PYTHONHOME or PYTHONPATH meant for its backends.

    Raises:
        Trouble: none does.

    """
    if "_pdwrap" in sys.builtin_module_names:
        return _one_file(sys.executable)
    import sysconfig  # looks for what lies beside the interpreter

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


def _one_file(called: str) -> list[str]:
    """Find it by the path that the one file was called by, as it stands: what a link leads to may be replaced.

    By the name pdwrap-localai it is that command; then what lies beside it.

    Raises:
        Trouble: that starts nothing, or will not for long.

    """
    folder, name = os.path.split(called)
    found = [called]
    if name == LOCALAI:
        found = [os.path.join(folder, "pdwrap")]
        try:
            target = os.readlink(called)
        except OSError:  # no link
            target = ""
        if target and os.path.basename(target) == target != LOCALAI:
            found.append(os.path.join(folder, target))
    for path in found:
        if not path.startswith(("/proc/", "/dev/")) and _works([path]):
            return [path]
    raise Trouble(
        f"{' or '.join(map(shown, found))} is not this pdwrap, or does not start with an empty environment: "
        f"keep the file where it is, call it as: pdwrap localai, or put a link to it beside {LOCALAI}, named pdwrap"
    )


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
