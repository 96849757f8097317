"""Every login to Azure, end to end on the stand-in: what it takes, what it gives, and what it says when it fails."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.azure import AzureBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError, Throttled
from keyferry.values import Ref, Value
from tests.contract.azure_stores import LOGIN, cluster, one, signed, store, trusting
from tests.contract.context import SeededCluster, counts
from tests.standins.azure import AzureStandIn
from tests.standins.azure_entra import App
from tests.standins.azure_faults import body, entra, error
from tests.standins.azure_tls import Identity

pytest_plugins = ["tests.contract.azure_fixtures"]

MANAGED: dict[str, Any] = {"managedIdentity": {}}


async def reads(backend: AzureBackend, azure: AzureStandIn) -> bool:
    """Whether a value can be read."""
    azure.put("db", "v")
    return isinstance(await one(backend, "db"), Value)


async def said(backend: AzureBackend, kind: type[SyncError] = AuthFailed) -> str:
    """What the failing login is told as, by `check` and by every answer alike."""
    async with aclosing(backend):
        with pytest.raises(kind) as failure:
            await backend.check()
        answer = await one(backend, "db")
    assert isinstance(answer, kind)
    assert str(answer) == str(failure.value)
    return str(answer)


def with_certificate(azure: AzureStandIn, **more: str) -> tuple[dict[str, Any], Identity]:
    """A login by certificate of an application that may do everything."""
    identity = Identity.new()
    app = azure.entra.app(certificates=[identity.certificate])
    azure.grant(app.client_id, {"*"})
    ref = {"name": LOGIN, "key": "certificate"}
    return {"tenantId": azure.tenant, "clientId": app.client_id, "clientCertificateRef": ref, **more}, identity


def federated(azure: AzureStandIn, app: App, token: Any = signed, account: str = "keyferry") -> AzureBackend:
    """A store that logs in with a ServiceAccount's token."""
    auth = {"tenantId": azure.tenant, "clientId": app.client_id, "serviceAccountRef": {"name": account}}
    secrets = cluster(azure).secrets
    return store(azure, auth, cluster=SeededCluster(secrets, token_for=token))


async def test_a_client_secret_logs_in_by_one_call_and_no_call_is_spent_on_a_challenge(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        assert await reads(backend, azure)
    assert azure.counts() == {"GetToken": 1, "GetSecret": 1}


async def test_a_line_end_after_a_client_secret_does_not_matter(azure: AzureStandIn):
    async with aclosing(store(azure, cluster=cluster(azure, secret=azure.secret.encode() + b"\r\n"))) as backend:
        assert await reads(backend, azure)


@pytest.mark.parametrize("data", [b"", b" \n", b"two words", b"\xff\xfe", "klíč".encode()])
async def test_what_is_no_client_secret_is_told_by_secret_and_key_and_not_shown(azure: AzureStandIn, data: bytes):
    text = await said(store(azure, cluster=cluster(azure, secret=data)), CredentialsMissing)
    assert text.startswith(f"Secret payments/{LOGIN}, key secret holds no client secret")
    assert azure.calls == []


async def test_another_cloud_than_the_tenants_is_told(azure: AzureStandIn):
    text = await said(store(azure, spec={"environmentType": "ChinaCloud"}))
    assert "knows no Key Vault of this cloud: check environmentType (AADSTS500011)" in text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7000112, "is disabled in its tenant"),
        (53003, "a conditional access policy of the tenant blocks it"),
        (987654, "does not accept it (AADSTS987654)"),
    ],
    ids=str,
)
async def test_what_entra_says_by_number_is_told_in_words_of_ours(azure: AzureStandIn, number: int, words: str):
    with azure.faults.during("GetToken", entra(number, "canary")):
        text = await said(store(azure))
    assert words in text
    assert "canary" not in text


async def test_pem_and_pfx_with_and_without_a_password_log_in(azure: AzureStandIn):
    plain, identity = with_certificate(azure)
    locked = {**plain, "passwordKey": "password"}
    forms = [
        (plain, identity.pem),
        (plain, identity.pfx()),
        (locked, identity.pem_with(b"open sesame")),
        (locked, identity.pfx(b"open sesame")),
    ]
    for auth, data in forms:
        login = cluster(azure, certificate=data, password=b"open sesame\n")
        async with aclosing(store(azure, auth, cluster=login)) as backend:
            assert await reads(backend, azure)


@pytest.mark.parametrize("form", ["no certificate", "without key", "wrong password", "locked without a password"])
async def test_what_is_no_certificate_is_told_by_secret_and_key_and_not_shown(azure: AzureStandIn, form: str):
    auth, identity = with_certificate(azure)
    data = {
        "no certificate": b"canary",
        "without key": identity.pem.partition(b"-----END PRIVATE KEY-----\n")[2],
        "wrong password": identity.pfx(b"another"),
        "locked without a password": identity.pem_with(b"another"),
    }[form]
    auth |= {"passwordKey": "password"} if form == "wrong password" else {}
    login = cluster(azure, certificate=data, password=b"canary")
    text = await said(store(azure, auth, cluster=login), CredentialsMissing)
    assert text.startswith(f"Secret payments/{LOGIN}, key certificate holds no certificate with its RSA key")
    assert "canary" not in text


async def test_a_service_accounts_token_logs_in(azure: AzureStandIn):
    async with aclosing(federated(azure, trusting(azure))) as backend:
        assert await reads(backend, azure)
    assert azure.counts() == {"GetToken": 1, "GetSecret": 1}


@pytest.mark.parametrize(
    ("account", "trust"),
    [("intruder", {}), ("keyferry", {"issuer": "https://another.example"}), ("keyferry", {"audience": "another"})],
    ids=["another ServiceAccount", "another issuer", "another audience"],
)
async def test_a_token_that_the_application_does_not_trust_is_told_with_what_it_must_trust(
    azure: AzureStandIn, account: str, trust: dict[str, str]
):
    app = trusting(azure, **trust)
    text = await said(federated(azure, app, account=account))
    assert text.startswith(f"the token of ServiceAccount payments/{account}: application {app.client_id} has no")
    assert f"the subject system:serviceaccount:payments:{account} and the audience api://AzureADTokenExchange" in text


async def test_a_service_account_that_is_not_there_is_told(azure: AzureStandIn):
    def none(_: ServiceAccountRef, __: str) -> str:
        raise CredentialsMissing("no such ServiceAccount")

    assert await said(federated(azure, trusting(azure), none), CredentialsMissing) == "no such ServiceAccount"


@pytest.mark.parametrize("where", ["app_service", "node"])
@pytest.mark.parametrize("assigned", [True, False], ids=["user-assigned", "system-assigned"])
async def test_a_managed_identity_logs_in(
    azure: AzureStandIn, poor_environment: pytest.MonkeyPatch, where: str, assigned: object
):
    app = azure.entra.app(managed=True)
    azure.grant(app.client_id, {"*"})
    for name, value in getattr(azure, where).items():
        poor_environment.setenv(name, value)
    auth = MANAGED | ({"clientId": app.client_id} if assigned else {})
    async with aclosing(store(azure, auth, ambient=True)) as backend:
        assert await reads(backend, azure)
    assert azure.counts() == {"GetIdentity": 1, "GetSecret": 1}


async def test_a_managed_identity_that_the_pod_has_not_is_told(
    azure: AzureStandIn, poor_environment: pytest.MonkeyPatch
):
    for name, value in azure.node.items():
        poor_environment.setenv(name, value)
    text = await said(store(azure, MANAGED, ambient=True))
    assert text.startswith("the operator's managed identity: Azure's SDK finds none in the operator's pod")


async def test_without_auth_it_is_the_sdks_own_chain(azure: AzureStandIn, poor_environment: pytest.MonkeyPatch):
    poor_environment.setenv("AZURE_TENANT_ID", azure.tenant)
    poor_environment.setenv("AZURE_CLIENT_ID", azure.reader.client_id)
    poor_environment.setenv("AZURE_CLIENT_SECRET", azure.secret)
    async with aclosing(store(azure, spec={"auth": None}, ambient=True)) as backend:
        assert await reads(backend, azure)


async def test_a_chain_that_finds_nothing_is_told(azure: AzureStandIn, poor_environment: pytest.MonkeyPatch):
    for name, value in azure.node.items():
        poor_environment.setenv(name, value)
    text = await said(store(azure, spec={"auth": None}, ambient=True))
    assert text.startswith("the operator's own Azure credentials: Azure's SDK finds none")


@pytest.mark.parametrize("auth", [MANAGED, None], ids=["managed identity", "the SDK's chain"])
async def test_the_operators_own_rights_are_refused_to_a_tenant_before_anybody_is_asked(
    azure: AzureStandIn, poor_environment: pytest.MonkeyPatch, auth: dict[str, Any] | None
):
    azure.entra.app(managed=True)
    for name, value in azure.app_service.items():
        poor_environment.setenv(name, value)
    text = await said(store(azure, spec={"auth": auth}), SpecInvalid)
    assert "a SecretStore may not use the operator's own credentials" in text
    assert "--allow-ambient-in-namespaces" in text
    assert azure.calls == []


async def test_a_tenants_login_is_used_alone_whatever_the_operator_has(
    azure: AzureStandIn, poor_environment: pytest.MonkeyPatch
):
    poor_environment.setenv("AZURE_CLIENT_ID", "the-operators")
    poor_environment.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1")
    async with aclosing(store(azure)) as backend:
        assert await reads(backend, azure)
    (login,) = [call for call in azure.calls if call.action == "GetToken"]
    assert f"client_id={azure.reader.client_id}" in login.body.decode()


@pytest.mark.parametrize("field", ["vault", "authorityHost"])
async def test_a_tenant_sends_nothing_to_an_address_that_is_not_allowed(azure: AzureStandIn, field: str):
    refused = azure.vault_at(3)
    backend = store(azure, spec={field: refused}, endpoint_allowed=lambda url: url != refused)
    text = await said(backend, SpecInvalid)
    assert text.startswith(f"spec.provider.azure.{field}: this store may not send requests to {refused}")
    assert f"--allow-endpoint={refused}" in text
    assert azure.calls == []


@pytest.mark.parametrize("answer", [body(b"<html>canary"), body(b"[]"), body(b"{}"), body(b"<html>", 502)])
async def test_an_entra_that_answers_nonsense_is_unavailable(azure: AzureStandIn, answer: Any):
    with azure.faults.during("GetToken", answer):
        text = await said(store(azure), BackendUnavailable)
    assert azure.host in text
    assert "canary" not in text


async def test_an_entra_that_asks_for_patience_is_obeyed(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        with azure.faults.during("GetToken", error(429, retry_after="7")):
            answer = await one(backend, "db")
    assert isinstance(answer, Throttled)
    assert answer.retry_after == 7
    assert azure.counts() == {"GetToken": 1}


async def test_without_ca_only_the_systems_authorities_are_trusted(azure: AzureStandIn):
    assert "is not trusted" in await said(store(azure, spec={"caProvider": None}), BackendUnavailable)


@pytest.mark.parametrize(
    "pem", [b"canary", b"\xff", b"", b"-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"]
)
async def test_a_ca_that_is_none_is_told(azure: AzureStandIn, pem: bytes):
    secrets = dict(cluster(azure).secrets) | {"azure-ca": {"ca.crt": pem}}
    text = await said(store(azure, cluster=SeededCluster(secrets)), SpecInvalid)
    assert text == "spec.provider.azure.caProvider: what it names holds no certificates in PEM"


async def test_many_reads_at_once_share_one_login_and_its_failure(azure: AzureStandIn):
    backend = store(azure, cluster=cluster(azure, secret=b"wrong"))
    async with aclosing(backend):
        got = await backend.fetch([Ref(f"s{n}") for n in range(50)])
    assert {type(answer) for answer in got.values()} == {AuthFailed}
    assert azure.counts() == {"GetToken": 1}


async def test_a_login_that_failed_is_tried_again(azure: AzureStandIn):
    login = cluster(azure, secret=b"wrong")
    async with aclosing(store(azure, cluster=login)) as backend:
        assert not await reads(backend, azure)
        login.secrets = cluster(azure).secrets
        assert await reads(backend, azure)


async def test_a_login_goes_through_the_stores_budget(azure: AzureStandIn):
    async with aclosing(store(azure)) as backend:
        await backend.check()
        assert counts(backend._context) == {"GetToken": 1, "ListSecrets": 1, "GetSecret": 1}


async def test_no_password_of_the_operators_netrc_is_sent_to_an_entra_that_a_store_names(
    azure: AzureStandIn, poor_environment: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "netrc").write_text("default login operator password canary\n")
    poor_environment.setenv("NETRC", str(tmp_path / "netrc"))
    async with aclosing(store(azure)) as backend:
        assert await reads(backend, azure)
    (login,) = [call for call in azure.calls if call.action == "GetToken"]
    assert "authorization" not in login.headers
