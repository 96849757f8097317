"""Writing to Google: a secret and its tags, a version, and what is refused before anybody is asked."""

import asyncio
from contextlib import aclosing

import pytest

from keyferry.backends.base import Namer, Writer
from keyferry.errors import SecretMissing, SecretTooLarge, SpecInvalid
from keyferry.values import Entry, Ref, Scope, Value
from tests.contract.gcp_stores import store
from tests.standins.gcp import GcpStandIn

pytest_plugins = ["tests.contract.gcp_fixtures"]

TAGS = {"namespace": "payments", "key": "DB_PASSWORD"}


async def tags_of(backend: object, name: str) -> dict[str, str]:
    assert isinstance(backend, Writer)
    entries: list[Entry] = [entry async for entry in backend.entries(Scope())]  # type: ignore[attr-defined]
    (found,) = [entry for entry in entries if entry.name == name]
    return dict(found.tags)


async def test_a_new_secret_is_made_with_its_tags_and_read_back(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        assert await backend.put("db", b"\x00v", TAGS) == "1"
        assert (await backend.fetch([Ref("db")]))[Ref("db")] == Value(b"\x00v", "1")
        assert await tags_of(backend, "db") == TAGS
    secret = gcp.secrets.kept[gcp.full("db")].secret
    assert (dict(secret.labels), dict(secret.annotations)) == ({"namespace": "payments"}, {"key": "DB_PASSWORD"})


async def test_a_new_value_of_the_same_tags_costs_two_calls_and_keeps_the_old_version(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        await backend.put("db", b"1", TAGS)
        gcp.calls.clear()
        assert await backend.put("db", b"2", TAGS) == "2"
        assert gcp.calls.counts() == {"GetSecret": 1, "AddSecretVersion": 1}
        assert (await backend.fetch([Ref("db", "1")]))[Ref("db", "1")] == Value(b"1", "1")


async def test_other_tags_replace_those_that_were_there(gcp: GcpStandIn):
    gcp.put("db", b"1", {"namespace": "payments", "old": "yes"}, annotations={"key": "db"})
    async with aclosing(store(gcp)) as backend:
        await backend.put("db", b"2", {"namespace": "acme.payments", "key": "db"})
        assert await tags_of(backend, "db") == {"namespace": "acme.payments", "key": "db"}


async def test_a_regional_secret_is_made_without_a_replication_policy(gcp: GcpStandIn):
    async with aclosing(store(gcp, spec={"location": "europe-west3"})) as backend:
        await backend.put("db", b"v", {})
        assert (await backend.fetch([Ref("db")]))[Ref("db")] == Value(b"v", "1")


async def test_what_is_deleted_is_gone(gcp: GcpStandIn):
    gcp.put("db", b"v")
    async with aclosing(store(gcp)) as backend:
        await backend.delete("db")
        assert isinstance((await backend.fetch([Ref("db")]))[Ref("db")], SecretMissing)
        with pytest.raises(SecretMissing, match=r"there is no secret projects/acme-prod/secrets/db$"):
            await backend.delete("db")


async def test_a_value_that_is_too_large_and_a_name_that_is_none_are_refused_and_nobody_is_asked(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        with pytest.raises(SecretTooLarge, match="at most 65536 bytes"):
            await backend.put("db", b"x" * 65537, {})
        for name in ("a/b", "", "x" * 256):
            with pytest.raises(SpecInvalid, match="no secret of Secret Manager can be called"):
                await backend.put(name, b"v", {})
            with pytest.raises(SpecInvalid, match="no secret of Secret Manager can be called"):
                await backend.delete(name)
        await backend.put("largest", b"x" * 65536, {})
    assert {call.resource for call in gcp.calls.all("AddSecretVersion")} == {"projects/acme-prod/secrets/largest"}


async def test_a_tag_that_google_cannot_hold_leaves_the_secret_as_it_was(gcp: GcpStandIn):
    gcp.put("db", b"v", {"key": "db"})
    async with aclosing(store(gcp)) as backend:
        with pytest.raises(SpecInvalid, match="'team/key'"):
            await backend.put("db", b"2", {"team/key": "db"})
        assert (await backend.fetch([Ref("db")]))[Ref("db")] == Value(b"v", "1")


async def test_two_who_make_it_at_once_lose_no_value(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        outcomes = await asyncio.gather(*(backend.put("db", b"%d" % n, {}) for n in range(5)), return_exceptions=True)
        made = [outcome for outcome in outcomes if isinstance(outcome, str)]
        refused = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    assert len(gcp.secrets.kept[gcp.full("db")].versions) == len(made) >= 1
    assert all("somebody made it just now; try again" in str(each) for each in refused)


def test_it_names_secrets_itself():
    with GcpStandIn() as gcp:
        backend = store(gcp)
        assert isinstance(backend, Namer)
        assert backend.name_of(["acme", "payments", "db"]) == "acme_payments_db"
