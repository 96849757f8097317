"""Every way to log in to Infisical, and every way that fails: by its words, and without any part of the login."""

from contextlib import aclosing
from typing import Any

import pytest

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import AuthFailed, CredentialsMissing, SpecInvalid, SyncError, Throttled
from keyferry.values import Ref, Value
from tests.contract.context import SeededCluster
from tests.contract.infisical_stores import DB, LOGIN, SERVICE_TOKEN, client, holding, listed, one, reviewed, store
from tests.contract.vault_stores import token_of
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_wire import refuses

HOUR = 3600
IDENTITY = f"the identity in Secret payments/{LOGIN}"
ACCOUNT = "with the token of ServiceAccount payments/keyferry"


async def said(backend: InfisicalBackend, kind: type[SyncError] = AuthFailed) -> str:
    """The text of the failure, which every way in gives alike."""
    with pytest.raises(kind) as failure:
        await backend.check()
    got = await one(backend)
    assert (type(got), str(got)) == (type(failure.value), str(failure.value))
    text = str(got)
    assert "canary" not in text
    return text


async def test_universal_auth_logs_in_once_for_everything(infisical: InfisicalStandIn):
    infisical.put("db", "v")
    login = {name: f" {text}\n" for name, text in client(infisical).items()}  # a common slip
    async with aclosing(store(infisical, cluster=holding(infisical, **login))) as backend:
        await backend.check()
        assert isinstance(await one(backend), Value)
    assert infisical.counts()["login"] == 1


async def test_another_key_may_hold_the_client_id(infisical: InfisicalStandIn):
    infisical.put("db", "v")
    login = client(infisical)
    cluster = holding(infisical, id=login["clientId"], secret=login["clientSecret"])
    auth = {"method": "UniversalAuth", "secretRef": {"name": LOGIN, "key": "secret"}, "clientIdKey": "id"}
    async with aclosing(store(infisical, auth, cluster=cluster)) as backend:
        assert isinstance(await one(backend), Value)


@pytest.mark.parametrize(
    ("words", "telling"),
    [
        ("This identity auth method is temporarily locked, please try again later", "has locked it after wrong logins"),
        ("Access denied due to client secret usage limit reached", "was used as often as it may be"),
        ("You are not allowed to access this resource from the current IP address", "its trusted IPs"),
        ("canary", "does not accept it (status 401)"),
    ],
    ids=["locked", "used up", "address", "unknown"],
)
async def test_why_a_login_is_refused_is_told(infisical: InfisicalStandIn, words: str, telling: str):
    async with aclosing(store(infisical)) as backend:
        with infisical.wire.failing(refuses(401, words), "/login"):
            assert telling in await said(backend)


@pytest.mark.parametrize("held", [{}, {"clientId": "x"}, {"clientSecret": "x"}], ids=["nothing", "no secret", "no id"])
async def test_what_lacks_of_a_login_is_named(infisical: InfisicalStandIn, held: dict[str, str]):
    async with aclosing(store(infisical, cluster=holding(infisical, **held))) as backend:
        text = await said(backend, CredentialsMissing)
    assert LOGIN in text
    assert infisical.wire.calls == []


@pytest.mark.parametrize("text", ["two canaries", "canary\u00e9", "  "], ids=["two words", "no ascii", "blank"])
async def test_what_can_be_no_client_secret_is_not_sent(infisical: InfisicalStandIn, text: str):
    cluster = holding(infisical, **client(infisical) | {"clientSecret": text})
    async with aclosing(store(infisical, cluster=cluster)) as backend:
        assert "holds no ID or secret of Infisical's" in await said(backend, CredentialsMissing)
    assert infisical.wire.calls == []


async def test_a_login_that_is_throttled_says_for_how_long(infisical: InfisicalStandIn):
    async with aclosing(store(infisical)) as backend:
        with infisical.wire.failing(refuses(429, "wait", Retry_After="11"), "/login"):
            got = await one(backend)
    assert isinstance(got, Throttled)
    assert got.retry_after == 11


def kubernetes(infisical: InfisicalStandIn, **more: Any) -> dict[str, Any]:
    identity = infisical.kubernetes_auth(reviewed)
    return {"method": "Kubernetes", "identityId": identity, "serviceAccountRef": {"name": "keyferry"}, **more}


def with_tokens(infisical: InfisicalStandIn, **claims: Any) -> SeededCluster:
    """A cluster that hands out ServiceAccounts' tokens."""
    cluster = holding(infisical)

    def token(ref: ServiceAccountRef, audience: str) -> str:
        return token_of(ref, audience, **claims)

    cluster.token_for = token
    return cluster


async def test_a_service_accounts_token_logs_in(infisical: InfisicalStandIn):
    infisical.put("db", "v")
    async with aclosing(store(infisical, kubernetes(infisical), cluster=with_tokens(infisical))) as backend:
        assert isinstance(await one(backend), Value)


@pytest.mark.parametrize(
    ("claims", "change", "telling"),
    [
        ({"sub": "system:serviceaccount:other:keyferry"}, {}, "the identity does not allow the ServiceAccount's name"),
        ({"sub": "system:serviceaccount:payments:intruder"}, {}, "the identity does not allow this ServiceAccount"),
        ({}, {"audience": "elsewhere"}, "the identity does not allow its token's audience"),
    ],
    ids=["namespace", "account", "audience"],
)
async def test_a_token_that_the_identity_does_not_take_is_told_by_what_is_wrong(
    infisical: InfisicalStandIn, claims: dict[str, Any], change: dict[str, Any], telling: str
):
    auth = kubernetes(infisical, **change)
    async with aclosing(store(infisical, auth, cluster=with_tokens(infisical, **claims))) as backend:
        text = await said(backend)
    assert text.startswith(f"identity {auth['identityId']} {ACCOUNT}: {telling}")


async def test_a_service_account_that_is_not_there_is_told(infisical: InfisicalStandIn):
    async with aclosing(store(infisical, kubernetes(infisical), cluster=holding(infisical))) as backend:
        assert "no such ServiceAccount" in await said(backend, CredentialsMissing)


def by_token(infisical: InfisicalStandIn, token: str, **spec: Any) -> "aclosing[InfisicalBackend]":
    """A store with a service token, which says itself where its secrets are."""
    place = {"project": None, "environment": None, **spec}
    return aclosing(store(infisical, SERVICE_TOKEN, spec=place, cluster=holding(infisical, token=token)))


async def test_of_a_service_token_three_parts_are_sent_and_it_says_where_its_secrets_are(infisical: InfisicalStandIn):
    infisical.put("apps/db", "v")
    infisical.put("apps/deep/db", "w")
    infisical.put("db", "x")
    token = infisical.service_token(("prod", "/apps"))
    async with by_token(infisical, token) as backend:
        assert (await backend.check()).lacking == ()
        assert set(await listed(backend)) == {"db"}
        got = await backend.fetch([DB, Ref("deep/db"), Ref("deep/db", "1")])
    answers = list(got.values())
    assert isinstance(answers[0], Value)
    assert answers[0].data == b"v"
    assert all("the store is only for folder /apps" in str(each) for each in answers[1:])
    assert {call.token for call, _ in infisical.wire.calls} == {token.rpartition(".")[0]}
    assert not any(token.rpartition(".")[2] in str(call.headers) for call, _ in infisical.wire.calls)


async def test_a_service_token_for_a_pattern_sees_all_of_it(infisical: InfisicalStandIn):
    for name in ("apps/db", "apps/deep/db", "db"):
        infisical.put(name, name)
    token = infisical.service_token(("prod", "/apps/**"))
    async with by_token(infisical, token) as backend:
        assert set(await listed(backend)) == {"db", "deep/db"}
    async with by_token(infisical, token, path="/apps/deep") as backend:
        assert set(await listed(backend)) == {"db"}


@pytest.mark.parametrize(
    ("scopes", "spec", "telling"),
    [
        ((("prod", "/apps"),), {"path": "/other"}, "path: the service token is for /apps: leave path out"),
        ((("prod", "/apps"),), {"environment": "dev"}, "environment: the service token is for prod"),
        ((("prod", "/"), ("dev", "/")), {}, "environment: the service token is for dev and prod"),
        (
            (("prod", "/"),),
            {"project": "00000000-0000-0000-0000-000000000000"},
            "project: the service token is for another: leave project out",
        ),
    ],
    ids=["path", "environment", "several", "project"],
)
async def test_a_place_that_is_not_the_service_tokens_is_told(
    infisical: InfisicalStandIn, scopes: tuple[tuple[str, str], ...], spec: dict[str, str], telling: str
):
    async with by_token(infisical, infisical.service_token(*scopes), **spec) as backend:
        assert await said(backend, SpecInvalid) == f"spec.provider.infisical.{telling}"


async def test_a_service_token_that_has_ended_is_told_and_tried_once(infisical: InfisicalStandIn):
    token = infisical.service_token(("prod", "/"))
    async with by_token(infisical, token) as backend:
        await backend.check()
        infisical.revoke_tokens()
        infisical.wire.clear()
        got = await one(backend)
    assert str(got) == (
        f"{infisical.host} does not accept the service token in Secret payments/{LOGIN}: there is no such service "
        "token: it was deleted, or it has expired: make another"
    )
    assert len(infisical.wire.calls) == 1


@pytest.mark.parametrize("text", ["canary", "st.canary", "st.a.b.c.d", "pt.a.b.c"])
async def test_what_is_no_service_token_is_not_sent(infisical: InfisicalStandIn, text: str):
    async with by_token(infisical, text) as backend:
        assert "holds no service token" in await said(backend, CredentialsMissing)
    assert infisical.wire.calls == []


async def test_a_project_is_found_by_its_slug_once(infisical: InfisicalStandIn):
    infisical.put("db", "v")
    async with aclosing(store(infisical, spec={"project": "shop"})) as backend:
        await backend.check()
        assert isinstance(await one(backend), Value)
    assert infisical.counts()["projects"] == 1
