"""What becomes of an Infisical that fails, is not there, or is not to be trusted: errors that say what to do."""

import ssl
from contextlib import aclosing
from pathlib import Path

import pytest

from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import BackendUnavailable, PermissionDenied, SpecInvalid, SyncError, Throttled
from keyferry.settings import Settings
from keyferry.values import Value
from tests.contract.infisical_stores import listed, one, store
from tests.servers import certificates
from tests.standins import wire
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_wire import refuses
from tests.standins.wire import Fault, says

CANARY = "canary-31d8"


FAULTS: dict[str, tuple[Fault, type[SyncError], str]] = {
    "throttled": (refuses(429, f"wait {CANARY}", Retry_After="7"), Throttled, "asked too often"),
    "500": (refuses(500, CANARY), BackendUnavailable, "fails at List (status 500)"),
    "redirect": (says(b"", 302, Location="https://elsewhere.example/"), SpecInvalid, "sends requests on to another"),
    "unknown status": (refuses(418, CANARY), BackendUnavailable, "what Keyferry does not understand (status 418)"),
    "bad request": (refuses(400, CANARY), BackendUnavailable, "does not take List"),
    "not valid": (refuses(422, CANARY), BackendUnavailable, "does not take List"),
    "no json": (says(CANARY.encode()), BackendUnavailable, "no answer of Infisical's"),
    "a list": (says(b"[]"), BackendUnavailable, "no answer of Infisical's"),
    "nothing": (says(b"{}"), BackendUnavailable, "has no secrets in it"),
    "no imports": (says(b'{"secrets": [], "imports": {}}'), BackendUnavailable, "has no imports in it"),
    "no value": (says(b'{"secrets": [{"id": "1", "version": 1}]}'), BackendUnavailable, "a secret without secretValue"),
    "no version": (says(b'{"secrets": [{"id": "1"}]}'), BackendUnavailable, "a secret without a version"),
    "broken off": (wire.broken_off, BackendUnavailable, "breaks off"),
    "reset": (wire.reset, BackendUnavailable, "breaks off"),
    "references": (
        refuses(403, "Failed to expand one or more secret references"),
        PermissionDenied,
        "refers to one that",
    ),
}


@pytest.mark.parametrize(("fault", "kind", "telling"), FAULTS.values(), ids=FAULTS.keys())
async def test_an_answer_that_is_none_is_told_without_its_words(
    infisical: InfisicalStandIn, shop: InfisicalBackend, fault: Fault, kind: type[SyncError], telling: str
):
    infisical.put("db", CANARY)
    assert isinstance(await one(shop), Value)
    with infisical.wire.failing(fault, "/secrets"):
        got = await one(shop)
        with pytest.raises(kind):
            await listed(shop)
    assert type(got) is kind
    assert telling in str(got)
    assert CANARY not in str(got)
    assert not isinstance(got, Throttled) or got.retry_after == 7
    found = await one(shop)
    assert isinstance(found, Value)
    assert found.data == CANARY.encode()


async def test_a_redirect_is_not_followed_with_the_token(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("db", "v")
    with InfisicalStandIn() as elsewhere:
        to = {"Location": f"{elsewhere.url}/api/v4/secrets"}
        with infisical.wire.failing(says(b"", 307, **to), "/secrets"):
            assert isinstance(await one(shop), SpecInvalid)
        assert elsewhere.wire.calls == []


async def test_another_authority_is_trusted_by_the_next_check(infisical: InfisicalStandIn, tmp_path: Path):
    async with aclosing(store(infisical)) as backend:
        await backend.check()
        infisical.wire.certificate = tmp_path
        backend._context.cluster.secrets["infisical-ca"]["ca.crt"] = certificates.write(tmp_path)  # type: ignore[attr-defined]
        infisical.wire.down()
        infisical.wire.up()
        with pytest.raises(BackendUnavailable, match="not trusted"):
            await backend.check()
        await backend.check()


async def test_a_read_that_outlives_its_connection_is_an_answer(infisical: InfisicalStandIn, shop: InfisicalBackend):
    infisical.put("db", "v")
    await shop.check()
    await (await shop._reader.get()).connection.aclose()
    assert "the store changed in the meantime" in str(await one(shop))


async def test_without_a_ca_the_operators_own_authorities_are_trusted(
    infisical: InfisicalStandIn, monkeypatch: pytest.MonkeyPatch
):
    async with aclosing(store(infisical, spec={"caProvider": None})) as backend:
        with pytest.raises(BackendUnavailable, match="an authority that is not trusted"):
            await backend.check()
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


async def test_what_is_no_certificate_is_told(infisical: InfisicalStandIn):
    async with aclosing(store(infisical)) as backend:
        backend._context.cluster.secrets["infisical-ca"]["ca.crt"] = b"nothing"  # type: ignore[attr-defined]
        with pytest.raises(SyncError, match="holds no certificates in PEM"):
            await backend.check()


async def test_an_address_that_was_not_allowed_is_not_asked(infisical: InfisicalStandIn):
    async with aclosing(store(infisical, endpoint_allowed=Settings().endpoint_allowed)) as backend:
        with pytest.raises(SpecInvalid, match="--allow-endpoint"):
            await backend.check()
    assert infisical.wire.calls == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://app.infisical.com", True),
        ("https://eu.infisical.com/", True),
        ("https://us.infisical.com", True),
        ("http://app.infisical.com", False),
        ("https://app.infisical.com:8443", False),
        ("https://app.infisical.com.example", False),
        ("https://x-app.infisical.com", False),
        ("https://secrets.infisical.com", False),
    ],
)
def test_infisicals_own_addresses_are_every_tenants(url: str, allowed: bool):  # noqa: FBT001 - a case
    assert Settings().endpoint_allowed(url) is allowed
