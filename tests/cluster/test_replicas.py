"""Two replicas, one shard: one works, the other stands by and takes over when the first one ends, however it does."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.cluster.mode import Reach
from tests.cluster.replicas import TAKE_OVER, Replicas, health, leases_of, replicas_of
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.standins import aws_faults

pytest_plugins = ["tests.cluster.fixtures"]

MANY = [f"m{number}" for number in range(60)]


@pytest.fixture
def world(plane, crds, tmp_path_factory, mode) -> Iterator[World]:
    """An operator of the test's own: it ends in many ways."""
    with world_of(plane, tmp_path_factory.mktemp("operator"), reach=Reach(mode, 2)) as made:
        yield made


@pytest.fixture
def replicas(world) -> Iterator[Replicas]:
    """Two, of which the world's own operator works."""
    world.start()
    with replicas_of(world, 2) as both:
        both.await_shares(1, 0)
        yield both


@pytest.fixture
def team(replicas, aws) -> Iterator[Team]:
    """A team whose ExternalSecret `db` is synced every second."""
    made = team_in(replicas.world, aws, refresh={"timeout": "10s"})  # no call is made again on a busy machine
    made.put("db", "before")
    made.declare("db", every="1s")
    made.holds("db", value=b"before")
    made.says("Synced")
    yield made
    disband(made)


def patches(team: Team) -> int:
    """How often a Secret of the team was written."""
    return team.written()["secrets"]


def test_a_standby_is_ready_and_asks_the_backend_nothing(replicas, team):
    team.refreshes_pass()

    (standby,) = replicas.others
    assert standby.ready()
    assert health(standby) == "ok"
    assert set(replicas.holders().values()) == {replicas.world.operator.pod.name}
    assert "keyferry-replica-" + standby.pod.name in replicas.leases()
    assert team.calls()["BatchGetSecretValue"] == 1 + 1 + 2  # the check, `db`, and `clock` as often as it was put


def test_a_polite_end_hands_over_before_its_lease_runs_out_and_nothing_is_done_twice(replicas, team):
    before, written, hands = team.calls(), patches(team), replicas.hands(0, 1)

    assert replicas.world.operator.stop() == 0
    replicas.await_shares(1, among=replicas.others)

    team.put("db", "after")
    team.holds("db", value=b"after")
    assert replicas.hands(0, 1) - hands == 2  # given up, and taken: nobody had to wait until it ran out
    assert team.calls()["BatchGetSecretValue"] - before["BatchGetSecretValue"] == 1 + 1  # its check, and the change
    assert patches(team) - written == 1


def test_a_polite_end_in_the_midst_of_writing_leaves_nothing_half_done_and_nothing_to_be_done_twice(replicas, team):
    team.configure(refresh={"timeout": "30s", "concurrency": 1})  # one batch of 20 after the other
    for name in MANY:
        team.put(name, "before")
        team.declare(name, every="1s")
    for name in MANY:
        team.holds(name, value=b"before")
        team.told(name)
    before = team.written()

    def written():
        return list(replicas.world.secrets(team.namespace).values()).count({"value": b"after"})

    with team.aws.faults.during("BatchGetSecretValue", aws_faults.delay(1.0)):
        with team.aws.secrets.lock:  # all of them are new in one look
            for name in MANY:
                team.put(name, "after")
        replicas.world.eventually(written)
        assert replicas.world.operator.stop() == 0
    assert 0 < written() < len(MANY)

    for name in MANY:
        team.holds(name, value=b"after")
        team.told(name)
    assert team.written() - before == {"secrets": len(MANY), "externalsecrets/status": len(MANY)}
    assert f"keyferry-replica-{replicas.world.operator.pod.name}" not in replicas.leases()
    assert set(replicas.holders().values()) == {replicas.others[0].pod.name}


def test_a_killed_replica_is_taken_over_within_15_seconds(replicas, team):
    killed = datetime.now(UTC)
    replicas.world.operator.kill()
    team.put("db", "after")

    team.holds("db", value=b"after")
    assert replicas.taken(0, 1) - killed < TAKE_OVER


def test_a_replica_that_was_frozen_past_its_lease_writes_no_more_for_what_it_lost(replicas, team):
    frozen, (standby,) = replicas.world.operator, replicas.others
    read = team.calls()["BatchGetSecretValue"]
    with team.aws.faults.during("BatchGetSecretValue", aws_faults.delay(2.0)):
        team.put("db", "after")
        replicas.world.eventually(lambda: team.calls()["BatchGetSecretValue"] > read)
        frozen_at = datetime.now(UTC)
        os.kill(frozen.pid, signal.SIGSTOP)  # it waits for a value, and would write it
    try:
        replicas.await_shares(1, among=[standby])
        assert replicas.taken(0, 1) - frozen_at < TAKE_OVER
        team.holds("db", value=b"after")
        team.says("Synced")
        written, asked = patches(team), team.calls()["BatchGetSecretValue"]
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    replicas.world.eventually(lambda: "lost shard 0 of 1" in frozen.log)
    team.put("db", "last")
    team.holds("db", value=b"last")
    team.says("Synced")

    assert patches(team) - written == 1
    assert team.calls()["BatchGetSecretValue"] - asked == 1
    assert replicas.holding(standby) == 1
    assert health(frozen) == "ok"


def test_the_next_start_of_a_killed_replica_takes_its_own_lease_at_once(world, aws):
    world.start()
    team = team_in(world, aws)
    team.put("db", "before")
    team.declare("db")
    team.holds("db", value=b"before")
    world.operator.kill()
    team.put("db", "after")
    own = f"{leases_of(world)}/keyferry-replica-{world.operator.pod.name}"
    world.plane.request("PATCH", own, {"spec": {"leaseDurationSeconds": 3600}}, "application/merge-patch+json")

    world.start()
    team.force("now", "db")

    team.holds("db", value=b"after")  # whoever waited until that Lease has run out would do so in an hour
    disband(team)


def test_without_the_right_to_leases_nobody_works_and_with_it_somebody_goes_on(replicas, team):
    namespace = replicas.world.operator.pod.namespace
    at = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/{namespace}"
    rules = replicas.world.plane.request("GET", at)["rules"]

    def allow(given):
        replicas.world.plane.request("PATCH", at, {"rules": given}, "application/merge-patch+json")

    allow([])
    replicas.world.eventually(lambda: "lost shard 0 of 1" in replicas.world.operator.log)
    written = patches(team)
    team.put("db", "after")
    team.tamper("db", value=b"by hand")
    replicas.world.still(team.calls, for_seconds=3.0)
    assert patches(team) == written
    assert replicas.world.metric("keyferry_shards_held") == 0
    assert replicas.world.metric("keyferry_lease_failures_total") > 0
    assert "answered 403 Forbidden to PATCH leases" in replicas.world.operator.log
    assert all(operator.ready() for operator in replicas.all)

    allow(rules)
    team.holds("db", value=b"after")


def test_an_upgrade_with_another_number_of_shards_hands_over_without_a_moment_of_both(world, aws):
    world.start()
    team = team_in(world, aws)
    team.put("db", "before")
    team.declare("db", every="1s")
    team.holds("db", value=b"before")
    with replicas_of(world, 2, "--shards=4") as both:
        (latter,) = both.others
        world.still(both.holders, for_seconds=3.0)
        assert list(both.holders()) == ["keyferry-shard-0-of-1"]
        world.operator.stop()
        world.eventually(lambda: both.holding(latter) == 4)
        team.put("db", "after")
        team.holds("db", value=b"after")
        world.eventually(lambda: len(both.holders()) == 4, what="the former Lease to be cleared away")
    disband(team)
