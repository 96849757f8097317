"""Every right that the chart gives: what the page of rights says of each comes true when it is taken away."""

import copy
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cluster.manifests import aws_login, aws_provider, external_secret, secret_store, shared_store
from tests.cluster.mode import Mode, Reach, SharedStore
from tests.cluster.world import Manifest, World, world_of
from tests.controlplane import ControlPlane, render_chart
from tests.controlplane.chart import of_kind
from tests.standins.aws import AwsStandIn

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
LINE = re.compile(r"\| `(?P<resource>[a-z/]+)` (?P<verb>[a-z]+) \|.*\|(?P<without>[^|]+)\|$", re.MULTILINE)
WITHIN = 60.0
LONG_AGO = "2020-01-01T00:00:00.000000Z"


class Right(NamedTuple):
    """A verb on a resource."""

    resource: str
    verb: str


def lines() -> dict[Right, str]:
    """What each right's line says in its last column."""
    return {Right(line["resource"], line["verb"]): line["without"] for line in LINE.finditer(PAGE.read_text())}


def described() -> dict[Right, str]:
    """What is quoted there."""
    found = {}
    for right, line in lines().items():
        (found[right],) = re.findall("`([^`]+)`", line)
    return found


DESCRIBED = described()
NEVER_READY = {right for right, line in lines().items() if "never ready" in line}
CLUSTER_WIDE = {right for right in DESCRIBED if right.resource.startswith("clustersecretstores")} | {
    Right("namespaces", "list"),
    Right("namespaces", "watch"),
}
NOT_IN = {Mode.CLUSTER: {Right("namespaces", "get")}, Mode.NAMESPACES: CLUSTER_WIDE}


def rights_in(mode: Mode) -> list[Right]:
    """Those that the page lists and this mode has."""
    return [right for right in DESCRIBED if right not in NOT_IN[mode]]


def given(manifests: list[Manifest]) -> set[Right]:
    """What the operator's own roles grant; those of users are aggregated."""
    roles = of_kind(manifests, "ClusterRole") + of_kind(manifests, "Role")
    own = [role for role in roles if "aggregate" not in str(role["metadata"]["labels"])]
    return {
        Right(resource, verb)
        for role in own
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def without(manifests: list[Manifest], taken: Right) -> list[Manifest]:
    """The same manifests with that right less."""
    changed = copy.deepcopy(manifests)
    for role in of_kind(changed, "ClusterRole") + of_kind(changed, "Role"):
        split = [{**rule, "resources": [each]} for rule in role["rules"] for each in rule["resources"]]
        for rule in split:
            rule["verbs"] = [verb for verb in rule["verbs"] if Right(rule["resources"][0], verb) != taken]
        role["rules"] = [rule for rule in split if rule["verbs"]]
    return changed


def test_the_page_lists_just_the_rights_that_there_are(plane: ControlPlane, mode: Mode):
    assert set(rights_in(mode)) == given(render_chart(plane.binaries, {"namespaces": Reach(mode, 1).names()}))


@dataclass
class Bed:
    """A namespace whose resources need every right there is."""

    world: World
    aws: AwsStandIn
    namespace: str

    @property
    def store(self) -> SharedStore:
        return self.world.shared(self.namespace, self.namespace)

    def declare(self) -> None:
        """A shared store and what is taken from it, and stores that log in by everything that a store can name."""
        world, namespace = self.world, self.namespace
        for key in ("db", "gone"):
            self.aws.put(f"{namespace}/{key}", "value", {"namespace": namespace, "key": key})
        world.apply(aws_login(namespace, self.aws.admin))
        world.apply(shared_store(self.store, aws_provider(self.aws, namespace)))
        world.apply(external_secret(namespace, "db", store=self.store, every="1s"))
        deleting = {"deletionPolicy": "Delete"}
        world.apply(external_secret(namespace, "gone", store=self.store, every="1s", target=deleting))
        world.account(namespace, "reader", "sts.amazonaws.com")
        world.plane.kubectl("-n", namespace, "create", "configmap", "ca", "--from-literal=ca.crt=none")
        world.apply(secret_store(namespace, "token", self._by_token()), secret_store(namespace, "ca", self._by_ca()))
        world.apply(external_secret(namespace, "own", store="token", kind="SecretStore"))

    def told(self) -> str:
        """The operator's log, and what all statuses say."""
        statuses = [
            self.world.status(*self.store.place),
            *(each.get("status") for each in self.world.listed("SecretStore", self.namespace)),
            *(each.get("status") for each in self.world.listed("ExternalSecret", self.namespace)),
        ]
        return f"{self.world.operator.log}{statuses}"

    def _by_token(self) -> dict[str, Any]:
        web = {"serviceAccountRef": {"name": "reader"}, "roleArn": "arn:aws:iam::123456789012:role/reader"}
        place = {"region": self.aws.region, "endpoint": self.aws.url, "stsEndpoint": self.aws.url}
        return {"aws": {**place, "auth": {"webIdentity": web}}}

    def _by_ca(self) -> dict[str, Any]:
        auth = {"method": "Token", "secretRef": {"name": "aws-login", "key": "id"}}
        ca = {"type": "ConfigMap", "name": "ca", "key": "ca.crt"}
        return {"vault": {"server": "http://127.0.0.1:9", "caProvider": ca, "auth": auth}}


@pytest.fixture
def bed(
    plane: ControlPlane, crds: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Bed]:
    """An operator without the right that the test takes away, and not started."""
    mode, right = request.param

    def render(binaries: Any, values: Mapping[str, Any], **more: Any) -> list[Manifest]:
        return without(render_chart(binaries, values, **more), right)

    monkeypatch.setattr("tests.cluster.world.render_chart", render)
    with world_of(plane, tmp_path, reach=Reach(mode, 1)) as world, AwsStandIn() as aws:
        yield Bed(world, aws, world.namespace())


@pytest.mark.parametrize(
    ("bed", "right"),
    [pytest.param((mode, each), each, id=f"{mode}-{' '.join(each)}") for mode in Mode for each in rights_in(mode)],
    indirect=["bed"],
)
def test_without_it_what_the_page_says_is_told(bed: Bed, right: Right):
    if right == Right("leases", "delete"):
        _dead_replica(bed.world)
    bed.declare()
    bed.world.operator.start()
    if right == Right("secrets", "delete"):
        bed.world.await_secret(bed.namespace, "gone", {"value": b"value"})
        bed.aws.delete(f"{bed.namespace}/gone")

    bed.world.eventually(lambda: DESCRIBED[right] in bed.told(), within=WITHIN, what=DESCRIBED[right])
    if right in NEVER_READY:  # to be ready is to have listed everything
        assert not bed.world.operator.ready()
    else:
        bed.world.operator.wait_ready(WITHIN)


def _dead_replica(world: World) -> None:
    """What one leaves behind that could not end as it should."""
    namespace = world.operator.user.split(":")[2]
    name = f"keyferry-replica-{uuid.uuid4().hex[:8]}"
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 15, "renewTime": LONG_AGO, "acquireTime": LONG_AGO}
    manifest = {"metadata": {"name": name, "labels": {"keyferry.dev/shards": "1"}}, "spec": spec}
    world.plane.request("POST", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", manifest)
