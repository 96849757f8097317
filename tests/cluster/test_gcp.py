"""Google Secret Manager behind the operator as its users run it: its own process, uvloop, gRPC, a login by token."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, shared_store
from tests.cluster.mode import Reach
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.gcp import PROJECT, GcpStandIn
from tests.standins.gcp_iam import EVERYTHING
from tests.standins.gcp_sts import Provider

ISSUER = "https://kubernetes.default.svc"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/clusters"
PROVIDER = f"{POOL}/providers/test"
SOON = 10.0  # seconds


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@dataclass
class Place:
    """A namespace with a project behind it, and words that must not be seen anywhere but in Secrets."""

    world: World
    gcp: GcpStandIn
    namespace: str
    canaries: Canaries

    @property
    def provider(self) -> dict[str, Any]:
        """The stand-in as a provider, without a login."""
        return {"projectId": PROJECT, "endpoint": self.gcp.url, "authEndpoint": self.gcp.auth_url}

    def put(self, name: str, word: str, labels: dict[str, str] | None = None, **more: Any) -> bytes:
        """Give the secret a value that is nowhere yet; the value."""
        value = self.canaries.word(word).encode()
        self.gcp.put(name, value, labels, **more)
        return value


@pytest.fixture
def place(world: World) -> Iterator[Place]:
    """When its test ends, no canary has escaped, and nothing unexpected has happened."""
    with GcpStandIn() as gcp:
        namespace, canaries = world.namespace(), Canaries()
        key = gcp.admin.key_file().decode()
        canaries.words["the key"] = key.partition("BEGIN PRIVATE KEY-----\\n")[2][:60]
        world.apply(secret(namespace, "gcp", {"key.json": key, "ca.crt": gcp.ca.decode()}))
        yield Place(world, gcp, namespace, canaries)
        canaries.words |= {f"token {number}": token for number, token in enumerate(gcp.iam.tokens())}
        assert escaped(world, canaries) == {}
        assert "internal error" not in world.operator.log
        assert [line for line in world.operator.log.splitlines() if not line.startswith("{")] == []  # gRPC's own words
        world.clear(namespace)


def test_a_value_comes_by_a_service_accounts_token_follows_its_rotation_and_survives_what_befalls_google(place: Place):
    world, gcp, namespace = place.world, place.gcp, place.namespace
    gcp.sts.providers[PROVIDER] = Provider.of_jwks(ISSUER, world.plane.request("GET", "/openid/v1/jwks"))
    subject = f"principal://iam.googleapis.com/{POOL}/subject/system:serviceaccount:{namespace}:reader"
    gcp.iam.allow(subject, EVERYTHING)
    world.account(namespace, "reader", f"https://iam.googleapis.com/{PROVIDER}")
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "reader"}, "provider": PROVIDER}}
    ca = {"type": "Secret", "name": "gcp", "key": "ca.crt"}
    first = place.put("team_db", "first")

    provider = {"gcp": {**place.provider, "auth": auth, "caProvider": ca}}
    world.apply(secret_store(namespace, "google", provider, prefix="team_", refresh={"timeout": "2s"}))
    world.apply(external_secret(namespace, store="google", kind="SecretStore", every="1s"))
    world.await_secret(namespace, "db", {"value": first})
    world.await_ready(namespace, "db")
    assert gcp.calls.count("token") == 1
    source = {"key": "db", "id": "team_db", "version": "1"}
    assert world.status("ExternalSecret", namespace, "db")["sources"] == [source]

    second = place.put("team_db", "second")
    world.await_secret(namespace, "db", {"value": second}, within=SOON)

    place.put("team_db", "disabled at once")
    gcp.disable("team_db")
    world.await_ready(namespace, "db", "RemoteSecretUnusable", telling="is disabled: enable it")
    assert world.secret(namespace, "db") in (
        {"value": second},
        {"value": place.canaries.word("disabled at once").encode()},
    )
    third = place.put("team_db", "third")
    world.await_secret(namespace, "db", {"value": third})

    gcp.down()
    world.await_ready(namespace, "db", "BackendUnavailable", telling=f"cannot connect to {gcp.host}")
    assert world.secret(namespace, "db") == {"value": third}
    gcp.up()
    back = time.monotonic()
    fourth = place.put("team_db", "fourth")
    world.await_secret(namespace, "db", {"value": fourth})
    assert time.monotonic() - back < SOON


def test_a_shared_store_maps_by_labels_and_annotations_and_a_refresh_without_news_writes_nothing(place: Place):
    world, gcp, namespace = place.world, place.gcp, place.namespace
    ref = {"name": "gcp", "namespace": namespace}
    auth = {"serviceAccountKeySecretRef": {**ref, "key": "key.json"}}
    provider = {"gcp": {**place.provider, "auth": auth, "caProvider": {"type": "Secret", **ref, "key": "ca.crt"}}}
    store = world.shared(namespace, f"google-{uuid.uuid4().hex[:8]}")
    mine = place.put("a", "mine", {"namespace": namespace}, annotations={"key": "DB_PASSWORD"})
    place.put("b", "somebody else's", {"namespace": "other", "key": "theirs"})

    world.apply(shared_store(store, provider))
    world.apply(
        external_secret(namespace, "db", store=store, every="1s", keys={"value": "DB_PASSWORD"}),
        external_secret(namespace, "all", store=store, every="1s", dataFrom=[{"find": {"name": {"regexp": ".*"}}}]),
        external_secret(namespace, "theirs", store=store, every="1s"),
    )
    world.await_secret(namespace, "db", {"value": mine})
    world.await_secret(namespace, "all", {"DB_PASSWORD": mine})
    world.await_ready(namespace, "theirs", "RemoteSecretMissing")

    world.still(lambda: world.writes(namespace))  # statuses and events come after the Secrets
    before, asked = world.writes(namespace), gcp.calls.count("ListSecrets")
    world.eventually(lambda: gcp.calls.count("ListSecrets") >= asked + 3, what="three refreshes")
    assert world.writes(namespace) == before
    world.delete(*store.place)
