"""Tokens of Infisical's are used until they near their end, and replaced once where Infisical refuses them."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import AuthFailed, PermissionDenied
from keyferry.values import Ref, Value
from tests.contract.infisical_stores import DB, client, holding, one, store
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_wire import refuses
from tests.standins.wire import Fault


@pytest.fixture
async def backend(infisical: InfisicalStandIn) -> AsyncIterator[InfisicalBackend]:
    """A store that is logged in, with a token for ten minutes, and has read something."""
    infisical.logins.life = 600
    infisical.put("db", "v")
    async with aclosing(store(infisical, cluster=holding(infisical, **client(infisical)))) as made:
        assert isinstance(await one(made), Value)
        infisical.wire.clear()
        yield made


def logins(infisical: InfisicalStandIn) -> int:
    return infisical.counts().get("login", 0)


def later(backend: InfisicalBackend, seconds: float) -> None:
    """Let the store think that so much time has passed."""
    assert backend._reader.made
    backend._reader.made.connection.link.session._clock = lambda: time.monotonic() + seconds


async def test_a_token_serves_every_call_until_it_nears_its_end(infisical: InfisicalStandIn, backend: InfisicalBackend):
    later(backend, 530)
    for _ in range(5):
        assert isinstance(await one(backend), Value)
    await backend.check()
    assert logins(infisical) == 0


async def test_a_token_near_its_end_is_replaced_once_for_all(infisical: InfisicalStandIn, backend: InfisicalBackend):
    later(backend, 541)
    await backend.fetch([DB, *(Ref("db", str(n + 1)) for n in range(20))])
    assert logins(infisical) == 1


async def test_a_login_that_fails_for_now_costs_nothing_while_the_token_holds(
    infisical: InfisicalStandIn, backend: InfisicalBackend
):
    later(backend, 541)
    with infisical.wire.failing(refuses(500, "no"), "/login"):
        assert isinstance(await one(backend), Value)
        assert isinstance(await one(backend), Value)
    assert logins(infisical) == 1


async def test_many_calls_with_a_revoked_token_log_in_once_and_are_repeated(
    infisical: InfisicalStandIn, backend: InfisicalBackend
):
    infisical.revoke_tokens()
    got = await backend.fetch([DB, *(Ref("db", str(n + 1)) for n in range(20))])
    assert isinstance(got[DB], Value)
    assert logins(infisical) == 1


async def test_a_login_that_fails_then_is_tried_once_for_all(infisical: InfisicalStandIn, backend: InfisicalBackend):
    infisical.revoke_tokens()
    with infisical.wire.failing(refuses(401, "Invalid credentials"), "/login"):
        got = await backend.fetch([DB, *(Ref("db", str(n + 1)) for n in range(20))])
    assert {type(answer) for answer in got.values()} == {AuthFailed}
    assert logins(infisical) == 1
    later(backend, 1)
    assert isinstance(await one(backend), Value)


def refusing_first(refusal: Fault) -> Fault:
    """Only the first call is refused."""
    numbers = itertools.count()
    return lambda call, proceed: proceed() if next(numbers) else refusal(call, proceed)


@pytest.mark.parametrize(
    "refusal",
    [refuses(401, "Token missing"), refuses(403, "expired", "TokenError"), refuses(403, "not allowed")],
    ids=["401", "403 of the token", "403"],
)
async def test_a_refused_call_is_repeated_once_with_another_token(
    infisical: InfisicalStandIn, backend: InfisicalBackend, refusal: Fault
):
    with infisical.wire.failing(refusing_first(refusal), "/secrets"):
        assert isinstance(await one(backend), Value)
    assert logins(infisical) == 1


async def test_a_call_that_is_denied_with_a_new_token_too_is_denied_and_logs_in_no_more(
    infisical: InfisicalStandIn, backend: InfisicalBackend
):
    with infisical.wire.failing(refuses(403, "You are not allowed to readValue on secrets"), "/secrets"):
        assert isinstance(await one(backend), PermissionDenied)
        assert logins(infisical) == 1
        for _ in range(3):
            assert isinstance(await one(backend), PermissionDenied)
        assert logins(infisical) == 1
        later(backend, 301)  # by then a role may have got another permission
        await one(backend)
    assert logins(infisical) == 2


async def test_a_login_that_was_edited_is_used_by_the_backend_made_for_it(infisical: InfisicalStandIn):
    infisical.put("db", "v")
    good = client(infisical)
    async with aclosing(store(infisical, cluster=holding(infisical, **good | {"clientSecret": "no"}))) as backend:
        assert isinstance(await one(backend), AuthFailed)
    async with aclosing(store(infisical, cluster=holding(infisical, **good))) as backend:
        assert isinstance(await one(backend), Value)
