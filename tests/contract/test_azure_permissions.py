"""The role of the documentation: it suffices, and less does not."""

import json
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import PermissionDenied
from keyferry.values import Value
from tests.contract.azure_stores import listed, one, store
from tests.standins.azure import AzureStandIn
from tests.standins.azure_vaults import GET, METADATA, SECRETS_USER

pytest_plugins = ["tests.contract.azure_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "azure.md"


def documented() -> frozenset[str]:
    """The data actions of the role that the page has."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    role: dict[str, Any] = json.loads(blocks[0])
    assert role["Actions"] == []
    return frozenset(role["DataActions"])


def test_the_page_grants_just_what_the_built_in_role_does():
    assert documented() == {METADATA, GET} == SECRETS_USER


async def test_the_documented_role_suffices(azure: AzureStandIn):
    version = azure.put("db", "v")
    azure.grant(azure.reader.client_id, documented())
    async with aclosing(store(azure)) as backend:
        access = await backend.check()
        assert isinstance(await one(backend, "db"), Value)
        assert isinstance(await one(backend, "db", version), Value)
        assert set(await listed(backend)) == {"db"}
    assert (access.listing, access.lacking) == (True, ())


async def test_without_listing_only_reading_is_left(azure: AzureStandIn):
    azure.put("db", "v")
    azure.grant(azure.reader.client_id, documented() - {METADATA})
    async with aclosing(store(azure)) as backend:
        access = await backend.check()
        assert isinstance(await one(backend, "db"), Value)
        with pytest.raises(PermissionDenied, match="secrets/list"):
            await listed(backend)
    assert access.listing is False
    (lacking,) = access.lacking
    assert lacking.startswith("secrets/list (role Key Vault Secrets User): without it nothing tells what changed")


async def test_without_reading_no_value_can_be_had(azure: AzureStandIn):
    azure.put("db", "v")
    azure.grant(azure.reader.client_id, documented() - {GET})
    async with aclosing(store(azure)) as backend:
        access = await backend.check()
        assert set(await listed(backend)) == {"db"}
        assert isinstance(await one(backend, "db"), PermissionDenied)
    assert access.listing is True
    (lacking,) = access.lacking
    assert lacking.startswith("secrets/get (role Key Vault Secrets User): could only be tried on a secret that")
