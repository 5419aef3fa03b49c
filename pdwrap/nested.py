"""Whether this pdwrap runs below another one, from the process table: needed only where a variable makes no sense here.

In fork mode the other one's supervisors are our ancestors. In exec mode its sidecars stand beside: each holds a pidfd
of the backend, our ancestor (proc(5), fdinfo: `Pid`). What cannot be read is no pdwrap.
"""

import os

from pdwrap.linux import procfs

MOST_WORDS = 4  # interpreter, its flags, then the program: `python3 -I -m pdwrap`


def is_below_another_with(variable: str, text: str) -> bool:
    """Tell whether another pdwrap that has the same `variable` watches over one of our ancestors, or is one."""
    ancestors = {os.getpid()}
    pid = os.getppid()
    while pid > 0 and pid not in ancestors:
        ancestors.add(pid)
        pid = procfs.parent(pid)
    ancestors.discard(os.getpid())
    entry = os.fsencode(f"{variable}={text}")
    return any(
        _is_pdwrap_with(pid, entry) and (pid in ancestors or not ancestors.isdisjoint(procfs.pidfds_of(pid)))
        for pid in procfs.all_processes()
        if pid != os.getpid()
    )


def _is_pdwrap_with(pid: int, entry: bytes) -> bool:
    try:
        words = procfs.read(f"{procfs.ROOT}/{pid}/cmdline").split(b"\0")[:MOST_WORDS]
        return any(_names_pdwrap(os.path.basename(word)) for word in words) and (
            entry in procfs.read(f"{procfs.ROOT}/{pid}/environ").split(b"\0")
        )
    except OSError:
        return False


def _names_pdwrap(program: bytes) -> bool:
    """Tell whether a file's name is that of pdwrap, or of its single file (`pdwrap-linux-x86_64`)."""
    return program == b"pdwrap" or program.startswith(b"pdwrap-linux-")
