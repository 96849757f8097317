"""The Secret as an object to apply."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.render.secret import body
from keyferry.settings import MANAGED_BY, OWNER_ANNOTATION
from tests.unit.render.rendering import item, spec_of

METADATA = {"name": "es", "namespace": "team", "uid": "u1"}


def made(**target: object) -> dict[str, Any]:
    return body(spec_of(item(), target=target), METADATA, "name", {"b": b"2", "a": b"1"})


def with_data(data: dict[str, bytes]) -> dict[str, Any]:
    return body(spec_of(item()), METADATA, "name", data)


def test_by_default_it_is_ours_and_goes_when_the_external_secret_goes():
    assert made() == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "name",
            "namespace": "team",
            "labels": {MANAGED_BY: "keyferry"},
            "annotations": {OWNER_ANNOTATION: "es"},
            "ownerReferences": [
                {
                    "apiVersion": "keyferry.dev/v1alpha1",
                    "kind": "ExternalSecret",
                    "name": "es",
                    "uid": "u1",
                    "controller": True,
                }
            ],
        },
        "type": "Opaque",
        "data": {"a": "MQ==", "b": "Mg=="},
    }


def test_an_orphan_stays_and_is_ours_all_the_same():
    metadata = made(creationPolicy="Orphan")["metadata"]
    assert "ownerReferences" not in metadata
    assert metadata["annotations"] == {OWNER_ANNOTATION: "es"}


def test_what_is_merged_is_nobodys_and_has_no_type():
    assert made(creationPolicy="Merge") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "name", "namespace": "team"},
        "data": {"a": "MQ==", "b": "Mg=="},
    }


def test_what_is_merged_may_bring_labels_and_annotations():
    metadata = made(creationPolicy="Merge", labels={"a": "1"}, annotations={"b": "2"})["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"a": "1"}, {"b": "2"})


def test_users_labels_and_annotations_stand_beside_ours():
    metadata = made(labels={"team": "web"}, annotations={"note": "n"})["metadata"]
    assert metadata["labels"] == {"team": "web", MANAGED_BY: "keyferry"}
    assert metadata["annotations"] == {"note": "n", OWNER_ANNOTATION: "es"}


@pytest.mark.parametrize("policy", ["Owner", "Orphan"])
def test_users_cannot_call_it_somebody_elses(policy: str):
    spec = spec_of(item(), target={"creationPolicy": policy})
    odd = {"labels": {MANAGED_BY: "helm"}, "annotations": {OWNER_ANNOTATION: "other"}}
    claimed = spec.model_copy(update={"target": spec.target.model_copy(update=odd)})
    object_: dict[str, Any] = body(claimed, METADATA, "name", {})
    metadata = object_["metadata"]
    assert metadata["labels"] == {MANAGED_BY: "keyferry"}
    assert metadata["annotations"] == {OWNER_ANNOTATION: "es"}


def test_the_type_is_the_users_where_they_say_one():
    assert made(type="kubernetes.io/tls")["type"] == "kubernetes.io/tls"


@pytest.mark.parametrize("immutable", [True, False])
def test_immutable_stands_there_only_where_it_is_wanted(*, immutable: bool):
    assert made(immutable=immutable).get("immutable") is (True if immutable else None)


@given(st.dictionaries(st.from_regex(r"[-._a-z]{1,9}", fullmatch=True), st.binary(max_size=50), max_size=5))
def test_every_byte_comes_back(data: dict[str, bytes]):
    encoded = with_data(data)["data"]
    assert {key: base64.b64decode(text) for key, text in encoded.items()} == data


def test_the_same_data_in_another_order_is_the_same_object():
    assert str(made()) == str(with_data({"a": b"1", "b": b"2"}))
