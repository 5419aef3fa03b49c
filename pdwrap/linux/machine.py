"""What /proc, /sys and a few files say of the machine: namespace, container, seccomp, limits, cgroup, mounts.

For people (`pdwrap --doctor`): nothing that pdwrap does depends on it. What cannot be read is None, or an empty text.
"""

import os

from pdwrap.linux import procfs

CGROUPS = "/sys/fs/cgroup"
#: The number of the pid namespace that the machine began with (PROC_PID_INIT_INO, include/linux/proc_ns.h).
FIRST_PID_NAMESPACE = 0xEFFFFFFC
#: Files that an engine puts into its containers.
SIGNS = (("/run/.containerenv", "podman"), ("/.dockerenv", "docker"))
#: Words in the path of a cgroup that an engine makes.
CGROUP_WORDS = (("kubepods", "kubernetes"), ("libpod", "podman"), ("docker", "docker"), ("lxc", "lxc"))
#: hidepid= as a number (before 5.8) or a word (proc(5)).
HIDING = {"1": "noaccess", "2": "invisible", "4": "ptraceable"}


def _text(path: str) -> str:
    try:
        return os.fsdecode(procfs.read(path))
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


def kernel() -> str:
    """Give the kernel's release."""
    return os.uname().release


def is_kernel_at_least(major: int, minor: int) -> bool:
    """Tell whether the kernel is that new, by what it says of itself."""
    numbers = "".join(char if char.isdigit() else " " for char in kernel()).split()[:2]
    return len(numbers) == 2 and (int(numbers[0]), int(numbers[1])) >= (major, minor)  # noqa: PLR2004 - of 6.1, say


def has_own_proc() -> bool:
    """Tell whether what is mounted on /proc is a proc file system of our own pid namespace."""
    try:
        return os.readlink(f"{procfs.ROOT}/self") == str(os.getpid())
    except OSError:
        return False


def hidepid() -> str:
    """Give how /proc hides processes of other users: `noaccess`, `invisible`, `ptraceable`; empty where it does not."""
    found = ""
    for line in _text(f"{procfs.ROOT}/self/mountinfo").splitlines():
        words = line.split()
        if len(words) > 4 and words[4] == procfs.ROOT:  # noqa: PLR2004 - the fifth field is where it is mounted
            options = words[-1].split(",")
            found = next((option.partition("=")[2] for option in options if option.startswith("hidepid=")), "")
    return "" if found in ("0", "off") else HIDING.get(found, found)


def pid_namespace() -> tuple[bool | None, int]:
    """Tell whether our pid namespace is the machine's first one, and how many deep it is as far as /proc shows it."""
    try:
        link = os.readlink(f"{procfs.ROOT}/self/ns/pid")
    except OSError:
        return None, 1
    depth = len(_field(_text(f"{procfs.ROOT}/self/status"), "NSpid").split())
    return link == f"pid:[{FIRST_PID_NAMESPACE}]", max(depth, 1)


def container() -> str:
    """Name the kind of container that we are in; empty where nothing says that we are in one."""
    for path, kind in SIGNS:
        if os.path.exists(path):
            return kind
    for entry in _text(f"{procfs.ROOT}/1/environ").split("\0"):
        if entry.startswith("container="):
            return entry.partition("=")[2]
    if kind := _text("/run/systemd/container").strip():
        return kind
    where = _text(f"{procfs.ROOT}/self/cgroup")
    for word, kind in CGROUP_WORDS:
        if word in where:
            return kind
    return "WSL" if "microsoft" in kernel().lower() else ""


def seccomp() -> tuple[str, int | None, bool | None]:
    """Give the seccomp mode (`off`, `strict`, `filter`, or empty), how many filters, and no_new_privs."""
    status = _text(f"{procfs.ROOT}/self/status")
    mode = {"0": "off", "1": "strict", "2": "filter"}.get(_field(status, "Seccomp"), "")
    filters, privileges = _field(status, "Seccomp_filters"), _field(status, "NoNewPrivs")  # since 5.9, 4.10
    return mode, int(filters) if filters else None, privileges == "1" if privileges else None


def limit(name: str) -> tuple[int | None, int | None]:
    """Give a limit, soft and hard, by its name in /proc/PID/limits (`Max open files`); None is none, or not known."""
    for line in _text(f"{procfs.ROOT}/self/limits").splitlines():
        if line.startswith(name):
            soft, hard = line.removeprefix(name).split()[:2]
            return (int(soft) if soft.isdigit() else None, int(hard) if hard.isdigit() else None)
    return None, None


def processes_of_this_user() -> int:
    """Count what counts for the limit of processes: threads of our real uid, as far as they can be seen."""
    uid, count = os.getuid(), 0
    try:
        pids = procfs.all_processes()
    except OSError:
        return 0
    for pid in pids:
        try:
            if os.stat(f"{procfs.ROOT}/{pid}").st_uid == uid and (seen := procfs.stat(pid)) is not None:
                count += seen.threads
        except OSError:
            continue
    return count


def cgroups() -> dict[str, str]:
    """Give our cgroups: by controller (v1), by `name=systemd`, and the one of v2 by an empty name."""
    found = {}
    for line in _text(f"{procfs.ROOT}/self/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def room_for_processes() -> int | None:
    """Give how many more processes our cgroups allow (pids.max); None where they set no limit."""
    rooms = []
    for controller, base in (("pids", f"{CGROUPS}/pids"), ("", CGROUPS), ("", f"{CGROUPS}/unified")):
        path = cgroups().get(controller)
        while path:  # each one above counts as well
            most, now = (_text(f"{base}{path}/pids.{what}").strip() for what in ("max", "current"))
            if most.isdigit() and now.isdigit():
                rooms.append(int(most) - int(now))
            path = path.rpartition("/")[0]
    return min(rooms, default=None)


def unit() -> tuple[str, bool]:
    """Name the systemd unit that we run in, and tell whether it is one of a user's; empty where there is none."""
    known = cgroups()
    path = known.get("name=systemd") or known.get("") or ""
    parts = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
    if not parts:
        return "", False
    users = any(part.startswith("user@") for part in parts)
    return parts[-1], users and not parts[-1].startswith("user@")


def own_program() -> str:
    """Give the path of the program that this process runs; empty where that cannot be read."""
    try:
        return os.readlink(f"{procfs.ROOT}/self/exe")
    except OSError:
        return ""


def zombies_of(pid: int) -> int:
    """Count the children of `pid` that have ended, and that it has not reaped."""
    return sum(1 for child in procfs.children_of(pid) if (seen := procfs.stat(child)) is not None and not seen.alive)
