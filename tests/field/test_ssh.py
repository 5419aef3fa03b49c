"""ssh, as docs/lifelines.md says: a real sshd on this machine, whose client is SIGKILLed (E1, E9)."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Running, Voice, clean_environment, reap_all
from tests.harness.foreign import CONT, TERM, reporter
from tests.harness.patience import wait_until

from .service import free_port

pytestmark = pytest.mark.modes("fork", "exec")
SSHD = "/usr/sbin/sshd"


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """A client's command line, up to what the other side is to run."""
    folder, port = tmp_path, free_port()
    for key in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # which its service makes, where there is one
    settings = [
        f"Port={port}",
        "ListenAddress=127.0.0.1",
        f"HostKey={folder}/host",
        f"AuthorizedKeysFile={folder}/key.pub",
    ]
    settings += ["StrictModes=no", "PidFile=none", "UsePAM=no", "PermitRootLogin=yes"]
    server = Running([SSHD, "-D", "-e", "-f", "/dev/null", *(word for each in settings for word in ("-o", each))])
    wait_until(lambda: "Server listening" in server.stderr, lambda: server.stderr)
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    yield ["ssh", "-F", "none", "-i", str(folder / "key"), "-p", str(port)] + [
        word for each in options for word in ("-o", each)
    ]
    server.process.kill()
    server.wait()
    reap_all()


@pytest.mark.parametrize("form", ["{}", "cd / && {}; true", "--lifeline 0"])
def test_client_is_killed(ssh: list[str], pdwrap: list[str], form: str) -> None:
    """E1, E9: the backend of a connection whose client is gone is asked, and ends; through a shell as well."""
    voice = Voice()
    pipe = f"9>/proc/{os.getpid()}/fd/{voice.writes}"  # sshd hands on 0, 1 and 2 alone
    lifeline = ["--lifeline", "0"] if "lifeline" in form else []
    line = f"{shlex.join([*pdwrap, '--grace', '0.5s', *lifeline, '--', *reporter()])} {pipe}"
    remote = line if lifeline else form.format(line)
    reads, writes = os.pipe()
    client = Running([*ssh, "localhost", remote], fds={0: reads}, env=clean_environment())
    os.close(reads)
    try:
        backend = voice.next("ready", "backend")[0]
    except AssertionError as error:
        raise AssertionError(f"{error}; stderr: {client.stderr!r}") from None
    voice.give_away()
    client.process.kill()
    client.wait()
    os.close(writes)
    assert voice.ended()
    assert [int(words[0]) for words in voice.all("got", backend)] == [TERM, CONT]
    voice.close()
