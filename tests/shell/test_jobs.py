"""T2, T3, E1 in scripts that run a backend behind `&`: `kill`, `wait`, ``set -m``, traps, and whose death counts.

What is demanded of a script's own doings it does without pdwrap, too.
"""

from __future__ import annotations

import signal

import pytest

from tests.harness import Process
from tests.harness.roles import FENCE
from tests.harness.scripts import ALSO_BARE, OBEY, ORDERS, STEP, Script, Scripts

BOTH = pytest.mark.modes("fork", "exec")

TERM, INT, HUP, USR1 = int(signal.SIGTERM), int(signal.SIGINT), int(signal.SIGHUP), int(signal.SIGUSR1)
SHELLS = pytest.mark.parametrize("shell", ["dash", "bash"])


def waited_for(script: Script) -> Process:
    """Wait until the script says ``waiting``, the backend is ready, and the script sleeps in its `wait`."""
    while not (script.voice.all("waiting") and script.voice.all("ready")):
        script.hear()
    script.shell.wait_state("S")
    return script.hold(int(script.voice.all("ready", "backend")[0][0]))


def fence(script: Script) -> list[int]:
    """Send FENCE to the script's job; give all signals that the backend got before."""
    backend = script.backends(0)[0]
    assert script.order(f"kill -{FENCE} $job") == 0
    script.hear("got", str(backend.pid), str(FENCE))
    return [number for number in script.signals(backend) if number != FENCE]


@ALSO_BARE
@SHELLS
def test_kill_and_wait(scripts: Scripts, shell: str) -> None:
    """T2, T3: `kill $!` arrives once for each time, whichever signal; `wait $!` gives the backend's own status."""
    script = scripts.start(shell, f"pdwrap -- ROLE reporter exit=15 code=9 & job=$!; {OBEY}")
    script.backends()
    for number in (HUP, USR1, USR1):
        assert script.order(f"kill -{number} $job") == 0
        script.hear("got")
    assert fence(script) == [HUP, USR1, USR1]
    assert script.order("kill $job; wait $job") == 9
    script.close()


@ALSO_BARE
def test_kill_of_a_job(scripts: Scripts) -> None:
    """T2, T3: with ``set -m`` a job has a group of its own, to which `kill %1` goes: once, all the same."""
    script = scripts.start("bash", f"set -m; pdwrap -- ROLE reporter exit=15 code=9 & job=$!; {OBEY}")
    backend = script.backends()[0]
    for number in (HUP, INT):
        assert script.order(f"kill -{number} %1") == 0
        script.hear("got", str(backend.pid), str(number))
    assert fence(script) == [HUP, INT]
    assert script.order("kill %1; wait %1") == 9
    script.close()


@ALSO_BARE
def test_stopped_job(scripts: Scripts) -> None:
    """T2, T3: with ``set -m``, a job that is stopped shows so, `bg` continues it, and it ends."""
    steps = "; ".join([STEP] * 6)  # no loop: bash leaves all loops when a job stops
    script = scripts.start("bash", f"set -m; pdwrap -- ROLE catcher exit=15 & job=$!; {steps}")
    backend = script.backends()[0]
    assert script.order("echo job $job >&9; kill -TSTP %1") == 0
    backend.wait_stopped()
    outermost = Process(int(script.hear("job")[0]))
    outermost.wait_stopped()
    outermost.close()
    assert script.order("[[ $(jobs -s) == *Stopped* ]]") == 0
    assert script.order("bg %1") == 0
    script.hear("got", str(backend.pid), str(int(signal.SIGCONT)))
    assert script.order("[[ $(jobs -r) == *Running* ]]") == 0
    assert fence(script) == [signal.SIGCONT]
    assert script.order("kill %1; wait %1") == 0
    script.close()


@ALSO_BARE
@SHELLS
@pytest.mark.parametrize("number", [TERM, HUP, USR1])
def test_trap_that_ends_the_backend(scripts: Scripts, shell: str, number: int) -> None:
    """T2, T3: a script's own trap runs at once while it waits, ends the backend once, and has its status."""
    script = scripts.start(
        shell,
        f"""trap 'echo exit $? >&9' EXIT; trap 'kill $job; wait $job; echo backend $? >&9; exit 5' {number}
        pdwrap -- ROLE reporter exit=15 code=9 & job=$!; echo waiting >&9; wait $job; echo wait >&9; exit 6""",
    )
    backend = waited_for(script)
    script.shell.signal(number)
    assert script.hear("backend") == ["9"]
    assert script.hear("exit") == ["5"]
    assert script.close().code == 5
    assert script.signals(backend) == [TERM]
    assert not script.voice.all("wait")


@ALSO_BARE
@SHELLS
def test_trap_waits_for_the_foreground(scripts: Scripts, shell: str) -> None:
    """T2: a trap runs when the command in the foreground has ended, as shells have it; the backend hears nothing."""
    script = scripts.start(shell, "trap 'echo trap >&9' TERM; pdwrap -- ROLE reporter exit=10; echo $? >&9")
    backend = script.backends()[0]
    script.shell.signal(TERM)
    backend.signal(USR1)
    script.hear("leaving")
    script.hear("trap")
    assert script.hear("0") == []
    script.close()
    assert script.signals(backend) == [USR1]


@ALSO_BARE
@SHELLS
def test_wait_that_a_trap_interrupts(scripts: Scripts, shell: str) -> None:
    """T3: `wait` returns 128+n for a trapped signal, and the next `wait` the backend's status."""
    script = scripts.start(
        shell,
        """trap : USR1; pdwrap -- ROLE reporter exit=15 code=9 & echo waiting >&9
        wait $!; echo first $? >&9; wait $!; echo next $? >&9""",
    )
    backend = waited_for(script)
    script.shell.signal(USR1)
    assert script.hear("first") == [str(128 + USR1)]
    backend.signal(TERM)
    assert script.hear("next") == ["9"]
    script.close()


@BOTH
@SHELLS
def test_script_dies_without_its_trap(scripts: Scripts, shell: str) -> None:
    """E1, E3: SIGKILL runs no trap; the backend is asked, and all of it ends."""
    script = scripts.start(
        shell,
        "export PDWRAP_GRACE=0.2; trap 'kill $!' EXIT TERM; pdwrap -- ROLE reporter exit=15 child=stubborn & wait",
    )
    backend = script.backends()[0]
    script.shell.kill()
    script.close()
    assert script.signals(backend)[0] == TERM


@BOTH
def test_timeout_kills(scripts: Scripts) -> None:
    """E4, E1: `timeout -k` sends its SIGKILL to its child and to its group, itself included: nothing is left.

    In exec mode a child in a session of its own would be out of reach: the backend dies with its launcher.
    """
    kinds = ["", "setsid:"] if scripts.mode == "fork" else [""]
    member = " ".join(["ROLE stubborn", *(f"child={kind}stubborn" for kind in kinds)])
    script = scripts.start("dash", f"PDWRAP_GRACE=0.2 timeout -k 0.1 100 pdwrap -- {member} & job=$!; {OBEY}")
    script.backends()
    assert script.order("kill $job; wait $job") == 137  # told to end, it does as when the time is up
    script.close()


@BOTH
@pytest.mark.limit
def test_process_substitution_below_its_writer(scripts: Scripts) -> None:
    """Limit: in ``CMD > >(pdwrap -- x)`` bash makes x a child of CMD: CMD's end counts, whatever x has yet to read."""
    script = scripts.start("bash", f"sh -c 'read x <&{ORDERS}' > >(pdwrap -- ROLE reporter exit=15); {OBEY}")
    backend = script.backends()[0]
    script.tell("")
    script.hear("got", str(backend.pid), "15")
    script.close()


@BOTH
def test_process_substitution_that_outlives_its_writer(scripts: Scripts) -> None:
    """N1: with ``--parent $$`` it is the script whose death counts, and only that."""
    line = f"sh -c 'read x <&{ORDERS}' > >(pdwrap --parent $$ -- ROLE reporter exit=15); {OBEY}"
    script = scripts.start("bash", line)
    backend = script.backends()[0]
    script.tell("")
    assert script.order("kill -0 $$") == 0  # the writer has ended
    backend.signal(10)
    script.hear("got", str(backend.pid), "10")
    script.close()
    assert script.signals(backend) == [10, 15]


@BOTH
def test_subshell_that_ends(scripts: Scripts) -> None:
    """E1: in ``(pdwrap -- x &)`` the launcher is the subshell, whose end is the backend's, once it has started."""
    script = scripts.start("dash", f"(pdwrap -- ROLE reporter exit=15 & read x <&{ORDERS}); {OBEY}")
    backend = script.backends()[0]
    script.tell("")
    script.hear("got", str(backend.pid), "15")
    script.close()
