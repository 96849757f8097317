"""The login at HCP: once for everything, replaced before its end or where it is refused, told where it is wrong."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from keyferry.backends.hcp import HcpBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, PermissionDenied, SyncError, Throttled
from keyferry.values import Ref, Value
from tests.contract.hcp_stores import DB, LOGIN, PRINCIPAL, holding, one, store
from tests.standins.hcp import HcpStandIn, refuses
from tests.standins.wire import Answer, Call, Fault, Proceed, says

MANY = [DB, *(Ref("DB", str(n + 1)) for n in range(20))]


async def said(backend: HcpBackend, kind: type[SyncError] = AuthFailed) -> str:
    """The text of the failure, which every way in gives alike."""
    with pytest.raises(kind) as failure:
        await backend.check()
    got = await one(backend)
    assert (type(got), str(got)) == (type(failure.value), str(failure.value))
    assert "canary" not in str(got)
    return str(got)


@pytest.fixture
async def backend(hcp: HcpStandIn) -> AsyncIterator[HcpBackend]:
    """A store that is logged in, with a token for an hour, and has read something."""
    hcp.put("DB", "v")
    async with aclosing(store(hcp)) as made:
        assert isinstance(await one(made), Value)
        hcp.wire.clear()
        yield made


def logins(hcp: HcpStandIn) -> int:
    return hcp.counts().get("login", 0)


def later(backend: HcpBackend, seconds: float) -> None:
    """Let the store think that so much time has passed."""
    assert backend._reader.made
    backend._reader.made.connection.session._clock = lambda: time.monotonic() + seconds


async def test_it_logs_in_once_for_everything(hcp: HcpStandIn):
    hcp.put("DB", "v")
    login = {name: f" {text}\n" for name, text in hcp.service_principal().items()}  # a common slip
    async with aclosing(store(hcp, cluster=holding(hcp, **login))) as backend:
        await backend.check()
        assert isinstance(await one(backend), Value)
    assert logins(hcp) == 1


@pytest.mark.parametrize("held", [{}, {"clientId": "x"}, {"clientSecret": "x"}], ids=["nothing", "no secret", "no id"])
async def test_what_lacks_of_a_login_is_named(hcp: HcpStandIn, held: dict[str, str]):
    async with aclosing(store(hcp, cluster=holding(hcp, **held))) as backend:
        assert LOGIN in await said(backend, CredentialsMissing)
    assert hcp.wire.calls == []


@pytest.mark.parametrize("text", ["two canaries", "canaryé", "  "], ids=["two words", "no ascii", "blank"])
async def test_what_can_be_no_client_secret_is_not_sent(hcp: HcpStandIn, text: str):
    login = hcp.service_principal() | {"clientSecret": text}
    async with aclosing(store(hcp, cluster=holding(hcp, **login))) as backend:
        assert "holds no ID or secret of HCP's" in await said(backend, CredentialsMissing)
    assert hcp.wire.calls == []


async def test_a_login_that_is_throttled_says_for_how_long(hcp: HcpStandIn):
    async with aclosing(store(hcp)) as backend:
        with hcp.wire.failing(refuses(429, "wait", Retry_After="11"), "/oauth2/token"):
            got = await one(backend)
    assert isinstance(got, Throttled)
    assert got.retry_after == 11


@pytest.mark.parametrize("body", [b"{}", b'{"access_token": ""}', b'{"access_token": "canary", "expires_in": "soon"}'])
async def test_a_login_that_brings_no_token_is_told(hcp: HcpStandIn, body: bytes):
    async with aclosing(store(hcp)) as backend:
        with hcp.wire.failing(says(body), "/oauth2/token"):
            got = await one(backend)
    assert type(got) is BackendUnavailable
    assert str(got) == f"{hcp.host} answers Login without a token"


async def test_a_token_serves_every_call_until_it_nears_its_end(hcp: HcpStandIn, backend: HcpBackend):
    later(backend, 3600 - 310)
    for _ in range(5):
        assert isinstance(await one(backend), Value)
    await backend.check()
    assert logins(hcp) == 0


async def test_a_token_near_its_end_is_replaced_once_for_all(hcp: HcpStandIn, backend: HcpBackend):
    later(backend, 3600 - 290)
    await backend.fetch(MANY)
    assert logins(hcp) == 1


async def test_a_login_that_fails_for_now_costs_nothing_while_the_token_holds(hcp: HcpStandIn, backend: HcpBackend):
    later(backend, 3600 - 290)
    with hcp.wire.failing(refuses(500, "no"), "/oauth2/token"):
        assert isinstance(await one(backend), Value)
        assert isinstance(await one(backend), Value)
    assert logins(hcp) == 1


async def test_many_calls_with_a_revoked_token_log_in_once_and_are_repeated(hcp: HcpStandIn, backend: HcpBackend):
    hcp.revoke_tokens()
    got = await backend.fetch(MANY)
    assert isinstance(got[DB], Value)
    assert logins(hcp) == 1


def refusing_first(refusal: Fault) -> Fault:
    """Only the first call is refused."""
    numbers = itertools.count()
    return lambda call, proceed: proceed() if next(numbers) else refusal(call, proceed)


async def test_a_call_whose_token_is_refused_is_repeated_once(hcp: HcpStandIn, backend: HcpBackend):
    with hcp.wire.failing(refusing_first(refuses(401, "expired")), "/secrets"):
        assert isinstance(await one(backend), Value)
    assert logins(hcp) == 1


async def test_a_call_whose_new_token_is_refused_too_is_a_login_that_failed(hcp: HcpStandIn, backend: HcpBackend):
    with hcp.wire.failing(refuses(401, "canary"), "/secrets"):
        got = await one(backend)
    assert isinstance(got, AuthFailed)
    assert str(got) == f"{hcp.host} does not accept the token of {PRINCIPAL}: it is spent, or was revoked"
    assert hcp.counts() == {"login": 1, "open": 2}


async def test_a_call_that_is_denied_logs_in_no_more(hcp: HcpStandIn, backend: HcpBackend):
    with hcp.wire.failing(refuses(403, "no"), "/secrets"):
        assert isinstance(await one(backend), PermissionDenied)
    assert logins(hcp) == 0


async def test_the_secret_travels_in_the_body_and_the_token_in_a_header(hcp: HcpStandIn, backend: HcpBackend):
    heard: list[Call] = []

    def listen(call: Call, proceed: Proceed) -> Answer:
        heard.append(call)
        return proceed()

    hcp.revoke_tokens()
    with hcp.wire.failing(listen):
        await one(backend)
    login = next(call for call in heard if call.path == "/oauth2/token")
    assert set(login.body) == {"client_id", "client_secret", "grant_type", "audience"}
    assert login.body["audience"] == "https://api.hashicorp.cloud"
    assert not login.query
    assert all(call.token for call in heard if call is not login)


async def test_a_login_that_was_edited_is_used_by_the_backend_made_for_it(hcp: HcpStandIn):
    hcp.put("DB", "v")
    good = hcp.service_principal()
    async with aclosing(store(hcp, cluster=holding(hcp, **good | {"clientSecret": "no"}))) as backend:
        assert isinstance(await one(backend), AuthFailed)
    async with aclosing(store(hcp, cluster=holding(hcp, **good))) as backend:
        assert isinstance(await one(backend), Value)
