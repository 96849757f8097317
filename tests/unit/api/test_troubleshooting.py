"""Operations tells where to look first, for every condition and reason that there is, and for no other."""

import re
from pathlib import Path

from tests.unit.api.test_reference import AT_REST, errors, page

OPERATIONS = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
TYPES = {"Ready", "Reconciling", "Stalled", "Listening"}
NEVER_TOLD = {"StoreNotReady"}  # it is waited out


def rows(heading: str) -> list[str]:
    """The first cell of each line of the table below a heading."""
    part = OPERATIONS.partition(f"### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE)


def named(heading: str) -> set[str]:
    return {word for row in rows(heading) for word in re.findall(r"`(\w+)", row)}


def test_every_reason_has_its_line_and_every_line_is_about_a_reason():
    at_rest = {reason for kind in ("externalsecret", "secretstore") for reason in AT_REST.findall(page(kind))}
    assert named("By reason") == at_rest | {error.reason for error in errors()} - NEVER_TOLD


def test_no_reason_has_two_lines():
    words = [word for row in rows("By reason") for word in re.findall(r"`(\w+)`", row)]
    assert len(words) == len(set(words))


def test_every_condition_has_its_line():
    assert {word for word in named("By condition") if word[0].isupper()} == TYPES
