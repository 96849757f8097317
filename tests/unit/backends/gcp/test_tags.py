"""Tags in labels and annotations: where each is put, and what happens when both speak."""

import pytest

from keyferry.backends.gcp.tags import Marks, marks_for
from keyferry.errors import SpecInvalid

NOTHING = Marks({}, {})
MAPPING = ("namespace", "key")


def readings(labels: dict[str, str], annotations: dict[str, str]) -> list[tuple[dict[str, str], bool]]:
    return [(tags, bool(unclear)) for tags, unclear in Marks(labels, annotations).readings(MAPPING)]


def test_labels_and_annotations_are_tags_together():
    assert readings({"namespace": "payments"}, {"key": "DB_PASSWORD"}) == [
        ({"namespace": "payments", "key": "DB_PASSWORD"}, False)
    ]


def test_both_may_say_the_same():
    assert readings({"key": "db"}, {"key": "db"}) == [({"key": "db"}, False)]


def test_a_contradiction_about_whose_it_is_is_told_for_either_way_to_read_it():
    assert readings({"key": "db"}, {"key": "DB"}) == [({"key": "db"}, True), ({"key": "DB"}, True)]
    (_, why), _ = Marks({"key": "db"}, {"key": "DB"}).readings(MAPPING)
    assert why == "its label and its annotation 'key' say different things: take one of them away"


def test_of_any_other_tag_the_label_counts():
    assert readings({"tier": "web"}, {"tier": "The web's"}) == [({"tier": "web"}, False)]


@pytest.mark.parametrize(
    ("key", "value", "labelled"),
    [
        ("key", "db", True),
        ("key", "", True),
        ("key", "a_b-9", True),
        ("key", "x" * 63, True),
        ("key", "x" * 64, False),
        ("key", "DB_PASSWORD", False),
        ("key", "acme.payments", False),
        ("key", "tls/server", False),
        ("key", "žluť", False),
        ("Key", "db", False),
        ("9key", "db", False),
        ("a.key", "db", False),
    ],
)
def test_a_tag_is_a_label_where_that_can_hold_it(key: str, value: str, *, labelled: bool):
    made = marks_for({key: value}, NOTHING)
    assert (made.labels, made.annotations) == (({key: value}, {}) if labelled else ({}, {key: value}))


def test_what_is_an_annotation_stays_one():
    before = Marks({"key": "db"}, {"tier": "api", "key": "DB"})
    assert marks_for({"tier": "web", "key": "db"}, before) == Marks({"key": "db"}, {"tier": "web"})


@pytest.mark.parametrize("key", ["keyferry.dev/namespace", "", "x" * 64, "-a", "a b"])
def test_a_key_that_neither_can_have_is_refused_with_what_to_write(key: str):
    with pytest.raises(SpecInvalid, match="write at most 63 letters, digits"):
        marks_for({key: "v"}, NOTHING)


def test_the_limits_of_a_secret_are_told():
    with pytest.raises(SpecInvalid, match="at most 64 labels, not 65"):
        marks_for({f"k{n}": "v" for n in range(65)}, NOTHING)
    with pytest.raises(SpecInvalid, match="more than the 16384 bytes"):
        marks_for({"key": "X" * 16384}, NOTHING)
