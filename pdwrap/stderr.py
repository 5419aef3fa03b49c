"""How a line gets out on stderr without ever blocking.

Descriptor 2 is shared with the launcher and the backend, so it is never made non-blocking. A pipe or a terminal is
opened once more, for a description of our own that is; anything else takes a line only when poll(2) says so. A line
is kept below what a pipe takes whole (PIPE_BUF, pipe(7)). One that cannot be written is lost: ending the tree matters
more.
"""

import os
import select
import stat

LONGEST_LINE = 4000  # bytes
STDERR = 2


def one_line(text: str) -> bytes:
    """Make a line of `text`, with its end: what cannot be printed in it is replaced, what is too long cut off."""
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable.encode("utf-8", "replace")[:LONGEST_LINE].decode("utf-8", "ignore").encode() + b"\n"


def write_line(text: str) -> None:
    """Write one line to stderr, if that does not block."""
    data = one_line(text)
    try:
        if not _write_at_once(data) and _takes_a_line():
            os.write(STDERR, data)
    except OSError:
        pass  # nobody reads it: closed, full, or its reader is gone


def _write_at_once(data: bytes) -> bool:
    """Write to a pipe or terminal through a non-blocking description of our own; False where there can be none.

    A terminal that poll(2) calls writable may block all the same: output processing makes more of a line (measured).
    """
    if not (stat.S_ISFIFO(os.fstat(STDERR).st_mode) or os.isatty(STDERR)):
        return False
    from pdwrap.linux import descriptors  # other systems come to these lines, too, and lack what it needs

    try:
        descriptor = descriptors.open_again(STDERR, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # another user's terminal, after a change of uid; no descriptor left
        return False
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    return True


def _takes_a_line() -> bool:
    if not hasattr(select, "poll"):  # Windows
        return True
    waiting = select.poll()
    waiting.register(STDERR, select.POLLOUT)
    return any(event == select.POLLOUT for _descriptor, event in waiting.poll(0))
