"""The pages of the reference: every field, every reason."""

import re
from pathlib import Path

import pytest

from keyferry import errors as our_errors
from keyferry.api.kinds import KINDS
from keyferry.api.reference import PAGES, fields, page_with_fields
from keyferry.errors import DeletionHeld, EventSourceMissing, Retry, StoreNotReady, SyncError
from keyferry.kube import errors as kube_errors

ROOT = Path(__file__).resolve().parents[3]
EXTERNAL_SECRET, SECRET_STORE, CLUSTER_SECRET_STORE = KINDS
ROW = re.compile(r"^\| `(\w+)` \| `(Reconciling|Stalled)` \| [^|]+\. \| [^|]+\. \|$", re.MULTILINE)
AT_REST = re.compile(r"^\| `(\w+)` \| [^|]+\. \| [^|]+\. \|$", re.MULTILINE)
MARKED = "Before.\n<!-- generated: ExternalSecret -->\nold\n<!-- end -->\nAfter.\n"

# What is about one ExternalSecret, one key or one Secret, or is no reason for Ready to be False.
NOT_OF_STORES = {
    our_errors.CatalogueTooLarge,
    our_errors.SecretUnusable,
    our_errors.DeletionHeld,
    our_errors.NamespaceDenied,
    our_errors.SecretAmbiguous,
    our_errors.SecretKeyInvalid,
    our_errors.SecretMissing,
    our_errors.SecretTooLarge,
    our_errors.StoreNotFound,
    our_errors.StoreNotReady,
    our_errors.TargetMissing,
    our_errors.TargetNotOwned,
    our_errors.TargetRejected,
}


def errors(root=SyncError):
    """Every kind of failure that a status can tell of. One without a reason of its own never gets there."""
    for error in root.__subclasses__():
        if error.__module__.startswith("keyferry.") and error.reason != SyncError.reason:
            yield error
        yield from errors(error)


def page(name):
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text()


def moves(error):
    return "Stalled" if error.retry is Retry.ON_CHANGE else "Reconciling"


def test_the_kubernetes_errors_are_among_the_failures():
    assert kube_errors.Forbidden in set(errors())


def test_the_page_of_external_secrets_explains_every_reason_that_one_can_have_and_who_moves_next():
    never = {StoreNotReady.reason, EventSourceMissing.reason}  # the one is waited out, the other is a store's
    told = {error.reason: moves(error) for error in errors() if error.reason not in never}
    assert dict(ROW.findall(page("externalsecret"))) == told


def test_the_page_of_stores_explains_every_reason_that_one_can_have_and_who_moves_next():
    others = {error.reason for error in (*NOT_OF_STORES, EventSourceMissing)}
    told = {error.reason: moves(error) for error in errors() if error.reason not in others}
    assert dict(ROW.findall(page("secretstore"))) == told


def test_the_page_of_stores_explains_what_only_listening_tells():
    assert {"Listening", EventSourceMissing.reason} <= set(AT_REST.findall(page("secretstore")))


@pytest.mark.parametrize("name", ["externalsecret", "secretstore"])
def test_reasons_that_are_no_failure_are_explained_and_no_others(name):
    # What is left of a store that is doubted is served, and Listening has no part in Ready.
    given = {DeletionHeld.reason, EventSourceMissing.reason, "Listening"} if name == "secretstore" else set()
    for source in (ROOT / "operator/keyferry/sync").glob("*.py"):
        if ("store" in source.stem) is (name == "secretstore"):
            given |= set(re.findall(r'\b(?:good|reason|SYNCED) ?= ?"(\w+)"', source.read_text()))
    assert len(given) > 1
    assert given == set(AT_REST.findall(page(name)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_in_the_page_of_its_kind(kind):
    (path,) = [path for path, kinds in PAGES.items() if kind in kinds]
    text = (ROOT / path).read_text()
    assert [field for field, _, _ in fields(kind) if f"| `{field}` |" not in text] == []


def test_only_what_is_between_the_marks_changes():
    made = page_with_fields(MARKED, [EXTERNAL_SECRET])
    assert made.startswith("Before.\n<!-- generated: ExternalSecret -->\n")
    assert made.endswith("<!-- end -->\nAfter.\n")
    assert "\nold\n" not in made


def test_a_page_that_is_up_to_date_stays_as_it_is():
    made = page_with_fields(MARKED, [EXTERNAL_SECRET])
    assert page_with_fields(made, [EXTERNAL_SECRET]) == made


def test_a_page_without_marks_is_an_error():
    with pytest.raises(ValueError, match="lacks <!-- generated: ExternalSecret -->"):
        page_with_fields("Before.\n", [EXTERNAL_SECRET])


def test_fields_of_entries_of_a_list_have_a_path_that_shows_it():
    assert "spec.data[].remoteRef.key" in [path for path, _, _ in fields(EXTERNAL_SECRET)]


def test_the_second_kind_of_a_page_tells_only_what_the_first_does_not():
    marks = "".join(f"<!-- generated: {kind.kind} -->\n<!-- end -->\n" for kind in (SECRET_STORE, CLUSTER_SECRET_STORE))
    second = page_with_fields(marks, [SECRET_STORE, CLUSTER_SECRET_STORE]).partition("ClusterSecretStore -->")[2]
    assert "| `spec.namespaces.names` |" in second
    assert "| `spec.prefix` |" not in second


def test_what_markdown_would_take_for_its_own_is_shown_as_it_is():
    made = page_with_fields(MARKED, [EXTERNAL_SECRET])
    assert r"A dot inside a key is written \\. and" in made
