"""The operator that works in some namespaces only, with the chart's Roles there and no right beyond."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.manifests import aws_login, aws_provider, cluster_store, external_secret, secret_store
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane, render_chart
from tests.controlplane.chart import of_kind
from tests.standins.aws import AwsStandIn

SOON = 10.0  # seconds, where the interval is an hour


@dataclass(slots=True)
class Own:
    """Namespaces that the operator works in, one that it does not, and a store in each."""

    world: World
    aws: AwsStandIn
    namespaces: tuple[str, str]
    other: str

    def store(self, namespace: str) -> None:
        self.world.apply(aws_login(namespace, self.aws.admin))
        provider = aws_provider(self.aws, namespace, cluster=False)
        self.world.apply(secret_store(namespace, "own", provider, prefix=f"{namespace}/"))

    def declare(self, namespace: str, name: str = "db", *, kind: str = "SecretStore", **spec: Any) -> None:
        self.world.apply(external_secret(namespace, name, store="own", kind=kind, **spec))

    def version(self, namespace: str, name: str) -> str:
        """Of a Secret."""
        found = self.world.get("Secret", namespace, name)
        return found["metadata"]["resourceVersion"] if found else ""


@pytest.fixture(scope="module")
def own(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """An operator that is started, and a store in each namespace."""
    one, two, other = (f"{word}-{uuid.uuid4().hex[:8]}" for word in ("one", "two", "other"))
    values = {"namespaces": [one, two]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values) as world, AwsStandIn() as aws:
        world.namespaces += [one, two]  # which the installation has made
        world.namespace(other)
        world.start()
        made = Own(world, aws, (one, two), other)
        for namespace in (one, two, other):
            made.store(namespace)
        yield made


def test_values_come_and_follow_in_each_of_its_namespaces(own: Own):
    for namespace in own.namespaces:
        own.aws.put(f"{namespace}/db", "first")
        own.declare(namespace, every="1s")
        own.world.await_secret(namespace, "db", {"value": b"first"})
        own.aws.put(f"{namespace}/db", "second")
        own.world.await_secret(namespace, "db", {"value": b"second"})


def test_drift_edits_and_deletion_are_noticed(own: Own):
    namespace = own.namespaces[0]
    own.aws.put(f"{namespace}/api", "value")
    own.declare(namespace, "api")
    own.world.await_secret(namespace, "api", {"value": b"value"})

    own.world.delete("Secret", namespace, "api")
    own.world.await_secret(namespace, "api", {"value": b"value"}, within=SOON)
    own.declare(namespace, "api", keys={"another": "api"})
    own.world.await_secret(namespace, "api", {"another": b"value"}, within=SOON)


def test_a_new_login_is_noticed(own: Own):
    namespace = own.namespaces[1]
    reader = own.aws.iam.user("reader")
    own.world.apply(aws_login(namespace, type(reader)(reader.id, "wrong")))
    own.world.await_ready(namespace, "own", "AuthFailed", kind="SecretStore")
    own.world.apply(aws_login(namespace, reader))
    own.world.await_ready(namespace, "own", "Ready", kind="SecretStore", within=SOON)


def test_nothing_is_done_elsewhere_and_nothing_is_asked_that_is_refused(own: Own):
    own.aws.put(f"{own.other}/db", "value")
    own.declare(own.other)
    own.declare(own.namespaces[0], "clusterwide", kind="ClusterSecretStore")
    own.world.apply(cluster_store("own", aws_provider(own.aws, own.namespaces[0])))

    told = own.world.await_ready(own.namespaces[0], "clusterwide", "StoreNotFound").message

    assert told.endswith("Keyferry works in some namespaces only; use a SecretStore")
    assert own.world.secrets(own.other) == {}
    assert own.world.status("ExternalSecret", own.other, "db") == {"observedGeneration": -1}
    assert "403" not in own.world.operator.log
    own.world.delete("ClusterSecretStore", "", "own")


def test_a_restart_finds_all_as_it_was(own: Own):
    namespace = own.namespaces[0]
    own.aws.put(f"{namespace}/kept", "value")
    own.declare(namespace, "kept")
    own.world.await_secret(namespace, "kept", {"value": b"value"})
    version = own.version(namespace, "kept")

    own.world.restart()
    own.declare(namespace, "after")

    own.world.await_ready(namespace, "after", "RemoteSecretMissing")
    assert own.version(namespace, "kept") == version


def test_no_right_is_cluster_wide(plane: ControlPlane):
    rendered = render_chart(plane.binaries, {"namespaces": ["a", "b"]})

    assert not of_kind(rendered, "ClusterRole") + of_kind(rendered, "ClusterRoleBinding")
    assert {role["metadata"]["namespace"] for role in of_kind(rendered, "Role")} == {"a", "b", "keyferry-system"}
