"""The controlling terminal: who is in its foreground, and handing it to the backend's group and back.

Nothing here changes the terminal's settings. pdwrap gives it only to a backend that asked for it by stopping with
SIGTTIN or SIGTTOU while pdwrap's own job is in the foreground, and takes it back afterwards.
"""

import os

from pdwrap.linux import procfs, signals

PATH = "/dev/tty"


def _open() -> int:
    """Open the controlling terminal.

    Raises:
        OSError: there is none (ENXIO).

    """
    return os.open(PATH, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def is_ours() -> bool:
    """Tell whether our session has a controlling terminal."""
    try:
        os.close(_open())
    except OSError:
        return False
    return True


def in_foreground() -> bool:
    """Tell whether our process group is the foreground group of our terminal. False where there is none."""
    try:
        descriptor = _open()
    except OSError:
        return False
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # hung up
        return False
    finally:
        os.close(descriptor)


def give(group: int) -> bool:
    """Make `group` the foreground group; tell whether that worked.

    The caller has SIGTTOU blocked, so that it may do so from the background as well (tcsetpgrp(3)).
    """
    try:
        descriptor = _open()
    except OSError:
        return False
    try:
        os.tcsetpgrp(descriptor, group)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def take_back(group: int) -> None:
    """Make our own group the foreground group, if `group` still is."""
    try:
        descriptor = _open()
    except OSError:
        return
    try:
        if os.tcgetpgrp(descriptor) == group:
            os.tcsetpgrp(descriptor, os.getpgrp())
    except OSError:
        pass
    finally:
        os.close(descriptor)


def is_orphaned_group() -> bool:
    """Tell whether nobody of our session could continue our group (setpgid(2), "orphaned process group").

    Looked at along our own ancestors: the first one outside the group decides. Other members may have parents
    elsewhere, but a job's members are made by one shell.
    """
    group = os.getpgrp()
    session = os.getsid(0)
    pid = os.getppid()
    while pid > 0:
        try:
            if os.getpgid(pid) != group:
                return os.getsid(pid) != session
        except OSError:
            return True
        pid = procfs.parent(pid)
    return True


def continue_group(group: int) -> None:
    """Continue a group that the terminal stopped as a whole. Its leader is not reaped before we return."""
    try:
        os.killpg(group, signals.SIGCONT)
    except OSError:
        pass
