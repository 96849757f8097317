"""Answers of Key Vault that are late, wrong, cut short or denied: none is taken for the truth, and all are answers."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from keyferry.backends.azure import AzureBackend
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    PermissionDenied,
    SecretMissing,
    SecretUnusable,
    SpecInvalid,
    SyncError,
    Throttled,
)
from keyferry.values import Ref, Value
from tests.contract.azure_stores import cluster, listed, one, store
from tests.contract.context import CountingCalls
from tests.standins import azure_faults as faults
from tests.standins.azure import AzureStandIn

pytest_plugins = ["tests.contract.azure_fixtures"]

NEVER = "f" * 32


async def failures(backend: AzureBackend) -> list[SyncError]:
    """What listing and reading say."""
    answer = await one(backend, "db")
    assert isinstance(answer, SyncError), answer
    with pytest.raises(SyncError) as listing:
        await listed(backend)
    return [answer, listing.value]


NONSENSE: dict[str, Callable[[], faults.Fault]] = {
    "nothing": lambda: faults.body(b""),
    "an empty object": lambda: faults.body(b"{}"),
    "a list": lambda: faults.body(b"[]"),
    "a word": lambda: faults.body(b'"canary"'),
    "null": lambda: faults.body(b"null"),
    "no JSON": lambda: faults.body(b"canary <html>"),
    "no UTF-8": lambda: faults.body(b"\xff\xfe\x00"),
    "an abyss": lambda: faults.body(b"[" * 100000),
    "wrong types": lambda: faults.body(b'{"value": 5, "id": [], "attributes": "canary", "nextLink": 7}'),
    "lists of nothing": lambda: faults.body(b'{"value": [null], "id": null, "attributes": null}'),
    "a line without a time": lambda: faults.body(b'{"value": [{"id": "https://x/secrets/db"}]}'),
    "a line that is no secret": lambda: faults.body(b'{"value": [{"id": "canary", "attributes": {"updated": 1}}]}'),
    "half of the JSON": faults.truncated,
    "half of the bytes": faults.broken_off,
    "no answer": faults.reset,
    "a redirection": lambda: faults.body(b"", 302, Location="https://127.0.0.1:1/"),
    "a page of HTML with 400": lambda: faults.body(b"<html>canary", 418),
    "a page of HTML with 502": lambda: faults.body(b"<html>canary", 502),
    "a question that it does not take": lambda: faults.error(400, "BadParameter", "canary"),
    "a failure of its own": lambda: faults.error(500, "InternalServerError", "canary"),
    "an error nobody knows": lambda: faults.error(418, "canary", "canary", "canary"),
    "a firewall": lambda: faults.error(403, "Forbidden", "canary", "ForbiddenByFirewall"),
    "a closed network": lambda: faults.error(403, "Forbidden", "canary", "ForbiddenByConnection"),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_an_unavailable_backend_and_ends(azure: AzureStandIn, nonsense: Callable[[], faults.Fault]):
    azure.put("db", "v")
    async with aclosing(store(azure)) as backend:
        await backend.check()
        azure.calls.clear()
        with azure.faults.during("ListSecrets", nonsense()), azure.faults.during("GetSecret", nonsense()):
            errors = await failures(backend)
            # Only a connection that was kept open and ended before any answer is replaced, by the transport itself.
            most = 2 if nonsense is faults.reset else 1
            assert max(azure.counts().values()) <= most, "nothing is retried here"
            with pytest.raises(BackendUnavailable):
                await backend.check()
        assert isinstance(await one(backend, "db"), Value)
        assert set(await listed(backend)) == {"db"}
    assert {type(error) for error in errors} == {BackendUnavailable}
    assert {error.__cause__ or error.__context__ for error in errors} == {None}
    assert errors[0].__traceback__ is None
    assert "canary" not in str(errors)


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ("ForbiddenByFirewall", "lets nobody in from the operator's address: allow that in the vault's firewall"),
        ("ForbiddenByConnection", "is closed to the public network: the operator needs a private endpoint"),
    ],
)
async def test_a_wall_in_front_of_the_vault_is_no_missing_permission(azure: AzureStandIn, inner: str, words: str):
    async with aclosing(store(azure)) as backend:
        walled = azure.faults.during("ListSecrets", faults.error(403, "Forbidden", inner=inner))
        with walled, pytest.raises(BackendUnavailable, match=words):
            await backend.check()


async def test_what_does_not_answer_is_told_by_operation_and_address(azure: AzureStandIn):
    async with aclosing(store(azure, timeout=0.3, budget=CountingCalls(30))) as backend:
        await backend._connection.get()
        with azure.faults.silence():
            errors = await failures(backend)
        await backend.check()  # it is back; and what was given up has time to end
    assert [str(error) for error in errors] == [
        f"GetSecret: {azure.host} does not answer in time",
        f"ListSecrets: {azure.host} does not answer in time",
    ]


async def test_a_vault_that_no_dns_knows_is_told(azure: AzureStandIn):
    async with aclosing(store(azure, spec={"vault": "https://no-such-vault.invalid"})) as backend:
        answer = await one(backend, "db")
    assert str(answer).startswith("GetSecret: no DNS knows no-such-vault.invalid: is the vault's name right?")


async def test_a_vault_that_asks_for_patience_says_for_how_long(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        with azure.faults.during("GetSecret", faults.error(429, "Throttled", retry_after="17")):
            answer = await one(backend, "db")
    assert isinstance(answer, Throttled)
    assert answer.retry_after == 17
    assert str(answer) == f"vault {azure.host} is asked too often"
    assert azure.counts()["GetSecret"] == 1


async def test_a_denial_names_the_login_the_permission_the_role_and_the_vault(azure: AzureStandIn):
    azure.grant(azure.reader.client_id, ())
    async with aclosing(store(azure)) as backend:
        reading, listing = await failures(backend)
    login = "the client secret in Secret payments/azure-login"
    assert str(reading) == (
        f"{login} is not allowed secrets/get on secret db of vault {azure.host}: give it the role Key Vault Secrets "
        "User there, or, where access policies rule, the secret permission get"
    )
    assert str(listing) == (
        f"{login} is not allowed secrets/list on vault {azure.host}: give it the role Key Vault Secrets User there, "
        "or, where access policies rule, the secret permission list"
    )
    assert isinstance(reading, PermissionDenied)


async def test_each_vault_has_its_own_rights(azure: AzureStandIn):
    azure.put("db", "theirs", vault=2)
    async with aclosing(store(azure, spec={"vault": azure.vault_at(2)})) as backend:
        assert isinstance(await one(backend, "db"), PermissionDenied)
        azure.grant(azure.reader.client_id, {"*"}, vault=2)
        answer = await one(backend, "db")
    assert isinstance(answer, Value)
    assert answer.data == b"theirs"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"enabled": False}, "is disabled: enable it, or take another"),
        ({"exp": 1_789_999_999}, "expired at 2026-09-21T14:13:19Z: give it a new version, or a later expiration date"),
        ({"nbf": 1_790_000_001}, "is not valid before 2026-09-21T14:13:21Z: wait for that, or give it an earlier"),
    ],
    ids=["disabled", "expired", "not valid yet"],
)
async def test_what_must_not_be_used_is_told_apart_and_still_listed(
    azure: AzureStandIn, attributes: dict[str, Any], words: str
):
    azure.vaults.clock.at = 1_790_000_000
    azure.put("db", "v")
    azure.change("db", **attributes)
    async with aclosing(store(azure)) as backend:
        answer = await one(backend, "db")
        assert set(await listed(backend)) == {"db"}, "what is there is not missing"
    assert isinstance(answer, SecretUnusable)
    assert words in str(answer)
    assert "secret db" in str(answer)


async def test_a_name_that_no_secret_can_have_costs_nothing(azure: AzureStandIn):
    azure.put("db", "v")
    async with aclosing(store(azure)) as backend:
        got = await backend.fetch([Ref("db"), Ref("DB"), Ref("d_b"), Ref("db", "LATEST")])
    assert [type(answer) for answer in got.values()] == [Value, SpecInvalid, SecretMissing, SecretMissing]
    assert azure.counts()["GetSecret"] == 1


async def test_a_deleted_secret_and_a_version_that_never_was_are_missing_and_told(azure: AzureStandIn):
    azure.put("db", "v")
    azure.put("gone", "v")
    azure.delete("gone", for_good=False)
    async with aclosing(store(azure)) as backend:
        gone, never = await one(backend, "gone"), await one(backend, "db", NEVER)
        assert set(await listed(backend)) == {"db"}
    assert isinstance(gone, SecretMissing)
    assert str(gone) == f"vault {azure.host} has no secret gone; or it is deleted, and can be recovered"
    assert isinstance(never, SecretMissing)
    assert str(never) == f"secret db of vault {azure.host} has no version {NEVER}"


async def test_a_value_that_is_another_secrets_is_not_taken(azure: AzureStandIn):
    azure.put("db", "v")
    other = faults.changing(lambda got: got.update(id=f"{azure.url}/secrets/other/{NEVER}"))
    async with aclosing(store(azure)) as backend:
        with azure.faults.during("GetSecret", other):
            answer = await one(backend, "db")
    assert isinstance(answer, BackendUnavailable)
    assert str(answer) == "Key Vault answers for another secret than db, which was asked"


async def test_an_answer_without_a_value_is_not_taken(azure: AzureStandIn):
    azure.put("db", "v")
    async with aclosing(store(azure)) as backend:
        with azure.faults.during("GetSecret", faults.changing(lambda got: got.pop("value"))):
            answer = await one(backend, "db")
    assert isinstance(answer, BackendUnavailable)


async def test_a_list_that_breaks_off_in_the_middle_is_an_error_and_not_an_end(azure: AzureStandIn):
    for n in range(60):
        azure.put(f"s{n}", "v")
    async with aclosing(store(azure)) as backend:
        azure.faults.add("ListSecrets", lambda _, proceed: proceed(), times=1)
        azure.faults.add("ListSecrets", faults.error(500), times=1)
        with pytest.raises(BackendUnavailable):
            await listed(backend)


async def test_pages_that_lead_back_to_themselves_end(azure: AzureStandIn):
    again = faults.changing(lambda got: got.update(nextLink=f"{azure.url}/secrets?api-version=1"))
    async with aclosing(store(azure)) as backend:
        with azure.faults.during("ListSecrets", again), pytest.raises(BackendUnavailable, match="do not end"):
            await listed(backend)
    assert azure.counts()["ListSecrets"] == 2


@pytest.mark.parametrize("number", [2, 3])
async def test_a_page_that_leads_elsewhere_is_not_followed_with_the_token(azure: AzureStandIn, number: int):
    away = faults.changing(lambda got: got.update(nextLink=f"{azure.vault_at(number)}/secrets?api-version=1"))
    async with aclosing(store(azure)) as backend:
        with azure.faults.during("ListSecrets", away), pytest.raises(BackendUnavailable, match="is not followed"):
            await listed(backend)
    assert azure.counts()["ListSecrets"] == 1


async def test_a_closed_backend_answers_that_it_is_closed(azure: AzureStandIn):
    backend = store(azure)
    await backend.check()
    await backend.aclose()
    assert isinstance(await one(backend, "db"), BackendUnavailable)


async def test_a_cancelled_read_is_cancelled(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        await backend.check()
        with azure.faults.silence(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await one(backend, "db")
        await backend.check()  # what was given up has time to end


async def test_the_sdk_is_quiet_though_everything_is_logged_at_debug_level(
    azure: AzureStandIn, caplog: pytest.LogCaptureFixture
):
    """Its own logs hold what servers say, and these here recite tokens, secrets and headers."""
    azure.put("db", "canary-value")
    with caplog.at_level(logging.DEBUG):
        async with aclosing(store(azure)) as backend:
            await backend.check()
            got = await one(backend, "db")
            assert isinstance(got, Value)
            token = (await backend._connection.get()).wallet.current
            azure.grant(azure.reader.client_id, ())
            denied = await one(backend, "db")
            azure.entra.revoke_all()
            azure.reader.secrets.clear()
            with pytest.raises(AuthFailed) as refused:
                await backend.check()
        async with aclosing(store(azure, cluster=cluster(azure, secret=b"canary-secret"))) as stranger:
            with pytest.raises(AuthFailed) as wrong:
                await stranger.check()
    errors = (refused.value, wrong.value)
    told = "".join(
        "".join(traceback.TracebackException.from_exception(e, capture_locals=True).format()) for e in errors
    )
    for secret in ("canary-value", "canary-secret", azure.secret, token.text):
        assert secret not in caplog.text + told + repr(backend) + repr(denied) + repr(got)
