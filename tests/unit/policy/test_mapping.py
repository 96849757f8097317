"""The mapping promise: no key, prefix or separator leads a namespace to what another owns."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keyferry.api.store import ClusterSecretStoreSpec, MappingTags, SecretStoreSpec, Separator
from keyferry.errors import SpecInvalid
from keyferry.policy.mapping import ByNames, ByPaths, ByTags, Mapping, Place, checked_key, mapping_of, places
from keyferry.policy.namespaces import hierarchy
from keyferry.settings import NAMESPACE_ANNOTATION
from keyferry.values import Entry, Scope

SQL = {"sql": {"database": "db", "encryption": {"keySecretRef": {"name": "s", "key": "k", "namespace": "n"}}}}
TAGS = MappingTags()

separators = st.sampled_from(Separator).map(lambda each: each.value)
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
dotted = st.lists(labels, min_size=1, max_size=4).map(".".join)  # what a namespace can be called in a backend
prefixes = st.one_of(st.just(""), st.text("acme-/_:+=@.", min_size=1, max_size=8))
keys = st.text("ab/_:+=@.- ü", min_size=1, max_size=8)
places_ = st.builds(Place, dotted, keys)


def called(name: str) -> tuple[str, ...]:
    return hierarchy("plain", {NAMESPACE_ANNOTATION: name})


def entry(name: str = "any", **tags: str) -> Entry:
    return Entry(f"id:{name}", name, {"": "1"}, tags)


def tagged(prefix: str | None, namespace: str | None, key: str | None) -> Entry:
    tags = {"prefix": prefix, "namespace": namespace, "key": key}
    return entry(**{name: text for name, text in tags.items() if text is not None})


@given(prefixes, separators, places_, places_)
def test_by_paths_two_places_never_share_a_name(prefix: str, separator: str, one: Place, other: Place):
    mapping = ByPaths(prefix, separator, inherit=True)
    assert (mapping.name(one) == mapping.name(other)) == (one == other)


@given(prefixes, separators, places_)
def test_by_paths_a_name_leads_back_to_its_place(prefix: str, separator: str, place: Place):
    mapping = ByPaths(prefix, separator, inherit=True)
    assert mapping.place(entry(mapping.name(place))) == place


@given(prefixes, st.text(min_size=1, max_size=8))
def test_by_names_a_name_leads_back_to_its_key(prefix: str, key: str):
    mapping = ByNames(prefix)
    assert mapping.place(entry(mapping.name(Place("", key)))) == Place("", key)


@given(prefixes, separators, dotted, st.text("ab/_:+=@.-", min_size=1, max_size=20))
def test_by_paths_no_key_leads_out_of_the_namespace(prefix: str, separator: str, namespace: str, key: str):
    mapping = ByPaths(prefix, separator, inherit=True)
    try:
        found = list(places(mapping, called(namespace), key))
    except SpecInvalid:
        return
    seen = {mapping.place(entry(mapping.name(place))) for place in found}
    assert {place and place.namespace for place in seen} <= set(called(namespace))


@given(dotted)
def test_by_paths_and_tags_a_namespace_sees_itself_and_its_ancestors_nearest_first(name: str):
    parts = name.split(".")
    lineage = tuple(".".join(parts[: len(parts) - gone]) for gone in range(len(parts)))
    assert ByPaths("acme", "/", inherit=True).view(called(name)) == lineage
    assert ByTags("acme", TAGS, inherit=True).view(called(name)) == lineage


@given(dotted)
def test_without_inheritance_a_namespace_sees_only_itself(name: str):
    assert ByPaths("acme", "/", inherit=False).view(called(name)) == (name,)
    assert ByTags("acme", TAGS, inherit=False).view(called(name)) == (name,)


@given(dotted, dotted)
def test_a_view_holds_nobody_elses_namespace(mine: str, other: str):
    assume(other != mine and not mine.startswith(f"{other}."))
    assert other not in ByTags("", TAGS, inherit=True).view(called(mine))


@given(dotted, prefixes)
def test_by_names_every_namespace_that_is_served_sees_the_same(name: str, prefix: str):
    mapping = ByNames(prefix)
    assert {mapping.name(place) for place in places(mapping, called(name), "db")} == {f"{prefix}db"}


def test_a_namespace_whose_name_begins_alike_is_no_ancestor():
    assert "acme" not in ByTags("", TAGS, inherit=True).view(called("acme-payments"))


@given(st.sampled_from(["", "acme", "other"]), st.sampled_from([None, "", "acme", "other"]))
def test_by_tags_another_prefix_is_another_installation(ours: str, theirs: str | None):
    place = ByTags(ours, TAGS, inherit=True).place(tagged(theirs, "payments", "db"))
    assert place == (Place("payments", "db") if (theirs or "") == ours else None)


@given(dotted, dotted, keys)
def test_by_tags_what_is_tagged_for_another_namespace_is_no_place_of_the_view(mine: str, other: str, key: str):
    assume(other != mine and not mine.startswith(f"{other}."))
    mapping = ByTags("acme", TAGS, inherit=True)
    place = mapping.place(tagged("acme", other, key))
    assert place == Place(other, key)
    assert place not in {Place(namespace, key) for namespace in mapping.view(called(mine))}


@pytest.mark.parametrize(
    "swapped",
    [
        {"namespace": "acme", "prefix": "payments", "key": "db"},
        {"key": "payments", "namespace": "db", "prefix": "acme"},
        {"other": "payments", "namespace": "db", "prefix": "acme"},
    ],
    ids=["prefix and namespace", "key and namespace", "value under another key"],
)
def test_by_tags_a_value_counts_under_its_own_tag_only(swapped: dict[str, str]):
    assert ByTags("acme", TAGS, inherit=True).place(entry(**swapped)) != Place("payments", "db")


@pytest.mark.parametrize(
    ("namespace", "key"), [(None, "db"), ("payments", None), ("", "db"), ("payments", "")], ids=str
)
def test_by_tags_half_a_place_is_none(namespace: str | None, key: str | None):
    assert ByTags("acme", TAGS, inherit=True).place(tagged("acme", namespace, key)) is None


def test_by_tags_the_store_says_which_tags_count():
    mapping = ByTags("acme", MappingTags(namespace="ns", key="called", prefix="env"), inherit=True)
    assert mapping.place(entry(ns="payments", called="db", env="acme")) == Place("payments", "db")
    assert mapping.place(tagged("acme", "payments", "db")) is None


def test_by_tags_what_marks_a_place_leads_to_it():
    mapping, place = ByTags("acme", TAGS, inherit=True), Place("payments", "db")
    assert mapping.place(entry(**mapping.marks(place))) == place


@pytest.mark.parametrize(
    ("mapping", "scope"),
    [
        (ByNames("acme-"), Scope(name_prefix="acme-")),
        (ByPaths("acme", "/", inherit=True), Scope(name_prefix="acme/")),
        (ByPaths("", "/", inherit=True), Scope()),
        (
            ByTags("acme", TAGS, inherit=True),
            Scope(tags={"namespace": "", "key": "", "prefix": "acme"}),
        ),
        (ByTags("", TAGS, inherit=True), Scope(tags={"namespace": "", "key": ""})),
    ],
    ids=["names", "paths", "paths without prefix", "tags", "tags without prefix"],
)
def test_a_backend_may_leave_out_what_is_no_part_of_the_store(mapping: Mapping, scope: Scope):
    assert mapping.scope() == scope


@given(st.sampled_from([ByNames("acme-"), ByPaths("acme", "/", inherit=True)]), st.text("acme-/x", max_size=12))
def test_by_name_what_is_placed_is_in_the_scope(mapping: ByNames | ByPaths, name: str):
    assert mapping.place(entry(name)) is None or name.startswith(mapping.scope().name_prefix)


@pytest.mark.parametrize("name", ["acmedb", "acme", "acme/", "acme/payments", "acme/payments/", "acme//db", "other"])
def test_by_paths_a_name_that_is_not_whole_has_no_place(name: str):
    assert ByPaths("acme", "/", inherit=True).place(entry(name)) is None


def test_by_paths_a_prefix_ends_where_the_separator_stands():
    assert ByPaths("acme", "/", inherit=True).place(entry("acme2/payments/db")) is None


@pytest.mark.parametrize("key", ["..", ".", "../other/db", "db/..", "a/../b", "a/./b", "./db"])
def test_a_key_that_climbs_is_refused(key: str):
    with pytest.raises(SpecInvalid, match="without the parts"):
        checked_key(key)


@pytest.mark.parametrize("key", ["a\nb", "a\x00b", "\x7f", "a\u2028b", "a\ud800b"], ids=ascii)
def test_a_key_with_control_characters_is_refused(key: str):
    with pytest.raises(SpecInvalid, match="control characters"):
        checked_key(key)


@pytest.mark.parametrize("key", ["db", "app/db", "/db", "a//b", "a..b", "...", "db.", ".db", "ünï", "a b"])
def test_any_other_key_is_a_key(key: str):
    assert checked_key(key) == key


def test_a_key_that_begins_with_the_separator_is_another_key_of_the_same_namespace():
    mapping = ByPaths("acme", "/", inherit=False)
    names = {mapping.name(place) for key in ("db", "/db") for place in places(mapping, ("payments",), key)}
    assert names == {"acme/payments/db", "acme/payments//db"}


def test_by_tags_there_is_no_name_to_guess():
    with pytest.raises(AssertionError):
        ByTags("acme", TAGS, inherit=True).name(Place("payments", "db"))


@pytest.mark.parametrize(
    ("mapping", "cluster", "expected"),
    [
        ({}, False, ByNames("acme")),
        ({}, True, ByTags("acme", TAGS, inherit=True)),
        ({"by": "Paths"}, False, ByPaths("acme", "/", inherit=True)),
        ({"by": "Paths", "separator": "+", "inherit": False}, True, ByPaths("acme", "+", inherit=False)),
        ({"by": "Names"}, True, ByNames("acme")),
        ({"by": "Tags", "tags": {"key": "k"}}, False, ByTags("acme", MappingTags(key="k"), inherit=True)),
    ],
    ids=["a team's own", "shared", "paths", "paths in full", "names", "tags"],
)
def test_a_store_is_mapped_as_it_says_or_as_suits_its_kind(mapping: object, expected: object, *, cluster: bool):
    model = ClusterSecretStoreSpec if cluster else SecretStoreSpec
    spec = model.model_validate({"provider": SQL, "prefix": "acme", "mapping": mapping})
    assert mapping_of(spec, cluster=cluster) == expected


@pytest.mark.parametrize(("version", "expected"), [("v1", ByPaths), ("v2", ByPaths)])
def test_a_shared_store_on_what_has_no_tags_is_mapped_by_paths(version: str, expected: type[Mapping]):
    login = {"method": "Token", "secretRef": {"name": "s", "key": "k", "namespace": "n"}}
    provider = {"vault": {"server": "https://vault.example", "version": version, "auth": login}}
    spec = ClusterSecretStoreSpec.model_validate({"provider": provider})
    assert isinstance(mapping_of(spec, cluster=True), expected)


def test_by_paths_the_separator_is_one_that_the_backends_names_can_hold():
    spec = SecretStoreSpec.model_validate({"provider": {"gcp": {"projectId": "acme"}}, "mapping": {"by": "Paths"}})
    assert mapping_of(spec, cluster=False) == ByPaths("", "_", inherit=True)
