"""The permissions of the documentation: they suffice, and less does not."""

import re
from contextlib import aclosing
from pathlib import Path

import pytest
import yaml

from keyferry.backends.gcp import GcpBackend
from keyferry.errors import PermissionDenied, SecretMissing
from keyferry.values import Ref, Scope, Value
from tests.contract.gcp_stores import store
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_iam import ServiceAccount

pytest_plugins = ["tests.contract.gcp_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "gcp.md"
LIST, ACCESS = "secretmanager.secrets.list", "secretmanager.versions.access"
DB = Ref("acme_db")


def documented(title: str) -> list[str]:
    """The role of that title, as the page has it."""
    blocks = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(title: .*?)```", PAGE.read_text(), re.DOTALL)]
    (role,) = [block for block in blocks if block["title"] == title]
    permissions: list[str] = role["includedPermissions"]
    return permissions


READING, WRITING = documented("Keyferry, reading"), documented("Keyferry, writing")


def reader(gcp: GcpStandIn, *permissions: str) -> tuple[ServiceAccount, "aclosing[GcpBackend]"]:
    account = gcp.iam.account("keyferry", permissions)
    return account, aclosing(store(gcp, key=account.key_file()))


async def names(backend: GcpBackend) -> set[str]:
    return {entry.name async for entry in backend.entries(Scope())}


async def test_the_documented_permissions_suffice_for_reading(gcp: GcpStandIn):
    gcp.put("acme_db", b"v")
    _, opened = reader(gcp, *READING)
    async with opened as backend:
        access = await backend.check()
        got = await backend.fetch([DB, Ref("acme_db", "1")])
        listed = await names(backend)
    assert (access.listing, access.batching, access.lacking) == (True, None, ())
    assert [isinstance(answer, Value) for answer in got.values()] == [True, True]
    assert listed == {"acme_db"}


async def test_without_listing_only_reading_is_left(gcp: GcpStandIn):
    gcp.put("acme_db", b"v")
    _, opened = reader(gcp, *(each for each in READING if each != LIST))
    async with opened as backend:
        access = await backend.check()
        with pytest.raises(PermissionDenied, match=f"{LIST} on projects/acme-prod"):
            await names(backend)
        got = await backend.fetch([DB])
    assert access.listing is False
    assert [each.partition(":")[0] for each in access.lacking] == [f"{LIST} on projects/acme-prod"]
    assert isinstance(got[DB], Value)


async def test_without_reading_no_value_can_be_had_and_the_check_says_so(gcp: GcpStandIn):
    gcp.put("acme_db", b"v")
    _, opened = reader(gcp, *(each for each in READING if each != ACCESS))
    async with opened as backend:
        access = await backend.check()
        got = (await backend.fetch([DB]))[DB]
    assert access.listing is True
    assert [each.partition(":")[0] for each in access.lacking] == [f"{ACCESS} on projects/acme-prod"]
    assert isinstance(got, PermissionDenied)
    assert f"{ACCESS} on projects/acme-prod/secrets/acme_db" in str(got)


async def test_granted_secret_by_secret_it_reads_these_and_no_other(gcp: GcpStandIn):
    gcp.put("acme_db", b"v")
    gcp.put("umbrella_db", b"v")
    account, opened = reader(gcp, LIST)
    gcp.iam.also(account.email, [ACCESS], "*/secrets/acme_*")
    async with opened as backend:
        access = await backend.check()
        got = await backend.fetch([DB, Ref("umbrella_db")])
    assert "Where it is granted secret by secret that is as it should be" in access.lacking[0]
    assert isinstance(got[DB], Value)
    assert isinstance(got[Ref("umbrella_db")], PermissionDenied)


async def test_the_documented_permissions_suffice_for_writing(gcp: GcpStandIn):
    _, opened = reader(gcp, *READING, *WRITING)
    async with opened as backend:
        assert await backend.put("db", b"1", {"key": "db"}) == "1"
        assert await backend.put("db", b"2", {"key": "DB"}) == "2"
        await backend.delete("db")
        with pytest.raises(SecretMissing):
            await backend.delete("db")


@pytest.mark.parametrize("less", WRITING)
async def test_less_does_not_suffice_for_writing_and_what_lacks_is_named(gcp: GcpStandIn, less: str):
    _, opened = reader(gcp, *READING, *(each for each in WRITING if each != less))

    async def everything(backend: GcpBackend) -> None:
        await backend.put("db", b"1", {"key": "db"})
        await backend.put("db", b"2", {"key": "DB"})
        await backend.delete("db")

    async with opened as backend:
        with pytest.raises(PermissionDenied, match=re.escape(f"is not allowed {less} on projects/acme-prod")):
            await everything(backend)
