"""Aspects: which file is whose; names that would leave their folder."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.backends.sql.place import Place, place_of
from keyferry.errors import SpecInvalid
from keyferry.values import StoreKey

DATA = Path("/data")


def test_a_namespace_has_a_folder_of_its_own():
    assert place_of(DATA, StoreKey("payments", "s"), "app").path == DATA / "sql" / "payments" / "app.db"


def test_the_clusters_folder_cannot_be_a_namespaces():
    assert place_of(DATA, StoreKey("", "s"), "app").path == DATA / "sql" / "_cluster" / "app.db"
    with pytest.raises(SpecInvalid):
        place_of(DATA, StoreKey("_cluster", "s"), "app")


BAD = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "a.db",
    "A",
    "a_b",
    "-a",
    "a-",
    "a\n",
    "a\0b",
    "ä",
    "a" * 64,
    "file:x",
]


@pytest.mark.parametrize("name", BAD)
def test_a_database_that_is_no_name_is_refused(name: str):
    with pytest.raises(SpecInvalid, match=r"never a path"):
        place_of(DATA, StoreKey("payments", "s"), name)


@pytest.mark.parametrize("name", [name for name in BAD if name])
def test_a_namespace_that_is_no_name_is_refused(name: str):
    with pytest.raises(SpecInvalid, match=r"no name of a namespace"):
        place_of(DATA, StoreKey(name, "s"), "app")


@settings(deadline=None)
@given(st.text(max_size=70), st.text(max_size=70))
def test_no_pair_of_names_leaves_the_data_folder_or_shares_a_file(namespace: str, database: str):
    try:
        place = place_of(DATA, StoreKey(namespace, "s"), database)
    except SpecInvalid:
        return
    assert place.path.resolve().relative_to(DATA).parts == ("sql", namespace or "_cluster", f"{database}.db")


def test_messages_say_whose_database_it_is():
    assert str(Place(DATA, "payments", "app")) == "SQLite database app of namespace payments"
    assert str(Place(DATA, "", "app")) == "SQLite database app of the cluster's stores"
