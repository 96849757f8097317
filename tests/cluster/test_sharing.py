"""Several replicas share the stores, lose each other under load, and do nothing twice."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import pytest

from tests.cluster.mode import Lacks, Reach, cluster_mode_only
from tests.cluster.replicas import TAKE_OVER, Replicas, replicas_of, team_on_shard
from tests.cluster.team import Team, disband
from tests.cluster.world import World, world_of
from tests.standins.aws import AwsStandIn

pytest_plugins = ["tests.cluster.fixtures"]

pytestmark = pytest.mark.timeout(300)

SHARDS = 3
KEYS = [f"k{number:02}" for number in range(40)]
GAP = 0.25  # seconds between changes


@pytest.fixture
def world(plane, crds, tmp_path_factory, mode) -> Iterator[World]:
    with world_of(plane, tmp_path_factory.mktemp("operator"), {"shards": SHARDS}, reach=Reach(mode, SHARDS)) as made:
        yield made


@pytest.fixture
def replicas(world) -> Iterator[Replicas]:
    """One replica for each shard."""
    with replicas_of(world, SHARDS) as made:
        made.await_shares(1, 1, 1)
        yield made


@pytest.fixture
def teams(world, replicas) -> Iterator[list[Team]]:
    """A team on each shard, with a backend of its own, so that all that its store asks can be told apart."""
    with ExitStack() as ended:
        accounts = [ended.enter_context(AwsStandIn()) for _ in range(SHARDS)]
        made = [team_on_shard(world, aws, shard, SHARDS) for shard, aws in enumerate(accounts)]
        for team in made:
            ended.callback(disband, team)
        yield made


def filled(team: Team, every: str = "1s") -> None:
    """Forty ExternalSecrets, all synced."""
    for key in KEYS:
        team.put(key, f"{key} first")
    for key in KEYS:
        team.declare(key, every=every)
    for key in KEYS:
        team.holds(key, value=f"{key} first".encode())
    for key in KEYS:
        team.says("Synced", key)


def reads(team: Team) -> Counter[str]:
    """How often the value of each key was read."""
    asked = [id_ for call in team.aws.calls.all("BatchGetSecretValue") for id_ in call.ids]
    return Counter(key for id_ in asked for key in KEYS if f"{team.namespace}/{key}" in id_)


def patches(team: Team) -> Counter[str]:
    """How often each Secret was written."""
    return Counter(
        event.name
        for event in team.world.plane.audit()
        if (event.namespace, event.resource, event.verb) == (team.namespace, "secrets", "patch")
    )


def test_every_store_is_worked_on_by_one_replica_and_no_call_is_made_twice(replicas, teams):
    for team in teams:
        team.put("db", "value")
        team.declare("db")
        team.holds("db", value=b"value")
        team.says("Synced")

    for team in teams:
        replicas.world.still(team.calls)
        assert team.calls() == {"ListSecrets": 1 + 1, "BatchGetSecretValue": 1 + 1}  # the check and the first look
        assert team.written()["secrets"] == 1
    assert len(set(replicas.holders().values())) == SHARDS


def test_when_one_ends_politely_the_others_share_its_work_and_when_it_returns_it_gets_some_back(replicas, teams):
    ended, hands = replicas.worker(0, SHARDS), replicas.hands(0, SHARDS)
    left = [operator for operator in replicas.all if operator is not ended]
    assert ended.stop() == 0
    replicas.await_shares(2, 1, among=left)
    assert replicas.hands(0, SHARDS) - hands == 2  # given up, and taken: nobody had to wait until it ran out

    ended.start()

    replicas.await_shares(1, 1, 1)
    for team in teams:
        team.put("db", "value")
        team.declare("db")
        team.holds("db", value=b"value")


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_an_external_secret_that_is_edited_to_a_store_of_another_replica_moves(replicas, teams):
    first, second = teams[:2]
    first.put("db", "of the first")
    second.aws.put(f"{first.namespace}/db", "of the second", {"namespace": first.namespace, "key": "db"})
    first.declare("db", every="1s")
    first.holds("db", value=b"of the first")

    moved = Team(first.world, second.aws, first.namespace, second.store)
    moved.declare("db", every="1s")
    moved.holds("db", value=b"of the second")
    moved.says("Synced")

    asked = first.calls()["BatchGetSecretValue"]
    first.put("db", "nobody's business")
    moved.refreshes_pass()
    moved.holds("db", value=b"of the second")
    assert first.calls()["BatchGetSecretValue"] == asked


@dataclass(slots=True)
class Load:
    """Every key of a team is changed once, in a random order; when each was, and what came of it."""

    team: Team
    changed: dict[str, datetime] = field(default_factory=dict)

    def change(self, key: str) -> None:
        self.changed[key] = datetime.now(UTC)
        self.team.put(key, f"{key} second")

    def under_way(self, moment: datetime) -> set[str]:
        """What was changed at that moment and not wholly dealt with: the status is what is written last."""
        told = [
            (event.name, event.at)
            for event in self.team.world.plane.audit()
            if (event.namespace, event.resource, event.verb) == (self.team.namespace, "externalsecrets", "patch")
        ]
        begun = {key: at for key, at in self.changed.items() if at < moment}
        return {key for key, at in begun.items() if not any(key == name and at < when < moment for name, when in told)}

    def arrived(self) -> bool:
        there = self.team.world.secrets(self.team.namespace)
        return all(there.get(key) == {"value": f"{key} second".encode()} for key in self.changed)


@pytest.mark.parametrize("politely", [False, True], ids=["killed", "stopped"])
def test_a_replica_that_ends_under_load_is_taken_over_with_nothing_lost_and_nothing_done_twice(
    replicas, teams, politely
):
    team = teams[0]
    filled(team)
    first, written = reads(team), patches(team)
    load, order = Load(team), iter(random.Random(20261124).sample(KEYS, len(KEYS)))  # noqa: S311 - the same again

    for key in islice(order, 15):
        load.change(key)
        time.sleep(GAP)  # a flow of changes is what is meant here
    worker = replicas.worker(0, SHARDS)
    ended = datetime.now(UTC)
    if politely:
        worker.stop()
    else:
        worker.kill()
    for key in islice(order, 15):
        load.change(key)
        time.sleep(GAP)
    team.world.eventually(load.arrived)
    assert replicas.taken(0, SHARDS) - ended < TAKE_OVER
    for key in order:
        load.change(key)
        time.sleep(GAP)
    team.world.eventually(load.arrived)
    for key in KEYS:
        team.says("Synced", key)

    under_way = load.under_way(ended)
    twice = set() if politely else under_way  # who ends politely finishes what it is writing, though not what it reads
    assert {key: count for key, count in (reads(team) - first).items() if count != 1 and key not in under_way} == {}
    assert {key: count for key, count in (patches(team) - written).items() if count != 1 and key not in twice} == {}
    assert max((reads(team) - first).values()) <= 2
    assert set(load.changed) == set(KEYS)
