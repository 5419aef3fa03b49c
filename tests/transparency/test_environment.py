"""T1: the environment reaches the backend byte by byte, whatever CPython makes of it on the way (PEP 538)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transparency.test_snapshot import Case

BASE = [b"PATH=/usr/local/bin:/usr/bin:/bin"]


@pytest.fixture
def case(pdwrap: list[str], tmp_path: Path) -> Case:
    """The same start, without pdwrap and with it."""
    return Case(pdwrap, tmp_path)


def check(case: Case, environment: list[bytes]) -> None:
    """Compare, and see that the environment is the given one."""
    case.environment = environment
    seen = case.compare()["environment"]
    assert [entry.encode("latin-1") for entry in seen[:-1]] == environment


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="plain"),
        pytest.param([b"A=1", b"A=2", b"B=", b"A=1"], id="duplicates"),
        pytest.param([b"without", b"", b"=", b"==", b"=x=y", b" = "], id="no-names"),
        pytest.param([b"a=\xff\xfe", b"\xe4=\xc3\x28", "ü=😀".encode()], id="not-utf-8"),
        pytest.param([b"a=1\n2\n", b"b\nc=\t", b"BASH_FUNC_f%%=() {  :\n}"], id="lines"),
        pytest.param([b"big=" + b"x" * 100_000], id="big"),
        pytest.param([b"V%d=%d" % (number, number) for number in range(2000)], id="many"),
        pytest.param([b"PDWRAP_GRACE=1s", b"PDWRAP_LOG=json", b"LOCALAI_BACKEND_PARENT_WATCH=on"], id="settings"),
        pytest.param([b"PATH=/nowhere", b"PATH="], id="two-paths"),
        pytest.param([b"LD_LIBRARY_PATH=/nowhere", b"MALLOC_ARENA_MAX=1", b"GLIBC_TUNABLES=a=b"], id="loader"),
    ],
)
def test_odd_entries(case: Case, entries: list[bytes]) -> None:
    """T1: duplicate names, entries without `=`, any bytes."""
    check(case, [*BASE, *entries])


def test_empty(case: Case) -> None:
    """T1: no environment at all."""
    case.environment = []
    assert case.compare()["environment"] == [""]


def test_search_without_path(case: Case) -> None:
    """T1, T4: without PATH the command is found where execvp(3) looks."""
    case.environment = []
    assert case.run(["/usr/bin/env"], wrapped=True).stdout == b""
    outcome = case.run([*case.pdwrap, "--", "echo", "found"], wrapped=False)
    assert outcome.stdout == b"found\n"


@pytest.mark.parametrize(
    "locale",
    [
        pytest.param([], id="none"),
        pytest.param([b"LANG=C"], id="LANG=C"),
        pytest.param([b"LANG=POSIX"], id="LANG=POSIX"),
        pytest.param([b"LC_ALL=C"], id="LC_ALL=C"),
        pytest.param([b"LC_ALL=POSIX", b"LANG=de_DE.UTF-8"], id="LC_ALL=POSIX"),
        pytest.param([b"LC_CTYPE=C"], id="LC_CTYPE=C"),
        pytest.param([b"LC_CTYPE=POSIX"], id="LC_CTYPE=POSIX"),
        pytest.param([b"LC_CTYPE="], id="LC_CTYPE-empty"),
        pytest.param([b"LC_CTYPE=C.UTF-8"], id="LC_CTYPE=C.UTF-8"),
        pytest.param([b"LC_CTYPE=C.UTF-8", b"LANG=C"], id="LC_CTYPE=C.UTF-8-and-C"),
        pytest.param([b"LANG=no_WHERE"], id="LANG=no_WHERE"),
        pytest.param([b"LC_CTYPE=C", b"LC_CTYPE=POSIX"], id="LC_CTYPE-twice"),
        pytest.param([b"LC_ALL=", b"LANG="], id="all-empty"),
    ],
)
def test_locale(case: Case, locale: list[bytes]) -> None:
    """T1: LC_CTYPE is there, with its value, exactly where the launcher had put it."""
    check(case, [*BASE, *locale])


@pytest.mark.parametrize("name", [b"LISTEN_PID", b"WATCHDOG_PID"])
def test_own_pid(case: Case, name: bytes) -> None:
    """T1: what names pdwrap by its pid names the backend when that reads it (sd_listen_fds(3))."""

    def look(*, wrapped: bool) -> bytes:
        prefix = [*case.pdwrap, "--"] if wrapped else []
        script = f'export {name.decode()}=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a; exec "$@"'
        backend = ["sh", "-c", f"test ${name.decode()} = $$ && echo mine; echo $LISTEN_FDS $LISTEN_FDNAMES"]
        return case.run(["sh", "-c", script, "sh", *prefix, *backend], wrapped=False).stdout

    assert look(wrapped=True) == look(wrapped=False) == b"mine\n1 a\n"


@pytest.mark.parametrize("value", [b"1", b"", b"x", b"0", b"999999999"])
def test_other_pid(case: Case, value: bytes) -> None:
    """T1: a LISTEN_PID that names somebody else is left alone."""
    check(case, [*BASE, b"LISTEN_PID=" + value, b"LISTEN_FDS=1", b"LISTEN_PIDFDID=7"])
