"""What becomes of HCP that fails, has ended, or is not to be trusted: errors that say what to do, nothing is lost."""

from contextlib import aclosing
from pathlib import Path

import pytest

from keyferry.backends.hcp import HcpBackend
from keyferry.errors import BackendUnavailable, PermissionDenied, SpecInvalid, SyncError, Throttled
from keyferry.settings import Settings
from keyferry.values import Ref, Value
from tests.contract.hcp_stores import APP, DB, ENDED, PRINCIPAL, listed, one, store
from tests.servers import certificates
from tests.standins import wire
from tests.standins.hcp import HcpStandIn, refuses
from tests.standins.wire import Fault, says

CANARY = "canary-31d8"

FAULTS: dict[str, tuple[Fault, type[SyncError], str]] = {
    "throttled": (refuses(429, f"wait {CANARY}", Retry_After="7"), Throttled, "asked too often"),
    "500": (refuses(500, CANARY), BackendUnavailable, "fails at Open (status 500)"),
    "denied": (refuses(403, CANARY), PermissionDenied, f"{PRINCIPAL} may not do this in {APP}: give it the role"),
    "redirect": (says(b"", 302, Location="https://elsewhere.example/"), SpecInvalid, "sends requests on to another"),
    "unknown status": (refuses(418, CANARY), BackendUnavailable, "what Keyferry does not understand (status 418)"),
    "bad request": (refuses(400, CANARY), BackendUnavailable, "does not take Open"),
    "no json": (says(CANARY.encode()), BackendUnavailable, "no answer of HCP's"),
    "a page": (says(b"<html>farewell</html>"), BackendUnavailable, "no answer of HCP's"),
    "a list": (says(b"[]"), BackendUnavailable, "no answer of HCP's"),
    "nothing": (says(b"{}"), BackendUnavailable, "about another secret"),
    "broken off": (wire.broken_off, BackendUnavailable, "breaks off"),
    "reset": (wire.reset, BackendUnavailable, "breaks off"),
}


@pytest.mark.parametrize(("fault", "kind", "telling"), FAULTS.values(), ids=FAULTS.keys())
async def test_an_answer_that_is_none_is_told_without_its_words(
    hcp: HcpStandIn, app: HcpBackend, fault: Fault, kind: type[SyncError], telling: str
):
    hcp.put("DB", CANARY)
    assert isinstance(await one(app), Value)
    with hcp.wire.failing(fault, "/secrets"):
        got = await one(app)
        with pytest.raises(kind):
            await listed(app)
        with pytest.raises(kind):
            await app.check()
    assert isinstance(got, kind)
    assert telling in str(got)
    assert CANARY not in str(got)
    assert not isinstance(got, Throttled) or got.retry_after == 7
    assert isinstance(await one(app), Value)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_service_that_has_ended_says_so_and_makes_nothing_missing(
    hcp: HcpStandIn, app: HcpBackend, status: int
):
    for name in ("DB", "OTHER"):
        hcp.put(name, "v")
    hcp.dynamic("AWS")
    await listed(app)
    hcp.ended = status
    said = [*(await app.fetch([DB, Ref("DB", "1"), Ref("OTHER"), Ref("AWS"), Ref("NEVER")])).values()]
    for attempt in (app.check(), listed(app)):
        with pytest.raises(BackendUnavailable) as failure:
            await attempt
        said.append(failure.value)
    for each in said:
        assert isinstance(each, BackendUnavailable)
        assert f"at {hcp.host} there is no {APP}, or none for {PRINCIPAL} (status {status}). {ENDED}" in str(each)


async def test_an_app_that_is_deleted_takes_no_secret_with_it(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    await listed(app)
    hcp.app.name = "renamed"
    assert f"there is no {APP}" in str(await one(app))
    with pytest.raises(BackendUnavailable, match="there is no app shop"):
        await listed(app)


@pytest.mark.parametrize("status", [404, 410])
async def test_where_nobody_gives_tokens_any_more_it_is_no_login_that_is_wrong(
    hcp: HcpStandIn, app: HcpBackend, status: int
):
    with hcp.wire.failing(refuses(status, CANARY), "/oauth2/token"):
        got = await one(app)
    assert isinstance(got, BackendUnavailable)
    assert f"at {hcp.host} nobody gives tokens (status {status}). {ENDED}" in str(got)


async def test_no_answer_says_that_the_service_has_ended(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    await listed(app)
    hcp.wire.down()
    got = await one(app)
    hcp.wire.up()
    assert type(got) is BackendUnavailable
    assert f"cannot connect to {hcp.host}. {ENDED}; Secrets stay as they are" in str(got)


async def test_a_redirect_is_not_followed_with_the_token(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    await listed(app)
    with HcpStandIn() as elsewhere:
        with hcp.wire.failing(says(b"", 307, Location=f"{elsewhere.url}/secrets"), "/secrets"):
            assert isinstance(await one(app), SpecInvalid)
        assert elsewhere.wire.calls == []


async def test_another_authority_is_trusted_by_the_next_check(hcp: HcpStandIn, tmp_path: Path):
    async with aclosing(store(hcp)) as backend:
        await backend.check()
        hcp.wire.certificate = tmp_path
        backend._context.cluster.secrets["hcp-ca"]["ca.crt"] = certificates.write(tmp_path)  # type: ignore[attr-defined]
        hcp.wire.down()
        hcp.wire.up()
        with pytest.raises(BackendUnavailable, match="not trusted"):
            await backend.check()
        await backend.check()


async def test_a_read_that_outlives_its_connection_is_an_answer(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    await app.check()
    assert app._reader.made
    await app._reader.made.connection.aclose()
    assert "the store changed in the meantime" in str(await one(app))


async def test_without_a_ca_the_operators_own_authorities_are_trusted(hcp: HcpStandIn):
    async with aclosing(store(hcp, spec={"caProvider": None})) as backend:
        with pytest.raises(BackendUnavailable, match="an authority that is not trusted"):
            await backend.check()


async def test_what_is_no_certificate_is_told(hcp: HcpStandIn):
    async with aclosing(store(hcp)) as backend:
        backend._context.cluster.secrets["hcp-ca"]["ca.crt"] = b"nothing"  # type: ignore[attr-defined]
        with pytest.raises(
            SyncError, match=r"spec\.provider\.hcp\.caProvider: what it names holds no certificates in PEM"
        ):
            await backend.check()


@pytest.mark.parametrize("field", ["endpoint", "authEndpoint"])
async def test_an_address_that_was_not_allowed_is_not_asked(hcp: HcpStandIn, field: str):
    own = {"endpoint": "https://api.cloud.hashicorp.com", "authEndpoint": "https://auth.idp.hashicorp.com"}
    spec = {**own, field: hcp.url}
    async with aclosing(store(hcp, spec=spec, endpoint_allowed=Settings().endpoint_allowed)) as backend:
        with pytest.raises(SpecInvalid, match=rf"{field}: .*--allow-endpoint"):
            await backend.check()
    assert hcp.wire.calls == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://api.cloud.hashicorp.com", True),
        ("https://auth.idp.hashicorp.com/", True),
        ("https://api.cloud.eu.hashicorp.com", True),
        ("http://api.cloud.hashicorp.com", False),
        ("https://api.cloud.hashicorp.com:8443", False),
        ("https://api.cloud.hashicorp.com.example", False),
        ("https://anything.hashicorp.com", False),
    ],
)
def test_hcps_own_addresses_are_every_tenants(url: str, allowed: bool):  # noqa: FBT001 - a case
    assert Settings().endpoint_allowed(url) is allowed


@pytest.mark.parametrize("silent", ["/oauth2/token", "/secrets"])
async def test_silence_ends_within_the_stores_timeout_and_names_who_is_silent(hcp: HcpStandIn, silent: str):
    hcp.put("DB", "v")
    async with aclosing(store(hcp, timeout=0.5)) as backend:
        with hcp.wire.silence(silent):
            got = await one(backend)
        # On a busy machine a right answer may take longer than the haste allows; one of many does not.
        after = [await one(backend) for _ in range(20)]
    assert any(isinstance(each, Value) for each in after)
    assert isinstance(got, BackendUnavailable)
    assert f"{hcp.host} does not answer in time" in str(got)
