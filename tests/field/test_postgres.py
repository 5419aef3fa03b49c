"""PostgreSQL, started by `postgres` itself, with clients in the middle of a transaction.

Its children lead sessions of their own. Root may not run it: setpriv(1) changes the user first, behind pdwrap.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Outcome, Running, Starter, run, stat, wait_until

from .load import wait_for_words
from .service import LOADING, Service, assert_bindable, free_port

BOTH = pytest.mark.modes("fork", "exec")
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"))
COUNT = 3
CUT = 2
"""psql(1): the connection to the server went bad."""


def user() -> pwd.struct_passwd:
    """Who runs it."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def as_user(*command: str) -> list[str]:
    """*command* as that user."""
    ids = [f"--reuid={user().pw_uid}", f"--regid={user().pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, *command] if os.geteuid() == 0 else list(command)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A new cluster, which takes seconds: made once."""
    with tempfile.TemporaryDirectory(prefix="pdwrap-postgres-") as name:
        os.chown(name, user().pw_uid, user().pw_gid)
        where = ["--pgdata", f"{name}/data", "--username", "postgres", "--auth", "trust"]
        command = as_user(str(PROGRAMS / "initdb"), *where, "--encoding", "UTF8", "--locale", "C", "--no-sync")
        outcome = run(command, within=LOADING)
        assert outcome.code == 0, outcome.stderr
        yield Path(name)


@pytest.fixture
def data(template: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A copy of it."""
    with tempfile.TemporaryDirectory(prefix="copy-", dir=template) as name:
        os.chown(name, user().pw_uid, user().pw_gid)
        outcome = run(["cp", "-a", str(template / "data"), f"{name}/data"], within=LOADING)
        assert outcome.code == 0, outcome.stderr
        yield Path(name) / "data"


def postgres(data: Path, port: int) -> list[str]:
    """Its command line. All that it makes is in its folder; what a killed *kernel* would lose is not the subject."""
    settings = ["unix_socket_directories=", "dynamic_shared_memory_type=mmap", "fsync=off", "autovacuum=off"]
    options = [word for each in [*settings, "listen_addresses=127.0.0.1"] for word in ("-c", each)]
    return as_user(str(PROGRAMS / "postgres"), "-D", str(data), "-p", str(port), *options)


def psql(port: int, *arguments: str) -> list[str]:
    """A client's command line."""
    options = [
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--username",
        "postgres",
        "--dbname",
        "postgres",
    ]
    return [str(PROGRAMS / "psql"), "--host", "127.0.0.1", "--port", str(port), *options, *arguments]


def query(port: int, text: str) -> str:
    """The answer to one query; asked again while the server says that it is starting up."""
    answers: list[Outcome] = []

    def answered() -> bool:
        answers.append(run(psql(port, "--command", text), within=LOADING))
        return answers[-1].code == 0

    wait_until(answered, lambda: answers[-1].stderr, LOADING, pause=0.05)
    return answers[-1].stdout.decode().strip()


class Client:
    """One that has committed a row, and is in a transaction that writes another."""

    def __init__(self, port: int, number: int) -> None:
        """Send its queries."""
        reads, self._queries = os.pipe()
        self._client = Running(psql(port, "--set", f"number={number}"), fds={0: reads})
        os.close(reads)
        self.ask("insert into numbers values (:number); begin; insert into numbers values (-:number);")

    def ask(self, text: str) -> None:
        """Send one query more."""
        os.write(self._queries, f"{text}\n".encode())

    def code(self) -> int:
        """Its exit status when it has no more queries, or no server."""
        self.close()
        return self._client.wait().code

    def close(self) -> None:
        """Let go of it."""
        if self._queries >= 0:
            os.close(self._queries)
        self._queries = -1


def wait_for_all(port: int, text: str) -> None:
    """Look until all clients are counted by a query."""
    wait_until(lambda: query(port, text) == str(COUNT), lambda: f"not {COUNT}: {query(port, text)}", LOADING)


@contextlib.contextmanager
def clients(port: int) -> Iterator[list[Client]]:
    """Several, in the middle of a transaction."""
    query(port, "create table numbers (n int)")
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(contextlib.closing(Client(port, number))) for number in range(1, COUNT + 1)]
        wait_for_all(port, "select count(*) from pg_stat_activity where state = 'idle in transaction'")
        yield made


def kill_launcher(service: Service) -> None:
    """E1, E2: in the middle of queries; its children have sessions of their own, and are gone too."""
    with clients(service.port) as connected:
        for each in connected:
            each.ask("select pg_sleep(1000);")
        wait_for_all(service.port, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")
        others = query(service.port, "select pid from pg_stat_activity where pid <> pg_backend_pid()").split()
        assert len(others) > COUNT
        for pid in map(int, others):
            assert stat(service.tree.hold(pid).pid)[3] == str(pid)
        service.tree.launcher.kill()
        assert [each.code() for each in connected] == [CUT] * COUNT
        service.tree.assert_gone()
        assert_bindable(service.port)


def assert_intact(service: Service, *numbers: int) -> None:
    """What was committed is there, and nothing else."""
    wait_for_words(service.tree, "database system is ready to accept connections")
    assert query(service.port, "select n from numbers order by n").split() == [str(number) for number in numbers]
    service.assert_gone_with_launcher()


@BOTH
def test_launcher_dies_and_the_deadline_holds(start: Starter, data: Path) -> None:
    """E1, E2: on SIGTERM it waits for its clients to leave; killed at the deadline, it recovers at the next start."""
    port = free_port()
    kill_launcher(Service(start, postgres(data, port), port, options=["--grace", "0.3s"]))
    service = Service(start, postgres(data, port), port, options=["--signal", "INT"])
    wait_for_words(service.tree, "automatic recovery in progress")
    assert_intact(service, 1, 2, 3)


@BOTH
def test_launcher_dies_and_it_ends_in_order(start: Starter, data: Path) -> None:
    """E3: SIGINT is PostgreSQL's signal to drop its clients and end in order: the next start finds it so."""
    port = free_port()
    kill_launcher(Service(start, postgres(data, port), port, options=["--signal", "INT", "--grace", "100s"]))
    service = Service(start, postgres(data, port), port, options=["--signal", "INT"])
    assert_intact(service, 1, 2, 3)
    assert "automatic recovery" not in service.tree.stderr


@BOTH
def test_orderly_stop(start: Starter, data: Path) -> None:
    """T2, T3: on the launcher's SIGTERM its clients may finish, for as long as they like; it ends when they leave."""
    port = free_port()
    service = Service(start, postgres(data, port), port, options=["--grace", "0.1s"])
    with clients(port) as connected:
        service.tree.order(f"signal {signal.SIGTERM:d}")
        wait_for_words(service.tree, "received smart shutdown request")
        for each in connected:
            each.ask("commit;")
        assert [each.code() for each in connected] == [0] * COUNT
        assert service.tree.status() == 0
        service.tree.assert_gone()
        assert_bindable(port)
    service = Service(start, postgres(data, port), port, options=["--signal", "INT"])
    assert_intact(service, -3, -2, -1, 1, 2, 3)
    assert "automatic recovery" not in service.tree.stderr
