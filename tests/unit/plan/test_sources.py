"""What a Secret was made of, and what decides which external secret a key means."""

from typing import Any

import pytest

from keyferry.api.external_secret import Source
from keyferry.api.store import SecretStoreSpec
from keyferry.errors import BackendUnavailable, SecretMissing
from keyferry.plan.sources import LISTED, digest, kept, revision, sources
from keyferry.values import Found, Looked, Lookup, Ref, Search

SPEC: dict[str, Any] = {
    "provider": {"aws": {"region": "eu-west-1"}},
    "prefix": "acme",
    "mapping": {"by": "Tags"},
}


def found(key: str, version: str = "1", *, id_: str = "") -> Found:
    return Found(key, Ref(id_ or f"id:{key}"), version)


def many(count: int) -> tuple[Source, ...]:
    return tuple(Source(key=f"k{n:03}", id=f"id{n}", version=f"{n}") for n in range(count))


QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/changes"


def revised(uid: str = "uid", called: str = "acme", **changes: Any) -> str:
    return revision(SecretStoreSpec.model_validate({**SPEC, **changes}), uid, called)


def test_every_secret_is_told_with_its_version_in_the_order_of_keys():
    looked: Looked = {Lookup("b"): (found("b", "2"),), Search(regexp="."): (found("c", "3"), found("a", "1"))}
    assert [(each.key, each.id, each.version) for each in sources(looked)] == [
        ("a", "id:a", "1"),
        ("b", "id:b", "2"),
        ("c", "id:c", "3"),
    ]


def test_what_was_missing_is_told_without_a_version():
    assert sources({Lookup("a"): SecretMissing("none")}) == (Source(key="a"),)


def test_a_secret_that_is_asked_for_twice_is_told_once():
    assert len(sources({Lookup("a"): (found("a"),), Search(regexp="a"): (found("a"),)})) == 1


def test_one_key_at_two_versions_is_two_sources():
    looked: Looked = {Lookup("a"): (found("a", "v2"),), Lookup("a", "PREVIOUS"): (found("a", "v1"),)}
    assert [each.version for each in sources(looked)] == ["PREVIOUS=v1", "v2"]


def test_two_labels_that_change_places_are_a_change():
    before: Looked = {Lookup("a", "X"): (found("a", "v1"),), Lookup("a", "Y"): (found("a", "v2"),)}
    after: Looked = {Lookup("a", "X"): (found("a", "v2"),), Lookup("a", "Y"): (found("a", "v1"),)}
    assert sources(before) != sources(after)


def test_another_secret_behind_a_key_is_a_change_though_versions_agree():
    assert sources({Lookup("a"): (found("a", id_="x"),)}) != sources({Lookup("a"): (found("a", id_="y"),)})


def test_a_search_that_finds_nothing_or_fails_tells_no_source():
    assert sources({Search(regexp="."): (), Search(path="a"): BackendUnavailable("down")}) == ()


def test_the_order_of_answers_does_not_matter():
    answers = [(Lookup(key), (found(key),)) for key in "abcdef"]
    assert sources(dict(answers)) == sources(dict(reversed(answers)))


def test_a_short_list_is_kept_as_it_is():
    assert kept(many(LISTED)) == (many(LISTED), None)


def test_a_long_list_is_kept_as_one_digest_that_tells_every_change():
    listed, told = kept(many(LISTED + 1))
    changed = (*many(LISTED), Source(key="k020", id="id20", version="other"))
    assert listed == ()
    assert told is not None
    assert told != kept(changed)[1]
    assert told == kept(many(LISTED + 1))[1]


def test_a_digest_is_the_same_in_every_process():
    assert digest(["a", {"b": 1, "a": [None, "ü"]}]) == "10dc08aa9137fcab36bad5ecff5e3daa"


@pytest.mark.parametrize("parts", [["ab", "c"], ["a", "bc"], ["a", "b", "c"], [["a", "b"], "c"]], ids=str)
def test_a_digest_tells_where_a_part_ends(parts: list[object]):
    assert digest(parts) != digest(["abc"])


@pytest.mark.parametrize(
    "changes",
    [
        {"uid": "other"},
        {"called": "globex"},
        {"prefix": "other"},
        {"provider": {"aws": {"region": "us-east-1"}}},
        {"provider": {"aws": {"region": "eu-west-1", "endpoint": "https://vpce.example"}}},
        {"mapping": {"by": "Names"}},
        {"mapping": {"by": "Tags", "tags": {"key": "other"}}},
        {"mapping": {"by": "Tags", "inherit": False}},
    ],
    ids=str,
)
def test_another_store_address_mapping_or_name_of_the_namespace_is_another_revision(changes: dict[str, Any]):
    assert revised(**changes) != revised()


@pytest.mark.parametrize(
    "changes",
    [
        {"refresh": {"callsPerSecond": 1, "concurrency": 1, "timeout": "1s"}},
        {"cache": {"enabled": False, "maximumSize": 1}},
        {"defaultTags": {"owner": "us"}},
        {"suspend": True},
        {"provider": {"aws": {"region": "eu-west-1", "events": {"sqs": {"queueUrl": QUEUE}}}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_tuning_is_the_same_revision(changes: dict[str, Any]):
    assert revised(**changes) == revised()
