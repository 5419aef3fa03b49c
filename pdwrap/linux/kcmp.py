"""kcmp(2): whether descriptors of two processes are one and the same open file, not only the same path."""

import os

from pdwrap.linux.pidfd import call_kernel

KCMP_FILE = 0
#: Older than the calls that have one number everywhere; by os.uname().machine, from the kernel's tables.
NUMBERS = {
    "x86_64": 312,
    "aarch64": 272,
    "riscv64": 272,
    "loongarch64": 272,
    "i686": 349,
    "i586": 349,
    "armv7l": 378,
    "ppc64le": 354,
    "s390x": 343,
}


def is_same_open_file(one: int, other: int, descriptor: int = 0) -> bool | None:
    """Tell whether two processes have one open file as their `descriptor`.

    None where the kernel will not say: built without CONFIG_KCMP, forbidden (a container's seccomp profile, another
    user's process), or of an architecture whose number is not listed here.
    """
    number = NUMBERS.get(os.uname().machine)
    if number is None:
        return None
    try:
        return call_kernel(number, one, other, KCMP_FILE, descriptor, descriptor) == 0
    except OSError:
        return None
