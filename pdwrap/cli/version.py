"""Which pdwrap this is: its version and form, which Python, and how prctl(2) is called."""

import os
import platform

from pdwrap import __version__
from pdwrap.linux import prctl


def line() -> str:
    """Say it in a line."""
    return f"pdwrap {__version__} ({form()}; Python {platform.python_version()}; prctl by {prctl.PRCTL_WAY})"


def form() -> str:
    """Say what this pdwrap is: a file of its own, a checkout, or installed."""
    where = globals().get("__file__")  # frozen modules have none
    if not where:
        return "one file"
    root = os.path.dirname(os.path.dirname(os.path.dirname(where)))
    return f"checkout in {root}" if os.path.exists(os.path.join(root, "pyproject.toml")) else f"installed in {root}"
