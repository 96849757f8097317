from typing import Any

import pytest

from keyferry.backends.hcp.answers import data_in, line_of, possible, secrets_in
from keyferry.errors import BackendUnavailable, SecretUnusable

MADE = "2026-01-01T00:00:00.5Z"


def told(**more: Any) -> dict[str, Any]:
    return {"name": "DB", "type": "kv", "latest_version": 3, "created_at": MADE, **more}


def version(**more: Any) -> str:
    line = line_of(told(**more))
    return line.pinned(line.number)


def test_a_version_is_the_number_and_when_the_secret_was_made():
    assert version() == "3@2026-01-01T00:00:00.500000Z"
    assert version(created_at="2026-01-01T00:00:00.500000000Z") == version()
    assert len({version(), version(latest_version=4), version(created_at="2026-01-01T00:00:00.6Z")}) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"static_version": {"version": 3}, "latest_version": 1},
        {"rotating_version": {"version": 3}, "type": "rotating", "latest_version": 1},
        {"latest_version": "3"},
    ],
    ids=["static", "rotating", "as text"],
)
def test_the_number_is_that_of_what_is_held(more: dict[str, Any]):
    assert version(**more) == version()


@pytest.mark.parametrize("lacking", ["name", "type", "created_at", "latest_version"])
def test_half_a_secret_is_an_error_and_not_a_missing_secret(lacking: str):
    with pytest.raises(BackendUnavailable):
        line_of({name: each for name, each in told().items() if name != lacking})


@pytest.mark.parametrize("body", [{}, {"secrets": None}, {"secrets": {}}, {"secrets": ["x"]}], ids=str)
def test_half_a_list_is_an_error_and_not_an_empty_one(body: dict[str, Any]):
    with pytest.raises(BackendUnavailable):
        secrets_in(body)


@pytest.mark.parametrize(
    ("more", "data"),
    [
        ({"static_version": {"value": ""}}, b""),
        ({"static_version": {"value": '{"a": 1}'}}, b'{"a": 1}'),
        ({"rotating_version": {"values": {"b": "2", "a": "1"}}}, b'{"a":"1","b":"2"}'),
        ({"dynamic_instance": {"values": {"a": "1"}}}, b'{"a":"1"}'),
    ],
)
def test_a_value_is_its_text_or_an_object_of_what_it_holds(more: dict[str, Any], data: bytes):
    assert data_in(told(**more), "DB") == data


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"static_version": {}},
        {"static_version": {"value": None}},
        {"rotating_version": None},
        {"rotating_version": {"values": {}}},
        {"dynamic_instance": {"values": {"a": 1}}},
    ],
    ids=str,
)
def test_where_no_value_is_told_there_is_none_and_never_an_empty_one(more: dict[str, Any]):
    with pytest.raises(SecretUnusable, match="DB: HCP tells no value"):
        data_in(told(**more), "DB")


@pytest.mark.parametrize("name", ["DB", "_", "a1", "x" * 64])
def test_names_are_those_of_variables(name: str):
    assert possible(name)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a/b", "a.b", "é", "x" * 65, "a\n", "DB:open", "../DB"])
def test_what_could_lead_elsewhere_is_no_name(name: str):
    assert not possible(name)
