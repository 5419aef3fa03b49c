"""The same for `pdwrap-localai`: struck at each system call from the first that names the backends on.

Whatever becomes of it, LocalAI can start the backend: its run.sh runs, and comes to the script that was there. Done
again it is whole, and undone nothing is left of it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import environment

from . import calls
from .beside import Beside
from .point import Point, Struck
from .scene import Scene
from .tracer import Tracer

ENDINGS = ("wrap", "again", "upgraded", "unwrap")
"""What it is struck at: wrapping, wrapping with other options, wrapping what an upgrade has replaced, unwrapping."""

PROCESS = "L.1"
KIND = "sB"
ENDS = 30.0
SCRIPT = "#!/bin/sh\necho started\n"
NEWER = "#!/bin/sh\n# newer\necho started\n"


class Folder:
    """A folder with one backend, made ready for what is struck."""

    def __init__(self, ending: str, localai: Sequence[str]) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="pdwrap-attack-backends-"))
        self.backend = self.top / "x"
        self.backend.mkdir()
        self.script = SCRIPT
        self._localai = localai
        self._put(SCRIPT)
        if ending != "wrap":
            self.ask()
        if ending == "upgraded":
            self.script = NEWER
            (self.backend / "run.sh").unlink()
            self._put(NEWER)
        words = {"again": [str(self.top), "--", "--exec"], "unwrap": ["--unwrap", str(self.top)]}
        self.command = [*localai, *words.get(ending, [str(self.top)])]

    def _put(self, text: str) -> None:
        path = self.backend / "run.sh"
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)

    def ask(self, *words: str) -> tuple[int, str]:
        """Run pdwrap-localai undisturbed: its status and what it says."""
        done = subprocess.run(
            [*self._localai, *words, self.top],
            capture_output=True, text=True, check=False, env=environment(), timeout=ENDS,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def starts(self, when: str) -> list[str]:
        """Start the backend as LocalAI does."""
        try:
            done = subprocess.run(
                [self.backend / "run.sh"], capture_output=True, text=True, check=False, env=environment(), timeout=ENDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return [f"{when}: run.sh does not run: {error}"]
        return [] if done.stdout == "started\n" else [f"{when}: run.sh: {done.returncode} {done.stdout}{done.stderr}"]

    def wrong(self) -> list[str]:
        """What is wrong afterwards."""
        found = self.starts("afterwards")
        for words in ((), ("--unwrap",)):
            status, said = self.ask(*words)
            if status != 0:
                found.append(f"{' '.join(words) or 'wrap'}: {said.strip()}")
            found += self.starts(" ".join(words) or "wrapped anew")
        there = sorted(path.name for path in self.backend.iterdir())
        if there != ["run.sh"] or (self.backend / "run.sh").read_text(encoding="ascii") != self.script:
            found.append(f"unwrapped, and not as it was: {', '.join(there)}")
        return found

    def close(self) -> None:
        """Take it away."""
        shutil.rmtree(self.top, ignore_errors=True)


def listing(ending: str, localai: Sequence[str], beside: Beside) -> list[tuple[int, calls.Call]]:
    """List the calls from the first that names the backends on."""
    folder = Folder(ending, localai)
    scene = Scene(beside, KIND, folder.command)
    tracer = Tracer(scene, "list")
    try:
        scene.release()
        scene.until(lambda: scene.account.status is not None, ENDS)
        found = [each for each in calls.read(tracer.text, 0) if each[1].name == PROCESS]
        first = next(n for n, (_, call) in enumerate(found) if str(folder.top) in call.path)
        return [(at, call._replace(ours=True)) for at, call in found[first:]]
    finally:
        tracer.close()
        scene.close()
        folder.close()


def run(point: Point, localai: Sequence[str], beside: Beside) -> Struck:
    """Strike once."""
    folder = Folder(point.ending, localai)
    scene = Scene(beside, KIND, folder.command)
    tracer = Tracer(scene, *point.words)
    try:
        scene.release()
        wrong = [] if scene.until(lambda: scene.account.status is not None, ENDS) else ["hangs"]
        if "Traceback" in scene.said:
            wrong.append("a traceback")
        hit, said = tracer.hit, scene.said
        tracer.close()
        scene.close()
        return Struck(wrong + folder.wrong(), "", hit, said)
    finally:
        tracer.close()
        scene.close()
        folder.close()
