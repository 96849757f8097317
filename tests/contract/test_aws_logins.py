"""Every login to AWS, end to end against the stand-in: what it takes, what it gives, and what it says when it fails."""

import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.aws import AwsBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError
from keyferry.values import Ref, StoreKey, Value
from tests.contract.aws_stores import KEYS, WEB, access_key, holding, reads, signed, store, web_identity
from tests.contract.context import SeededCluster
from tests.standins.aws import AwsStandIn
from tests.standins.aws_sts import Role
from tests.standins.pod_identity import PodIdentityAgent


async def said(backend: AwsBackend, kind: type[SyncError] = AuthFailed) -> str:
    """What the failing login is told as, by `check` and by every answer alike."""
    with pytest.raises(kind) as failure:
        await backend.check()
    answer = (await backend.fetch([Ref("db")]))[Ref("db")]
    assert isinstance(answer, kind)
    assert str(answer) == str(failure.value)
    return str(answer)


def assume(role: Role, **more: Any) -> dict[str, Any]:
    return {"assumeRole": {"roleArn": role.arn, **more}}


async def test_an_access_key_logs_in(aws: AwsStandIn):
    async with aclosing(store(aws)) as backend:
        assert await reads(backend, aws)


async def test_a_temporary_access_key_logs_in_with_its_session_token(aws: AwsStandIn):
    key = aws.sts.session(aws.sts.role("r"), "s")
    async with aclosing(store(aws, key=key)) as backend:
        assert await reads(backend, aws)


async def test_a_temporary_access_key_without_its_token_is_refused(aws: AwsStandIn):
    key = aws.sts.session(aws.sts.role("r"), "s")
    async with aclosing(store(aws, access_key(aws.admin), key=key)) as backend:
        assert f"the access key in Secret payments/{KEYS}" in await said(backend)


async def test_a_line_end_after_a_key_does_not_matter(aws: AwsStandIn):
    data = {"id": aws.admin.id.encode() + b"\n", "secret": aws.admin.secret.encode() + b"\r\n"}
    async with aclosing(store(aws, cluster=SeededCluster({KEYS: data}))) as backend:
        assert await reads(backend, aws)


async def test_a_secret_that_is_not_there_is_named(aws: AwsStandIn):
    async with aclosing(store(aws, cluster=SeededCluster())) as backend:
        assert await said(backend, CredentialsMissing) == f"Secret {KEYS} has no key id"


@pytest.mark.parametrize("data", [b"", b" \n", b"two words", b"\xff\xfe", "klíč".encode()])
async def test_what_is_no_key_is_told_by_secret_and_key_and_not_shown(aws: AwsStandIn, data: bytes):
    cluster = SeededCluster({KEYS: {"id": aws.admin.id.encode(), "secret": data}})
    async with aclosing(store(aws, cluster=cluster, store=StoreKey("payments", "s"))) as backend:
        assert (await said(backend, CredentialsMissing)).startswith(
            f"Secret payments/{KEYS}, key secret holds no AWS key"
        )


async def test_a_login_that_failed_is_tried_again(aws: AwsStandIn):
    cluster = SeededCluster()
    async with aclosing(store(aws, cluster=cluster)) as backend:
        await said(backend, CredentialsMissing)
        cluster.secrets = holding(aws.admin).secrets
        assert await reads(backend, aws)


async def test_a_key_that_was_deleted_is_told_by_the_secret_that_holds_it(aws: AwsStandIn):
    key = aws.iam.user("gone")
    aws.iam.revoke(key.id)
    async with aclosing(store(aws, key=key)) as backend:
        text = await said(backend)
    assert f"{aws.host} does not accept the keys of the access key in Secret payments/{KEYS}" in text
    assert "no such access key" in text


async def test_what_aws_recites_of_a_wrong_signature_is_not_passed_on(aws: AwsStandIn):
    key = aws.sts.session(aws.sts.role("r"), "s")
    data = {"id": key.id.encode(), "secret": b"wrong", "token": str(key.token).encode()}
    async with aclosing(store(aws, access_key(key), cluster=SeededCluster({KEYS: data}))) as backend:
        text = await said(backend)
    assert "does not belong to the access key ID" in text
    assert str(key.token) not in text


async def test_a_wrong_key_is_not_taken_for_a_clock_that_is_off(aws: AwsStandIn):
    data = {"id": aws.admin.id.encode(), "secret": b"wrong"}
    async with aclosing(store(aws, cluster=SeededCluster({KEYS: data}))) as backend:
        assert "clock" not in await said(backend)


async def test_a_clock_that_is_four_minutes_off_does_not_matter(aws: AwsStandIn):
    aws.iam.ahead = 240.0
    async with aclosing(store(aws)) as backend:
        assert await reads(backend, aws)


async def test_a_shared_credentials_file_logs_in_by_its_profile(aws: AwsStandIn):
    text = (
        f"[other]\nrole_arn = x\n[team]\naws_access_key_id={aws.admin.id}\naws_secret_access_key = {aws.admin.secret}\n"
    )
    auth = {"sharedCredentials": {"secretRef": {"name": "file", "key": "credentials"}, "profile": "team"}}
    cluster = SeededCluster({"file": {"credentials": text.encode()}})
    async with aclosing(store(aws, auth, cluster=cluster)) as backend:
        assert await reads(backend, aws)


async def test_a_service_accounts_token_logs_in(aws: AwsStandIn, payments: Role):
    async with aclosing(web_identity(aws)) as backend:
        assert await reads(backend, aws)
        assert aws.calls.counts() == {"AssumeRoleWithWebIdentity": 1, "BatchGetSecretValue": 1}


async def test_a_token_of_another_service_account_is_not_accepted(aws: AwsStandIn, payments: Role):
    async with aclosing(web_identity(aws, serviceAccountRef={"name": "intruder"})) as backend:
        text = await said(backend)
    assert text.startswith("the token of ServiceAccount payments/intruder: the trust policy of ")
    assert payments.arn in text


async def test_an_audience_that_iam_does_not_know_is_told(aws: AwsStandIn, payments: Role):
    async with aclosing(web_identity(aws, audience="sts.elsewhere.example")) as backend:
        assert "OIDC provider with the cluster's issuer" in await said(backend)


async def test_a_token_that_is_too_old_is_told(aws: AwsStandIn, payments: Role):
    async with aclosing(web_identity(aws, lambda ref, to: signed(ref, to, exp=time.time() - 60))) as backend:
        assert "its token came too late" in await said(backend)


async def test_an_issuer_that_iam_does_not_know_is_told(aws: AwsStandIn):
    async with aclosing(web_identity(aws)) as backend:
        assert "OIDC provider with the cluster's issuer" in await said(backend)


async def test_a_service_account_that_is_not_there_is_told(aws: AwsStandIn):
    async with aclosing(store(aws, {"webIdentity": WEB | {"roleArn": "arn:aws:iam::111122223333:role/r"}})) as backend:
        assert await said(backend, CredentialsMissing) == "no such ServiceAccount"


async def test_pod_identity_logs_in(aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, tmp_path: Path):
    role = aws.sts.role("operator")
    with PodIdentityAgent(aws.sts, role, tmp_path / "token") as agent:
        for name, value in agent.environment.items():
            bare_environment.setenv(name, value)
        async with aclosing(store(aws, {"podIdentity": {}}, ambient=True)) as backend:
            assert await reads(backend, aws)
        assert agent.asked == 1


async def test_a_session_of_pod_identity_that_aws_refuses_is_asked_for_anew(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, tmp_path: Path
):
    with PodIdentityAgent(aws.sts, aws.sts.role("operator"), tmp_path / "token") as agent:
        for name, value in agent.environment.items():
            bare_environment.setenv(name, value)
        async with aclosing(store(aws, {"podIdentity": {}}, ambient=True)) as backend:
            assert await reads(backend, aws)
            aws.iam.expire(aws.iam.sessions()[0])
            assert await reads(backend, aws)
        assert agent.asked == 2


async def test_the_operators_own_web_identity_logs_in(
    aws: AwsStandIn, payments: Role, bare_environment: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "token").write_text(signed(ServiceAccountRef(name="keyferry"), "sts.amazonaws.com"))
    bare_environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    bare_environment.setenv("AWS_ROLE_ARN", payments.arn)
    bare_environment.setenv("AWS_REGION", aws.region)
    bare_environment.setenv("AWS_DEFAULT_REGION", aws.region)
    bare_environment.setenv("AWS_ENDPOINT_URL", aws.url)
    async with aclosing(store(aws, {"ambient": {}}, ambient=True)) as backend:
        assert await reads(backend, aws)
        assert await reads(backend, aws)
    assert aws.calls.count("AssumeRoleWithWebIdentity") == 1


async def test_pod_identity_says_when_the_pod_has_none(aws: AwsStandIn):
    async with aclosing(store(aws, {"podIdentity": {}}, ambient=True)) as backend:
        assert "the pod has none" in await said(backend)


async def test_pod_identity_that_refuses_the_pod_is_told_without_its_words(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, tmp_path: Path
):
    with PodIdentityAgent(aws.sts, aws.sts.role("operator"), tmp_path / "token") as agent:
        for name, value in agent.environment.items():
            bare_environment.setenv(name, value)
        (tmp_path / "token").write_text("canary")
        async with aclosing(store(aws, {"podIdentity": {}}, ambient=True)) as backend:
            text = await said(backend)
    assert text == "EKS Pod Identity of the operator's pod: it hands over no credentials just now"


@pytest.mark.parametrize("auth", [{"ambient": {}}, {"assumeRole": None}], ids=["ambient", "no auth"])
async def test_the_operators_own_environment_logs_in(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, auth: dict[str, Any]
):
    bare_environment.setenv("AWS_ACCESS_KEY_ID", aws.admin.id)
    bare_environment.setenv("AWS_SECRET_ACCESS_KEY", aws.admin.secret)
    async with aclosing(store(aws, auth, ambient=True)) as backend:
        assert await reads(backend, aws)


async def test_the_operators_own_profile_logs_in(aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, tmp_path: Path):
    key = f"aws_access_key_id={aws.admin.id}\naws_secret_access_key={aws.admin.secret}"
    (tmp_path / "config").write_text(f"[profile ops]\n{key}\nregion={aws.region}\n")
    bare_environment.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    bare_environment.setenv("AWS_PROFILE", "ops")
    async with aclosing(store(aws, {"ambient": {}}, ambient=True, spec={"region": None})) as backend:
        assert await reads(backend, aws)


async def test_an_environment_without_credentials_is_told(aws: AwsStandIn):
    async with aclosing(store(aws, {"ambient": {}}, ambient=True)) as backend:
        assert "AWS's SDK finds none in the operator's pod" in await said(backend)


async def test_an_environment_that_names_a_profile_which_is_not_there_is_told(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch
):
    bare_environment.setenv("AWS_PROFILE", "nowhere")
    async with aclosing(store(aws, {"ambient": {}}, ambient=True)) as backend:
        assert "finds its configuration in the operator's pod broken" in await said(backend)


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_PROFILE", "nowhere"), ("AWS_ENDPOINT_URL", "no address"), ("AWS_DEFAULTS_MODE", "x")]
)
async def test_an_environment_that_makes_no_sense_is_told(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, variable: str, value: str
):
    bare_environment.setenv(variable, value)
    bare_environment.setenv("AWS_REGION", aws.region)
    bare_environment.setenv("AWS_ACCESS_KEY_ID", aws.admin.id)
    bare_environment.setenv("AWS_SECRET_ACCESS_KEY", aws.admin.secret)
    backend = store(aws, {"ambient": {}}, ambient=True, spec={"region": None, "endpoint": None, "stsEndpoint": None})
    async with aclosing(backend):
        assert "finds its configuration in the operator's pod broken" in await said(backend)


async def test_a_role_is_assumed_with_external_id_name_and_tags(aws: AwsStandIn):
    admin = f"arn:aws:iam::{aws.account}:user/admin"
    by_tag = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {"secretsmanager:ResourceTag/team": "${aws:PrincipalTag/team}"}},
    }
    role = aws.sts.role("teams", trusts=(admin,), external_id="x-1", policy={"Statement": [by_tag]})
    more = {"externalId": "x-1", "sessionName": "ops", "sessionTags": [{"key": "team", "value": "payments"}]}
    ours, theirs = Ref(aws.put("a", "v", {"team": "payments"})), Ref(aws.put("b", "v", {"team": "orders"}))
    async with aclosing(store(aws, access_key(aws.admin) | assume(role, **more))) as backend:
        got = await backend.fetch([Ref(ours.id, "AWSCURRENT"), Ref(theirs.id, "AWSCURRENT")])
    assert isinstance(got[Ref(ours.id, "AWSCURRENT")], Value)
    assert f"role {role.arn}, assumed with the access key in Secret" in str(got[Ref(theirs.id, "AWSCURRENT")])


async def test_a_wrong_external_id_is_told_by_role_and_action(aws: AwsStandIn):
    role = aws.sts.role("r", trusts=(f"arn:aws:iam::{aws.account}:user/admin",), external_id="x-1")
    async with aclosing(store(aws, access_key(aws.admin) | assume(role, externalId="x-2"))) as backend:
        text = await said(backend)
    assert f"the access key in Secret payments/{KEYS} is not allowed sts:AssumeRole on {role.arn}" in text
    assert "external ID" in text


async def test_session_tags_that_are_not_let_through_are_told_by_their_action(aws: AwsStandIn):
    role = aws.sts.role("r", trusts=(f"arn:aws:iam::{aws.account}:user/admin",), tag_sessions=False)
    tags = [{"key": "team", "value": "x"}]
    async with aclosing(store(aws, access_key(aws.admin) | assume(role, sessionTags=tags))) as backend:
        assert f"sts:TagSession on {role.arn}" in await said(backend)


async def test_a_role_is_assumed_with_a_service_accounts_token(aws: AwsStandIn, payments: Role):
    session = f"arn:aws:sts::{aws.account}:assumed-role/payments/keyferry"
    role = aws.sts.role("further", trusts=(session,))
    spec = WEB | {"roleArn": payments.arn}
    auth = {"webIdentity": spec} | assume(role)
    async with aclosing(store(aws, auth, cluster=SeededCluster(token_for=signed))) as backend:
        assert await reads(backend, aws)
    assert aws.calls.count("AssumeRole") == 1


async def test_a_base_key_that_is_refused_at_sts_is_told_by_its_secret(aws: AwsStandIn):
    role = aws.sts.role("r")
    key = aws.iam.user("gone")
    aws.iam.revoke(key.id)
    async with aclosing(store(aws, access_key(key) | assume(role), key=key)) as backend:
        assert f"does not accept the keys of the access key in Secret payments/{KEYS}" in await said(backend)


async def test_sts_out_of_reach_is_no_wrong_login(aws: AwsStandIn):
    spec = {"stsEndpoint": "http://127.0.0.1:1"}
    auth = access_key(aws.admin) | assume(aws.sts.role("r"))
    async with aclosing(store(aws, auth, spec=spec)) as backend:
        assert await said(backend, BackendUnavailable) == "AssumeRole: cannot connect to 127.0.0.1:1"


async def test_two_logins_are_refused(aws: AwsStandIn):
    async with aclosing(store(aws, access_key(aws.admin) | {"ambient": {}}, ambient=True)) as backend:
        assert "give only one of accessKey" in await said(backend, SpecInvalid)
