"""What Infisical's answers become: secrets, versions, and errors that say what to do."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import (
    PermissionDenied,
    SecretMissing,
    SpecInvalid,
)
from keyferry.values import Ref, Scope, Value
from tests.contract.infisical_stores import DB, listed, one, store
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_secrets import Secret
from tests.standins.wire import Call, says

SWITCHES = {"viewSecretValue", "expandSecretReferences", "include_imports"}
CANARY = "canary-31d7"


async def value(backend: InfisicalBackend, ref: Ref = DB) -> Value:
    got = await one(backend, ref)
    assert isinstance(got, Value), got
    return got


async def test_every_call_says_every_switch(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("db", "v")
    await shop.check()
    await listed(shop)
    await shop.fetch([DB, Ref("db", "1")])
    calls = [call for call, _ in infisical.wire.calls if "/secrets" in call.path]
    lists = [call for call in calls if call.path.endswith("/secrets")]
    assert len(lists) == 4
    assert all(call.query.keys() >= SWITCHES for call in calls)
    assert all("recursive" in call.query for call in lists)
    assert {call.query["include_imports"] for call in calls if call not in lists} == {"false"}
    assert {text for call in calls for name, text in call.query.items() if name in SWITCHES} <= {"true", "false"}


async def test_a_catalogue_that_did_not_change_is_not_sent_again(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("db", CANARY, {"tier": "web"})
    first = await listed(shop)
    assert await listed(shop) == first
    assert infisical.counts()["list 304"] == 1
    infisical.put("db", "another")
    assert (await listed(shop))["db"].versions != first["db"].versions
    assert infisical.counts() == {"login": 1, "list": 2, "list 304": 1}


async def test_an_infisical_without_etags_is_simply_asked():
    with InfisicalStandIn(etags=False) as infisical:
        infisical.put("db", "v")
        async with aclosing(store(infisical)) as backend:
            assert await listed(backend) == await listed(backend)
        assert infisical.counts() == {"login": 1, "list": 2}


async def test_many_secrets_of_many_folders_are_read_by_one_list_of_what_they_share(
    infisical: InfisicalStandIn, shop: InfisicalBackend
):
    refs = [Ref(infisical.put(f"acme/team-{n}/db", f"v{n}")) for n in range(9)]
    infisical.put("other/db", CANARY)
    got = await shop.fetch(refs)
    assert [each.data for each in got.values() if isinstance(each, Value)] == [b"v%d" % n for n in range(9)]
    (call,) = [call for call, _ in infisical.wire.calls if "/secrets" in call.path]
    assert call.query["secretPath"] == "/acme"


async def test_names_are_folders_and_key_and_a_key_with_a_slash_is_none(
    infisical: InfisicalStandIn, shop: InfisicalBackend
):
    infisical.put("payments/db", "the folder's")
    held = infisical.project.folder("prod", "/payments")["db"]
    for name in ("payments/db", "..", " db", "a\nb"):
        infisical.project.environments["prod"]["/"][name] = Secret(name, held.versions)
    infisical.put("payments/api", "v")
    assert set(await listed(shop)) == {"payments/db", "payments/api"}
    assert set(await listed(shop, Scope(name_prefix="payments/d"))) == {"payments/db"}
    assert (await value(shop, Ref("payments/db"))).data == b"the folder's"


@pytest.mark.parametrize("name", ["..", "../db", "a/../db", "/db", "a//db", "db/", "./db"])
async def test_a_name_that_leads_elsewhere_is_asked_of_nobody(
    infisical: InfisicalStandIn, shop: InfisicalBackend, name: str
):
    got = await one(shop, Ref(name))
    assert isinstance(got, SecretMissing)
    assert infisical.wire.calls == []


async def test_a_store_of_a_folder_sees_nothing_beside_it(infisical: InfisicalStandIn):
    for name in ("apps/db", "apps/deep/db", "apps-2/db", "db"):
        infisical.put(name, name)
    async with aclosing(store(infisical, spec={"path": "/apps"})) as backend:
        assert set(await listed(backend)) == {"db", "deep/db"}
        assert (await value(backend)).data == b"apps/db"
    async with aclosing(store(infisical, spec={"path": "/apps", "recursive": False})) as backend:
        assert set(await listed(backend)) == {"db"}
        got = await one(backend, Ref("deep/db"))
    assert isinstance(got, SecretMissing)
    assert "the store is only for folder /apps of environment prod" in str(got)


async def test_own_secrets_come_before_imported_ones_and_the_last_import_before_the_first(infisical: InfisicalStandIn):
    for folder, keys in {"apps": "a", "first": "abc", "last": "abcd"}.items():
        for key in keys:
            infisical.put(f"{folder}/{key}", f"{key} of {folder}")
    infisical.put("apps/e", "e of dev", environment="dev")
    infisical.project.imports["prod", "/apps"] = [("dev", "/apps"), ("prod", "/last"), ("prod", "/first")]
    async with aclosing(store(infisical, spec={"path": "/apps", "recursive": False, "imports": True})) as backend:
        entries = await listed(backend)
        got = await backend.fetch([Ref(key) for key in "abcde"])
        pinned = await backend.fetch([Ref("a", "1"), Ref("b", "1")])
    texts = [each.data.decode() for each in got.values() if isinstance(each, Value)]
    assert texts == ["a of apps", "b of first", "c of first", "d of last", "e of dev"]
    assert {key: set(entry.versions) for key, entry in entries.items() if key in "ab"} == {"a": {"", "1"}, "b": {""}}
    assert isinstance(pinned[Ref("a", "1")], Value)
    assert isinstance(pinned[Ref("b", "1")], SecretMissing)  # Infisical would give another version of the import


async def test_without_imports_nothing_imported_is_seen(infisical: InfisicalStandIn):
    infisical.put("apps/a", "v")
    infisical.put("shared/b", "v")
    infisical.project.imports["prod", "/apps"] = [("prod", "/shared")]
    async with aclosing(store(infisical, spec={"path": "/apps", "recursive": False})) as backend:
        assert set(await listed(backend)) == {"a"}
        assert isinstance(await one(backend, Ref("b")), SecretMissing)


async def test_a_pinned_version_is_that_version(infisical: InfisicalStandIn, shop: InfisicalBackend):
    for text in ("one", "two", "three"):
        infisical.put("db", text)
    got = await shop.fetch([Ref("db", "1"), Ref("db", "3"), DB, Ref("db", "4"), Ref("db", "0"), Ref("db", "03")])
    assert [each.data if isinstance(each, Value) else type(each) for each in got.values()] == [
        b"one",
        b"three",
        b"three",
        *[SecretMissing] * 3,
    ]


async def test_another_version_than_the_one_that_was_asked_for_is_none(
    infisical: InfisicalStandIn, shop: InfisicalBackend
):
    infisical.put("db", "one")
    infisical.put("db", "two")
    with infisical.wire.failing(lambda call, _: infisical.wire.handle(_of_latest(call)), "/secrets/db"):
        assert isinstance(await one(shop, Ref("db", "1")), SecretMissing)


def _of_latest(call: Call) -> Call:
    query = {name: text for name, text in call.query.items() if name != "version"}
    return replace(call, target=f"{call.path}?{urlencode(query)}")


async def test_what_a_value_refers_to_is_part_of_its_version(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("user", "app")
    infisical.put("url", "postgres://${user}@db")
    before = await value(shop, Ref("url"))
    assert before.data == b"postgres://app@db"
    infisical.put("user", "web")
    after = await value(shop, Ref("url"))
    assert (await listed(shop))["url"].versions[""] == after.version
    assert (after.data, before.version.split("@")[0]) == (b"postgres://web@db", after.version.split("@")[0])
    assert before.version != after.version


async def test_a_secret_that_was_deleted_and_made_anew_has_other_versions(
    infisical: InfisicalStandIn, shop: InfisicalBackend
):
    infisical.put("db", "v")
    before = await value(shop)
    infisical.delete("db")
    infisical.put("db", "v")
    assert (await value(shop)).version != before.version


async def test_metadata_are_tags_and_infisicals_tags_are_words_without_a_value(
    infisical: InfisicalStandIn, shop: InfisicalBackend
):
    infisical.put("db", "v", {"tier": "web"}, slugs=("pci",))
    latest = infisical.project.folder("prod", "/")["db"].versions[-1]
    latest.metadata += ({"key": "note", "value": CANARY, "isEncrypted": True},)
    assert (await listed(shop))["db"].tags == {"tier": "web", "pci": ""}


async def test_a_hidden_value_is_an_error_and_never_a_value():
    with InfisicalStandIn(hides=True) as infisical:
        infisical.put("db", CANARY)
        infisical.put("other", "v")
        infisical.deny("readValue", key="db")
        async with aclosing(store(infisical)) as backend:
            access = await backend.check()
            got = await backend.fetch([DB, Ref("other"), Ref("db", "1")])
            entries = await listed(backend)
    assert isinstance(got[Ref("other")], Value)
    assert isinstance(got[DB], PermissionDenied)
    assert isinstance(got[Ref("db", "1")], PermissionDenied)
    assert "may not see the value of db in folder / of environment prod" in str(got[DB])
    assert entries["db"].versions[""] == "1@hidden"
    assert "Read Value on 1 of the secrets in folder / of environment prod" in access.lacking[0]


async def test_an_older_infisical_is_asked_by_the_older_api_and_that_is_found_out_once():
    with InfisicalStandIn(knows=[3]) as infisical:
        infisical.put("db", "old")
        infisical.put("db", "v")
        async with aclosing(store(infisical, spec={"project": "shop"})) as backend:
            assert (await backend.check()).lacking == ()
            assert set(await listed(backend)) == {"db"}
            assert (await value(backend)).data == b"v"
            assert (await value(backend, Ref("db", "1"))).data == b"old"
            await backend.put("payments/new", b"n", {"a": "b"})
            await backend.delete("payments/new")
        calls = [call.path for call, _ in infisical.wire.calls]
    assert [path for path in calls if path.startswith("/api/v4")] == ["/api/v4/secrets"]
    assert {
        call.query["workspaceId"] for call, _ in infisical.wire.calls if call.method == "GET" and "raw" in call.path
    }


@pytest.mark.parametrize("content", [b"<html>not found</html>", b'{"message": "no"}'], ids=["html", "json"])
async def test_where_there_is_no_infisical_that_is_told(infisical: InfisicalStandIn, content: bytes):
    async with aclosing(store(infisical)) as backend:
        with infisical.wire.failing(says(content, 404), "/secrets"), pytest.raises(SpecInvalid) as failure:
            await backend.check()
    assert str(failure.value).startswith(f"spec.provider.infisical.siteUrl: at {infisical.host} there is no Infisical")


@pytest.mark.parametrize(
    ("spec", "telling"),
    [
        ({"environment": "nowhere"}, "no folder as in folder / of environment nowhere, project"),
        ({"path": "/nowhere"}, "no folder as in folder /nowhere of environment prod, project"),
        ({"path": "/nowhere", "recursive": False}, "no folder as in folder /nowhere of environment prod, project"),
        ({"project": "00000000-0000-0000-0000-000000000000"}, "no project as in folder / of environment prod, project"),
        ({"project": "elsewhere"}, "project: there is no project elsewhere, or the identity is no member of it"),
    ],
    ids=["environment", "folder", "folder alone", "project", "slug"],
)
async def test_a_place_that_is_not_there_is_told_and_nothing_seems_missing(
    infisical: InfisicalStandIn, spec: dict[str, object], telling: str
):
    infisical.put("db", "v")
    async with aclosing(store(infisical, spec=spec)) as backend:
        with pytest.raises(SpecInvalid) as failure:
            await backend.check()
        with pytest.raises(SpecInvalid):
            await listed(backend)
        got = await one(backend)
    assert telling in str(failure.value)
    assert isinstance(got, SpecInvalid)


async def test_a_folder_that_vanishes_makes_nothing_missing(infisical: InfisicalStandIn):
    infisical.put("apps/db", "v")
    async with aclosing(store(infisical, spec={"path": "/apps"})) as backend:
        assert set(await listed(backend)) == {"db"}
        del infisical.project.environments["prod"]["/apps"]
        with pytest.raises(SpecInvalid):
            await listed(backend)
        assert isinstance(await one(backend), SpecInvalid)


async def test_two_catalogues_at_once_are_not_mixed_up(infisical: InfisicalStandIn, shop: InfisicalBackend):
    for name in ("a/db", "b/db"):
        infisical.put(name, "v")
    scopes = [Scope(name_prefix="a/"), Scope(name_prefix="b/")] * 4
    await listed(shop, scopes[0])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listed(shop, scope)) for scope in scopes]
    assert [set(task.result()) for task in tasks] == [{"a/db"}, {"b/db"}] * 4
