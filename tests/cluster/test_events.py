"""A queue of SQS that tells of changes: they arrive within two seconds at an interval of ten minutes."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.manifests import aws_provider, external_secret, secret_store
from tests.cluster.mode import Reach
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import EVERYTHING

pytest_plugins = ["tests.cluster.fixtures"]

QUEUE = "changes"
WITHIN = 10.0  # it takes a tenth of a second where no other work is on the machine, and an hour without a hint
SOON = 10.0


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs."""
    values = {"log": {"level": "debug", "format": "json"}}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def team(world: World, aws: AwsStandIn) -> Iterator[Team]:
    """A team whose store names a queue, and listens."""
    made = team_in(world, aws)
    made.queue = aws.queue(QUEUE)
    made.configure()
    made.listens()
    yield made
    disband(made)


def denying(action: str) -> dict[str, Any]:
    """All but that action."""
    return {"Statement": [*EVERYTHING["Statement"], {"Effect": "Deny", "Action": action, "Resource": "*"}]}


def polled(team: Team) -> int:
    """How often the queue was asked for messages."""
    return team.aws.calls.count("ReceiveMessage")


def test_a_rotated_value_arrives_within_two_seconds_of_its_message(team, record_property):
    team.synced(3)
    team.put("k1", "second")
    began = time.monotonic()

    team.aws.queues.send(QUEUE, '{"detail-type": "Secret Label Updated"}')

    team.holds("k1", value=b"second", within=WITHIN)
    record_property("seconds", time.monotonic() - began)
    team.world.eventually(lambda: team.aws.queues.length(QUEUE) == 0, within=WITHIN)


def test_nothing_is_read_or_written_but_what_changed(team):
    team.synced(10)
    team.put("k0", "second")
    team.aws.queues.send(QUEUE, "the first wakes everybody")
    team.holds("k0", value=b"second", within=WITHIN)
    team.world.calm(team.calls_at_rest)
    calls, written = team.calls(), team.written()
    team.put("k1", "second")

    team.aws.queues.send(QUEUE, "changed")

    team.holds("k1", value=b"second", within=WITHIN)
    team.world.calm(team.calls_at_rest)
    cost = team.calls() - calls
    assert cost.pop("ReceiveMessage") <= 3
    assert cost == {"ListSecrets": 1, "BatchGetSecretValue": 1, "DeleteMessageBatch": 1}
    assert team.written() - written == {"secrets": 1, "externalsecrets/status": 1}


def test_a_flood_of_messages_costs_a_look_a_second(team):
    team.synced(3)
    before, began = team.calls(), time.monotonic()
    team.put("k1", "second")

    team.aws.queues.send(QUEUE, *("changed" for _ in range(200)))

    team.holds("k1", value=b"second", within=WITHIN)
    team.world.eventually(lambda: team.aws.queues.length(QUEUE) == 0)
    took = time.monotonic() - began
    assert (team.calls() - before)["ListSecrets"] <= took + 2
    assert (team.calls() - before)["BatchGetSecretValue"] == 1


@pytest.mark.parametrize("action", ["sqs:ReceiveMessage", "sqs:DeleteMessage"])
def test_a_permission_that_is_missing_is_told_harms_nothing_and_is_found_when_granted(team, action):
    team.synced(1)
    team.aws.iam.allow(team.aws.admin.id, denying(action))
    team.aws.queues.send(QUEUE, "changed")

    team.listens("PermissionDenied", within=30)
    told = str(team.store_status()["conditions"])
    assert f"is not allowed {action} on arn:aws:sqs:eu-west-1:{team.aws.account}:{QUEUE}" in told
    team.store_says("Ready")
    team.holds("k0", value=b"first")

    team.put("k0", "second")
    team.aws.iam.allow(team.aws.admin.id, EVERYTHING)
    team.listens(within=SOON)
    team.holds("k0", value=b"second", within=WITHIN)


def test_a_queue_that_is_not_there_is_told_and_found_when_it_is(team):
    team.queue = f"{team.aws.url}/{team.aws.account}/later"
    team.configure()
    team.listens("EventSourceMissing", within=SOON)
    team.store_says("Ready")

    team.aws.queue("later")

    team.listens(within=SOON)


def test_a_queue_that_never_answers_delays_no_read(team):
    team.put("k", "first")
    with team.aws.faults.silence("ReceiveMessage"):
        team.configure(refresh={"concurrency": 1, "timeout": "8s"})
        before = polled(team)
        team.world.eventually(lambda: polled(team) > before, what="the queue to be asked, and silent")
        team.declare("k", every="1s")
        team.holds("k", value=b"first", within=2 * WITHIN)
        team.listens("BackendUnavailable", within=SOON + 5)
    team.listens(within=SOON)


def test_what_a_message_says_is_nowhere(team):
    team.synced(1)
    canary = "canary-5d0c1e"
    team.put("k0", "second")

    team.aws.queues.send(QUEUE, canary)

    team.holds("k0", value=b"second", within=WITHIN)
    team.world.calm(team.calls_at_rest)
    kinds = ("ClusterSecretStore", "SecretStore", "ExternalSecret", "Event", "Secret")
    assert canary not in team.world.operator.log + team.world.metrics()
    assert [kind for kind in kinds if canary in str(team.world.listed(kind))] == []


def test_a_suspended_store_does_not_listen(team):
    team.configure(suspend=True)
    team.store_says("Suspended")
    team.aws.queues.send(QUEUE, "changed")

    team.world.still(lambda: polled(team), for_seconds=1.5)

    assert team.listening() == ""
    team.configure(suspend=False)
    team.listens(within=SOON)
    team.world.eventually(lambda: team.aws.queues.length(QUEUE) == 0, within=SOON)


def test_a_store_that_is_deleted_leaves_nothing_that_listens(team):
    team.world.delete(*team.store.place)
    team.world.eventually(lambda: f'store="{team.store.label}"' not in team.world.metrics(), within=SOON)
    polls = polled(team)

    team.aws.queues.send(QUEUE, "changed")

    team.world.still(lambda: polled(team), for_seconds=1.5)
    assert polled(team) == polls


def test_a_tenant_cannot_have_anything_sent_elsewhere(team, aws):
    elsewhere = aws.queue(QUEUE).replace("127.0.0.1", "localhost")  # which this operator allows to nobody
    provider = aws_provider(aws, team.namespace, cluster=False, queue=elsewhere)
    before = polled(team)
    team.world.apply(secret_store(team.namespace, "own", provider))
    team.world.apply(external_secret(team.namespace, "db", store="own", kind="SecretStore"))
    aws.put("db", "v")

    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore")
    team.holds("db", value=b"v")

    def told() -> str:
        return str(team.world.status("SecretStore", team.namespace, "own")["conditions"])

    team.world.eventually(
        lambda: f"allow it with --allow-endpoint={elsewhere.partition('/1')[0]}" in told(), within=SOON
    )
    assert "spec.provider.aws.events.sqs.queueUrl: this store may not send requests to" in told()
    assert polled(team) - before <= 1  # of the team's other store


def test_a_restart_is_quick_and_no_news(team):
    team.synced(1)
    team.world.eventually(lambda: polled(team) > 1)
    written, began = team.world.writes(), time.monotonic()

    team.world.operator.stop()
    assert time.monotonic() - began < SOON  # a poll that is under way, for up to 20 s, holds nobody up
    team.world.start()

    team.put("k0", "second")
    team.aws.queues.send(QUEUE, "changed")
    team.holds("k0", value=b"second", within=2 * WITHIN)  # what the former poll took comes again after two seconds
    team.world.calm(team.calls_at_rest)
    assert team.world.writes() - written == {"secrets": 1, "externalsecrets/status": 1}
