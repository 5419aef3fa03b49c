"""Whom nobody has asked to end: what a shell or a runner keeps a first signal from.

A shell with a trap, `unshare --fork`, strace, the init of a pid namespace take SIGTERM for themselves, and what they
run would be killed unasked when the grace is over. So half way through it what is below them, and is neither, is asked.
Workers of any other backend are not: who passes SIGTERM on would ask them twice. (So does a trap that passes it on,
which cannot be seen.)
"""

from pdwrap.linux import procfs
from pdwrap.runners import find_runner
from pdwrap.shells import name_of_shell


def find_unasked(backend: int) -> list[tuple[int, int]]:
    """List what is below a backend that is a shell or a runner, nearest below them: each with its parent.

    None where the backend is neither, or the nearest runner above has handed the signal on.
    """
    if not _only_runs(procfs.words(backend)):
        return []
    found: list[tuple[int, int]] = []
    todo = [backend]
    while todo:
        above = todo.pop()
        runner = find_runner(procfs.words(above))
        for pid in procfs.children_of(above):
            words = procfs.words(pid)
            if _only_runs(words):
                todo.append(pid)
            elif words and not (runner is not None and runner.forwards):  # a zombie has none
                found.append((pid, above))
    return found


def _only_runs(words: "tuple[str, ...]") -> bool:
    return bool(name_of_shell(words)) or find_runner(words) is not None
