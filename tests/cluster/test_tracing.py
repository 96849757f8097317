"""Traces of a real run: what they tell, and that no value is in them."""

import time
from collections.abc import Iterator

import pytest

from tests.cluster.canaries import Canaries
from tests.cluster.mode import Reach
from tests.cluster.team import disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.aws import AwsStandIn
from tests.standins.otlp import Heard, OtlpStandIn

pytest_plugins = ["tests.cluster.fixtures"]


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpStandIn]:
    with OtlpStandIn() as running:
        yield running


@pytest.fixture(scope="module")
def world(
    plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, receiver: OtlpStandIn, reach: Reach
) -> Iterator[World]:
    """An operator that sends traces."""
    values = {
        "tracing": {"endpoint": receiver.url},
        "extraEnv": [{"name": "OTEL_BSP_SCHEDULE_DELAY", "value": "200"}],  # ms: sent as they come
        "log": {"level": "debug", "format": "text"},
    }
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def team(world, aws: AwsStandIn, receiver, canaries):
    """A team with a ready store. When its test ends, no canary is in any trace."""
    canaries.words["login"] = aws.admin.secret
    yield (made := team_in(world, aws))
    disband(made)
    assert canaries.found_in(b"".join(receiver.bodies).decode("latin-1")) == []


def of(spans, name, **attributes):
    """Those of a name whose attributes are these."""
    wanted = {each.replace("_", "."): value for each, value in attributes.items()}
    return [each for each in spans if each.name == name and wanted.items() <= each.attributes.items()]


def below(spans, root: Heard):
    """Names of what was done as a part of it."""
    return {each.name for each in spans if each.trace == root.trace and each is not root}


def test_a_first_sync_is_one_trace_from_the_sweep_to_the_status(team, receiver, canaries):
    team.store_says("Ready")
    team.put("db", canaries.word("value"))
    team.declare()
    team.says("Synced")

    def synced():
        spans = receiver.spans()
        roots = of(spans, "ExternalSecret", k8s_namespace_name=team.namespace, keyferry_object="db")
        return [(root, spans) for root in roots if "PATCH secrets" in below(spans, root)]

    ((root, spans),) = team.world.eventually(synced)
    assert (root.parent, root.failed, root.attributes["keyferry.outcome"]) == (b"", False, "ok")
    assert {"sweep", "ListSecrets", "BatchGetSecretValue", "PATCH secrets", "PATCH externalsecrets/status"} <= below(
        spans, root
    )
    (sweep,) = [each for each in of(spans, "sweep") if each.trace == root.trace]
    assert sweep.attributes["keyferry.store"] == team.store.label
    assert sweep.attributes["keyferry.offered"] == 1
    assert [each.parent for each in of(spans, "ListSecrets") if each.trace == root.trace] == [sweep.id]
    assert receiver.resources()[0]["service.name"] == "keyferry"


def test_a_failure_is_told_by_its_reason_and_by_none_of_its_words(team, receiver, canaries):
    team.put("db", f'{{"a": "{canaries.word("no JSON")}"')
    data = [{"secretKey": "value", "remoteRef": {"key": "db", "property": "a"}}]
    team.declare("db", every="1s", data=data)
    team.says("ValueInvalid")
    team.aws.down()
    team.says("BackendUnavailable")
    team.store_says("BackendUnavailable")

    def told(name, outcome):
        found = of(receiver.spans(), name, keyferry_outcome=outcome)
        return [each for each in found if each.failed]

    for name, outcome in (
        ("ExternalSecret", "ValueInvalid"),
        ("ExternalSecret", "BackendUnavailable"),
        (team.store.kind, "BackendUnavailable"),
        ("ListSecrets", "BackendUnavailable"),
        ("sweep", "BackendUnavailable"),
    ):
        team.world.eventually(lambda name=name, outcome=outcome: told(name, outcome), what=f"{name}: {outcome}")
    assert [each for each in receiver.spans() if each.events] == []
    team.aws.up()


def test_heartbeats_make_no_traces(world, receiver):
    assert [each.name for each in receiver.spans() if "leases" in each.name or each.name.startswith("GET")] == []


def test_a_receiver_that_is_away_is_told_once_and_holds_up_nothing(world, team, receiver, canaries):
    receiver.code = 503
    try:
        world.eventually(lambda: "traces do not arrive" in world.operator.log)
        team.put("db", canaries.word("meanwhile"))
        team.declare(every="1s")
        team.holds(value=canaries.word("meanwhile").encode())
        began = time.monotonic()
        assert world.operator.stop() == 0
        assert time.monotonic() - began < 20.0
    finally:
        receiver.code = 200
    assert world.operator.log.count("traces do not arrive") == 1
    world.start()
