"""Bad input: its user reads what is wrong and what to write instead where they look first, and nobody else notices."""

import uuid

import pytest

from tests.cluster.manifests import LOGIN, aws_login, aws_provider, cluster_store, external_secret, secret, secret_store
from tests.controlplane.api import RequestFailed
from tests.standins.aws_iam import AccessKey

pytest_plugins = ["tests.cluster.fixtures"]

SHOWN = "a-value-that-no-error-may-show"


@pytest.fixture(autouse=True)
def healthy(team):
    """An ExternalSecret of the same store that goes on as if nothing were wrong beside it."""
    team.put("fine", "fine")
    team.declare("fine")
    team.says("Synced", "fine")
    before = [team.world.get(kind, team.namespace, "fine") for kind in ("ExternalSecret", "Secret")]
    yield
    assert before == [team.world.get(kind, team.namespace, "fine") for kind in ("ExternalSecret", "Secret")]
    team.put("fine", "new")
    team.force(uuid.uuid4().hex, "fine")
    team.holds("fine", value=b"new")


def told(team, reason, **spec):
    """What the condition says of an ExternalSecret that is none the better for waiting. There is no Secret of it."""
    team.declare("bad", **spec)
    said = team.says(reason, "bad")
    assert said.status == "False"
    assert SHOWN not in said.message
    assert team.world.get("Secret", team.namespace, "bad") is None
    return said.message


def own(team, provider, reason):
    """What a SecretStore with this provider says with this reason, and an ExternalSecret that uses it with the same.

    What it says before is of the moment in which the operator knows it and not yet its store.
    """
    team.world.apply(secret_store(team.namespace, "own", provider, refresh={"timeout": "2s"}))
    team.world.apply(external_secret(team.namespace, "bad", store="own", kind="SecretStore"))
    said = team.world.await_ready(team.namespace, "own", reason, kind="SecretStore"), team.says(reason, "bad")
    assert [each.status for each in said] == ["False", "False"]
    return said


# Stores


def test_a_login_whose_secret_is_not_there_is_told_by_its_name(team):
    provider = aws_provider(team.aws, team.namespace, "no-such", cluster=False)

    store, asked = own(team, provider, "CredentialsMissing")

    assert f"Secret {team.namespace}/no-such is not there" in store.message
    assert f"Secret {team.namespace}/no-such is not there" in asked.message


def test_a_login_whose_key_is_not_there_is_told_by_its_name(team):
    team.world.apply(secret(team.namespace, "half", {"id": SHOWN}))

    store, asked = own(team, aws_provider(team.aws, team.namespace, "half", cluster=False), "CredentialsMissing")

    assert f"Secret {team.namespace}/half has no key secret" in store.message
    assert f"Secret {team.namespace}/half has no key secret" in asked.message


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("id", "there is no such access key"), ("secret", "does not belong to the access key ID")],
    ids=["an unknown key", "a wrong secret"],
)
def test_a_login_that_is_not_accepted_is_told_by_the_secret_that_holds_it(team, wrong, why):
    right = {"id": team.aws.admin.id, "secret": team.aws.admin.secret}
    bad = right | {wrong: SHOWN}
    team.world.apply(aws_login(team.namespace, AccessKey(bad["id"], bad["secret"]), "wrong"))

    store, asked = own(team, aws_provider(team.aws, team.namespace, "wrong", cluster=False), "AuthFailed")

    for text in (store.message, asked.message):
        assert why in text
        assert f"Secret {team.namespace}/wrong" in text
        assert SHOWN not in text


def test_a_sqlite_key_that_is_too_short_is_told_with_the_length_that_it_needs(team):
    team.world.apply(secret(team.namespace, "short", {"key": "too short"}))
    provider = {"sql": {"database": "app", "encryption": {"keySecretRef": {"name": "short", "key": "key"}}}}

    store, _ = own(team, provider, "CredentialsMissing")

    assert "32" in store.message
    assert "too short" not in store.message.replace("is too short", "")


def test_a_region_that_does_not_exist_is_told_with_the_one_that_may_be_meant(team):
    provider = aws_provider(team.aws, team.namespace, cluster=False)
    del provider["aws"]["endpoint"]
    provider["aws"]["region"] = "eu-vest-1"

    for each in own(team, provider, "SpecInvalid"):
        assert "spec.provider.aws.region: AWS's SDK knows no region eu-vest-1; did you mean eu-west-1" in each.message


def test_a_region_that_is_no_word_for_one_is_refused_at_apply(team):
    provider = aws_provider(team.aws, team.namespace, cluster=False)
    provider["aws"]["region"] = "Ireland"

    with pytest.raises(RequestFailed, match="write a region such as eu-west-1"):
        team.world.apply(secret_store(team.namespace, "own", provider))


def test_an_address_where_nobody_listens_is_told(team):
    provider = aws_provider(team.aws, team.namespace, cluster=False)
    provider["aws"]["endpoint"] = "http://127.0.0.1:9"

    for each in own(team, provider, "BackendUnavailable"):
        assert "cannot connect to 127.0.0.1:9" in each.message


def test_a_store_of_no_provider_or_of_two_is_refused_at_apply(team):
    aws = aws_provider(team.aws, team.namespace, cluster=False)
    sql = {"sql": {"database": "app", "encryption": {"keySecretRef": {"name": LOGIN, "key": "key"}}}}

    for provider in ({}, aws | sql):
        with pytest.raises(RequestFailed, match="give exactly one provider"):
            team.world.apply(secret_store(team.namespace, "own", provider))


def test_a_cluster_store_by_names_that_does_not_say_who_may_use_it_is_refused_at_apply(team):
    provider = aws_provider(team.aws, team.namespace)

    with pytest.raises(RequestFailed, match=r"say in spec.namespaces who may use the store"):
        team.world.apply(cluster_store(team.store.name, provider, mapping={"by": "Names"}))


def test_a_cluster_store_whose_login_is_in_no_namespace_is_refused_at_apply(team):
    with pytest.raises(RequestFailed, match=r"accessKeyIdSecretRef\.namespace: Required value"):
        team.world.apply(cluster_store(team.store.name, aws_provider(team.aws, team.namespace, cluster=False)))


# ExternalSecrets


def test_a_store_that_is_not_there_is_told_by_its_kind_and_name(team):
    team.world.apply(external_secret(team.namespace, "bad", store="no-such", kind="SecretStore"))

    said = team.says("StoreNotFound", "bad")

    assert said.status == "False"
    assert f"there is no SecretStore {team.namespace}/no-such" in said.message


def test_a_store_of_no_known_kind_is_refused_at_apply(team):
    with pytest.raises(RequestFailed, match=r"secretStoreRef\.kind"):
        team.declare("bad", secretStoreRef={"kind": "Store", "name": "own"})


def test_a_key_that_is_not_there_is_told_by_its_name(team):
    assert "'no-such'" in told(team, "RemoteSecretMissing", keys={"value": "no-such"})


def test_a_version_that_is_not_there_is_told(team):
    team.put("db", SHOWN)

    text = told(team, "RemoteSecretMissing", data=[entry("db", version="NOSUCHSTAGE")])

    assert "has no version NOSUCHSTAGE" in text


def test_a_property_of_what_is_no_json_is_told_by_its_key(team):
    team.put("db", SHOWN)

    text = told(team, "ValueInvalid", data=[entry("db", property="password")])

    assert "key 'db'" in text
    assert "no JSON" in text
    assert "leave property out" in text


def test_a_property_that_is_not_there_is_told_by_its_name_and_key(team):
    team.put("db", f'{{"user": "{SHOWN}"}}')

    text = told(team, "RemoteSecretMissing", data=[entry("db", property="password")])

    assert "key 'db' has no property 'password'" in text


def test_an_extract_of_what_is_no_object_is_told_by_its_key(team):
    team.put("db", f'["{SHOWN}"]')

    text = told(team, "ValueInvalid", dataFrom=[{"extract": {"key": "db"}}])

    assert "key 'db'" in text
    assert "no JSON object" in text


def test_a_value_that_is_no_base64_is_told_by_its_key(team):
    team.put("db", f"{SHOWN}!")

    text = told(team, "ValueInvalid", data=[entry("db", decoding="Base64")])

    assert "key 'db' is not Base64" in text


def test_a_value_that_is_more_than_a_secret_can_hold_is_told_with_the_limit(team):
    for number in range(17):
        team.put(f"large-{number:02}", SHOWN[0] * 65536)

    text = told(team, "SecretTooLarge", dataFrom=[{"find": {"name": {"regexp": "^large-"}}}])

    assert "Kubernetes allows" in text


def test_a_key_that_a_secret_cannot_have_is_told_by_its_number_and_not_by_its_name(team):
    team.put("db", f'{{"fine": "1", "no key {SHOWN}": "2"}}')

    text = told(team, "SecretKeyInvalid", dataFrom=[{"extract": {"key": "db"}}])

    assert "member 2 of key 'db'" in text
    assert "conversionStrategy: Underscore" in text


@pytest.mark.parametrize("interval", ["5 minutes", "5", "-1m", "1d", "", "soon"])
def test_an_interval_that_is_none_is_refused_at_apply(team, interval):
    with pytest.raises(RequestFailed) as refused:
        team.declare("bad", every=interval)

    assert "spec.refreshInterval" in str(refused.value)
    assert "such as" in str(refused.value)


@pytest.mark.parametrize("regexp", ["(", "[a", "a{2,1}", "(?<=a)b", "*"])
def test_a_regular_expression_that_is_none_is_refused_at_apply(team, regexp):
    with pytest.raises(RequestFailed, match="write a regular expression in RE2 syntax"):
        team.declare("bad", dataFrom=[{"find": {"name": {"regexp": regexp}}}])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"data": []}, "data"),
        ({"dataFrom": [{}]}, "give either extract or find"),
        ({"dataFrom": [{"find": {}}]}, "give at least one of name, tags and path"),
        ({"data": [{"secretKey": "no key", "remoteRef": {"key": "db"}}]}, "secretKey"),
        ({"data": [{"secretKey": "a", "remoteRef": {"key": "db", "decoding": "Rot13"}}]}, "decoding"),
        ({"target": {"name": "No_Name"}}, "target.name"),
        ({"target": {"creationPolicy": "Merge", "deletionPolicy": "Delete"}}, "would delete a Secret"),
        ({"target": {"type": "kubernetes.io/service-account-token"}}, "grants rights"),
    ],
    ids=["nothing asked", "no source", "no search", "no key", "no decoding", "no name", "policies", "type"],
)
def test_what_cannot_be_is_refused_at_apply_by_its_field(team, spec, words):
    with pytest.raises(RequestFailed) as refused:
        team.declare("bad", **spec)

    assert words in str(refused.value)


def entry(key, *, decoding="None", **more):
    return {"secretKey": "value", "remoteRef": {"key": key, "decoding": decoding, **more}}
