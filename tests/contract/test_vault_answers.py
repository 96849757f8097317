"""What Vault holds and answers, well or not, against a real one."""

import json
from contextlib import aclosing
from typing import Any

import pytest

from keyferry.backends.vault import VaultBackend
from keyferry.errors import (
    BackendUnavailable,
    PermissionDenied,
    SecretMissing,
    SpecInvalid,
    SyncError,
    Throttled,
)
from keyferry.values import Ref, Scope, Value
from tests.contract.vault_stores import DB, listed, one, store, write
from tests.standins import wire
from tests.standins.vault_proxy import DENIED, VaultProxy, refuses
from tests.standins.wire import Fault


async def test_a_value_is_the_secrets_map_as_json(vault: VaultProxy, kv: str, kv2: VaultBackend):
    content: Any = {"user": "ä", "port": 5432, "on": True, "none": None, "deep": {"a": [1.5, 2**53]}}
    write(vault, kv, **content)
    got = await one(kv2)
    assert isinstance(got, Value)
    assert json.loads(got.data) == content


@pytest.mark.parametrize(
    "name", ["with space/db", "per%cent", "qu?stion", "ha#sh", "pl+us", "a&b=c", "žluť/kůň", "sl/a/s/h", "%2e%2e/db"]
)
async def test_any_name_is_read_and_listed_as_it_is(vault: VaultProxy, kv: str, kv2: VaultBackend, name: str):
    write(vault, kv, name, of=name)
    assert set(await listed(kv2)) == {name}
    got = await one(kv2, Ref(name))
    assert isinstance(got, Value)
    assert json.loads(got.data) == {"of": name}


@pytest.mark.parametrize("name", ["", "/db", "db/", "a//db", "a/../db", "./db", "a\ndb", " db", "a/db "])
async def test_what_can_be_no_name_is_missing_and_nobody_is_asked(vault: VaultProxy, kv2: VaultBackend, name: str):
    assert isinstance(await one(kv2, Ref(name)), SecretMissing)
    assert vault.calls == []


async def test_versions_are_read_by_number(vault: VaultProxy, kv: str, kv2: VaultBackend):
    for n in range(3):
        write(vault, kv, n=n)
    got = await kv2.fetch([Ref(DB.id, number) for number in ("1", "3", "4")])
    assert [json.loads(answer.data) for answer in got.values() if isinstance(answer, Value)] == [{"n": 0}, {"n": 2}]
    assert str(got[Ref(DB.id, "4")]) == f"Vault has no secret {kv}/app/db, or no version 4 of it"


@pytest.mark.parametrize("version", ["0", "-1", "latest", "1.0", "01", "٣", "9" * 30])
async def test_what_can_be_no_version_is_missing_and_not_asked_for(
    vault: VaultProxy, kv: str, kv2: VaultBackend, version: str
):
    write(vault, kv, n=1)
    got = await one(kv2, Ref(DB.id, version))
    assert isinstance(got, SecretMissing)
    assert str(got) == f"{kv}/app/db has no version {version}: Vault's versions are numbers from 1 on"
    assert not any("/data/" in call.path for call in vault.calls)


async def test_a_secret_that_is_made_anew_has_another_version(vault: VaultProxy, kv: str, kv2: VaultBackend):
    write(vault, kv, n=1)
    before = await one(kv2)
    vault.vault.request("DELETE", f"{kv}/metadata/{DB.id}")
    write(vault, kv, n=2)
    after = await one(kv2)
    assert isinstance(before, Value)
    assert isinstance(after, Value)
    assert (before.version[:2], after.version[:2]) == ("1@", "1@")
    assert before.version != after.version


async def test_deleted_destroyed_and_never_there_are_told_apart(vault: VaultProxy, kv: str, kv2: VaultBackend):
    for name in ("deleted", "destroyed"):
        write(vault, kv, name, n=1)
    vault.vault.request("DELETE", f"{kv}/data/deleted")
    vault.vault.request("PUT", f"{kv}/destroy/destroyed", {"versions": [1]})
    got = await kv2.fetch([Ref("deleted"), Ref("destroyed"), Ref("never")])
    assert all(isinstance(answer, SecretMissing) for answer in got.values())
    assert str(got[Ref("deleted")]).startswith(f"version 1 of {kv}/deleted is deleted: undelete it")
    assert str(got[Ref("destroyed")]).startswith(f"version 1 of {kv}/destroyed was destroyed, for good")
    assert str(got[Ref("never")]) == f"Vault has no secret {kv}/never"


async def test_the_catalogue_leaves_out_what_cannot_be_read(vault: VaultProxy, kv: str, kv2: VaultBackend):
    for name in ("gone", "former", "former", "future"):
        write(vault, kv, name, n=1)
    for name in ("gone", "former"):
        vault.vault.request("DELETE", f"{kv}/data/{name}")
    vault.vault.request("POST", f"{kv}/metadata/future", {"delete_version_after": "1h"})
    write(vault, kv, "future", n=2)
    vault.vault.request("POST", f"{kv}/metadata/empty", {"custom_metadata": {"key": "empty"}})
    assert {name: sorted(entry.versions) for name, entry in (await listed(kv2)).items()} == {
        "former": ["1"],
        "future": ["", "1", "2"],
    }


async def test_folders_are_listed_to_their_depth_and_a_name_may_be_both(vault: VaultProxy, kv: str, kv2: VaultBackend):
    names = {"a", "a/b", "a/b/c", "a/b/c/d", "z/y/x"}
    for name in names:
        write(vault, kv, name, n=1)
    assert set(await listed(kv2)) == names


@pytest.mark.parametrize(
    ("prefix", "inside", "folders"),
    [
        ("team/", {"team/a", "team/deep/b"}, ["team/", "team/deep/"]),
        ("team/de", {"team/deep/b"}, ["team/", "team/deep/"]),
        ("tea", {"team/a", "team/deep/b", "tea"}, ["", "team/", "team/deep/"]),
        ("nowhere/", set(), ["nowhere/"]),
    ],
)
async def test_only_folders_of_the_prefix_are_looked_into(
    vault: VaultProxy, kv: str, kv2: VaultBackend, prefix: str, inside: set[str], folders: list[str]
):
    for name in ("team/a", "team/deep/b", "tea", "other/c"):
        write(vault, kv, name, n=1)
    assert set(await listed(kv2, Scope(name_prefix=prefix))) == inside
    asked = [call.path.removeprefix(f"{kv}/metadata").lstrip("/") for call in vault.calls if call.capability == "list"]
    assert sorted(path and path.rstrip("/") + "/" for path in asked) == folders


@pytest.mark.parametrize(
    ("fault", "kind", "telling"),
    [
        (refuses(429, "rate limited", Retry_After="7"), Throttled, "is asked too often"),
        (refuses(500, "canary"), BackendUnavailable, "fails at"),
        (refuses(502), BackendUnavailable, "fails at"),
        (refuses(503, "Vault is sealed"), BackendUnavailable, "Vault is sealed, or not the active node"),
        (refuses(307, Location="https://elsewhere.example/canary"), SpecInvalid, "sends requests on"),
        (refuses(418, "canary"), BackendUnavailable, "does not understand (status 418)"),
        (refuses(400, "canary"), BackendUnavailable, "does not take ReadData"),
        (wire.says(b"<html>canary"), BackendUnavailable, "does not understand (no answer of Vault's)"),
        (wire.says(b"[]"), BackendUnavailable, "does not understand"),
        (wire.says(b"{}"), BackendUnavailable, "has no data in it"),
        (wire.says(b'{"data": {"data": null}}'), BackendUnavailable, "lacks its value"),
        (wire.says(b'{"data": {"data": {"a": "canary"}}}'), BackendUnavailable, "has no metadata in it"),
        (wire.says(b'{"data": {"data": {}, "metadata": {"version": 1}}}'), BackendUnavailable, "without number"),
        (wire.broken_off, BackendUnavailable, "breaks off"),
        (wire.reset, BackendUnavailable, "breaks off"),
    ],
    ids=[
        *("throttled", "500", "502", "sealed", "redirect", "unknown status", "bad request", "no json", "list", "empty"),
        *("no value", "no metadata", "no time", "cut", "reset"),
    ],
)
async def test_an_answer_that_is_none_is_told_without_its_words(
    vault: VaultProxy, kv: str, kv2: VaultBackend, fault: Fault, kind: type[SyncError], telling: str
):
    write(vault, kv, n="canary")
    assert isinstance(await one(kv2), Value)
    with vault.wire.failing(fault, f"{kv}/data"):
        got = await one(kv2)
    assert type(got) is kind
    assert telling in str(got)
    assert "canary" not in str(got)
    assert not isinstance(got, Throttled) or got.retry_after == 7
    assert isinstance(await one(kv2), Value)


@pytest.mark.parametrize(
    "content", [b"{}", b'{"data": {}}', b'{"data": {"keys": [1]}}', b'{"data": {"keys": "ab"}}'], ids=str
)
async def test_half_a_list_is_no_list(vault: VaultProxy, kv: str, kv2: VaultBackend, content: bytes):
    with vault.wire.failing(wire.says(content), f"{kv}/metadata"), pytest.raises(BackendUnavailable):
        await listed(kv2)


@pytest.mark.parametrize(
    "content", [b'{"data": {}}', b'{"data": {"versions": {}}}', b'{"data": {"current_version": 1}}']
)
async def test_a_line_of_the_catalogue_that_makes_no_sense_is_no_missing_secret(
    vault: VaultProxy, kv: str, kv2: VaultBackend, content: bytes
):
    write(vault, kv, n=1)
    with vault.wire.failing(wire.says(content), f"{kv}/metadata/{DB.id}"), pytest.raises(BackendUnavailable):
        await listed(kv2)


async def test_a_secret_whose_metadata_is_denied_fails_the_sweep_and_is_named(
    vault: VaultProxy, kv: str, kv2: VaultBackend
):
    write(vault, kv, n=1)
    denied = vault.wire.failing(refuses(403, DENIED), f"{kv}/metadata/{DB.id}")
    with denied, pytest.raises(PermissionDenied, match=f"not allowed read on {kv}/metadata/app/db"):
        await listed(kv2)


async def test_a_sealed_vault_is_no_empty_one(vault: VaultProxy, kv: str, kv2: VaultBackend):
    write(vault, kv, n=1)
    assert set(await listed(kv2)) == {DB.id}
    with vault.wire.failing(refuses(503, "Vault is sealed"), ""):
        with pytest.raises(BackendUnavailable, match="unseal it"):
            await listed(kv2)
        with pytest.raises(BackendUnavailable, match="unseal it"):
            await kv2.check()


async def test_an_engine_that_is_not_there_makes_nothing_missing(vault: VaultProxy):
    async with aclosing(store(vault, "nowhere")) as backend:
        got = await one(backend)
        assert isinstance(got, SpecInvalid)
        assert str(got) == "spec.provider.vault.rootEngine: nothing is mounted at nowhere in this namespace"
        with pytest.raises(SpecInvalid):
            await listed(backend)
        with pytest.raises(SpecInvalid):
            await backend.check()


@pytest.mark.parametrize(("there", "said"), [(1, 2), (2, 1)])
async def test_the_wrong_version_of_the_engine_is_told_before_anything_seems_missing(
    vault: VaultProxy, there: int, said: int
):
    mount = vault.vault.engine(there)
    async with aclosing(store(vault, mount, spec={"version": f"v{said}"})) as backend:
        with pytest.raises(SpecInvalid) as failure:
            await backend.check()
    assert str(failure.value) == (
        f"spec.provider.vault.version: {mount} is a KV engine of version {there}: write v{there}"
    )


async def test_an_engine_of_version_2_that_was_made_of_one_of_version_1_makes_nothing_missing(
    vault: VaultProxy, kv: str
):
    write(vault, kv, n=1)
    async with aclosing(store(vault, kv, spec={"version": "v1"})) as backend:
        assert isinstance(await one(backend), SpecInvalid)


async def test_what_is_mounted_but_is_no_kv_engine_is_told(vault: VaultProxy):
    async with aclosing(store(vault, "cubbyhole")) as backend:
        with pytest.raises(SpecInvalid, match="cubbyhole is no KV engine"):
            await backend.check()


async def test_without_versions_a_digest_tells_a_change_and_nothing_of_the_value(vault: VaultProxy, kv1: VaultBackend):
    mount = kv1._spec.root_engine
    versions = []
    for content in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "1", "b": "3"}):
        vault.vault.request("POST", f"{mount}/{DB.id}", content)
        got = await one(kv1)
        assert isinstance(got, Value)
        versions.append(got.version)
    assert versions[0] == versions[1] != versions[2]
    assert str(await one(kv1, Ref(DB.id, "1"))).endswith("KV version 1 keeps no versions: leave version out")


async def test_the_digests_of_two_engines_cannot_be_compared(vault: VaultProxy):
    versions = set()
    for _ in range(2):
        mount = vault.vault.engine(1)
        vault.vault.request("POST", f"{mount}/{DB.id}", {"a": "1"})
        async with aclosing(store(vault, mount, spec={"version": "v1"})) as backend:
            got = await one(backend)
            assert isinstance(got, Value)
            versions.add(got.version)
    assert len(versions) == 2
