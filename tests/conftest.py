"""What every test gets: the command under test, trees, and proof that nothing was left behind."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import ATTACHED, DETACHED, ONE_FILE, ROOT, Starter, kill_what_is_left, reap_all
from tests.harness.faulty import Faulty
from tests.harness.freezer import Freezer, mounted_freezer
from tests.harness.processes import become_subreaper
from tests.harness.pty_session import Command
from tests.harness.scripts import Scripts

collect_ignore = [] if os.environ.get("PDWRAP_TEST_FIELD") else ["field"]
"""`./scripts/test --field` installs what those need."""
collect_ignore += [] if ONE_FILE else ["standalone"]
"""`./scripts/test` builds the one file for them, and for `--standalone`."""

# No test asserts a time: a machine may be busy.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def _default_signals() -> None:
    """Undo what we were started with (nohup(1), for one): it would be inherited by every process of every test."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # CPython's own
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_configure() -> None:
    """Run the tests in a child if we lead our session.

    A session leader other than PID 1 may have started its child before it called setsid(), so a pdwrap that falls
    to one, and shares no session with it, cannot tell that it was orphaned. The tests of orphans need one that can.
    """
    _default_signals()
    if os.getpid() != 1 and os.getsid(0) == os.getpid():
        child = os.fork()
        if child:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts pdwrap as a program: `-m program` is the suite of the one file (scripts/test --standalone)."""
    for item in items:
        if isinstance(item, pytest.Function) and {"pdwrap", "installed"} & set(item.fixturenames):
            item.add_marker(pytest.mark.program)


@pytest.fixture(scope="session", autouse=True)
def subreaper() -> None:
    """Orphans fall to the test process."""
    become_subreaper()


PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test itself passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that passed no process of it may be left; what is left of any test is killed.

    A backend's sidecars end by themselves as soon as they have seen its end.
    """
    yield
    passed = request.node.stash.get(PASSED, False)
    if passed and "[exec" in request.node.name:
        reap_all()
    left = kill_what_is_left()
    assert not left or not passed, f"left behind by the test: {left}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that uses `pdwrap` or `start` runs once for each mode that its marker `modes` names; without one, fork."""
    if "mode" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("modes")
        metafunc.parametrize("mode", marker.args if marker else ["fork"], indirect=True)


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> str:
    """How pdwrap holds on to the backend."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def family(mode: str) -> list[str]:
    """A child of each kind that the mode promises to end; in exec mode none that has detached itself before."""
    return [*ATTACHED, *DETACHED] if mode == "fork" else ATTACHED


@pytest.fixture
def pdwrap(mode: str) -> list[str]:
    """The command under test."""
    named = os.environ.get("PDWRAP_TEST_COMMAND")
    command = shlex.split(named) if named else [sys.executable, "-I", str(ROOT / "scripts" / "pdwrap")]
    return command if mode == "fork" else [*command, f"--{mode}"]


@pytest.fixture
def start(pdwrap: list[str], mode: str) -> Iterator[Starter]:
    """Starts trees; see `harness`."""
    starter = Starter(pdwrap, mode)
    yield starter
    starter.close()


@pytest.fixture
def faulty(mode: str, tmp_path: Path) -> Iterator[Faulty]:
    """Starters of a pdwrap in which something goes wrong; see `harness.faulty`."""
    made = Faulty(mode, tmp_path)
    yield made
    made.close()


@pytest.fixture
def scripts(tmp_path: Path, pdwrap: list[str], mode: str) -> Scripts:
    """Scripts that say ``pdwrap --``; see `harness.scripts`."""
    return Scripts(tmp_path, pdwrap, mode)


@pytest.fixture(params=["bare", "pdwrap"])
def command(request: pytest.FixtureRequest, pdwrap: list[str], mode: str) -> Command:
    """What runs a player at a terminal; each test that uses it runs without pdwrap and with it."""
    if request.param == "bare":
        return Command([], 0)
    return Command([*pdwrap, "--"], 2 if mode == "fork" else 0)


@pytest.fixture
def freezer(tmp_path: Path) -> Iterator[Freezer]:
    """A group of the cgroup v1 freezer."""
    with mounted_freezer(tmp_path) as group:
        yield group


@pytest.fixture
def root() -> None:
    """For tests of what only root may do; CI runs as root, where a skip is a failure."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
