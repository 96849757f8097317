"""Writing to Azure Key Vault, by the backend and by `keyferry secret`: what is put, deleted and brought back."""

from contextlib import aclosing

import pytest

from keyferry.api.store import SecretStoreSpec
from keyferry.backends.base import Writer
from keyferry.cli import listing, writing
from keyferry.cli.stores import Opened
from keyferry.errors import PermissionDenied, SecretMissing, SecretTooLarge, SpecInvalid, SyncError, ValueInvalid
from keyferry.policy.mapping import mapping_of
from keyferry.values import StoreKey, Value
from tests.contract.azure_stores import listed, one, store
from tests.standins.azure import AzureStandIn
from tests.standins.azure_vaults import SECRETS_USER

pytest_plugins = ["tests.contract.azure_fixtures"]

NONE = writing.TagChanges({}, frozenset())


async def test_what_is_put_is_there_with_just_its_tags(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        assert isinstance(backend, Writer)
        await backend.put("app/db", b"one", {"team": "a", "old": "tag"})
        version = await backend.put("app/db", b"two", {"team": "b"})
        answer = await one(backend, "app/db")
        entry = (await listed(backend))["app/db"]
    assert azure.held("App--Db") == ("two", {"team": "b"})
    assert isinstance(answer, Value)
    assert {version, answer.version, entry.versions[""]} == {version}, "put, read and list agree"


async def test_a_deleted_secret_is_missing_and_can_be_brought_back(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        await backend.put("db", b"v", {"key": "db"})
        await backend.delete("db")
        assert isinstance(await one(backend, "db"), SecretMissing)
        with pytest.raises(SecretMissing):
            await backend.delete("db")
        await backend.restore("db")
        assert isinstance(await one(backend, "db"), Value)
        with pytest.raises(SecretMissing, match=r"has no deleted secret no-such"):
            await backend.restore("no-such")
    assert azure.held("db") == ("v", {"key": "db"})


async def test_a_name_that_is_kept_for_what_was_deleted_says_what_to_do(azure: AzureStandIn):
    azure.put("db", "v")
    azure.delete("db", for_good=False)
    async with aclosing(store(azure)) as backend:
        with pytest.raises(SpecInvalid) as refused:
            await backend.put("db", b"canary", {})
    assert str(refused.value) == (
        f"secret db of vault {azure.host} is deleted, and its name is kept for it: recover it (az keyvault secret "
        "recover) and write again, purge it (az keyvault secret purge), or take another name"
    )


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"\xff\x00", ValueInvalid, "Key Vault holds text only: write it as Base64"),
        (b"x" * (25 * 1024 + 1), SecretTooLarge, "has at most 25600 bytes"),
    ],
    ids=["binary", "too large"],
)
async def test_what_a_vault_cannot_hold_is_refused_before_it_is_asked(
    azure: AzureStandIn, data: bytes, kind: type[SyncError], words: str
):
    async with aclosing(store(azure)) as backend:
        with pytest.raises(kind, match=words):
            await backend.put("db", data, {})
    assert azure.calls == []


@pytest.mark.parametrize("name", ["DB", "a--b", "d_b"])
async def test_a_name_of_another_spelling_is_not_written(azure: AzureStandIn, name: str):
    async with aclosing(store(azure)) as backend:
        for work in (backend.put(name, b"v", {}), backend.delete(name), backend.restore(name)):
            with pytest.raises(SyncError, match=name):
                await work
    assert azure.calls == []


async def test_too_many_tags_are_told(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        with pytest.raises(SpecInvalid, match=r"not take secret db as it is .* at most 15 tags of 256 characters each"):
            await backend.put("db", b"canary", {f"t{n}": "v" for n in range(16)})


async def test_who_may_only_read_is_told_which_role_writes(azure: AzureStandIn):
    azure.put("db", "v")
    azure.grant(azure.reader.client_id, SECRETS_USER)
    async with aclosing(store(azure)) as backend:
        with pytest.raises(PermissionDenied, match=r"secrets/set on secret db .* role Key Vault Secrets Officer"):
            await backend.put("db", b"v", {})
        with pytest.raises(PermissionDenied, match=r"secrets/delete on secret db .* role Key Vault Secrets Officer"):
            await backend.delete("db")


def opened(azure: AzureStandIn, *, by: str, prefix: str = "acme") -> Opened:
    """The store as `keyferry secret` sees it from the namespace payments."""
    azure_spec = {"azure": {"vault": azure.url}}
    tags = {"defaultTags": {"managed-by": "keyferry"}}
    spec = SecretStoreSpec.model_validate({"provider": azure_spec, "prefix": prefix, "mapping": {"by": by}, **tags})
    mapping = mapping_of(spec, cluster=True)
    return Opened(StoreKey("", "azure"), spec, mapping, mapping.view(("payments",)), store(azure))


@pytest.mark.parametrize(
    ("by", "prefix", "there"),
    [("Tags", "acme", "acme--payments--db"), ("Paths", "acme", "acme--payments--db"), ("Names", "acme-", "acme-db")],
)
async def test_keyferry_secret_puts_lists_and_deletes(azure: AzureStandIn, by: str, prefix: str, there: str):
    cli = opened(azure, by=by, prefix=prefix)
    async with aclosing(cli.backend):
        await writing.put(cli, "db", b"one", writing.tag_changes(["tier=web"]), lambda _: True)
        await writing.put(cli, "db", b"two", NONE, lambda _: True)
        value, tags = azure.held(there)
        (row,) = await listing.rows(cli)
        assert (value, row.key) == ("two", "db")
        assert {"tier": "web", "managed-by": "keyferry"}.items() <= tags.items()
        if by == "Tags":
            assert {"prefix": "acme", "namespace": "payments", "key": "db"}.items() <= tags.items()
        await writing.delete(cli, "db", lambda _: True)
        assert await listing.rows(cli) == []
