"""nginx, master and workers of another user, with downloads in flight; in the foreground and as a daemon."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Process, Starter

from .daemons import assert_ended_with_starter, assert_out_of_reach, start_kept
from .load import DONE, Held, Load, wait_for_words
from .service import Service, assert_bindable, free_port

BOTH = pytest.mark.modes("fork", "exec")
WORKER_COUNT = 4
COUNT = 8
SIZE = 64 << 20
"""Of a file: more than the buffers of both sockets take, so a download ends only when its client reads on."""

CONFIG = """
daemon {daemon};
worker_processes {workers};
pid {folder}/pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
        add_header Worker $pid;
    }}
}}
"""


class Download(Held):
    """The client has read an answer's head, and nothing of its body."""

    def _begin(self) -> bytes:
        self._link.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        response = http.client.HTTPResponse(self._link)
        response.begin()
        self._answer = response
        return f"working {response.headers['Worker']}".encode()

    def finish(self) -> bytes:
        """Read all of it."""
        body = self._answer.read()
        return DONE if body == bytes(SIZE) else body


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nginx's workers may read: they run as another user than root."""
    with tempfile.TemporaryDirectory(prefix="pdwrap-nginx-") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "www").mkdir()
        with open(place / "www" / "big", "wb") as file:
            file.truncate(SIZE)
        yield place


def nginx(folder: Path, port: int, *, daemon: bool = False) -> list[str]:
    """Its command line."""
    words = {"daemon": "on" if daemon else "off", "workers": WORKER_COUNT, "folder": folder, "port": port}
    (folder / "conf").write_text(CONFIG.format(**words), encoding="ascii")
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or "nginx"
    return [program, "-p", str(folder), "-c", str(folder / "conf"), "-e", "stderr"]


def start_foreground(start: Starter, folder: Path, *options: str) -> Service:
    """Master and workers stand."""
    port = free_port()
    service = Service(start, nginx(folder, port), port, options=options)
    wait_for_words(service.tree, "start worker process ", count=WORKER_COUNT)
    assert len(service.hold_family()) == WORKER_COUNT
    return service


@BOTH
def test_launcher_dies_under_load(start: Starter, folder: Path) -> None:
    """E1, E2: nginx drops what is in flight on SIGTERM, and ends by itself, long before the deadline."""
    service = start_foreground(start, folder, "--grace", "100s")
    with Load(service, COUNT, Download) as load:
        service.assert_gone_with_launcher()
        load.assert_cut()
        assert service.tree.stderr.count("(SIGTERM) received from") == 1


@BOTH
def test_launcher_dies_and_the_deadline_holds(start: Starter, folder: Path) -> None:
    """E1, E2: on SIGQUIT it waits for its clients, which do not read: the deadline ends it."""
    service = start_foreground(start, folder, "--signal", "QUIT", "--grace", "0.3s")
    with Load(service, COUNT, Download) as load:
        service.assert_gone_with_launcher()
        load.assert_cut()


@BOTH
def test_launcher_dies_and_downloads_are_finished(start: Starter, folder: Path) -> None:
    """E3: on SIGQUIT, nginx's signal for a stop in order, it serves what is in flight, within the grace."""
    service = start_foreground(start, folder, "--signal", "QUIT", "--grace", "100s")
    with Load(service, COUNT, Download) as load:
        service.tree.launcher.kill()
        wait_for_words(service.tree, "gracefully shutting down", count=WORKER_COUNT)
        assert load.finish() == [DONE] * COUNT
        service.tree.assert_gone()
    assert_bindable(service.port)


def assert_stops_in_order(service: Service, number: int) -> None:
    """It is told once to go, and all downloads arrive; it has exited with 0."""
    with Load(service, COUNT, Download) as load:
        service.tree.order(f"signal {number:d}")
        wait_for_words(service.tree, "gracefully shutting down", count=WORKER_COUNT)
        assert load.finish() == [DONE] * COUNT
        assert service.tree.status() == 0
        service.tree.assert_gone()
    assert_bindable(service.port)


@BOTH
def test_orderly_stop(start: Starter, folder: Path) -> None:
    """T2, T3: the launcher's SIGQUIT comes through, no download is lost, and the status is nginx's."""
    assert_stops_in_order(start_foreground(start, folder), signal.SIGQUIT)


def test_orderly_stop_by_sigterm(start: Starter, folder: Path) -> None:
    """T2: `--rewrite TERM:QUIT`, for a launcher that sends SIGTERM to all of its backends: no download is lost."""
    assert_stops_in_order(start_foreground(start, folder, "--rewrite", "TERM:QUIT"), signal.SIGTERM)


def test_master_is_killed(start: Starter, folder: Path) -> None:
    """E5: nginx's workers outlive a killed master, and hold the port; as leftovers they are ended."""
    service = start_foreground(start, folder)
    with Load(service, COUNT, Download) as load:
        master = Process(service.backend)
        master.kill()
        master.close()
        assert service.tree.status() == signal.SIGKILL
        assert_bindable(service.port)
        service.tree.assert_gone()
        load.assert_cut()


def test_daemon_ends_with_its_starter(start: Starter, folder: Path) -> None:
    """E5: `nginx` as it is by default exits at once, and its daemon is a leftover."""
    port = free_port()
    assert_ended_with_starter(start, nginx(folder, port, daemon=True), port)


def test_daemon_that_is_kept(start: Starter, folder: Path) -> None:
    """E1, E2: `--leftovers wait` keeps it until the launcher dies, under load."""
    port = free_port()
    service = start_kept(start, nginx(folder, port, daemon=True), port, folder / "pid")
    with Load(service, COUNT, Download) as load:
        service.assert_gone_with_launcher()
        load.assert_cut()


@pytest.mark.modes("exec")
@pytest.mark.limit
def test_daemon_is_out_of_reach(start: Starter, folder: Path) -> None:
    """Exec mode does not reach what has detached itself: `daemon off`, or fork mode."""
    port = free_port()
    assert_out_of_reach(start, nginx(folder, port, daemon=True), port, folder / "pid")
