"""Which namespaces a store serves, and what a namespace is called in the backend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.api.store import LabelSelector, Namespaces
from keyferry.errors import SpecInvalid
from keyferry.policy.namespaces import hierarchy, selected, served
from keyferry.settings import NAMESPACE_ANNOTATION

label = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)


def annotated(text: str) -> tuple[str, ...]:
    return hierarchy("plain", {NAMESPACE_ANNOTATION: text})


def selector(**parts: object) -> LabelSelector:
    return LabelSelector.model_validate(parts)


def expression(operator: str, *values: str) -> LabelSelector:
    return selector(matchExpressions=[{"key": "tier", "operator": operator, "values": values}])


@given(label)
def test_a_namespace_is_called_by_its_name_and_has_no_ancestors(name: str):
    assert hierarchy(name, {"unrelated": "acme.other"}) == (name,)


@given(st.lists(label, min_size=1, max_size=5))
def test_an_annotation_calls_it_otherwise_and_its_dots_are_ancestors(parts: list[str]):
    lineage = annotated(".".join(parts))
    assert lineage[0] == ".".join(parts)
    assert [len(each.split(".")) for each in lineage] == list(range(len(parts), 0, -1))
    assert all(lineage[0].startswith(f"{each}.") for each in lineage[1:])


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "Acme", "a/b", "a b", "a\n", "-a", "a-", "ä", "*", "a_b", "a:b", "a+b", "a=b", "a@b"],
    ids=ascii,
)
def test_an_annotation_that_is_no_dotted_name_is_an_error_that_says_what_to_write(text: str):
    with pytest.raises(SpecInvalid, match=r"namespace plain: write lower-case names .* such as acme\.payments"):
        annotated(text)


def test_a_hostile_annotation_takes_no_time():
    with pytest.raises(SpecInvalid):
        annotated("a-" * 100_000)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("team-a", "team-a", True),
        ("team-a", "team-ab", False),
        ("team-*", "team-", True),
        ("team-*", "my-team-a", False),
        ("*", "anything", True),
        ("team-?", "team-a", True),
        ("team-?", "team-", False),
        ("team-?", "team-ab", False),
        ("*-prod", "a-prod", True),
        ("team.a", "team-a", False),
    ],
    ids=str,
)
def test_a_name_matches_as_a_whole_with_wildcards(pattern: str, name: str, *, expected: bool):
    assert served(Namespaces(names=(pattern,)), name, {}) is expected


def test_a_store_that_says_nothing_serves_everybody():
    assert served(None, "any", {})


def test_a_store_that_lists_nobody_serves_nobody():
    assert not served(Namespaces(), "any", {})


@pytest.mark.parametrize(("name", "team", "expected"), [("a", "x", True), ("b", "web", True), ("b", "x", False)])
def test_a_name_or_the_selector_is_enough(name: str, team: str, *, expected: bool):
    namespaces = Namespaces(names=("a",), selector=selector(matchLabels={"team": "web"}))
    assert served(namespaces, name, {"team": team}) is expected


# As apimachinery has it: NotIn and DoesNotExist are met by what lacks the label, In and Exists are not.
@pytest.mark.parametrize(
    ("operator", "values", "labels", "expected"),
    [
        ("In", ["web", "db"], {"tier": "web"}, True),
        ("In", ["web"], {"tier": "db"}, False),
        ("In", ["web"], {}, False),
        ("In", [""], {}, False),
        ("NotIn", ["web"], {"tier": "db"}, True),
        ("NotIn", ["web"], {"tier": "web"}, False),
        ("NotIn", ["web"], {}, True),
        ("Exists", [], {"tier": ""}, True),
        ("Exists", [], {}, False),
        ("DoesNotExist", [], {}, True),
        ("DoesNotExist", [], {"tier": ""}, False),
    ],
    ids=str,
)
def test_an_expression_is_met_just_as_kubernetes_has_it(operator, values, labels, expected):
    assert selected(expression(operator, *values), labels) is expected


@pytest.mark.parametrize(("labels", "expected"), [({"a": "1", "b": "2"}, True), ({"a": "1"}, False), ({}, False)])
def test_all_labels_of_a_selector_must_match(labels: dict[str, str], *, expected: bool):
    assert selected(selector(matchLabels={"a": "1", "b": "2"}), labels) is expected


def test_labels_and_expressions_must_both_match():
    both = selector(matchLabels={"a": "1"}, matchExpressions=[{"key": "b", "operator": "Exists"}])
    assert selected(both, {"a": "1", "b": ""})
    assert not selected(both, {"a": "1"})
    assert not selected(both, {"b": ""})


def test_an_empty_selector_is_met_by_all():
    assert selected(selector(), {})
