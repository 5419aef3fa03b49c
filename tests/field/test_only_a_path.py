"""docs/only-a-path.md, as it is written there: the script of two lines, and Jupyter's kernel.json."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, Process, Running, Voice, clean_environment, reap_all, role
from tests.harness.foreign import CONT, PROGRAMS, SHORT, Foreign
from tests.harness.processes import children

pytestmark = pytest.mark.modes("fork", "exec")
DOCUMENT = ROOT / "docs" / "only-a-path.md"
WORKERS = Path(__file__).resolve().parent / "workers"
CODE = """
import os, subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
"""


def block(language: str) -> str:
    """The first block of code in a language."""
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def wrapper(path: Path, pdwrap: list[str], program: list[str]) -> str:
    """The script of two lines, for this pdwrap and this program."""
    text = block("sh").replace("pdwrap", shlex.join(pdwrap)).replace("/usr/bin/the-real-program", shlex.join(program))
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_script(pdwrap: list[str], mode: str, family: list[str], tmp_path: Path) -> None:
    """E1, E2, T1: a launcher that is told a path, with a blank in it, starts the script; its arguments arrive."""
    path = wrapper(tmp_path / "the script", pdwrap, role("reporter"))
    argv = ["node", str(PROGRAMS / "launcher.js"), "plain", path, f"exit={CONT}", *family]
    with Foreign(mode, argv, env=SHORT) as tree:
        tree.settle()
        assert tree.outer.pid == int(tree.says.next("started")[0])
        tree.fence()
        tree.program.kill()
        tree.assert_asked_once_and_gone()


class Jupyter:
    """A client that has started its kernel, and what that has started."""

    def __init__(self, pdwrap: list[str], folder: Path) -> None:
        """Start it."""
        spec = json.loads(block("json").replace('"python3"', json.dumps(sys.executable)))
        assert spec["argv"][0] == "pdwrap"
        place = folder / "kernels" / "wrapped"
        place.mkdir(parents=True)
        spec["argv"][:1] = pdwrap
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        env = {"JUPYTER_PATH": str(folder), "HOME": str(folder), "CODE": CODE, "PDWRAP_GRACE": "0.5s"}
        self._says = Voice()
        reads, self._line = os.pipe()
        self.running = Running(
            [sys.executable, str(WORKERS / "jupyter.py")],
            fds={0: reads, 1: self._says.writes},
            env=clean_environment({**env, "JUPYTER_RUNTIME_DIR": str(folder / "run"), "IPYTHONDIR": str(folder)}),
        )
        os.close(reads)
        self._says.give_away()
        self.kernel, self.child = (Process(int(pid)) for pid in self.hear("ran"))

    def hear(self, *words: str) -> list[str]:
        """Wait for what the client says."""
        try:
            return self._says.next(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}; stderr: {self.running.stderr!r}") from None

    def tell(self, line: str) -> None:
        """Have the client do something."""
        os.write(self._line, f"{line}\n".encode())

    def close(self) -> None:
        """Let go of it."""
        os.close(self._line)
        self.running.wait()
        self._says.close()
        self.kernel.close()
        self.child.close()
        reap_all()


@pytest.fixture
def jupyter(pdwrap: list[str], tmp_path: Path) -> Iterator[Callable[[], Jupyter]]:
    """Starts it."""
    made: list[Jupyter] = []

    def start() -> Jupyter:
        made.append(Jupyter(pdwrap, tmp_path))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_jupyter_is_killed(jupyter: Callable[[], Jupyter]) -> None:
    """E1, E2: the kernel's launcher is SIGKILLed: kernel, and what a cell has started in a session of its own."""
    session = jupyter()
    session.running.process.kill()
    assert session.kernel.is_dead()
    assert session.child.is_dead()


def test_jupyter_goes_on_as_before(jupyter: Callable[[], Jupyter], mode: str) -> None:
    """T2: an interrupt interrupts the cell; a restart and a shutdown work; and what a cell left ends, too."""
    session = jupyter()
    session.tell("interrupt")
    assert session.hear("interrupted") == ["KeyboardInterrupt"]
    assert session.kernel.alive
    session.tell("restart")
    session.hear("restarted")
    assert session.kernel.is_dead()
    session.tell("shutdown")
    session.hear("down")
    if mode == "exec":
        session.child.kill()  # what survives a backend that ends first is out of its reach
    assert session.child.is_dead()
    assert not children(session.running.pid)
