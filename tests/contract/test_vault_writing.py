"""Writing to Vault: what is put, deleted and restored, and what of others is left alone."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from keyferry.backends.vault import VaultBackend
from keyferry.errors import BackendUnavailable, SecretMissing, SpecInvalid, ValueInvalid
from keyferry.values import Value
from tests.contract.vault_stores import DB, listed, one, write
from tests.standins.vault_proxy import VaultProxy
from tests.standins.wire import Answer, Call, Proceed


async def written(store: VaultBackend, content: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> str:
    return await store.put(DB.id, json.dumps(content).encode(), tags or {})


async def test_what_is_put_is_read_and_listed_with_its_tags(vault: VaultProxy, kv: str, kv2: VaultBackend):
    first = await written(kv2, {"a": 1}, {"team": "x"})
    second = await written(kv2, {"a": 2}, {"team": "x"})
    entry = (await listed(kv2))[DB.id]
    assert (entry.versions["1"], entry.versions[""], dict(entry.tags)) == (first, second, {"team": "x"})
    assert await one(kv2) == Value(b'{"a":2}', second)
    await written(kv2, {"a": 2})
    assert dict((await listed(kv2))[DB.id].tags) == {}


async def test_putting_leaves_the_settings_of_the_secret_alone(vault: VaultProxy, kv: str, kv2: VaultBackend):
    settings = {"cas_required": True, "delete_version_after": "24h0m0s", "max_versions": 3}
    vault.vault.request("POST", f"{kv}/metadata/{DB.id}", settings)
    await written(kv2, {"a": 1}, {"team": "x"})
    kept = vault.vault.request("GET", f"{kv}/metadata/{DB.id}")["data"]
    assert {name: kept[name] for name in settings} == settings


async def test_a_write_of_somebody_else_meanwhile_is_not_overwritten(vault: VaultProxy, kv: str, kv2: VaultBackend):
    def overtaken(_: Call, proceed: Proceed) -> Answer:
        write(vault, kv, a="theirs")
        return proceed()

    with (
        vault.wire.failing(overtaken, f"{kv}/data"),
        pytest.raises(BackendUnavailable, match="by somebody else meanwhile"),
    ):
        await written(kv2, {"a": "ours"})
    assert (await one(kv2)) is not None
    assert vault.vault.request("GET", f"{kv}/data/{DB.id}")["data"]["data"] == {"a": "theirs"}


@pytest.mark.parametrize("data", [b"plain", b"[1]", b"1", b"\xff", b""])
async def test_only_a_map_can_be_put(vault: VaultProxy, kv2: VaultBackend, data: bytes):
    with pytest.raises(ValueInvalid, match="a KV secret is a map: give it a JSON object"):
        await kv2.put(DB.id, data, {})
    assert vault.calls == []


async def test_what_is_deleted_can_be_restored(vault: VaultProxy, kv: str, kv2: VaultBackend):
    version = await written(kv2, {"a": 1}, {"team": "x"})
    await kv2.delete(DB.id)
    assert isinstance(await one(kv2), SecretMissing)
    with pytest.raises(SecretMissing, match="deleted already"):
        await kv2.delete(DB.id)
    assert await kv2.restore(DB.id) == version
    assert await one(kv2) == Value(b'{"a":1}', version)
    with pytest.raises(SpecInvalid, match="is not deleted"):
        await kv2.restore(DB.id)


async def test_what_was_deleted_can_be_put_again(vault: VaultProxy, kv2: VaultBackend):
    await written(kv2, {"a": 1})
    await kv2.delete(DB.id)
    assert (await written(kv2, {"a": 2})).startswith("2@")
    assert isinstance(await one(kv2), Value)


async def test_what_is_destroyed_or_never_was_cannot_be_restored(vault: VaultProxy, kv: str, kv2: VaultBackend):
    await written(kv2, {"a": 1})
    vault.vault.request("PUT", f"{kv}/destroy/{DB.id}", {"versions": [1]})
    for name in (DB.id, "never"):
        with pytest.raises(SecretMissing, match="not there, or destroyed for good"):
            await kv2.restore(name)
        with pytest.raises(SecretMissing):
            await kv2.delete(name)


async def test_version_1_is_written_without_tags_and_deleted_for_good(vault: VaultProxy, kv1: VaultBackend):
    version = await written(kv1, {"a": 1})
    assert await one(kv1) == Value(b'{"a":1}', version)
    with pytest.raises(SpecInvalid, match="has no tags"):
        await written(kv1, {"a": 1}, {"team": "x"})
    await kv1.delete(DB.id)
    assert isinstance(await one(kv1), SecretMissing)
    with pytest.raises(SecretMissing):
        await kv1.delete(DB.id)
    with pytest.raises(SpecInvalid, match="keeps nothing of what was deleted"):
        await kv1.restore(DB.id)
