"""MCP servers: a client of the SDK starts one from npm, through npx, and dies; or closes the server's input.

A server that has a timer or a connection open does not end with its input, and that is what is left in the world:
`holds.js` gives the real one (@modelcontextprotocol/server-memory) such a thing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness import ROOT, Process, Running, Voice, children, clean_environment, reap_all

WORKERS = Path(__file__).resolve().parent / "workers"
NPM = Path(sys.prefix) / "npm"
DOCUMENT = ROOT / "docs" / "mcp.md"
SCRIPT = "node_modules/@modelcontextprotocol/server-memory/dist/index.js"
TOOLS = 9
FORMS_SHOWN = ["pdwrap npx", "npx pdwrap"]
FORMS = pytest.mark.parametrize("form", FORMS_SHOWN)
"""pdwrap before npx, or in the line that npx has a shell run."""
BOTH = pytest.mark.modes("fork", "exec")
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def command(form: str, pdwrap: Sequence[str]) -> list[str]:
    """The command line of a configuration file, as docs/mcp.md has it; without *pdwrap* as it was before."""
    blocks = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (entry,) = json.loads(blocks[FORMS_SHOWN.index(form)])["mcpServers"].values()
    if form == "pdwrap npx":
        assert [entry["command"], entry["args"][0]] == ["pdwrap", "--"]
        return [*pdwrap, *entry["args"]] if pdwrap else entry["args"][1:]
    option, line = entry["args"]
    before, _, after = line.replace("server.js", SCRIPT).partition("pdwrap -- ")
    assert before == ""
    return [entry["command"], option, shlex.join([*pdwrap, "--"]) + " " + after if pdwrap else after]


def below(pid: int) -> list[int]:
    """Its descendants."""
    return [each for child in children(pid) for each in (child, *below(child))]


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a program where npx finds the server; with *holds* the server outlives its input."""

    def started(argv: Sequence[str], fds: dict[int, int], *, holds: bool = False) -> Running:
        env = {"npm_config_update_notifier": "false", "npm_config_cache": str(tmp_path / "cache")}
        env |= {"HOME": str(tmp_path), "MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl"), "PDWRAP_GRACE": "0.5s"}
        if holds:
            env["NODE_OPTIONS"] = f"--require={WORKERS / 'holds.js'}"
        return Running(argv, fds=fds, env=clean_environment(env), before_exec=lambda: os.chdir(NPM))

    return started


class Client:
    """The SDK's client with its server."""

    def __init__(self, start: Start, argv: Sequence[str], *, holds: bool = False) -> None:
        """Start both."""
        self._says = Voice()
        reads, self._line = os.pipe()
        client = [sys.executable, str(WORKERS / "mcp_client.py"), *argv]
        self.running = start(client, {0: reads, 1: self._says.writes}, holds=holds)
        os.close(reads)
        self._says.give_away()

    def tree(self) -> list[Process]:
        """Wait until the server has answered; then everybody below the client."""
        assert self.hear("tools") == [str(TOOLS)]
        return [Process(pid) for pid in below(self.running.pid)]

    def hear(self, *words: str) -> list[str]:
        """Wait for what the client says."""
        try:
            return self._says.next(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}; stderr: {self.running.stderr!r}") from None

    def close(self) -> None:
        """Let go of it; a client that lives ends its session."""
        os.close(self._line)
        self.running.wait()
        self._says.close()


@pytest.fixture
def client(start: Start) -> Iterator[Callable[..., Client]]:
    """Starts clients."""
    made: list[Client] = []

    def starter(argv: Sequence[str], *, holds: bool = False) -> Client:
        made.append(Client(start, argv, holds=holds))
        return made[-1]

    yield starter
    for each in made:
        each.close()
    reap_all()


def assert_gone(tree: Sequence[Process]) -> None:
    """All of them are dead."""
    assert not [each for each in tree if not each.is_dead()]
    for each in tree:
        each.close()


@BOTH
@FORMS
def test_client_is_killed(client: Callable[..., Client], pdwrap: list[str], form: str) -> None:
    """E1, E2, E9: the client is SIGKILLed: npx, its shell and the server are gone, though the server holds on."""
    session = client(command(form, pdwrap), holds=True)
    tree = session.tree()
    assert len(tree) >= 2
    session.running.process.kill()
    assert_gone(tree)
    assert "launcher" in session.running.stderr


@BOTH
def test_npx_is_killed(client: Callable[..., Client], pdwrap: list[str]) -> None:
    """E9: npx dies, which only waited: the server below the pdwrap in its line ends."""
    session = client(command("npx pdwrap", pdwrap), holds=True)
    npx, *others = session.tree()
    npx.kill()
    assert_gone([npx, *others])


@pytest.mark.limit
@FORMS
def test_without_pdwrap_it_stays(client: Callable[..., Client], form: str) -> None:
    """What is prevented: npx and the server outlive their client."""
    session = client(command(form, ()), holds=True)
    tree = session.tree()
    session.running.process.kill()
    assert session.running.process.is_dead()
    assert all(each.alive for each in tree)
    for each in tree:
        each.kill()
    assert_gone(tree)


@BOTH
@FORMS
def test_session_is_closed(client: Callable[..., Client], pdwrap: list[str], form: str) -> None:
    """T2, T3: the SDK ends its session, and all have ended; pdwrap has nothing to say."""
    session = client(command(form, pdwrap))
    tree = session.tree()
    os.write(session._line, b"\n")  # noqa: SLF001
    session.hear("closed")
    assert_gone(tree)
    assert "pdwrap:" not in session.running.stderr


def talk(start: Start, argv: Sequence[str]) -> tuple[int, str]:
    """Say hello to a server, and close its input; tell its exit status, and what it answered."""
    reads, writes = os.pipe()
    says = Voice()
    running = start(argv, {0: reads, 1: says.writes})
    os.close(reads)
    says.give_away()
    os.write(writes, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode() + b"\n")
    answer = json.loads(" ".join(says.next()))
    os.close(writes)
    outcome = running.wait()
    assert says.ended()
    says.close()
    assert "pdwrap:" not in outcome.stderr
    reap_all()
    return outcome.code, answer["result"]["serverInfo"]["name"]


@BOTH
@FORMS
def test_input_is_closed(start: Start, pdwrap: list[str], form: str) -> None:
    """T1, T3: end-of-file alone ends the server, with the status that it has without pdwrap."""
    assert talk(start, command(form, pdwrap)) == talk(start, command(form, ()))
