"""System calls by name, and what each is known to fail with."""

from __future__ import annotations

import errno
import functools
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

FAILURES = {
    errno.EMFILE: "open openat openat2 pipe pipe2 dup dup2 dup3 pidfd_open eventfd2 signalfd4 memfd_create socket",
    errno.EAGAIN: "fork vfork clone clone3",
    errno.ENOMEM: "mmap mprotect mremap poll ppoll execve rt_sigtimedwait pselect6",
    errno.EPERM: "kill tgkill tkill pidfd_send_signal setpgid setsid",
    errno.EINVAL: "prctl fcntl ioctl prlimit64 wait4 waitid rt_sigaction rt_sigprocmask",
    errno.EIO: "read readv pread64 write writev getdents64 lseek fstat newfstatat statx access readlink readlinkat",
    errno.ENOENT: "chdir fchdir getcwd",
}
"""By errno. What a kernel without a call, or a seccomp filter, answers (ENOSYS, EPERM) is the business of the tests."""

INTERPRETER = "pdwrap"
"""From the first call that names this in a path: before it the interpreter starts, and its complaints are its own."""


class Call(NamedTuple):
    """One line of the tracer's list."""

    name: str
    number: int
    path: str
    ours: bool
    """Whether pdwrap's own code has begun in that process."""


@functools.cache
def names() -> dict[int, str]:
    """Read the numbers of this architecture out of the C headers."""
    done = subprocess.run(
        ["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {int(number): name for name, number in re.findall(r"#define __NR_(\w+) (\d+)$", done.stdout, re.MULTILINE)}


def name(number: int) -> str:
    """Name a system call."""
    return names().get(number, str(number))


def read(text: str, start: int) -> Iterator[tuple[int, Call]]:
    """Give the calls that are listed from `start` on, each with its place among those of its process."""
    begun: set[str] = set()
    where = 0
    for line in text.splitlines(keepends=True):
        words = line.split()
        if len(words) >= 3 and words[2] != "backend":
            who, path = words[0], words[3] if len(words) > 3 else ""
            if who not in begun and (INTERPRETER in path or who.rpartition(".")[0] in begun):
                begun.add(who)
            if where >= start:
                yield int(words[1]), Call(who, int(words[2]), path, who in begun)
        where += len(line)


def failure(call: Call) -> str:
    """Give the errno that it is made to fail with, and its number: ERROR/CALL; nothing if it never fails."""
    called = name(call.number)
    return next((f"{number}/{call.number}" for number, those in FAILURES.items() if called in those.split()), "")


def may_fail(call: Call) -> bool:
    """Tell whether it can, and it is pdwrap that has called it."""
    return call.ours and bool(failure(call))
