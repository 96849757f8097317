"""Secrets as values, entries and labels, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.backends.base import Catalogue, Hints, Restorer, Writer
from keyferry.backends.kubernetes import create
from keyferry.backends.kubernetes.answers import (
    as_json,
    checked_labels,
    checked_scope,
    content,
    entry,
    possible,
    selector,
    value,
)
from keyferry.errors import SpecInvalid, ValueInvalid
from keyferry.values import Scope
from tests.contract.context import context

SPEC = {"remoteNamespace": "a", "auth": {"method": "ServiceAccount", "serviceAccountRef": {"name": "reader"}}}
KEYS = some.text("abc.-_", min_size=1, max_size=5)


@given(some.dictionaries(KEYS, some.binary(max_size=20)))
def test_a_map_of_bytes_survives_json(members: dict[str, bytes]):
    coded = content(as_json(members), "db")
    assert value({"metadata": {"resourceVersion": "1"}, "data": coded}, "db").members == members


def test_text_is_text_and_bytes_say_that_they_are_none():
    shown = json.loads(as_json({"b": b"\xff\x00", "a": "žluť".encode(), "c": b'{"base64": "x"}'}))
    assert shown == {"a": "žluť", "b": {"base64": "/wA="}, "c": '{"base64": "x"}'}
    assert list(shown) == ["a", "b", "c"]


def test_a_secret_without_data_is_an_empty_map():
    empty = value({"metadata": {"resourceVersion": "1"}}, "db")
    assert (empty.data, empty.members, empty.version) == (b"{}", {}, "1")


@pytest.mark.parametrize(
    "data",
    [
        b"canary",
        b"[1]",
        b'"canary"',
        b'{"a/b": "canary"}',
        b'{"": "canary"}',
        b'{"a": 1}',
        b'{"a": null}',
        b'{"a": {"b": "canary"}}',
        b'{"a": {"base64": "canary?"}}',
        b'{"a": "\\ud800canary"}',
        b"[" * 100000,
    ],
)
def test_what_is_no_map_of_bytes_is_refused_and_not_quoted(data: bytes):
    with pytest.raises(ValueInvalid, match="db") as refused:
        content(data, "db")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("name", ["db", "a.b", "0-1", "x" * 253])
def test_such_names_can_be(name: str):
    assert possible(name)


@pytest.mark.parametrize(
    "name", ["", "a/b", "../a", "A", "a_b", "a..b", "-a", "a-", "a.", "x" * 254, "a\n", "ä", "a?b=c"]
)
def test_such_names_cannot_be_and_lead_nowhere(name: str):
    assert not possible(name)


def test_labels_are_tags_and_the_resource_version_is_the_version():
    found = entry({"name": "db", "resourceVersion": "7", "labels": {"key": "db"}, "annotations": {"a": "canary"}})
    assert (found.id, found.name, found.versions, found.tags) == ("db", "db", {"": "7"}, {"key": "db"})
    assert "canary" not in repr(found)


def test_a_scope_by_tags_selects_by_labels():
    assert selector(Scope(tags={"prefix": "acme", "keyferry.dev/key": ""})) == "keyferry.dev/key,prefix=acme"
    assert selector(Scope()) == ""
    assert selector(Scope(tags={"prefix": "a,b"})) is None
    assert selector(Scope(tags={"a=b": ""})) is None


@pytest.mark.parametrize("scope", [Scope(name_prefix="acme/"), Scope(name_prefix="A"), Scope(tags={"prefix": "ä"})])
def test_a_scope_that_holds_nothing_is_refused(scope: Scope):
    with pytest.raises(SpecInvalid):
        checked_scope(scope)


@pytest.mark.parametrize("tags", [{"a b": "x"}, {"a": "b c"}, {"a": "x" * 64}, {"a": "-x"}, {"/a": "x"}])
def test_tags_that_cannot_be_labels_are_refused(tags: dict[str, str]):
    with pytest.raises(SpecInvalid, match="cannot be a label"):
        checked_labels(tags)


def test_it_is_a_catalogue_that_hints_and_can_be_written_to():
    backend = create(Kubernetes.model_validate(SPEC), context())
    kinds = [isinstance(backend, kind) for kind in (Catalogue, Hints, Writer, Restorer)]
    assert kinds == [True, True, True, False]
    assert [backend.sweep_calls(n) for n in (0, 500, 501)] == [1, 1, 2]
