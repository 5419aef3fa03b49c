"""scripts/chaos and scripts/points: what they hold pdwrap to is no test's business, but their own judgement is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest
from attacks.account import Account
from attacks.again import MOST_ONCE, Again, again, fails
from attacks.build import program
from attacks.plan import above, count, letters

from tests.harness import reap_all, wait_until

TREE = "((gi),gi,i(s(g,(i)),))"


def test_who_is_above_whom_is_counted_as_the_actors_count(tmp_path: Path) -> None:
    """A survivor is excused by what befell those above it: each node's parent is the last of them."""
    account = tmp_path / "account"
    account.touch(mode=0o666)
    variables = {**os.environ, "ATTACK_ACCOUNT": str(account)}
    with subprocess.Popen([program("actors"), "tree", TREE], env=variables) as backend:
        try:
            wait_until(lambda: len(Account(account).nodes) == count(TREE), lambda: "not all of them stand")
            nodes = Account(account).nodes
            seen = {node: psutil.Process(pid).ppid() for node, pid in nodes.items() if node}
        finally:
            for child in psutil.Process(backend.pid).children(recursive=True):
                child.kill()
            backend.kill()
    reap_all()
    assert seen == {node: nodes[above(TREE, node)[-1]] for node in seen}
    assert letters(TREE) == ["", "", "gi", "gi", "i", "s", "g", "", "i", ""]
    assert above(TREE, 0) == above(TREE, -1) == []
    assert above(TREE, 7) == [0, 4, 5]


@pytest.mark.parametrize(
    ("bad", "came"),
    [
        ([True], Again(1, came_back=True)),
        ([False, False, True], Again(3, came_back=True)),
        ([], Again(10, came_back=False)),
    ],
)
def test_what_was_bad_is_struck_again_until_it_is_bad_again(bad: list[bool], came: Again) -> None:
    """Ten times at most."""
    struck = iter([*bad, *[False] * 20])
    assert again(lambda: next(struck)) == came
    assert len(list(struck)) == 20 + len(bad) - came.tries


def test_what_does_not_come_back_fails_a_strict_run_and_one_that_has_several() -> None:
    """It is never hidden: a few may be the machine's."""
    assert not fails(0, strict=True)
    assert fails(1, strict=True)
    assert not fails(MOST_ONCE, strict=False)
    assert fails(MOST_ONCE + 1, strict=False)
