"""Keyferry's names and Key Vault's correspond one to one: by no spelling does a key lead to another's secret."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyferry.backends.azure.names import decoded, encoded, version_possible
from keyferry.errors import SecretMissing, SpecInvalid, SyncError
from keyferry.policy.mapping import ByPaths, Place

ANYTHING = st.text(st.sampled_from("aB-/.9_"), min_size=1, max_size=12)
IN_THE_VAULT = st.text(st.sampled_from("aB-9"), min_size=1, max_size=12)


def possible(name: str) -> str | None:
    try:
        return encoded(name)
    except SyncError:
        return None


@pytest.mark.parametrize(
    ("name", "there"),
    [("db", "db"), ("db-1", "db-1"), ("app/db", "app--db"), ("a/b/c", "a--b--c"), ("a/-b", "a---b"), ("9", "9")],
)
def test_a_name_and_its_name_in_the_vault(name, there):
    assert encoded(name) == there
    assert decoded(there) == name


@pytest.mark.parametrize("there", ["DB", "Db", "dB", "db"])
def test_upper_case_in_the_vault_is_lower_case_here(there):
    assert decoded(there) == "db"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("DB", "db"), ("app--db", "app/db"), ("a-/b", "a/-b"), ("ConnectionStrings--Main", "connectionstrings/main")],
)
def test_a_name_of_another_spelling_is_refused_with_the_one_to_write(name, meant):
    with pytest.raises(SpecInvalid) as refused:
        encoded(name)
    assert f"{name!r} is not how" in str(refused.value)
    assert f"Write {meant!r}" in str(refused.value)


@pytest.mark.parametrize("name", ["", "db_password", "acme.payments/db", "a b", "ä", "x" * 128, "a/" * 63 + "bb"])
def test_a_name_that_no_secret_can_have_is_missing_and_told(name):
    with pytest.raises(SecretMissing) as missing:
        encoded(name)
    assert f"no secret of Key Vault can be named {name!r}" in str(missing.value)
    assert "map by Tags" in str(missing.value)


@given(ANYTHING, ANYTHING)
@example("a-/b", "a/-b")
@example("DB", "db")
@example("team--a/db", "team/a/db")
def test_two_names_never_lead_to_one_secret(one, other):
    there, elsewhere = possible(one), possible(other)
    if one != other and there and elsewhere:
        assert there.lower() != elsewhere.lower()


@given(IN_THE_VAULT)
def test_every_secret_of_the_vault_has_a_name_here_that_leads_back_to_it(there):
    assert encoded(decoded(there)) == there.lower()


@given(
    st.from_regex(r"[a-z0-9](-{0,2}[a-z0-9]){0,4}", fullmatch=True),
    st.from_regex(r"[a-z0-9](-{0,2}[a-z0-9]){0,4}", fullmatch=True),
    ANYTHING,
    ANYTHING,
)
@example("team", "team--a", "a/db", "db")
@example("team", "team-a", "a/db", "db")
def test_by_paths_no_namespace_reaches_anothers_secret_by_a_dash(one, other, key, other_key):
    mapping = ByPaths("acme", "/", inherit=True)
    places = Place(one, key), Place(other, other_key)
    there = [possible(mapping.name(place)) for place in places]
    if one != other and None not in there:
        assert there[0] != there[1]


@pytest.mark.parametrize(
    ("version", "may"),
    [("0123456789abcdef0123456789abcdef", True), ("0123", False), ("LATEST", False), ("0" * 31 + "G", False)],
)
def test_a_version_is_32_hexadecimal_digits(version, may):
    assert version_possible(version) is may
