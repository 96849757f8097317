"""Secrets of another namespace and of another cluster as the source, watched under the rights of who is named."""

import base64
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import cluster_store, external_secret, secret, secret_store
from tests.cluster.mode import Lacks, Reach, cluster_mode_only
from tests.cluster.world import World, world_of
from tests.contract.kubernetes_stores import CONSENTING, Reader
from tests.controlplane import ControlPlane
from tests.controlplane.api import RequestFailed

WITHIN = 2.0  # seconds, by the watch
SOON = 10.0
FAR = "10m"  # an interval that no test waits for
EVERYTHING = ("get", "list", "watch")
ACCOUNT = {"method": "ServiceAccount", "serviceAccountRef": {"name": "reader"}}


@dataclass(slots=True)
class Team:
    """A namespace with a store of its own, which reads from another namespace as the team's ServiceAccount."""

    world: World
    namespace: str
    source: Reader
    canaries: Canaries = field(default_factory=Canaries)

    def put(self, name: str = "db", **data: str | bytes) -> None:
        coded = {key: each.encode() if isinstance(each, str) else each for key, each in data.items()}
        self.source.write(name, coded)

    def word(self, name: str) -> str:
        return self.canaries.word(name)

    def configure(self, name: str = "own", *, rate: int = 200, **provider: Any) -> None:
        """Apply the store; with another rate it is made anew."""
        place = {"remoteNamespace": self.source.namespace, "auth": ACCOUNT, **provider}
        limits = {"timeout": "2s", "callsPerSecond": rate}
        self.world.apply(secret_store(self.namespace, name, {"kubernetes": place}, refresh=limits))

    def declare(self, name: str = "db", *, key: str = "db", take: str = "password", **spec: Any) -> None:
        data = [{"secretKey": "password", "remoteRef": {"key": key, "property": take}}]
        asked = {"store": "own", "kind": "SecretStore", "every": FAR, "data": data} | spec
        self.world.apply(external_secret(self.namespace, name, **asked))

    def holds(self, name: str = "db", *, within: float = 30.0, **data: str | bytes) -> None:
        coded = {key: each.encode() if isinstance(each, str) else each for key, each in data.items()}
        self.world.await_secret(self.namespace, name, coded, within=within)

    def says(self, reason: str, name: str = "db", **more: Any) -> str:
        return self.world.await_ready(self.namespace, name, reason, **more).message

    def store_says(self, reason: str, name: str = "own") -> str:
        return self.world.await_ready(self.namespace, name, reason, kind="SecretStore").message

    def listens(self, status: str = "True", *, telling: str = "", name: str = "own", within: float = SOON) -> None:
        def told() -> bool:
            conditions = self.world.status("SecretStore", self.namespace, name).get("conditions") or ()
            return any(
                c["type"] == "Listening" and c["status"] == status and telling in c["message"] for c in conditions
            )

        self.world.eventually(told, within=within, what=f"{name} to say Listening={status} {telling}")


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine by its number only."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def far() -> Iterator[ControlPlane]:
    """Another cluster."""
    with ControlPlane() as running:
        yield running


@pytest.fixture
def team(world: World) -> Iterator[Team]:
    """A team whose store listens. When its test ends, no value has escaped."""
    namespace = world.namespace()
    made = Team(world, namespace, Reader(world.plane, home=namespace).make(*EVERYTHING))
    made.configure()
    made.listens()
    yield made
    made.canaries.words["token"] = made.source.token
    try:
        assert escaped(world, made.canaries) == {}
    finally:
        world.clear(namespace)
        made.source.end()


@pytest.fixture
def elsewhere(team: Team, far: ControlPlane) -> Iterator[Reader]:
    """A namespace of the other cluster, and a token for it in a Secret of the team's."""
    source = Reader(far).make(*EVERYTHING)
    authority = {"ca.crt": far.ca_file.read_text()}
    team.world.apply(secret(team.namespace, "far", {"token": source.token, **authority}))
    team.canaries.words["token of the other cluster"] = source.token
    yield source
    source.end()


def far_place(source: Reader) -> dict[str, Any]:
    ca = {"type": "Secret", "name": "far", "key": "ca.crt"}
    auth = {"method": "Token", "secretRef": {"name": "far", "key": "token"}}
    return {"remoteNamespace": source.namespace, "server": {"url": source.plane.url, "caProvider": ca}, "auth": auth}


def test_a_change_arrives_within_two_seconds_at_an_interval_of_ten_minutes(team, record_property):
    team.put(password=team.word("first"))
    team.declare()
    team.holds(password=team.word("first"))
    team.world.calm()
    team.put(password=team.word("second"))
    began = time.monotonic()

    team.holds(password=team.word("second"), within=WITHIN)

    record_property("seconds", time.monotonic() - began)
    (source,) = team.world.status("ExternalSecret", team.namespace, "db")["sources"]
    assert int(source["version"]) > 0


def test_bytes_travel_as_they_are(team):
    binary = bytes(range(256)) + team.word("binary").encode()
    team.put(**{"tls.key": binary, "tls.crt": team.word("text"), "config.json": '{"a": {"b": 1.10}}'})
    team.declare(take="tls.key")
    team.declare("inside", take="config\\.json.a.b")
    team.declare("all", data=[], dataFrom=[{"extract": {"key": "db"}}])
    team.declare("whole", data=[{"secretKey": "json", "remoteRef": {"key": "db"}}])

    team.holds(password=binary)
    team.holds("inside", password="1.10")
    team.holds("all", **{"tls.key": binary, "tls.crt": team.word("text"), "config.json": '{"a": {"b": 1.10}}'})
    shown = {
        "config.json": '{"a": {"b": 1.10}}',
        "tls.crt": team.word("text"),
        "tls.key": {"base64": base64.b64encode(binary).decode()},
    }
    team.holds("whole", json=json.dumps(shown, ensure_ascii=False, separators=(",", ":")))


def test_another_clusters_secrets_arrive_as_soon(team, elsewhere):
    elsewhere.write("db", {"password": team.word("far first").encode()})
    team.configure("far", **far_place(elsewhere))
    team.listens(name="far")
    team.declare(store="far")
    team.holds(password=team.word("far first"))
    team.world.calm()

    elsewhere.write("db", {"password": team.word("far second").encode()})

    team.holds(password=team.word("far second"), within=WITHIN)
    assert {event.user for event in elsewhere.plane.audit() if event.resource == "secrets"} <= {"admin", elsewhere.user}


def test_a_kubeconfig_leads_to_another_cluster_and_runs_nothing(team, elsewhere):
    elsewhere.write("db", {"password": team.word("far").encode()})
    cluster = {
        "server": elsewhere.plane.url,
        "certificate-authority-data": base64.b64encode(elsewhere.plane.ca_file.read_bytes()).decode(),
    }

    def configured(user: dict[str, Any], **more: Any) -> None:
        kubeconfig = {
            "clusters": [{"name": "far", "cluster": cluster | more}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "far", "user": "me"}}],
            "current-context": "c",
        }
        team.world.apply(secret(team.namespace, "kubeconfig", {"config": json.dumps(kubeconfig)}))

    configured({"exec": {"command": "/bin/touch", "args": [str(team.world.data_dir / "ran")]}})
    auth = {"method": "Kubeconfig", "secretRef": {"name": "kubeconfig", "key": "config"}}
    team.configure("far", remoteNamespace=elsewhere.namespace, auth=auth)
    said = team.store_says("SpecInvalid", "far")
    assert "the kubeconfig has exec, which is not obeyed" in said
    assert not (team.world.data_dir / "ran").exists()

    configured({"token": elsewhere.token}, server=elsewhere.plane.url.replace("127.0.0.1", "localhost"))
    team.world.eventually(lambda: "may not send requests to https://localhost" in team.store_says("SpecInvalid", "far"))

    configured({"token": elsewhere.token})
    team.declare(store="far")
    team.holds(password=team.word("far"))


def test_rights_that_are_taken_away_one_by_one_are_told_and_cost_no_secret(team):
    team.put(password=team.word("first"))
    team.declare()
    team.holds(password=team.word("first"))
    where = f"secrets in namespace {team.source.namespace}"

    team.source.allow("get", "list")
    team.configure(rate=201)
    team.listens("False", telling=f"is not allowed watch on {where}", within=30)
    team.store_says("Ready")
    assert f"watch on {where}" in str(team.world.status("SecretStore", team.namespace, "own")["lacking"])

    team.source.allow("get")
    team.configure(rate=202)
    team.listens("False", telling=f"is not allowed list on {where}", within=30)
    team.put(password=team.word("second"))
    team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "1"})
    team.holds(password=team.word("second"))

    team.source.allow()
    team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "2"})
    said = team.says("PermissionDenied")
    assert f"reader is not allowed get on Secret {team.source.namespace}/db: grant that in a Role" in said
    team.holds(password=team.word("second"))

    team.put(password=team.word("third"))
    team.source.allow(*EVERYTHING)
    team.holds(password=team.word("third"))
    team.listens(within=30)


def test_a_tenant_reaches_no_namespace_that_its_account_may_not(team, world):
    other = world.namespace(f"other-{uuid.uuid4().hex[:8]}")  # in which the operator itself does not work, where it can
    world.apply(secret(other, "theirs", {"password": team.word("theirs")}))
    team.configure(remoteNamespace=other)
    team.declare(key="theirs")

    assert f"is not allowed get on Secret {other}/theirs" in team.says("PermissionDenied")

    operators = [e for e in world.plane.audit() if e.user == world.operator.user and e.namespace == other]
    assert [e for e in operators if e.resource == "secrets"] == []  # and the operator did not read it in its stead


def test_a_tenant_can_name_neither_anothers_account_nor_a_server_nor_nobody(team):
    with pytest.raises(RequestFailed, match="leave it out"):
        team.configure(auth=ACCOUNT | {"serviceAccountRef": {"name": "default", "namespace": "kube-system"}})
    with pytest.raises(RequestFailed, match="server goes with Token and Certificate only"):
        team.configure(server={"url": "https://127.0.0.1:1"})
    with pytest.raises(RequestFailed, match=r"auth: Required value"):
        team.world.apply(secret_store(team.namespace, "own", {"kubernetes": {"remoteNamespace": "kube-system"}}))
    login = {"method": "Token", "secretRef": {"name": "far", "key": "token"}}
    team.world.apply(secret(team.namespace, "far", {"token": team.source.token}))
    team.configure("far", server={"url": "https://localhost:1"}, auth=login)
    assert "may not send requests to https://localhost:1" in team.store_says("SpecInvalid", "far")


def test_a_token_that_is_revoked_is_replaced(team):
    team.put(password=team.word("first"))
    team.declare()
    team.holds(password=team.word("first"))
    at = f"/api/v1/namespaces/{team.namespace}/serviceaccounts"
    team.world.plane.request("DELETE", f"{at}/reader")
    team.world.plane.request("POST", at, {"metadata": CONSENTING})
    team.put(password=team.word("second"))

    team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "now"})

    team.holds(password=team.word("second"))
    team.says("Synced")


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_a_chain_carries_a_value_on_and_a_cycle_comes_to_rest(team):
    """The team's Secret is in its turn the source of another team's, and that of the first's."""
    world, other = team.world, team.world.namespace()
    back = f"chain-{uuid.uuid4().hex[:8]}"
    account = {"method": "ServiceAccount", "serviceAccountRef": {"name": "reader", "namespace": team.namespace}}
    for name, place in ((back, other), (f"{back}-on", team.namespace)):
        provider = {"kubernetes": {"remoteNamespace": place, "auth": account}}
        spec = {"mapping": {"by": "Names"}, "namespaces": {"names": ["*"]}}
        world.apply(cluster_store(name, provider, **spec))
        grant = ("--serviceaccount", f"{team.namespace}:reader", "--clusterrole", "admin")
        world.plane.kubectl("--namespace", place, "create", "rolebinding", "reader-here", *grant)
    team.put(password=team.word("first"))
    team.declare()
    taken = [{"secretKey": "password", "remoteRef": {"key": "db", "property": "password"}}]
    world.apply(external_secret(other, "db", store=f"{back}-on", data=taken, every=FAR))
    world.await_secret(other, "db", {"password": team.word("first").encode()})

    team.put(password=team.word("second"))
    world.await_secret(other, "db", {"password": team.word("second").encode()}, within=2 * WITHIN)

    world.apply(external_secret(team.namespace, "db", store=back, data=taken, every="1s"))  # now each reads the other
    world.await_ready(team.namespace, "db")
    syncs, written = world.syncs(), world.writes(team.namespace)["secrets"] + world.writes(other)["secrets"]
    world.await_syncs(syncs + 5)
    assert world.writes(team.namespace)["secrets"] + world.writes(other)["secrets"] <= written + 2
    team.holds(password=team.word("second"))
