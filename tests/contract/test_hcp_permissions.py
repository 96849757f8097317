"""The role of the documentation, on the stand-in: it suffices, and what is lost without it or a part of it."""

import re
from contextlib import aclosing
from pathlib import Path

import pytest

from keyferry.backends.hcp import HcpBackend
from keyferry.errors import PermissionDenied
from keyferry.values import Ref, Value
from tests.contract.hcp_stores import APP, DB, PRINCIPAL, holding, listed, one, store
from tests.standins.hcp import HcpStandIn

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "hcp.md"


def documented() -> str:
    """The role as the page has it."""
    (role,) = re.findall(r'role += "(.*)"', PAGE.read_text())
    return str(role)


def reader(hcp: HcpStandIn, role: str, may: frozenset[str] | None = None) -> "aclosing[HcpBackend]":
    return aclosing(store(hcp, cluster=holding(hcp, **hcp.service_principal(role, may=may))))


async def test_the_documented_role_suffices(hcp: HcpStandIn):
    for each in ("v", "w"):
        hcp.put("DB", each)
    hcp.put("API", {"key": "k"})
    hcp.dynamic("AWS")
    async with reader(hcp, documented()) as backend:
        access = await backend.check()
        assert hcp.minted() == 0
        assert set(await listed(backend)) == {"DB", "API", "AWS"}
        got = await backend.fetch([DB, Ref("DB", "1"), Ref("API"), Ref("AWS")])
    assert (access.listing, access.batching, access.lacking) == (True, True, ())
    assert all(isinstance(answer, Value) for answer in got.values())
    methods = {(call.method, status) for call, status in hcp.wire.calls if call.path != "/oauth2/token"}
    assert methods == {("GET", 200)}


async def test_without_it_nothing_can_be_read_and_the_role_is_named(hcp: HcpStandIn):
    hcp.put("DB", "v")
    async with reader(hcp, "") as backend:
        with pytest.raises(PermissionDenied) as refused:
            await backend.check()
        got = await one(backend)
    assert str(refused.value) == (
        f"{PRINCIPAL} may not do this in {APP}: give it the role App secrets reader ({documented()}) there, or "
        "check organization and project"
    )
    assert isinstance(got, PermissionDenied)


async def test_a_role_that_only_lists_is_told_as_lacking(hcp: HcpStandIn):
    hcp.put("DB", "v")
    async with reader(hcp, documented(), may=frozenset({"view"})) as backend:
        access = await backend.check()
        got = await one(backend)
        assert "DB" in await listed(backend)
    assert access.listing
    assert access.lacking == (
        f"the role App secrets reader ({documented()}) in {APP}: without it no value can be read",
    )
    assert isinstance(got, PermissionDenied)


async def test_another_project_is_not_seen(hcp: HcpStandIn):
    async with aclosing(store(hcp, spec={"project": "00000000-0000-0000-0000-000000000000"})) as backend:
        with pytest.raises(PermissionDenied):
            await backend.check()
