"""From what a namespace asks for to the entries that answer: the nearest wins, two claims are an error."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.api.store import MappingTags
from keyferry.errors import SecretAmbiguous, SecretMissing, SpecInvalid, SyncError
from keyferry.plan.resolve import missing, resolve, search
from keyferry.plan.snapshot import Snapshot
from keyferry.policy.mapping import ByNames, ByPaths, ByTags, Mapping, Place
from keyferry.values import Entry, Found, Lookup, Ref, Search

TAGS = ByTags("", MappingTags(), inherit=True)
PATHS = ByPaths("", "/", inherit=True)
DEEP = ("acme.payments.eu", "acme.payments", "acme")
ALL = Search(regexp=".")


def tagged(name: str, namespace: str, key: str, **more: str) -> Entry:
    return Entry(f"id:{name}", name, {"": f"version of {name}"}, {"namespace": namespace, "key": key, **more})


def named(name: str) -> Entry:
    return Entry(f"id:{name}", name, {"": f"version of {name}"}, {})


def snapshot(*entries: Entry, mapping: Mapping = TAGS) -> Snapshot:
    return Snapshot.of(entries, mapping, started=0.0)


def resolved(*entries: Entry, key: str = "db", version: str = "", lineage: tuple[str, ...] = DEEP) -> Found | SyncError:
    return resolve(snapshot(*entries), TAGS, Lookup(key, version), lineage)


def found(*entries: Entry, wanted: Search = ALL, lineage: tuple[str, ...] = DEEP) -> tuple[Found, ...]:
    answer = search(snapshot(*entries), TAGS, wanted, lineage)
    assert not isinstance(answer, SyncError), answer
    return answer


def keys(*entries: Entry, wanted: Search = ALL) -> list[str]:
    return [each.key for each in found(*entries, wanted=wanted)]


@pytest.mark.parametrize("nearest", [0, 1, 2])
def test_the_nearest_claim_answers(nearest: int):
    claims = [tagged(f"of {namespace}", namespace, "db") for namespace in DEEP[nearest:]]
    assert resolved(*claims) == Found("db", Ref(f"id:of {DEEP[nearest]}"), f"version of of {DEEP[nearest]}")


def test_a_key_that_nobody_claims_is_missing_and_says_what_the_namespace_is_called():
    answer = resolved(tagged("a", "acme", "queue"), tagged("b", "globex", "db"))
    assert isinstance(answer, SecretMissing)
    assert str(answer) == "key 'db': the store has no such secret for this namespace (called 'acme.payments.eu' there)"


def test_what_is_another_namespaces_reads_as_what_does_not_exist():
    theirs = resolved(tagged("a", "globex", "db"), lineage=("acme",))
    nobodys = resolved(lineage=("acme",))
    assert str(theirs) == str(nobodys) == str(missing("db", ("acme",)))


def test_two_claims_are_an_error_that_names_both():
    answer = resolved(tagged("one", "acme", "db"), tagged("two", "acme", "db"))
    assert isinstance(answer, SecretAmbiguous)
    assert "one and two claim the same prefix, namespace and key" in str(answer)


def test_two_far_claims_do_not_matter_where_a_nearer_answers():
    near = tagged("near", "acme.payments", "db")
    assert isinstance(resolved(near, tagged("one", "acme", "db"), tagged("two", "acme", "db")), Found)


def test_a_secret_without_a_value_is_missing_and_hides_what_is_farther():
    empty = Entry("id:new", "new", {}, {"namespace": "acme.payments", "key": "db"})
    answer = resolved(empty, tagged("old", "acme", "db"))
    assert isinstance(answer, SecretMissing)
    assert "new has no value yet" in str(answer)


@pytest.mark.parametrize(
    ("asked", "expected"), [("", "v3"), ("AWSPREVIOUS", "v2"), ("v1", "v1"), ("unknown", "")], ids=str
)
def test_a_version_is_told_by_its_label_where_the_catalogue_knows_it(asked: str, expected: str):
    versions = {"": "v3", "AWSCURRENT": "v3", "AWSPREVIOUS": "v2", "v1": "v1"}
    entry = Entry("id", "name", versions, {"namespace": "acme", "key": "db"})
    assert resolved(entry, version=asked) == Found("db", Ref("id", asked), expected)


def test_a_key_that_climbs_is_refused():
    assert isinstance(resolved(key="../db"), SpecInvalid)


@pytest.mark.parametrize(("mapping", "id_"), [(TAGS, "arn:1"), (PATHS, "acme/db")], ids=["tags", "paths"])
def test_a_ref_is_a_name_where_the_mapping_goes_by_names_and_an_id_elsewhere(mapping: Mapping, id_: str):
    entry = Entry("arn:1", "acme/db", {"": "1"}, {"namespace": "acme", "key": "db"})
    answer = resolve(snapshot(entry, mapping=mapping), mapping, Lookup("db"), ("acme",))
    assert answer == Found("db", Ref(id_), "1")


def test_find_lists_by_key_what_matches():
    entries = [tagged("x", "acme", "b"), tagged("y", "acme", "a"), tagged("z", "acme", "c")]
    assert keys(*entries, wanted=Search(regexp="[ab]")) == ["a", "b"]


def test_find_takes_the_nearer_of_two_with_one_key():
    answer = found(tagged("far", "acme", "db"), tagged("near", "acme.payments", "db"))
    assert [each.ref.id for each in answer] == ["id:near"]


def test_find_does_not_reach_behind_a_nearer_that_does_not_match():
    near, far = tagged("near", "acme.payments", "db", tier="x"), tagged("far", "acme", "db", tier="web")
    assert keys(near, far, wanted=Search(tags=(("tier", "web"),))) == []


def test_find_does_not_reach_behind_a_nearer_without_a_value():
    empty = Entry("id:new", "new", {}, {"namespace": "acme.payments", "key": "db"})
    assert keys(empty, tagged("far", "acme", "db")) == []


def test_find_names_both_of_two_claims():
    twins = snapshot(tagged("one", "acme", "db"), tagged("two", "acme", "db"))
    answer = search(twins, TAGS, ALL, ("acme",))
    assert isinstance(answer, SecretAmbiguous)
    assert "one and two" in str(answer)


def test_find_is_not_kept_from_what_it_asks_for_by_claims_elsewhere():
    twins = [tagged("one", "acme", "db"), tagged("two", "acme", "db")]
    assert keys(*twins, tagged("x", "acme", "api"), wanted=Search(regexp="^api")) == ["api"]


def test_find_with_no_expression_says_so():
    assert isinstance(search(snapshot(), TAGS, Search(regexp="("), DEEP), SpecInvalid)


def test_find_of_nothing_is_nothing():
    assert found(tagged("x", "acme", "db"), wanted=Search(regexp="queue")) == ()


names = st.sampled_from(["acme", "acme.payments", "globex", "acme-payments", "acmepayments"])
entries = st.lists(
    st.builds(lambda n, ns, key: tagged(f"{n}", ns, key), st.integers(0, 99), names, st.sampled_from("abc")),
    max_size=8,
    unique_by=lambda entry: entry.name,
)


@given(entries, names)
def test_find_never_leaves_the_view(everything: list[Entry], namespace: str):
    lineage = (namespace, "acme") if namespace == "acme.payments" else (namespace,)
    answer = search(snapshot(*everything), TAGS, Search(regexp=".*"), lineage)
    by_id = {entry.id: entry for entry in everything}
    for each in () if isinstance(answer, SyncError) else answer:
        assert by_id[each.ref.id].tags["namespace"] in lineage


@given(entries, names)
def test_find_and_a_lookup_agree_on_every_key(everything: list[Entry], namespace: str):
    lineage = (namespace, "acme") if namespace == "acme.payments" else (namespace,)
    for key in "abc":
        looked = resolve(snapshot(*everything), TAGS, Lookup(key), lineage)
        searched = search(snapshot(*everything), TAGS, Search(regexp=f"^{re.escape(key)}$"), lineage)
        expected = (looked,) if isinstance(looked, Found) else () if isinstance(looked, SecretMissing) else None
        assert searched == expected or (expected is None and isinstance(searched, SecretAmbiguous))


def test_a_snapshot_holds_only_what_has_a_place():
    taken = Snapshot.of([named("acme/db"), named("loose")], PATHS, started=3.0)
    assert taken.ids == {"id:acme/db"}
    assert taken.at(Place("acme", "db")) == (named("acme/db"),)
    assert taken.at(Place("acme", "queue")) == taken.at(Place("globex", "db")) == ()


def test_a_snapshot_by_names_offers_all_with_the_prefix():
    taken = Snapshot.of([named("acme-db"), named("db"), named("acme-")], ByNames("acme-"), started=0.0)
    assert taken.at(Place("", "db")) == (named("acme-db"),)
    assert taken.ids == {"id:acme-db"}
