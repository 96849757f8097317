"""Logins that need a real cluster: tokens that the API server signed, and the environment of the operator's pod."""

import shlex
from collections import Counter

import pytest

from tests.cluster.manifests import aws_provider, cluster_store, secret, secret_store
from tests.cluster.manifests import external_secret as declared
from tests.cluster.world import world_of
from tests.controlplane.api import RequestFailed
from tests.standins.aws_sts import Issuer
from tests.standins.pod_identity import PodIdentityAgent

pytest_plugins = ["tests.cluster.fixtures"]

ISSUER = "https://kubernetes.default.svc"
AUDIENCE = "sts.amazonaws.com"
ALLOWS = "keyferry.dev/allow-tokens-for"
SOON = 20.0  # seconds; it is looked at every fifteen


@pytest.fixture
def role(team):
    """A role that trusts one ServiceAccount of this cluster, whose own keys tell whether a token is of it."""
    team.aws.sts.issuers[ISSUER] = Issuer.of_jwks(team.world.plane.request("GET", "/openid/v1/jwks"), AUDIENCE)
    for name in ("reader", "intruder"):
        team.world.account(team.namespace, name, AUDIENCE, "sts.elsewhere.example")
    return team.aws.sts.role("reads", issuer=ISSUER, subject=f"system:serviceaccount:{team.namespace}:reader")


def own(team, auth, reason):
    """A SecretStore with this login says this; its message."""
    place = {"region": team.aws.region, "endpoint": team.aws.url, "stsEndpoint": team.aws.url}
    team.world.apply(secret_store(team.namespace, "own", {"aws": {**place, "auth": auth}}, prefix=f"{team.namespace}/"))
    return team.world.await_ready(team.namespace, "own", reason, kind="SecretStore").message


def web(role, account="reader", **more):
    return {"webIdentity": {"serviceAccountRef": {"name": account}, "roleArn": role.arn, **more}}


def reads(team):
    """The team's own store brings a value, and looks for another every second."""
    team.put("db", "value")
    team.world.apply(declared(team.namespace, store="own", kind="SecretStore", every="1s"))
    team.holds(value=b"value")


def test_a_token_that_the_api_server_signs_is_exchanged_for_a_role(team, role):
    own(team, web(role), "Ready")

    reads(team)

    assert set(team.aws.iam.sessions()) & {call.key_id for call in team.aws.calls.all("BatchGetSecretValue")}


def test_another_service_accounts_token_is_refused_and_the_trust_policy_is_named(team, role):
    said = own(team, web(role, "intruder"), "AuthFailed")

    assert f"ServiceAccount {team.namespace}/intruder" in said
    assert f"the trust policy of {role.arn} does not accept it" in said


def test_an_audience_that_the_account_does_not_know_is_told(team, role):
    assert "OIDC provider" in own(team, web(role, audience="sts.elsewhere.example"), "AuthFailed")


def test_an_audience_that_the_api_server_accepts_itself_is_refused_at_apply(team, role):
    with pytest.raises(RequestFailed, match="audience"):
        own(team, web(role, audience=ISSUER), "AuthFailed")


def asked(team):
    """How the operator's requests of the team's ServiceAccounts were answered so far: by verb, subresource and code."""
    world = team.world
    return Counter(
        (event.verb, event.subresource, event.code)
        for event in world.plane.audit()
        if event.user == world.operator.user
        and event.resource == "serviceaccounts"
        and event.namespace == team.namespace
    )


def obeyed(team, said):
    """Type what a condition says, as it says it."""
    for command in said[said.index("kubectl ") :].split(" && "):
        program, *arguments = shlex.split(command)
        assert program == "kubectl"
        team.world.plane.kubectl(*arguments)


def test_a_service_account_that_is_not_there_is_told_with_what_makes_it(team, role):
    said = own(team, web(role, "absent"), "CredentialsMissing")
    assert f"ServiceAccount {team.namespace}/absent is not there" in said
    assert asked(team).keys() == {("get", "", 404)}
    team.aws.sts.trust(role, issuer=ISSUER, subject=f"system:serviceaccount:{team.namespace}:absent")

    obeyed(team, said)

    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore", within=SOON)


def test_no_token_is_asked_for_until_its_account_allows_that(team, role):
    team.world.account(team.namespace, "shy", "vault")
    team.aws.sts.trust(role, issuer=ISSUER, subject=f"system:serviceaccount:{team.namespace}:shy")
    said = own(team, web(role, "shy"), "TokenNotAllowed")
    assert f"ServiceAccount {team.namespace}/shy does not allow tokens for {AUDIENCE}" in said
    assert asked(team).keys() == {("get", "", 200)}

    obeyed(team, said)

    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore", within=SOON)
    reads(team)
    before = asked(team)
    assert before["create", "token", 201] == 1

    team.put("db", "rotated")
    team.holds(value=b"rotated")
    assert asked(team) == before, "while its keys hold, nobody looks at the account"


def test_once_its_account_does_not_allow_it_any_more_no_other_token_is_asked_for_and_secrets_stay(team, role):
    own(team, web(role), "Ready")
    reads(team)
    before = asked(team)
    team.world.plane.kubectl("-n", team.namespace, "annotate", "serviceaccount", "reader", f"{ALLOWS}-")
    team.put("db", "with the keys that it has")
    team.holds(value=b"with the keys that it has")

    for key in team.aws.iam.sessions():
        team.aws.iam.expire(key)
    team.put("db", "too late")

    team.world.await_ready(team.namespace, "own", "TokenNotAllowed", kind="SecretStore")
    team.world.await_ready(team.namespace, "db", "TokenNotAllowed")
    team.holds(value=b"with the keys that it has")
    after = asked(team)
    assert after["create", "token", 201] == before["create", "token", 201]
    assert {code for _, subresource, code in after if subresource == "token"} == {201}


def test_a_role_is_assumed_with_its_external_id_and_session_tags(team):
    user = f"arn:aws:iam::{team.aws.account}:user/admin"
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "*",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalTag/team": "web"}},
            }
        ]
    }
    trusted = team.aws.sts.role("shared", trusts=(user,), external_id="from-keyferry", policy=policy)
    key = aws_provider(team.aws, team.namespace, cluster=False)["aws"]["auth"]
    tags = [{"key": "team", "value": "web"}]
    assume = {"roleArn": trusted.arn, "externalId": "from-keyferry", "sessionTags": tags}
    assert "external ID" in own(team, {**key, "assumeRole": assume | {"externalId": "another"}}, "AuthFailed")

    own(team, {**key, "assumeRole": assume}, "Ready")

    reads(team)


def test_a_shared_credentials_file_logs_in_by_its_profile(team):
    admin = team.aws.admin
    text = (
        f"[other]\naws_access_key_id = x\n[team]\naws_access_key_id={admin.id}\naws_secret_access_key={admin.secret}\n"
    )
    team.world.apply(secret(team.namespace, "file", {"credentials": text}))
    ref = {"secretRef": {"name": "file", "key": "credentials"}}
    assert "profile" in own(team, {"sharedCredentials": {**ref, "profile": "no-such"}}, "CredentialsMissing")

    own(team, {"sharedCredentials": {**ref, "profile": "team"}}, "Ready")

    reads(team)


def test_pod_identity_of_the_operators_pod_comes_through_the_charts_environment(plane, crds, aws, tmp_path):
    with PodIdentityAgent(aws.sts, aws.sts.role("operator"), tmp_path / "token") as agent:
        # Keys that the SDK's own chain would find before those of the pod, and that no account knows.
        others = {"AWS_ACCESS_KEY_ID": "AKIATHEOPERATORSOWN0", "AWS_SECRET_ACCESS_KEY": "its-secret"}
        environment = [{"name": name, "value": value} for name, value in (agent.environment | others).items()]
        with world_of(plane, tmp_path, {"extraEnv": environment}) as world:
            namespace = world.namespace()
            aws.put("db", "value", {"namespace": namespace, "key": "db"})
            place = {"region": aws.region, "endpoint": aws.url, "auth": {"podIdentity": {}}}
            world.start()

            world.apply(cluster_store("pod", {"aws": place}), declared(namespace, store="pod"))

            world.await_secret(namespace, "db", {"value": b"value"})
            assert agent.asked >= 1
