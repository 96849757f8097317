"""What only Infisical does with what is written to it."""

import logging

import pytest

from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import BackendUnavailable, PermissionDenied, SecretMissing, SpecInvalid, ValueInvalid
from keyferry.values import Ref, Value
from tests.contract.infisical_stores import listed, one
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_wire import refuses

CANARY = "canary-90e1"


async def test_folders_that_lack_are_made(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("acme/other", "v")
    version = await shop.put("acme/payments/deep/db", b"v", {})
    got = await one(shop, Ref("acme/payments/deep/db"))
    assert got == Value(b"v", version)
    assert set(infisical.project.environments["prod"]) == {"/", "/acme", "/acme/payments", "/acme/payments/deep"}


async def test_infisicals_own_tags_and_encrypted_metadata_stay(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("db", "v", {"tier": "web"}, slugs=("pci", "old"))
    latest = infisical.project.folder("prod", "/")["db"].versions[-1]
    latest.metadata += ({"key": "note", "value": "n", "isEncrypted": True},)
    before = (await listed(shop))["db"].tags
    await shop.put("db", b"w", {**before, "tier": "db"})
    latest = infisical.project.folder("prod", "/")["db"].versions[-1]
    assert latest.tags == ("pci", "old")
    assert {each["key"]: each["value"] for each in latest.metadata} == {"note": "n", "tier": "db"}
    await shop.put("db", b"x", {"pci": "", "empty": ""})
    assert (await listed(shop))["db"].tags == {"pci": "", "empty": ""}


@pytest.mark.parametrize("text", [" x", "x ", "\nx", "x\n\n", "x\t"], ids=repr)
async def test_a_value_that_infisical_would_cut_is_refused(
    infisical: InfisicalStandIn, shop: InfisicalBackend, text: str
):
    with pytest.raises(ValueInvalid, match="Infisical cuts off space at a value's ends"):
        await shop.put("db", text.encode(), {})
    assert infisical.counts().keys() <= {"login"}


@pytest.mark.parametrize(
    ("data", "telling"),
    [
        (b"\xff" + CANARY.encode(), "keeps text in UTF-8"),
        (f"${{{CANARY}}}".encode(), "for a reference to another secret"),
    ],
    ids=["binary", "reference"],
)
async def test_a_value_that_would_not_come_back_is_refused_and_not_shown(
    shop: InfisicalBackend, data: bytes, telling: str
):
    with pytest.raises(ValueInvalid, match=telling) as failure:
        await shop.put("db", data, {})
    assert CANARY not in str(failure.value)


@pytest.mark.parametrize("text", ["x\n", "", "\n", "a\n b", "${not closed", "$x ${} {x}"], ids=repr)
async def test_what_infisical_leaves_as_it_is_is_written(shop: InfisicalBackend, text: str):
    version = await shop.put("db", text.encode(), {})
    assert await one(shop) == Value(text.encode(), version)


@pytest.mark.parametrize("there", [False, True], ids=["create", "update"])
async def test_a_change_that_waits_for_approval_is_told(
    infisical: InfisicalStandIn,
    shop: InfisicalBackend,
    there: bool,  # noqa: FBT001 - a case
):
    if there:
        infisical.put("db", "v")
    infisical.project.approved = True
    with pytest.raises(PermissionDenied, match="the change was asked for, and waits there"):
        await shop.put("db", b"w", {})


@pytest.mark.parametrize("name", ["../db", "a//b", "/db", "a/../b"])
async def test_a_name_that_leads_elsewhere_is_written_nowhere(
    infisical: InfisicalStandIn, shop: InfisicalBackend, name: str
):
    with pytest.raises(SpecInvalid):
        await shop.put(name, b"v", {})
    with pytest.raises(SpecInvalid):
        await shop.delete(name)
    assert infisical.wire.calls == []


async def test_what_is_deleted_is_gone_with_its_versions(infisical: InfisicalStandIn, shop: InfisicalBackend):
    await shop.put("team/db", b"v", {})
    await shop.delete("team/db")
    got = await shop.fetch([Ref("team/db"), Ref("team/db", "1")])
    assert [type(answer) for answer in got.values()] == [SecretMissing, SecretMissing]


async def test_a_write_that_is_refused_says_nothing_of_the_value(
    infisical: InfisicalStandIn, shop: InfisicalBackend, caplog: pytest.LogCaptureFixture
):
    await shop.check()
    with (
        caplog.at_level(logging.DEBUG),
        infisical.wire.failing(refuses(422, CANARY), "/secrets/db"),
        pytest.raises(BackendUnavailable) as failure,
    ):
        await shop.put("db", CANARY.encode(), {})
    assert CANARY not in f"{failure.value!r}{failure.value.__cause__!r}{failure.value.__context__!r}{caplog.text}"
