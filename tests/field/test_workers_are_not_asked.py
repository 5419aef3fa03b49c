"""E3: workers of gunicorn and honcho are asked by their master alone, also where a shell keeps SIGTERM from that."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.between import STARTER
from tests.harness.patience import wait_until
from tests.harness.processes import children, kill_what_is_left
from tests.harness.spawn import Running, clean_environment

pytestmark = pytest.mark.modes("fork", "exec")
COUNTS = """
import os, signal, time
said = os.open({said!r}, os.O_WRONLY | os.O_APPEND)
signal.signal(signal.SIGTERM, lambda *_: os.write(said, b"T"))
os.write(said, b"R")
"""
GUNICORN = "def post_worker_init(worker):\n" + "".join(f"    {each}\n" for each in COUNTS.split("\n") if each)
APP = "def app(environ, start_response):\n    return []\n"
SHELL = ["bash", "-c", 'trap : TERM; "$@"; true', "bash"]


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[dict[str, list[str]]]:
    """Command lines of masters whose one worker counts SIGTERM, and does not end of it."""
    said = str(tmp_path / "said")
    Path(said).touch()
    (tmp_path / "conf.py").write_text(GUNICORN.format(said=said))
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "worker.py").write_text(COUNTS.format(said=said) + "while True: time.sleep(1)\n")
    (tmp_path / "Procfile").write_text(f"web: exec {sys.executable} {tmp_path}/worker.py\n")
    programs = Path(sys.executable).parent
    yield {
        "gunicorn": [f"{programs}/gunicorn", "-c", f"{tmp_path}/conf.py", "--bind", f"unix:{tmp_path}/s", "app:app"],
        "honcho": [f"{programs}/honcho", "-f", f"{tmp_path}/Procfile", "start"],
    }
    kill_what_is_left()


@pytest.mark.parametrize("via", [[], SHELL], ids=["alone", "behind a shell"])
@pytest.mark.parametrize("master", ["gunicorn", "honcho"])
def test_asked_once(
    pdwrap: list[str], masters: dict[str, list[str]], tmp_path: Path, master: str, via: list[str]
) -> None:
    """E3: one SIGTERM, the master's."""
    said = tmp_path / "said"
    argv = [*STARTER, *pdwrap, "--grace", "2s", "--", *via, *masters[master]]

    def prepare() -> None:
        os.setsid()
        os.chdir(tmp_path)

    running = Running(argv, env=clean_environment(), before_exec=prepare)
    wait_until(lambda: said.read_text() == "R", lambda: f"{shlex.join(argv)}: {running.stderr}")
    running.process.kill()
    wait_until(lambda: not [pid for pid in children() if not is_zombie(pid)], lambda: running.stderr)
    assert said.read_text() == "RT", running.stderr


def is_zombie(pid: int) -> bool:
    """Tell whether it has ended."""
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()
