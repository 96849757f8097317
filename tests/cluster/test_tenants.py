"""A namespace gets what its mapping gives it, and neither reads, lists nor learns of anything else, by any field."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.cluster.manifests import (
    LOGIN,
    aws_login,
    aws_provider,
    cluster_store,
    secret_store,
    shared_store,
    sql_provider,
)
from tests.cluster.manifests import external_secret as declared
from tests.cluster.mode import Lacks, Reach, cluster_mode_only
from tests.cluster.sqlite import DATABASE, KEY_SECRET, STORE, put_into_sqlite, sqlite_store
from tests.cluster.team import Team
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.controlplane.api import RequestFailed

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0  # seconds, where the interval is an hour
THEIRS = "what-only-they-may-have"
REAL, GHOST = "real", "gost"  # one secret is there and theirs, the other is nowhere; both names are of one length
OWN = "AKIATHEOPERATORSOWN0"  # an access key in the operator's environment
CALLED = "keyferry.dev/namespace"

NO_LISTING = {
    "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "secretsmanager:ListSecrets", "Resource": "*"},
    ]
}


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator with credentials of its own, so that there is something to misuse."""
    own = [{"name": "AWS_ACCESS_KEY_ID", "value": OWN}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "its-secret"}]
    with world_of(plane, tmp_path_factory.mktemp("operator"), {"extraEnv": own}, reach=reach) as made:
        made.start()
        yield made


def by(how, namespace):
    """A store's spec whose mapping gives the namespace what is named NAMESPACE/key, or tagged so."""
    if how == "Names":
        return {"mapping": {"by": how}, "prefix": f"{namespace}/", "namespaces": {"names": [namespace]}}
    return {"mapping": {"by": how}}


def attempts(mine, theirs, name, arn, version):
    """Every way that comes to mind to name another namespace's secret: what is asked for, by a word for the way."""
    keys = {
        "their name": f"{theirs}/{name}",
        "their key": name,
        "their name with a separator in front": f"/{theirs}/{name}",
        "their ARN": arn,
        "their ARN without its end": arn[:-7],
        "a way up": f"../{theirs}/{name}",
        "a way down and up": f"x/../../{theirs}/{name}",
        "a way up that is encoded": f"..%2f{theirs}%2f{name}",
        "the whole path": f"{mine}/../{theirs}/{name}",
        "a dot": f"{theirs}.{name}",
        "a wildcard": f"*/{name}",
        "an empty part": f"//{theirs}/{name}",
        "a line's end": f"{theirs}/{name}\n",
        "a null": f"{theirs}/{name}\0",
        "white space": f" {theirs}/{name}",
    }
    asked = {f"data: {way}": {"data": [entry(key)]} for way, key in keys.items()}
    asked |= {f"extract: {way}": {"dataFrom": [{"extract": {"key": key}}]} for way, key in keys.items()}
    asked["data: a version"] = {"data": [entry("mine", version=version)]}
    asked["extract: a version"] = {"dataFrom": [{"extract": {"key": "mine", "version": version}}]}
    finds = {
        "a regular expression": {"name": {"regexp": f"{name}$"}},
        "their name as one": {"name": {"regexp": f"^{theirs}/{name}"}},
        "their tags": {"tags": {"namespace": theirs, "key": name}},
        "their key's tag": {"tags": {"key": name}},
        "their path": {"path": theirs, "name": {"regexp": name}},
        "a path up": {"path": f"../{theirs}", "name": {"regexp": name}},
    }
    return asked | {f"find: {way}": {"dataFrom": [{"find": each}]} for way, each in finds.items()}


def entry(key, **more):
    return {"secretKey": "value", "remoteRef": {"key": key, **more}}


@pytest.mark.parametrize(
    ("how", "policy"),
    [("Tags", None), ("Paths", None), ("Names", None), ("Paths", NO_LISTING), ("Names", NO_LISTING)],
    ids=["by tags", "by paths", "by names", "by paths without a list", "by names without a list"],
)
def test_no_field_reaches_another_namespaces_secret_or_tells_that_it_is_there(team, how, policy):
    other = team.world.namespace()
    arn = team.aws.put(f"{other}/{REAL}", json.dumps({"a": THEIRS}), {"namespace": other, "key": REAL})
    version = team.aws.version(f"{other}/{REAL}")
    team.put("mine", '{"mine": "mine"}')
    if policy:
        team.aws.iam.allow(team.aws.admin.id, policy)
    team.configure(**by(how, team.namespace))
    team.declare("mine")
    team.holds("mine", value=b'{"mine": "mine"}')

    real = answers(team, attempts(team.namespace, other, REAL, arn, version), f"{REAL}-")
    nowhere = str(uuid.uuid4())
    ghost = answers(team, attempts(team.namespace, other, GHOST, arn.replace(REAL, GHOST), nowhere), f"{GHOST}-")

    assert THEIRS not in repr(team.world.secrets(team.namespace))
    assert team.world.secrets(team.namespace).keys() == {"mine"}
    alike = {way: text.replace(nowhere, version).replace(GHOST, REAL) for way, text in ghost.items()}
    assert real == alike
    assert not [way for way, text in real.items() if text.startswith("Synced")]


def answers(team, asked, prefix):
    """What the condition, or already the API server, says to each."""
    names = {way: f"{prefix}{number}" for number, way in enumerate(asked)}
    said = {}
    for way, spec in asked.items():
        try:
            team.declare(names[way], **spec)
        except RequestFailed as refused:
            said[way] = f"refused: {refused.code}"
    for way in asked.keys() - said.keys():
        told = team.world.eventually(lambda name=names[way]: settled(team, name), what=f"an answer to {way}")
        said[way] = f"{told.reason}: {told.message}"
    return {way: text.replace(names[way], "NAME") for way, text in said.items()}


def settled(team, name):
    """The answer, where it is no passing one: on a busy machine a call may take longer than the store allows."""
    told = team.world.ready(team.namespace, name)
    return told if told.current and told.reason != "BackendUnavailable" else None


@pytest.mark.parametrize("how", ["Tags", "Paths"])
def test_a_search_for_everything_finds_only_what_is_the_namespaces_own(team, how):
    other = team.world.namespace()
    team.aws.put(f"{other}/theirs", THEIRS, {"namespace": other, "key": "theirs"})
    team.put("mine", "mine")
    team.configure(mapping={"by": how})

    for name, find in {
        "regexp": {"name": {"regexp": "."}},
        "nothing": {"name": {"regexp": "^|$"}},
        "tags": {"tags": {"namespace": team.namespace}},
        "path": {"path": "mine"},
    }.items():
        team.declare(name, dataFrom=[{"find": find}])

        team.holds(name, mine=b"mine")


def test_an_annotation_on_anything_but_the_namespace_changes_nothing(team):
    other = team.world.namespace()
    team.aws.put(f"{other}/db", THEIRS, {"namespace": other, "key": "db"})
    asked = declared(team.namespace, store=team.store)
    asked["metadata"] |= {"annotations": {CALLED: other}, "labels": {CALLED: other}}

    team.world.apply(asked)

    assert other not in team.says("RemoteSecretMissing").message


# The annotation that a cluster's admin writes


@cluster_mode_only(Lacks.CALLED_AT_ONCE)
def test_an_annotated_namespace_sees_its_ancestors_and_the_nearest_wins(team):
    for called, key in (("acme", "db"), ("acme", "both"), ("acme.payments", "both"), ("acme.other", "theirs")):
        team.aws.put(f"{called}/{key}", f"{called}'s", {"namespace": called, "key": key})
    payments = Team(
        team.world, team.aws, team.world.namespace(annotations={CALLED: "acme.payments"}), team.store, team.spec
    )

    payments.declare("all", dataFrom=[{"find": {"name": {"regexp": "."}}}])
    payments.declare("both")
    payments.declare("theirs")

    payments.holds("all", db=b"acme's", both=b"acme.payments's")
    payments.holds("both", value=b"acme.payments's")
    payments.says("RemoteSecretMissing", "theirs")


@cluster_mode_only(Lacks.CALLED_AT_ONCE)
def test_a_namespace_sees_nothing_of_its_descendants(team):
    team.aws.put("acme.payments/db", THEIRS, {"namespace": "acme.payments", "key": "db"})
    acme = Team(team.world, team.aws, team.world.namespace(annotations={CALLED: "acme"}), team.store, team.spec)

    acme.declare()

    acme.says("RemoteSecretMissing")


@cluster_mode_only(Lacks.CALLED_AT_ONCE)
def test_an_annotation_that_an_admin_writes_counts_within_seconds(team):
    team.aws.put("acme/db", "acme's", {"namespace": "acme", "key": "db"})
    team.put("db", "the team's")
    team.declare()
    team.holds(value=b"the team's")

    team.world.annotate("Namespace", "", team.namespace, {CALLED: "acme"})

    team.holds(value=b"acme's", within=SOON)


@cluster_mode_only(Lacks.CALLED_AT_ONCE)
def test_a_namespace_annotation_that_makes_no_sense_is_told_by_its_name(team):
    team.world.annotate("Namespace", "", team.namespace, {CALLED: "../acme"})

    team.declare()

    told = team.says("SpecInvalid").message
    assert CALLED in told
    assert team.namespace in told


# Who may use a store


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_a_namespace_that_is_not_served_is_told_so_and_admitting_it_by_a_label_heals_within_seconds(team):
    team.put("db", "value")
    team.configure(namespaces={"selector": {"matchLabels": {"tier": "web"}}})
    team.store_says("Ready")
    team.declare()
    assert team.namespace in team.says("NamespaceDenied").message
    assert not [asked for call in team.aws.calls.all() for asked in call.ids if f"{team.namespace}/db" in asked]

    team.world.patch("Namespace", "", team.namespace, {"metadata": {"labels": {"tier": "web"}}})

    team.holds(value=b"value", within=SOON)


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_a_namespace_that_is_no_longer_served_gets_nothing_new_and_keeps_what_it_has(team):
    team.put("db", "value")
    team.configure(namespaces={"names": [team.namespace]})
    team.declare(every="1s")
    team.holds(value=b"value")

    team.configure(namespaces={"names": ["nobody-*"]})
    team.says("NamespaceDenied", within=SOON)
    team.put("db", "new")
    team.declare("another", keys={"value": "db"})
    team.says("NamespaceDenied", "another")

    assert team.world.secrets(team.namespace) == {"db": {"value": b"value"}}


# A SecretStore, which a tenant writes


def own_store(team, provider, **spec):
    """A SecretStore of the team's, and an ExternalSecret that asks it for `db`. Its condition, once it has one."""
    team.world.apply(secret_store(team.namespace, "own", provider, **spec))
    team.world.apply(declared(team.namespace, store="own", kind="SecretStore"))
    return team.world.eventually(
        lambda: (told := team.world.ready(team.namespace, "own", "SecretStore")).current and told, what="a condition"
    )


@pytest.mark.parametrize("name", ["their-login", "no-such"])
def test_a_secret_store_may_not_name_another_namespaces_secret(team, name):
    other = team.world.namespace()
    team.world.apply(aws_login(other, team.aws.admin, "their-login"))

    with pytest.raises(RequestFailed, match="leave it out: a SecretStore uses its own namespace only"):
        team.world.apply(secret_store(team.namespace, "own", aws_provider(team.aws, other, name)))


def test_a_secret_store_may_not_name_another_namespaces_sqlite_key(team):
    provider = sql_provider("app", LOGIN, team.world.namespace())

    with pytest.raises(RequestFailed, match="leave it out: a SecretStore uses its own namespace only"):
        team.world.apply(secret_store(team.namespace, "own", provider))


def test_a_secret_store_may_not_name_another_namespaces_service_account(team):
    account = {"name": "default", "namespace": team.world.namespace()}
    web = {"serviceAccountRef": account, "roleArn": "arn:aws:iam::123456789012:role/theirs"}

    with pytest.raises(RequestFailed, match="leave it out: a SecretStore uses its own namespace only"):
        team.world.apply(
            secret_store(team.namespace, "own", {"aws": {"region": "eu-west-1", "auth": {"webIdentity": web}}})
        )


@pytest.mark.parametrize(
    "auth",
    [{}, {"auth": {"ambient": {}}}, {"auth": {"podIdentity": {}}}, {"auth": {"assumeRole": {"roleArn": "ROLE"}}}],
    ids=["nothing said", "ambient", "podIdentity", "only a role to assume"],
)
def test_a_secret_store_may_not_use_the_operators_own_credentials(team, auth):
    role = "arn:aws:iam::123456789012:role/any"
    auth = json.loads(json.dumps(auth).replace("ROLE", role))
    place = {"region": team.aws.region, "endpoint": team.aws.url, "stsEndpoint": team.aws.url}

    told = own_store(team, {"aws": {**place, **auth}})

    assert told.reason == "SpecInvalid"
    assert "give accessKey, sharedCredentials or webIdentity" in told.message
    assert OWN not in {call.key_id for call in team.aws.calls.all()}


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_a_cluster_store_may_use_the_operators_own_credentials(team):
    team.world.apply(
        shared_store(team.store, {"aws": {"region": team.aws.region, "endpoint": team.aws.url}}, **team.spec)
    )

    team.store_says("AuthFailed")  # this account knows no such key: it was tried

    assert OWN in {call.key_id for call in team.aws.calls.all()}


@pytest.mark.parametrize("field", ["endpoint", "stsEndpoint"])
def test_a_secret_store_may_not_send_requests_anywhere(team, field):
    provider = aws_provider(team.aws, team.namespace, cluster=False)
    foreign = team.aws.url.replace("127.0.0.1", "localhost")
    provider["aws"][field] = foreign
    team.store_says("Ready")  # it has asked what it asks
    before = team.calls()

    told = own_store(team, provider)

    assert told.reason == "SpecInvalid"
    assert f"--allow-endpoint={foreign}" in told.message
    assert team.calls() == before


@pytest.mark.parametrize("address", ["http://127.0.0.1:1@{host}", "http://127.0.0.1:1?x={host}", "file:///etc/passwd"])
def test_an_address_that_is_more_than_one_is_refused_at_apply(team, address):
    provider = aws_provider(team.aws, team.namespace, cluster=False)
    provider["aws"]["endpoint"] = address.format(host=team.aws.host)

    with pytest.raises(RequestFailed, match="write an address such as"):
        team.world.apply(secret_store(team.namespace, "own", provider))


# SQLite's databases


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_a_database_of_another_namespace_or_of_the_cluster_is_not_reached_by_its_name(world):
    mine, other, shared = world.namespace(), world.namespace(), f"sql-{uuid.uuid4().hex[:8]}"
    world.apply(*sqlite_store(other))
    world.apply(cluster_store(shared, sql_provider(DATABASE, KEY_SECRET, other), mapping={"by": "Paths"}))
    world.await_ready(other, STORE, "Ready", kind="SecretStore")
    world.await_ready("", shared, "Ready", kind="ClusterSecretStore")
    for name in ("db", f"{mine}/db"):  # as each of the stores below calls what it is asked for
        put_into_sqlite(world, other, name, THEIRS.encode())
    world.apply(declared(other, store=STORE, kind="SecretStore"))
    world.await_secret(other, "db", {"value": THEIRS.encode()})

    world.apply(*sqlite_store(mine), declared(mine, store=STORE, kind="SecretStore"))
    world.apply(declared(mine, "shared", store=shared, keys={"value": "db"}))

    world.await_ready(mine, "db", "RemoteSecretMissing")
    world.await_ready(mine, "shared", "RemoteSecretMissing")
    assert world.secrets(mine) == {}


@pytest.mark.parametrize("name", ["../{other}/app", "/etc/passwd", "_cluster", "..", "a.b", "a\0b", "App"])
def test_a_database_that_is_no_name_is_refused_at_apply(world, name):
    namespace = world.namespace()
    provider = sql_provider(name.format(other=namespace), LOGIN)

    with pytest.raises(RequestFailed, match="write a name, never a path"):
        world.apply(secret_store(namespace, "own", provider))
