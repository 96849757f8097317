"""The names of secrets that are mapped by tags: readable, possible, and never two places' at once."""

import re

from hypothesis import given
from hypothesis import strategies as st

from keyferry.backends.gcp.place import nameable
from keyferry.backends.gcp.writing import name_of

PARTS = st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=3)


def test_a_name_is_its_parts():
    assert name_of(["acme", "payments", "db"]) == "acme_payments_db"
    assert name_of(["payments", "DB-9"]) == "payments_DB-9"


def test_what_a_name_cannot_hold_is_replaced_and_told_apart():
    assert re.fullmatch(r"acme-payments_db-[0-9a-f]{8}", name_of(["acme.payments", "db"]))
    assert len({name_of(["a", "b.c"]), name_of(["a", "b-c"]), name_of(["a", "b/c"]), name_of(["a.b", "c"])}) == 4
    assert name_of(["a", "b_c"]) != name_of(["a_b", "c"])


@given(PARTS)
def test_every_name_is_possible(parts: list[str]):
    assert nameable(name_of(parts))


@given(PARTS, PARTS)
def test_no_two_places_have_one_name(one: list[str], other: list[str]):
    assert (name_of(one) == name_of(other)) is (one == other)
