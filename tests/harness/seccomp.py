"""Have the kernel deny system calls: ``python -I -S seccomp.py ERROR CALL[:ARGUMENT] ... -- COMMAND [ARG ...]``.

A real filter (seccomp(2)), as a container runtime's profile or an old kernel would be felt: ERROR (EPERM, ENOSYS) is
what each CALL gives from here on, in COMMAND and all that it starts. With ARGUMENT (decimal) only calls whose first
argument is that number are denied: ``prctl:36`` is PR_SET_CHILD_SUBREAPER alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

CALLS = {
    "x86_64": {
        "prctl": 157,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "inotify_init1": 294,
        "inotify_add_watch": 254,
    },
    "aarch64": {
        "prctl": 167,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "inotify_init1": 26,
        "inotify_add_watch": 27,
    },
}
for numbers in CALLS.values():
    numbers |= {"pidfd_open": 434, "pidfd_send_signal": 424}  # as all calls since 5.1: the same everywhere
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# <linux/filter.h>, <linux/seccomp.h>: load a word, jump if equal, return
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # struct seccomp_data; the low half of the argument
ALLOW, DENY = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Struct sock_filter."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def build(number: int, denied: list[str], machine: str) -> bytes:
    """The filter: everything is allowed but *denied*, which gives error *number*."""
    code = [
        instruction(LOAD, ARCH_AT),
        instruction(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
        instruction(RETURN, ALLOW),
    ]
    for each in denied:
        name, _, argument = each.partition(":")
        code.append(instruction(LOAD, NUMBER_AT))
        if argument:
            code.append(instruction(JUMP_EQUAL, CALLS[machine][name], 0, 3))
            code.append(instruction(LOAD, FIRST_ARGUMENT_AT))
            code.append(instruction(JUMP_EQUAL, int(argument), 0, 1))
        else:
            code.append(instruction(JUMP_EQUAL, CALLS[machine][name], 0, 1))
        code.append(instruction(RETURN, DENY | number))
    code.append(instruction(RETURN, ALLOW))
    return b"".join(code)


def deny(number: int, denied: list[str]) -> None:
    """Put the filter in force for this process and all its descendants."""
    program = build(number, denied, platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    described = Program(len(program) // 8, program)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(described), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


def main() -> None:
    """Deny, then exec."""
    at = sys.argv.index("--")
    deny(getattr(errno, sys.argv[1]), sys.argv[2:at])
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])


if __name__ == "__main__":
    main()
