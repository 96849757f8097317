"""Tokens of Vault's are used until they near their end, renewed, and replaced once where Vault refuses them."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from keyferry.backends.vault import VaultBackend
from keyferry.errors import AuthFailed, PermissionDenied
from keyferry.values import Fetched, Ref, Value
from tests.contract.vault_stores import app_role, holding, reads, store
from tests.standins.vault_proxy import DENIED, UNKNOWN, VaultProxy, refuses
from tests.standins.wire import Answer, Call, Proceed

DB = Ref("db")


@pytest.fixture
async def backend(vault: VaultProxy, kv: str, all_of_kv: str) -> AsyncIterator[VaultBackend]:
    """A store that is logged in by AppRole, with a token for ten minutes, and has read something."""
    auth, secret_id = app_role(vault.vault, all_of_kv)
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, **{"secret-id": secret_id}))) as made:
        assert await reads(made, vault, kv)
        assert vault.logins() == 1
        vault.wire.clear()
        yield made


def token(vault: VaultProxy) -> str:
    """That of the last call but logins."""
    return [call.token for call in vault.calls if call.token][-1]


def later(backend: VaultBackend, seconds: float) -> None:
    """Let the store think that so much time has passed."""
    assert backend._engine.made
    backend._engine.made.connection.session._clock = lambda: time.monotonic() + seconds


async def one(backend: VaultBackend, ref: Ref = DB) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def test_a_token_serves_every_call_until_it_nears_its_end(vault: VaultProxy, backend: VaultBackend):
    later(backend, 530)
    for _ in range(5):
        assert isinstance(await one(backend), Value)
    await backend.check()
    assert {call.path.partition("/")[0] for call in vault.calls} & {"auth"} == set()


async def test_a_token_near_its_end_is_renewed_once_for_all(vault: VaultProxy, backend: VaultBackend):
    later(backend, 541)
    await backend.fetch([DB, *(Ref(f"s{n}") for n in range(20))])
    assert [call.path for call in vault.calls if call.path.startswith("auth/")] == ["auth/token/renew-self"]
    later(backend, 541 + 530)
    assert isinstance(await one(backend), Value)
    assert sum("renew-self" in call.path for call in vault.calls) == 1


async def test_a_token_that_cannot_be_renewed_any_more_is_replaced(vault: VaultProxy, backend: VaultBackend):
    later(backend, 541)
    with vault.wire.failing(refuses(400, "lease is not renewable"), "renew-self"):
        assert isinstance(await one(backend), Value)
    assert vault.logins() in {0, 1}
    with vault.wire.failing(refuses(403, "permission denied"), "renew-self"):
        later(backend, 541 + 600)
        assert isinstance(await one(backend), Value)
    assert vault.logins() == 1


async def test_a_token_that_no_renewal_prolongs_is_replaced(vault: VaultProxy, kv: str, all_of_kv: str):
    auth, secret_id = app_role(vault.vault, all_of_kv, token_max_ttl="10m")
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, **{"secret-id": secret_id}))) as backend:
        assert await reads(backend, vault, kv)
        later(backend, 541)
        with vault.wire.failing(_short_of_life, "renew-self"):
            assert isinstance(await one(backend), Value)
        assert vault.logins() == 2


def _short_of_life(_: Call, __: Proceed) -> Answer:
    body = b'{"auth": {"client_token": "t", "lease_duration": 59, "renewable": true}}'
    return Answer(200, body, {"Content-Type": "application/json"})


async def test_a_renewal_that_fails_for_now_costs_nothing_while_the_token_holds(
    vault: VaultProxy, backend: VaultBackend
):
    later(backend, 541)
    with vault.wire.failing(refuses(500), "auth/"):
        assert isinstance(await one(backend), Value)
        assert isinstance(await one(backend), Value)
    assert sum("renew-self" in call.path for call in vault.calls) == 1


async def test_a_token_that_was_revoked_is_replaced_once_and_the_call_repeated(
    vault: VaultProxy, backend: VaultBackend
):
    await one(backend)
    vault.vault.revoke(token(vault))
    vault.wire.clear()
    assert isinstance(await one(backend), Value)
    assert [call.path.partition("/")[0] for call in vault.calls].count("auth") == 1
    assert len(vault.calls) == 3


async def test_many_reads_with_a_spent_token_log_in_once(vault: VaultProxy, backend: VaultBackend):
    await one(backend)
    vault.vault.revoke(token(vault))
    vault.wire.clear()
    got = await backend.fetch([DB, *(Ref(f"s{n}") for n in range(40))])
    assert isinstance(got[DB], Value)
    assert vault.logins() == 1


async def test_a_login_that_fails_then_is_tried_once_for_all(vault: VaultProxy, backend: VaultBackend):
    await one(backend)
    vault.vault.revoke(token(vault))
    vault.wire.clear()
    with vault.wire.failing(refuses(400, "invalid role or secret ID"), "/login"):
        got = await backend.fetch([DB, *(Ref(f"s{n}") for n in range(40))])
    assert {type(answer) for answer in got.values()} == {AuthFailed}
    assert vault.logins() == 1
    later(backend, 1)
    assert isinstance(await one(backend), Value)


@pytest.mark.parametrize(("status", "words"), [(401, UNKNOWN), (403, UNKNOWN), (403, DENIED)])
async def test_a_refused_call_is_repeated_once_with_another_token(
    vault: VaultProxy, backend: VaultBackend, kv: str, status: int, words: str
):
    with vault.wire.failing(refusing_first(status, words), kv):
        assert isinstance(await one(backend), Value)
    assert vault.logins() == 1


def refusing_first(status: int, words: str):
    """Only the first call is refused."""
    numbers = itertools.count()
    refusal = refuses(status, words)
    return lambda call, proceed: proceed() if next(numbers) else refusal(call, proceed)


async def test_a_call_that_is_denied_with_a_new_token_too_is_denied_and_logs_in_no_more(
    vault: VaultProxy, backend: VaultBackend, kv: str
):
    with vault.wire.failing(refuses(403, DENIED), f"{kv}/data"):
        assert isinstance(await one(backend), PermissionDenied)
        assert vault.logins() == 1
        for _ in range(3):
            assert isinstance(await one(backend), PermissionDenied)
        assert vault.logins() == 1
        later(backend, 301)  # by then a role may have got another policy
        await one(backend)
    assert vault.logins() == 2


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [(401, UNKNOWN, AuthFailed), (403, UNKNOWN, AuthFailed), (403, DENIED, PermissionDenied)],
    ids=["401", "unknown", "denied"],
)
async def test_a_given_token_is_tried_once(vault: VaultProxy, kv: str, status: int, words: str, kind: type[Exception]):
    async with aclosing(store(vault, kv)) as backend:
        assert await reads(backend, vault, kv)
        vault.wire.clear()
        with vault.wire.failing(refuses(status, words), kv):
            assert isinstance(await one(backend), kind)
    assert len(vault.calls) == 1


async def test_a_given_token_is_renewed(vault: VaultProxy, kv: str, all_of_kv: str):
    made = vault.vault.token(all_of_kv, ttl="10m")
    async with aclosing(store(vault, kv, token=made)) as backend:
        assert await reads(backend, vault, kv)
        later(backend, 541)
        vault.wire.clear()
        assert isinstance(await one(backend), Value)
    assert vault.calls[0].path == "auth/token/renew-self"


async def test_a_given_token_that_has_ended_is_told(vault: VaultProxy, kv: str, all_of_kv: str):
    made = vault.vault.token(all_of_kv, ttl="10m")
    async with aclosing(store(vault, kv, token=made)) as backend:
        assert await reads(backend, vault, kv)
        vault.vault.revoke(made)
        later(backend, 601)
        answer = await one(backend)
    assert isinstance(answer, AuthFailed)
    assert "the token is spent, or was revoked" in str(answer)
