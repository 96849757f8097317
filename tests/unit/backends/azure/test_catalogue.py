"""What tells a change: the time of it, once that second is over."""

from dataclasses import replace

import pytest

from keyferry.backends.azure.catalogue import SETTLING, Attributes, Versions, entry
from keyferry.errors import BackendUnavailable

NOON = 1_790_000_000
ADDRESS = "https://acme.vault.azure.net/secrets/App--Db"
LISTED = Attributes(ADDRESS, True, NOON, None, None, {"key": "db"}, NOON + 3600)  # noqa: FBT003 - as the vault says it
VERSION = "0123456789abcdef0123456789abcdef"


def current(attributes: Attributes) -> str:
    return entry(attributes).versions[""]


def test_an_entry_has_the_name_the_tags_and_the_time_of_the_last_change():
    listed = entry(LISTED)
    assert (listed.id, listed.name, dict(listed.tags)) == ("app/db", "app/db", {"key": "db"})
    assert dict(listed.versions) == {"": "2026-09-21T14:13:20Z"}


@pytest.mark.parametrize(("since", "mark"), [(0, "?"), (SETTLING - 1, "?"), (SETTLING, ""), (86400, "")])
def test_a_second_that_may_not_be_over_is_marked(since, mark):
    assert current(replace(LISTED, answered_at=NOON + since)) == f"2026-09-21T14:13:20Z{mark}"


def test_a_change_within_the_second_of_the_last_one_is_seen_once_that_second_is_over():
    seen_at_once = current(replace(LISTED, answered_at=NOON))
    assert seen_at_once != current(LISTED), "so that it is read once more"


def test_while_it_settles_nothing_new_is_said():
    marks = {current(replace(LISTED, answered_at=NOON + since)) for since in range(SETTLING)}
    assert len(marks) == 1, "so that it is not read at every look meanwhile"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"enabled": False}, "is disabled: enable it"),
        ({"expires": NOON + 3600}, "expired at 2026-09-21T15:13:20Z: give it"),
        ({"not_before": NOON + 3601}, "is not valid before 2026-09-21T15:13:21Z: wait"),
    ],
    ids=["disabled", "expired", "not valid yet"],
)
def test_what_must_not_be_used_says_why_and_is_at_a_version_of_its_own(change, told):
    flawed = replace(LISTED, **change)
    assert flawed.flaw.startswith(told)
    assert current(flawed) != current(LISTED), "so that it is read, and refused, though nobody changed it"


@pytest.mark.parametrize("change", [{"expires": NOON + 3601}, {"not_before": NOON + 3600}], ids=["yet", "already"])
def test_what_is_valid_at_this_second_may_be_used(change):
    assert replace(LISTED, **change).flaw == ""


def test_any_version_may_be_named_by_its_id_and_is_what_it_is():
    versions = Versions("now")
    assert versions.get(VERSION) == VERSION
    assert versions.get("AWSCURRENT") is None
    assert list(versions) == [""]
    assert len(versions) == 1


def test_a_versions_address_tells_its_id():
    assert replace(LISTED, id=f"{ADDRESS}/{VERSION.upper()}").version == VERSION


@pytest.mark.parametrize(
    "address", ["", "https://acme.vault.azure.net/keys/db", "http://x/secrets/db", f"{ADDRESS}/a/b"]
)
def test_an_address_that_is_none_is_no_secret(address):
    with pytest.raises(BackendUnavailable):
        _ = replace(LISTED, id=address).name
