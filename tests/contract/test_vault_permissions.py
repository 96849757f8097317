"""The policies of the documentation, on a real Vault: they suffice, and less does not."""

import json
import re
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from keyferry.backends.vault import VaultBackend
from keyferry.errors import PermissionDenied
from keyferry.values import Ref, Scope, Value
from tests.contract.vault_stores import store
from tests.standins.vault_proxy import VaultProxy

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "vault.md"
ACME = Scope(name_prefix="acme/")
DB = Ref("acme/payments/db")
Policy = Callable[[str], str]


def documented(number: int, mount: str) -> str:
    """A policy as the page has it, for this engine."""
    blocks = re.findall(r"```hcl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    text: str = blocks[number].replace('"secret/', f'"{mount}/')
    return text


def without(policy: str, path: str, capability: str) -> str:
    """The policy with one capability taken out."""

    def less(line: re.Match[str]) -> str:
        capabilities = [each for each in json.loads(line["list"]) if each != capability]
        return f'path "{line["path"]}" {{ capabilities = {json.dumps(capabilities or ["deny"])} }}'

    pattern = rf'path "(?P<path>[^"]*/{path}/[^"]*)" {{ capabilities = (?P<list>\[.*?\]) }}'
    changed = re.sub(pattern, less, policy)
    assert changed != policy
    return changed


def reader(vault: VaultProxy, mount: str, policy: str, version: int = 2) -> "aclosing[VaultBackend]":
    token = vault.vault.token(vault.vault.policy(policy))
    return aclosing(store(vault, mount, token=token, spec={"version": f"v{version}"}, scope=ACME))


@pytest.fixture
def engine(vault: VaultProxy, kv: str) -> str:
    for name in (DB.id, "umbrella/payments/db"):
        vault.vault.request("POST", f"{kv}/data/{name}", {"data": {"password": "v"}})
    return kv


async def names(backend: VaultBackend, scope: Scope = ACME) -> set[str]:
    return {entry.name async for entry in backend.entries(scope)}


async def test_the_documented_policy_suffices(vault: VaultProxy, engine: str):
    async with reader(vault, engine, documented(0, engine)) as backend:
        access = await backend.check()
        got = await backend.fetch([DB, Ref(DB.id, "1")])
        assert await names(backend) == {DB.id}
    assert (access.listing, access.lacking) == (True, ())
    assert [isinstance(answer, Value) for answer in got.values()] == [True, True]


async def test_it_reads_and_lists_nothing_beyond_its_prefix(vault: VaultProxy, engine: str):
    other = Ref("umbrella/payments/db")
    async with reader(vault, engine, documented(0, engine)) as backend:
        got = (await backend.fetch([other]))[other]
        with pytest.raises(
            PermissionDenied, match=f"not allowed list on {engine}/metadata/$|list on {engine}/metadata/:"
        ):
            await names(backend, Scope())
    assert isinstance(got, PermissionDenied)
    assert f"is not allowed read on {engine}/data/{other.id}: grant that in a policy" in str(got)


@pytest.mark.parametrize(("capability", "path"), [("list", "acme/"), ("read", "acme/*")])
async def test_without_the_catalogue_only_reading_is_left(vault: VaultProxy, engine: str, capability: str, path: str):
    async with reader(vault, engine, without(documented(0, engine), "metadata", capability)) as backend:
        access = await backend.check()
        with pytest.raises(PermissionDenied, match=f"not allowed {capability} on {engine}/metadata/acme/"):
            await names(backend)
        got = await backend.fetch([DB])
    assert not access.listing
    assert [each.partition(":")[0] for each in access.lacking] == [f"{capability} on {engine}/metadata/{path}"]
    assert isinstance(got[DB], Value)


async def test_without_reading_no_value_can_be_had(vault: VaultProxy, engine: str):
    async with reader(vault, engine, without(documented(0, engine), "data", "read")) as backend:
        access = await backend.check()
        got = (await backend.fetch([DB]))[DB]
    assert access.listing
    assert access.lacking[0].startswith(f"read on {engine}/data/acme/*: it could only be tried")
    assert isinstance(got, PermissionDenied)


async def test_the_documented_policy_of_version_1_suffices_and_no_less_does(vault: VaultProxy):
    mount = vault.vault.engine(1)
    vault.vault.request("POST", f"{mount}/{DB.id}", {"password": "v"})
    async with reader(vault, mount, documented(1, mount), 1) as backend:
        assert (await backend.check()).lacking == ()
        assert await names(backend) == {DB.id}
    async with reader(vault, mount, without(documented(1, mount), "acme", "list"), 1) as backend:
        assert [each.partition(":")[0] for each in (await backend.check()).lacking] == [f"list on {mount}/acme/"]
        assert isinstance((await backend.fetch([DB]))[DB], Value)
    async with reader(vault, mount, without(documented(1, mount), "acme", "read"), 1) as backend:
        assert len((await backend.check()).lacking) == 2
        assert isinstance((await backend.fetch([DB]))[DB], PermissionDenied)


async def writes(backend: VaultBackend) -> None:
    """All that can be done to a secret, one after the other."""
    await backend.put("acme/new", b'{"a": 1}', {"team": "x"})
    await backend.put("acme/new", b'{"a": 2}', {"team": "y"})
    await backend.delete("acme/new")
    await backend.restore("acme/new")
    assert await names(backend)


async def test_the_documented_policy_for_writing_suffices(vault: VaultProxy, engine: str):
    async with reader(vault, engine, documented(2, engine)) as backend:
        await writes(backend)
        assert (await backend.check()).lacking == ()


@pytest.mark.parametrize(
    ("path", "capability"),
    [
        ("data", "create"),
        ("data", "update"),
        ("data", "delete"),
        ("metadata", "update"),
        ("metadata", "list"),
        ("metadata", "read"),
        ("undelete", "update"),
    ],
)
async def test_without_any_part_of_it_something_cannot_be_written(
    vault: VaultProxy, engine: str, path: str, capability: str
):
    async with reader(vault, engine, without(documented(2, engine), path, capability)) as backend:
        with pytest.raises(PermissionDenied, match=f"on {engine}/{path}/acme/"):
            await writes(backend)


async def test_what_is_granted_while_it_runs_is_found_by_the_next_check(vault: VaultProxy, engine: str):
    name = vault.vault.policy(without(documented(0, engine), "metadata", "list"))
    token = vault.vault.token(name)
    async with aclosing(store(vault, engine, token=token, scope=ACME)) as backend:
        assert not (await backend.check()).listing
        vault.vault.request("PUT", f"sys/policies/acl/{name}", {"policy": documented(0, engine)})
        assert (await backend.check()).listing
