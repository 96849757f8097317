"""`keyferry secret` through Google: which secret a key means, what it is called, and how it is marked."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from keyferry.api.store import ClusterSecretStoreSpec
from keyferry.cli import listing, writing
from keyferry.cli.stores import Opened
from keyferry.errors import SecretAmbiguous, SpecInvalid
from keyferry.policy.mapping import mapping_of
from keyferry.values import Ref, StoreKey, Value
from tests.contract.gcp_stores import store
from tests.standins.gcp import GcpStandIn

pytest_plugins = ["tests.contract.gcp_fixtures"]

UNCHANGED = writing.tag_changes([])
PROVIDER = {"gcp": {"projectId": "acme-prod"}}


@pytest.fixture
async def opened(gcp: GcpStandIn) -> AsyncIterator[Opened]:
    """A shared store by tags, for the namespace that is called acme.payments."""
    yield (made := opening(gcp, {"prefix": "acme", "defaultTags": {"made-by": "Keyferry"}}))
    await made.backend.aclose()


def opening(gcp: GcpStandIn, spec: Mapping[str, Any]) -> Opened:
    parsed = ClusterSecretStoreSpec.model_validate({"provider": PROVIDER, **spec})
    mapping = mapping_of(parsed, cluster=True)
    return Opened(StoreKey("", "google"), parsed, mapping, ("acme.payments", "acme"), store(gcp))


async def put(opened: Opened, key: str, data: bytes) -> writing.Written:
    """Write it, whoever created what is there."""
    written = await writing.put(opened, key, data, UNCHANGED, lambda _: True)
    assert written is not None
    return written


async def test_what_is_put_is_found_listed_and_deleted_by_its_key(gcp: GcpStandIn, opened: Opened):
    written = await put(opened, "DB_PASSWORD", b"v")
    assert written.version == "1"
    secret = gcp.secrets.kept[gcp.full(written.name)].secret
    assert dict(secret.labels) == {"prefix": "acme", "managed-by": "keyferry"}
    assert dict(secret.annotations) == {"namespace": "acme.payments", "key": "DB_PASSWORD", "made-by": "Keyferry"}

    again = await put(opened, "DB_PASSWORD", b"w")
    assert (again.name, again.version) == (written.name, "2")
    assert (await opened.backend.fetch([Ref(again.name)]))[Ref(again.name)] == Value(b"w", "2")
    assert [(row.key, row.name, row.version) for row in await listing.rows(opened)] == [
        ("DB_PASSWORD", written.name, "")
    ]
    assert await writing.delete(opened, "DB_PASSWORD", lambda _: True) == written.name
    assert await listing.rows(opened) == []


async def test_a_secret_is_found_by_its_tags_whatever_it_is_called(gcp: GcpStandIn, opened: Opened):
    gcp.put("legacy", b"1", {"prefix": "acme", "key": "db"}, annotations={"namespace": "acme.payments"})
    assert (await put(opened, "db", b"2")).name == "legacy"


async def test_a_secret_that_says_two_things_is_not_written(gcp: GcpStandIn, opened: Opened):
    gcp.put("two", b"1", {"prefix": "acme", "key": "db"}, annotations={"namespace": "acme.payments", "key": "DB"})
    for key in ("db", "DB"):
        with pytest.raises(SecretAmbiguous, match="two: its label and its annotation 'key' say different things"):
            await put(opened, key, b"2")
    assert gcp.calls.counts().keys() == {"ListSecrets"}


async def test_a_name_that_is_somebody_elses_is_not_taken(gcp: GcpStandIn):
    made = opening(gcp, {"prefix": "acme", "mapping": {"by": "Tags"}})
    taken = "acme_team_db"
    gcp.put(taken, b"theirs", {"prefix": "umbrella"})
    by_name = Opened(made.key, made.spec, made.mapping, ("team",), made.backend)
    with pytest.raises(SpecInvalid, match=f"a secret '{taken}' is there already"):
        await put(by_name, "db", b"ours")
    await made.backend.aclose()


async def test_by_paths_the_parts_are_joined_by_what_a_name_can_hold(gcp: GcpStandIn):
    made = opening(gcp, {"prefix": "acme", "mapping": {"by": "Paths"}})
    team = Opened(made.key, made.spec, made.mapping, ("team",), made.backend)
    assert (await put(team, "db", b"v")).name == "acme_team_db"
    assert [row.key for row in await listing.rows(team)] == ["db"]
    await made.backend.aclose()
