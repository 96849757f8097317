from typing import Any

import pytest

from keyferry.backends.aws.catalogue import entries, filters
from keyferry.errors import BackendUnavailable
from keyferry.values import Entry, Scope

LINE = {"ARN": "arn:1", "Name": "db"}


def asked(scope: Scope) -> dict[str, str]:
    return {each["Key"]: each["Values"][0] for each in filters(scope)}


def test_everything_is_asked_without_a_filter():
    assert filters(Scope()) == []


def test_a_prefix_filters_names():
    assert asked(Scope(name_prefix="team/")) == {"name": "team/"}


def test_a_tag_filters_by_key_and_value():
    assert asked(Scope(tags={"prefix": "acme"})) == {"tag-key": "prefix", "tag-value": "acme"}


def test_a_tag_with_any_value_filters_by_key():
    assert asked(Scope(tags={"key": ""})) == {"tag-key": "key"}


def test_of_several_tags_one_with_a_value_filters():
    assert asked(Scope(tags={"a": "", "prefix": "acme", "z": ""})) == {
        "tag-key": "prefix",
        "tag-value": "acme",
    }


@pytest.mark.parametrize("text", ["!team/", "ä", "a&b", "x" * 513], ids=["negation", "letter", "sign", "length"])
def test_what_a_filter_cannot_express_is_not_filtered(text: str):
    assert asked(Scope(name_prefix=text)) == {}
    assert asked(Scope(tags={"prefix": text})) == {"tag-key": "prefix"}
    assert asked(Scope(tags={text: "acme"})) == {"tag-value": "acme"}


def test_a_line_becomes_an_entry_with_all_its_versions_and_tags():
    staged = {"v2": ["AWSCURRENT", "blue"], "v1": ["AWSPREVIOUS"]}
    line = LINE | {"SecretVersionsToStages": staged, "Tags": [{"Key": "k", "Value": "v"}, {"Key": "empty"}]}
    versions = {"": "v2", "AWSCURRENT": "v2", "blue": "v2", "AWSPREVIOUS": "v1", "v1": "v1", "v2": "v2"}
    assert list(entries({"SecretList": [line]})) == [Entry("arn:1", "db", versions, {"k": "v", "empty": ""})]


def test_what_is_not_staged_current_has_no_current_version():
    (entry,) = entries({"SecretList": [LINE | {"SecretVersionsToStages": {"v1": ["AWSPENDING"]}}]})
    assert "" not in entry.versions


def test_a_secret_on_its_way_out_is_none():
    assert list(entries({"SecretList": [LINE | {"DeletedDate": 1}]})) == []


@pytest.mark.parametrize(
    "page",
    [{}, {"SecretList": None}, {"SecretList": "x"}, {"SecretList": [None]}, {"SecretList": [{"Name": "db"}]}],
    ids=str,
)
def test_a_page_that_is_not_whole_is_an_error(page: dict[str, Any]):
    with pytest.raises(BackendUnavailable):
        list(entries(page))
