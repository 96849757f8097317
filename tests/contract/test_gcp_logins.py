"""Every login to Google, end to end against the stand-in: what it takes, what it gives, and how it fails."""

import json
from contextlib import aclosing
from typing import Any

import pytest

from keyferry.backends.gcp import GcpBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError, Throttled
from keyferry.values import Ref, Value
from tests.contract.context import SeededCluster
from tests.contract.gcp_stores import PROVIDER, SUBJECT, federated, holding, signed, store, trusting
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_iam import EVERYTHING
from tests.standins.gcp_metadata import MetadataServer
from tests.standins.gcp_sts import Refused
from tests.standins.gcp_tls import Authority

pytest_plugins = ["tests.contract.gcp_fixtures"]

EMAIL = "reader@acme-prod.iam.gserviceaccount.com"
KEY = "the service account key in Secret payments/gcp, key key.json"
HOUR = 3600


async def said(backend: GcpBackend, kind: type[SyncError] = AuthFailed) -> str:
    """What the failing login is told as, by `check` and by every answer alike."""
    async with aclosing(backend):
        with pytest.raises(kind) as failure:
            await backend.check()
        answer = (await backend.fetch([Ref("db")]))[Ref("db")]
    assert isinstance(answer, kind)
    assert str(answer) == str(failure.value)
    return str(answer)


async def reads(backend: GcpBackend, gcp: GcpStandIn) -> bool:
    """Whether a value can be read."""
    gcp.put("db", b"v")
    return isinstance((await backend.fetch([Ref("db")]))[Ref("db")], Value)


@pytest.fixture
def pool(gcp: GcpStandIn) -> GcpStandIn:
    """The project accepts the ServiceAccount payments/keyferry."""
    trusting(gcp)
    gcp.iam.allow(SUBJECT, EVERYTHING)
    return gcp


async def test_a_service_account_key_logs_in_and_asks_nobody_for_it(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        assert await reads(backend, gcp)
    assert gcp.calls.counts() == {"AccessSecretVersion": 1}


async def test_a_secret_that_is_not_there_is_named(gcp: GcpStandIn):
    cluster = SeededCluster({"gcp": {"ca.crt": gcp.ca}})
    assert await said(store(gcp, cluster=cluster), CredentialsMissing) == "Secret gcp has no key key.json"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"canary", "it is no JSON object"),
        (b'["canary"]', "it is no JSON object"),
        (b"[" * 100000, "it is no JSON object"),
        (b"\xff\xfe", "it is no JSON object"),
        (b'{"type": "service_account", "private_key": "canary"}', "it needs type service_account, client_email"),
        (
            b'{"type": "service_account", "client_email": "a@b", "private_key": "canary"}',
            "its private_key is no RSA key in PEM",
        ),
    ],
    ids=["text", "list", "deep", "binary", "half", "no PEM"],
)
async def test_what_is_no_key_is_told_by_secret_and_key_and_not_shown(gcp: GcpStandIn, data: bytes, why: str):
    text = await said(store(gcp, key=data), CredentialsMissing)
    assert text.startswith("Secret payments/gcp, key key.json")
    assert why in text
    assert "canary" not in text


async def test_a_login_that_failed_is_tried_again(gcp: GcpStandIn):
    cluster = SeededCluster({"gcp": {"ca.crt": gcp.ca}})
    async with aclosing(store(gcp, cluster=cluster)) as backend:
        assert not await reads(backend, gcp)
        cluster.secrets = holding(gcp).secrets
        assert await reads(backend, gcp)


async def test_a_key_that_was_deleted_is_tried_once_more_and_then_told(gcp: GcpStandIn):
    del gcp.iam.accounts[gcp.admin.email]
    text = await said(store(gcp))
    assert (
        text
        == f"{gcp.host} does not accept {KEY}: it is wrong, was deleted or disabled, or the operator's clock is off"
    )
    assert gcp.calls.counts() == {"ListSecrets": 2, "AccessSecretVersion": 2}


async def test_a_service_accounts_token_logs_in_and_that_lasts(pool: GcpStandIn):
    async with aclosing(federated(pool)) as backend:
        assert await reads(backend, pool)
        assert await reads(backend, pool)
    assert pool.calls.counts() == {"token": 1, "AccessSecretVersion": 2}


async def test_a_token_that_google_refuses_is_replaced_once(pool: GcpStandIn):
    async with aclosing(federated(pool)) as backend:
        assert await reads(backend, pool)
        pool.iam.revoke()
        assert await reads(backend, pool)
    assert pool.calls.counts() == {"token": 2, "AccessSecretVersion": 3}


async def test_it_acts_as_a_google_service_account(pool: GcpStandIn):
    pool.iam.allow(SUBJECT, ["iam.serviceAccounts.getAccessToken"])
    reader = pool.iam.account("reader")
    async with aclosing(federated(pool, impersonate=reader.email)) as backend:
        assert await reads(backend, pool)
    assert pool.calls.counts() == {"token": 1, "generateAccessToken": 1, "AccessSecretVersion": 1}


async def test_whoever_may_not_act_as_it_is_told_which_right_is_missing(pool: GcpStandIn):
    pool.iam.allow(SUBJECT, [])
    reader = pool.iam.account("reader")
    text = await said(federated(pool, impersonate=reader.email))
    assert text.startswith(
        f"ServiceAccount payments/keyferry is not allowed iam.serviceAccounts.getAccessToken on {EMAIL}: grant it "
    )


async def test_a_service_account_that_the_provider_does_not_accept_is_told(gcp: GcpStandIn):
    trusting(gcp, condition=lambda claims: claims["sub"].endswith(":keyferry"))
    text = await said(federated(gcp, account="intruder"))
    assert text.startswith("the token of ServiceAccount payments/intruder: the attribute condition of ")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://elsewhere.example"}, "its issuer is not the one that"),
        (
            {"aud": ["https://elsewhere.example"]},
            f"does not accept its audience: add https://iam.googleapis.com/{PROVIDER}",
        ),
    ],
    ids=["issuer", "audience"],
)
async def test_a_token_that_sts_refuses_is_told(pool: GcpStandIn, claims: dict[str, Any], why: str):
    text = await said(federated(pool, lambda ref, to: signed(ref, to, **claims)))
    assert text.startswith("the token of ServiceAccount payments/keyferry: ")
    assert why in text


async def test_a_service_account_that_is_not_there_is_told(gcp: GcpStandIn):
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "nobody"}, "provider": PROVIDER}}
    assert await said(store(gcp, auth), CredentialsMissing) == "no such ServiceAccount"


async def test_sts_with_a_certificate_of_somebody_else_gets_no_token(pool: GcpStandIn):
    secrets = {"gcp": {"ca.crt": Authority("another CA").pem}}
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "keyferry"}, "provider": PROVIDER}}
    text = await said(store(pool, auth, cluster=SeededCluster(secrets, token_for=signed)), BackendUnavailable)
    host = pool.auth_url.removeprefix("https://")
    assert text == (
        f"ExchangeToken: no secure connection to {host}: its certificate is of an authority that is not trusted: name "
        "the right one in caProvider"
    )
    assert pool.calls.count() == 0


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (429, Throttled, "is asked too often at ExchangeToken"),
        (503, BackendUnavailable, "fails at ExchangeToken (status 503)"),
        (302, BackendUnavailable, "fails at ExchangeToken (status 302)"),
        (418, AuthFailed, "its issuer must be the cluster's"),
        (200, BackendUnavailable, "STS's answer lacks the token"),
    ],
)
async def test_what_sts_says_beside_that_is_told_without_its_words(
    pool: GcpStandIn, status: int, kind: type[SyncError], words: str
):
    pool.sts.fault = Refused(status, {"error": "canary", "error_description": "canary", "access_token": 7})
    text = await said(federated(pool), kind)
    assert words in text
    assert "canary" not in text


async def test_the_pods_own_identity_logs_in_through_the_metadata_server(
    gcp: GcpStandIn, no_google: pytest.MonkeyPatch
):
    with MetadataServer(gcp.iam, gcp.admin.email) as metadata:
        metadata.found_by(no_google)
        async with aclosing(store(gcp, None, ambient=True)) as backend:
            assert await reads(backend, gcp)
            asked = metadata.asked
            gcp.iam.revoke()
            assert await reads(backend, gcp)
        assert (asked, metadata.asked) == (1, 2)


async def test_a_metadata_server_that_refuses_is_told_without_its_words(gcp: GcpStandIn, no_google: pytest.MonkeyPatch):
    with MetadataServer(gcp.iam, gcp.admin.email) as metadata:
        metadata.found_by(no_google)
        async with aclosing(store(gcp, None, ambient=True)) as backend:
            assert await reads(backend, gcp)
            gcp.iam.revoke()
            metadata.broken = True
            answer = (await backend.fetch([Ref("db")]))[Ref("db")]
    assert str(answer) == "the operator's own Google credentials: whoever hands them over does not do so just now"


async def test_an_environment_without_credentials_is_told(gcp: GcpStandIn):
    text = await said(store(gcp, None, ambient=True))
    assert text.startswith("the operator's own Google credentials: Google's library finds none in the operator's pod; ")


async def test_two_logins_are_refused(gcp: GcpStandIn):
    auth = {
        "serviceAccountKeySecretRef": {"name": "gcp", "key": "key.json"},
        "workloadIdentity": {"serviceAccountRef": {"name": "keyferry"}, "provider": PROVIDER},
    }
    assert "give only one of" in await said(store(gcp, auth), SpecInvalid)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "external_account", "credential_source": {"executable": {"command": "touch MARK"}}},
        {"type": "external_account", "credential_source": {"file": "MARK"}},
        {"type": "external_account_authorized_user"},
        {"type": "impersonated_service_account", "source_credentials": {}},
    ],
    ids=lambda content: content["type"],
)
async def test_a_file_that_would_lead_the_operator_elsewhere_is_refused_by_its_type(
    gcp: GcpStandIn, content: dict[str, Any]
):
    text = await said(store(gcp, key=json.dumps(content).encode()), SpecInvalid)
    assert f"key key.json is of type {content['type']}, which names files, commands or addresses" in text
    assert "auth.workloadIdentity" in text
    assert gcp.calls.count() == 0
