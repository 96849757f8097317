"""An AWS that is not to be trusted, or whose clock is another, at each login: words that say which it is."""

import ssl
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from keyferry.backends.aws import AwsBackend
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError
from keyferry.values import Ref, Value
from tests.contract.aws_stores import KEYS, WEB, access_key, holding, signed, store
from tests.contract.context import SeededCluster
from tests.servers import certificates
from tests.standins.aws import AwsStandIn
from tests.standins.aws_sts import Role
from tests.standins.tcp_proxy import proxy_before

HOUR = 3600.0
BY_KEY, BY_ROLE, BY_TOKEN = "access key", "role", "web identity"
FIRST = {BY_KEY: "BatchGetSecretValue", BY_ROLE: "AssumeRole", BY_TOKEN: "AssumeRoleWithWebIdentity"}
TOKEN = "the token of ServiceAccount payments/keyferry"
KEY = f"the access key in Secret payments/{KEYS}"

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"since": -2 * HOUR, "until": -60.0}, "its certificate has expired, or the operator's clock is off"),
    "early": ({"since": HOUR}, "its certificate is not yet valid, or the operator's clock is off"),
    "name": ({"address": "127.0.0.2"}, "its certificate is for another name or address"),
    "authority": (
        {},
        (
            "its certificate is of an authority that is not trusted: name a bundle with the right one in AWS_CA_BUNDLE "
            "of the operator"
        ),
    ),
}


def logging_in(aws: AwsStandIn, login: str, payments: Role, spec: Mapping[str, Any] | None = None) -> AwsBackend:
    """A store that logs in so."""
    trusting = aws.sts.role("r", trusts=(f"arn:aws:iam::{aws.account}:user/admin",))
    auth: dict[str, Any] = {
        BY_KEY: access_key(aws.admin),
        BY_ROLE: access_key(aws.admin) | {"assumeRole": {"roleArn": trusting.arn}},
        BY_TOKEN: {"webIdentity": WEB | {"roleArn": payments.arn}},
    }[login]
    cluster = SeededCluster(holding(aws.admin).secrets, token_for=signed)
    return store(aws, auth, spec=dict(spec or {}), cluster=cluster, timeout=2.0)


async def said(backend: AwsBackend, kind: type[SyncError]) -> str:
    """What a store is told as that cannot read."""
    async with aclosing(backend):
        answer = (await backend.fetch([Ref("db")]))[Ref("db")]
    assert isinstance(answer, kind), answer
    return str(answer)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("login", FIRST)
async def test_a_certificate_that_is_not_trusted_is_told_by_what_is_wrong_with_it(
    aws: AwsStandIn, payments: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: str, fault: str
):
    made, telling = FAULTS[fault]
    authority = certificates.write(tmp_path, **made)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    if fault == "authority":
        (other := tmp_path / "other").mkdir()
        authority = certificates.write(other)
    (bundle := tmp_path / "bundle.crt").write_bytes(authority)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))

    async with proxy_before(urlsplit(aws.url).port or 0, tls) as front:
        host = f"127.0.0.1:{front.port}"
        spec = {"endpoint": f"https://{host}", "stsEndpoint": f"https://{host}"}
        text = await said(logging_in(aws, login, payments, spec), BackendUnavailable)

    assert text == f"{FIRST[login]}: no secure connection to {host}: {telling}"
    assert aws.calls.counts() == {}


@pytest.mark.parametrize("ahead", [-HOUR, HOUR], ids=["ahead of AWS", "behind"])
@pytest.mark.parametrize(("login", "keys"), [(BY_KEY, KEY), (BY_ROLE, KEY), (BY_TOKEN, TOKEN)])
async def test_a_clock_that_is_an_hour_off_is_told(
    aws: AwsStandIn, payments: Role, login: str, keys: str, ahead: float
):
    aws.iam.ahead = ahead
    text = await said(logging_in(aws, login, payments), AuthFailed)
    assert "the operator's clock is off, by more than five minutes: mend it on the pod's node" in text
    assert f"{aws.host} does not accept the keys of {keys}" in text


async def test_a_clock_that_is_a_little_off_does_not_matter(aws: AwsStandIn, payments: Role):
    aws.iam.ahead = 240.0
    ref = Ref(aws.put("db", "v"))
    async with aclosing(logging_in(aws, BY_ROLE, payments)) as backend:
        assert isinstance((await backend.fetch([ref]))[ref], Value)


async def test_a_wrong_key_is_not_taken_for_a_wrong_clock(aws: AwsStandIn):
    data = {"id": aws.admin.id.encode(), "secret": b"wrong"}
    text = await said(store(aws, cluster=SeededCluster({KEYS: data})), AuthFailed)
    assert "the secret access key does not belong to the access key ID" in text
    assert "clock" not in text
