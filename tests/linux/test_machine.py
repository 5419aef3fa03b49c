"""What is read of the machine: from a /proc that a test has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdwrap.linux import machine, procfs

STATUS = "Name:\tx\nNSpid:\t{}\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n"
LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max processes             96365                unlimited            processes \n"
    "Max open files            1024                 524288               files     \n"
)
MOUNTS = (
    "23 28 0:21 / {root} rw,nosuid - proc proc rw\n"
    "99 28 0:99 / {root} rw,nosuid shared:9 - proc proc rw,gid=7,hidepid={hidepid}\n"
    "24 28 0:22 / /elsewhere rw - proc proc rw,hidepid=1\n"
)


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /proc, and one in place of /sys/fs/cgroup."""
    monkeypatch.setattr(procfs, "ROOT", str(tmp_path / "proc"))
    monkeypatch.setattr(machine, "CGROUPS", str(tmp_path / "cgroup"))
    monkeypatch.setattr(machine, "SIGNS", ((str(tmp_path / "sign"), "podman"),))
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "1").mkdir()
    return tmp_path / "proc"


def test_what_cannot_be_read(proc: Path) -> None:
    """Nothing there: nothing known, and no error."""
    assert machine.hidepid() == ""
    assert machine.pid_namespace() == (None, 1)
    assert machine.seccomp() == ("", None, None)
    assert machine.limit("Max open files") == (None, None)
    assert machine.room_for_processes() is None
    assert machine.unit() == ("", False)
    assert machine.own_program() == ""
    assert not machine.has_own_proc()


def test_seccomp_and_namespace(proc: Path) -> None:
    """From the lines of /proc/self/status."""
    (proc / "self" / "status").write_text(STATUS.format("4711\t12\t1"))
    (proc / "self" / "ns").mkdir()
    (proc / "self" / "ns" / "pid").symlink_to("pid:[4026532000]")
    assert machine.seccomp() == ("filter", 3, True)
    assert machine.pid_namespace() == (False, 3)


def test_limits(proc: Path) -> None:
    """Soft and hard; unlimited is none."""
    (proc / "self" / "limits").write_text(LIMITS)
    assert machine.limit("Max open files") == (1024, 524288)
    assert machine.limit("Max processes") == (96365, None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("0", ""), ("off", ""), ("1", "noaccess"), ("2", "invisible"), ("invisible", "invisible"), ("4", "ptraceable")],
)
def test_hidepid(proc: Path, written: str, meant: str) -> None:
    """As a number or a word; what was mounted last counts, and only on /proc."""
    (proc / "self" / "mountinfo").write_text(MOUNTS.format(root=procfs.ROOT, hidepid=written))
    assert machine.hidepid() == meant


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/\n", ("", False)),
        ("0::/system.slice/local-ai.service\n", ("local-ai.service", False)),
        ("9:name=systemd:/system.slice/ssh.service\n0::/x\n", ("ssh.service", False)),
        ("0::/user.slice/user-1.slice/session-3.scope\n", ("session-3.scope", False)),
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/ai.service\n", ("ai.service", True)),
        ("0::/user.slice/user-1.slice/user@1.service/init.scope\n", ("init.scope", True)),
    ],
)
def test_unit(proc: Path, cgroup: str, unit: tuple[str, bool]) -> None:
    """The innermost one; one below user@ is the user's own manager's."""
    (proc / "self" / "cgroup").write_text(cgroup)
    assert machine.unit() == unit


@pytest.mark.parametrize(("line", "base"), [("0::/a/b", ""), ("7:pids:/a/b", "pids"), ("4:x,pids:/a/b", "pids")])
def test_room_in_the_cgroup(proc: Path, line: str, base: str) -> None:
    """The narrowest one on the way up counts."""
    (proc / "self" / "cgroup").write_text(f"{line}\n")
    top = Path(machine.CGROUPS) / base
    for path, most, now in (("a", "100", "97"), ("a/b", "max", "2")):
        (top / path).mkdir(parents=True)
        (top / path / "pids.max").write_text(f"{most}\n")
        (top / path / "pids.current").write_text(f"{now}\n")
    assert machine.room_for_processes() == 3


def test_container(proc: Path, tmp_path: Path) -> None:
    """By an engine's own file, by what PID 1 was told, by the path of the cgroup."""
    (proc / "self" / "cgroup").write_text("0::/kubepods.slice/x\n")
    assert machine.container() == "kubernetes"
    (proc / "1" / "environ").write_bytes(b"PATH=/bin\0container=lxc\0")
    assert machine.container() == "lxc"
    (tmp_path / "sign").touch()
    assert machine.container() == "podman"


@pytest.mark.parametrize(("release", "new"), [("5.2.21", False), ("5.3.0-rc1", True), ("6.1", True), ("4.19", False)])
def test_kernel_versions(monkeypatch: pytest.MonkeyPatch, release: str, new: bool) -> None:  # noqa: FBT001 - a case
    """As numbers, not as text."""
    monkeypatch.setattr(machine, "kernel", lambda: release)
    assert machine.is_kernel_at_least(5, 3) is new
