"""What follows from what a machine lacks: the rules of the doctor, and what its page says of them."""

from __future__ import annotations

import re

import pytest

from pdwrap.cli import guarantees, probes
from pdwrap.cli.guarantees import BOTH, BROKEN, PROMISES, REFUSED, RULES, WEAKER
from tests.docs.pages import PAGES

EVERY = [*RULES]


def test_the_promises_are_those_of_the_document() -> None:
    """Each number of docs/promise.md is one of a mode's; E5 is fork mode's alone, T6 exec mode's."""
    listed = re.findall(r"^- \*\*([ENT]\d)\*\*", PAGES["docs/promise.md"].text, re.MULTILINE)
    assert set(listed) == set(PROMISES["fork"]) | set(PROMISES["exec"])
    assert set(PROMISES["fork"]) ^ set(PROMISES["exec"]) == {"E5", "T6"}


def test_every_probe_has_a_rule() -> None:
    """What does not work is never without consequence."""
    assert set(probes.PROBES) <= set(RULES)


@pytest.mark.parametrize("name", EVERY)
def test_each_rule_says_why_and_what_to_do(name: str) -> None:
    """A reason stands where it belongs, and no rule is without help."""
    for change in RULES[name]:
        assert change.kind in (REFUSED, BROKEN, WEAKER)
        assert "{}" in change.why
        assert change.what_to_do
        assert set(change.promises) <= {promise for mode in change.modes or BOTH for promise in PROMISES[mode]}
        assert bool(change.promises) != (change.kind == REFUSED)


@pytest.mark.parametrize("of", BOTH)
@pytest.mark.parametrize("name", [name for name in EVERY if name != "proof"])
def test_nothing_holds_that_a_rule_takes_away(name: str, of: str) -> None:
    """A promise is whole, weaker or broken; where a mode refuses, none is kept."""
    found = guarantees.verdict(of, guarantees.changes({name: "so"}))
    touched = {promise for change in (*found.weaker, *found.broken) for promise in change.promises}
    refused = any(change.kind == REFUSED for change in found.broken)
    assert set(found.holds) == (set() if refused else set(PROMISES[of]) - touched)
    assert all("so" in change.why for change in (*found.weaker, *found.broken))


def test_nothing_is_lacking() -> None:
    """Then all of them hold."""
    for of in BOTH:
        assert guarantees.verdict(of, []) == (list(PROMISES[of]), [], [])


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([], ""),
        (["E1"], "E1"),
        (["E1", "E2", "E3"], "E1-E3"),
        (["E1", "E2", "E4", "N1", "N2", "T6"], "E1-E2, E4, N1-N2, T6"),
        (["E9", "N1"], "E9, N1"),
    ],
)
def test_ranges(numbers: list[str], written: str) -> None:
    """Numbers in a row are written as a range."""
    assert guarantees.ranges(numbers) == written
