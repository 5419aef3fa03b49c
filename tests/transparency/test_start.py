"""T1: what a launcher sets for its child, the backend has: limits, niceness, directory, arguments, credentials."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.harness import Running, run
from tests.transparency.test_snapshot import Case

PR_SET_NO_NEW_PRIVS, PR_SET_TIMERSLACK, PR_CAPBSET_DROP, PR_SET_THP_DISABLE = 38, 29, 24, 41
CAP_NET_RAW = 13


@pytest.fixture
def case(pdwrap: list[str], tmp_path: Path) -> Case:
    """The same start, without pdwrap and with it."""
    return Case(pdwrap, tmp_path)


def limit(kind: int, soft: int) -> Callable[[], object]:
    """Set a soft limit, below the hard one."""
    return partial(resource.setrlimit, kind, (soft, resource.getrlimit(kind)[1]))


def prctl(option: int, value: int) -> None:
    """prctl(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def write(path: str, text: str) -> None:
    """Write to a file of /proc."""
    Path(path).write_text(text, encoding="ascii")


def scheduling() -> None:
    """Batch scheduling on one processor."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def other_user() -> None:
    """Real, effective and saved ids that differ; the effective uid stays, to reach the interpreter wherever it is."""
    os.setgroups([4, 20, 27])
    os.setresgid(1234, 1235, 1236)
    os.setresuid(1234, 0, 1237)


def personality() -> None:
    """No address space randomization (personality(2))."""
    ctypes.CDLL(None).personality(0x0040000)


SETTINGS: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "umask 0": partial(os.umask, 0),
    "umask 777": partial(os.umask, 0o777),
    "core 0": limit(resource.RLIMIT_CORE, 0),
    "nofile 16": limit(resource.RLIMIT_NOFILE, 16),
    "nofile hard 64": partial(resource.setrlimit, resource.RLIMIT_NOFILE, (32, 64)),
    "fsize": limit(resource.RLIMIT_FSIZE, 1 << 20),
    "stack": limit(resource.RLIMIT_STACK, 1 << 20),
    "data": limit(resource.RLIMIT_DATA, 1 << 28),
    "cpu": limit(resource.RLIMIT_CPU, 1000),
    "sigpending 0": partial(resource.setrlimit, resource.RLIMIT_SIGPENDING, (0, 0)),
    "memlock": limit(resource.RLIMIT_MEMLOCK, 4096),
    "nice 7": partial(os.setpriority, os.PRIO_PROCESS, 0, 7),
    "batch": scheduling,
    "no new privileges": partial(prctl, PR_SET_NO_NEW_PRIVS, 1),
    "timer slack": partial(prctl, PR_SET_TIMERSLACK, 123456),
    "no huge pages": partial(prctl, PR_SET_THP_DISABLE, 1),
    "personality": personality,
    "core filter": partial(write, "/proc/self/coredump_filter", "0x13"),
    "oom 500": partial(write, "/proc/self/oom_score_adj", "500"),
    "session": os.setsid,
    "group": partial(os.setpgid, 0, 0),
}
AS_ROOT: dict[str, Callable[[], object]] = {
    "nice -5": partial(os.setpriority, os.PRIO_PROCESS, 0, -5),
    "user": other_user,
    "groups": partial(os.setgroups, [4, 20, 27]),
    "bounding set": partial(prctl, PR_CAPBSET_DROP, CAP_NET_RAW),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_setting(case: Case, setting: str) -> None:
    """T1: one thing is set, all is compared."""
    case.before_exec = SETTINGS[setting]
    if setting == "session":
        bare, wrapped = case.look(wrapped=False), case.look(wrapped=True)
        for seen in (bare, wrapped):  # a session's number is its leader's pid
            assert seen.pop("session") != str(os.getsid(0))
            seen.pop("autogroup")  # one for each session
            seen["status"].pop("NSsid")
        assert bare == wrapped
    else:
        case.compare()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("setting", AS_ROOT)
def test_setting_as_root(case: Case, setting: str) -> None:
    """T1: what only root may set."""
    case.before_exec = AS_ROOT[setting]
    case.compare()


@pytest.mark.usefixtures("root")
def test_ambient_capability(case: Case) -> None:
    """T1: capabilities of an ordinary user, from setpriv(1)."""
    line = ["grep", "^Cap", "/proc/self/status"]
    prefix = ["setpriv", "--reuid", "1234", "--clear-groups", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]
    bare, wrapped = run([*prefix, *line]), run([*prefix, *case.pdwrap, "--", *line])
    assert bare == wrapped
    assert bare.stdout.count(b"0000000000002000") >= 2  # CAP_NET_RAW, inherited and ambient


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([b""], id="empty"),
        pytest.param([b"", b"", b"x", b""], id="empty-ones"),
        pytest.param([b"a\nb", b"\t", b" ", b"'\"\\$`*"], id="odd"),
        pytest.param([bytes([byte]) for byte in range(1, 256)], id="all-bytes"),
        pytest.param([b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", "ä€😀".encode()], id="not-utf-8"),
        pytest.param([b"--", b"-s", b"--grace", b"--help", b"--version", b"-h"], id="like-options"),
        pytest.param([b"x" * 131071], id="longest"),
        pytest.param([b"y"] * 20000, id="many"),
    ],
)
def test_arguments(case: Case, arguments: list[bytes]) -> None:
    """T1: any bytes, in any number."""
    case.arguments = arguments
    seen = case.compare()["arguments"]
    assert [word.encode("latin-1") for word in seen[-len(arguments) - 1 : -1]] == arguments


def test_directory(case: Case, tmp_path: Path) -> None:
    """T1: the working directory, also one of an odd name."""
    odd = tmp_path / "a\nb \udcff"
    odd.mkdir()
    case.directory = str(odd)
    assert case.compare()["links"]["cwd"].endswith("b \udcff")


def test_deleted_directory(case: Case, tmp_path: Path) -> None:
    """T1: a working directory that is no more."""
    gone = tmp_path / "gone"

    def delete() -> None:
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()

    case.before_exec = delete
    assert case.compare()["links"]["cwd"].endswith("gone (deleted)")


def test_ctrl_terminal_free(case: Case) -> None:
    """T1: without a controlling terminal there is none afterwards."""
    case.before_exec = os.setsid
    assert case.look(wrapped=True)["terminal"] == case.look(wrapped=False)["terminal"] == ["0", "-1"]


def test_cgroup(case: Case) -> None:
    """T1: the cgroup is the launcher's."""
    assert case.compare()["cgroup"]


def test_data_through_descriptors(pdwrap: list[str]) -> None:
    """T1: three megabytes through stdin and stdout arrive whole."""
    source, sink = os.memfd_create("source"), os.memfd_create("sink")
    data = os.urandom(3 << 20)
    os.write(source, data)
    os.lseek(source, 0, os.SEEK_SET)
    outcome = run([*pdwrap, "--", "sh", "-c", "cat | cat"], fds={0: source, 1: sink})
    assert outcome.code == 0
    assert os.pread(sink, len(data) + 1, 0) == data
    os.close(source)
    os.close(sink)


def test_timer_set_before(pdwrap: list[str]) -> None:
    """T2: a timer that was set before exec ends the backend as it would have without pdwrap."""

    def set_timer() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.3)

    for prefix in ([], [*pdwrap, "--"]):
        outcome = run([*prefix, "sleep", "100"], before_exec=set_timer)
        assert outcome.code == -signal.SIGALRM


def test_lock_of_an_inherited_descriptor(pdwrap: list[str], tmp_path: Path) -> None:
    """T1: flock(2) belongs to the open file: the backend still holds it, and pdwrap holds it no longer than that."""
    script = 'read go <&8; ! flock -n "$1" true && exec 7>&- && flock -n "$1" true'
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    held, release = os.pipe()
    words = [*pdwrap, "--", "bash", "-c", script, "bash", str(tmp_path / "lock")]
    running = Running(words, fds={7: lock, 8: held})
    os.close(lock)
    os.close(held)
    os.close(release)
    assert running.wait().code == 0
