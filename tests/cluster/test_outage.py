"""A backend on a bad day: what was good stays, the status tells the cause, and all is well again soon after."""

import os

import pytest

from tests.cluster.team import disband, team_in
from tests.cluster.world import WITHIN
from tests.standins import aws_faults
from tests.standins.aws import AwsStandIn

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0  # seconds, where the interval is an hour
PATIENT = {"timeout": "1m"}  # a call may take longer than any of these tests does
MANY = [f"s{number}" for number in range(40)]

BAD_DAYS = {
    "hanging": aws_faults.delay(4.0),  # the store's limit is 2 s
    "garbage": aws_faults.body(b"<html>It works!</html>"),
    "garbage that is JSON": aws_faults.body(b'{"SecretList": "none", "SecretValues": 7}'),
    "nothing in an answer": aws_faults.body(b""),
    "cut off": aws_faults.truncated(),
    "broken off": aws_faults.broken_off(),
    "reset": aws_faults.reset(),
    "an error": aws_faults.error("InternalServiceError", 500),
    "throttling": aws_faults.error("ThrottlingException", 400, "Rate exceeded"),
    "unknown error": aws_faults.error("SomethingNew", 418),
}
UNAVAILABLE = {"throttling": "BackendThrottled"}


def settled(team, names=("db",), *, within=WITHIN, **spec):
    """ExternalSecrets that are synced; their Secrets as they are."""
    for name in names:
        team.put(name, f"good {name}")
        team.declare(name, **spec)
    for name in names:
        team.says("Synced", name, within=within)
    return {name: team.secret(name) for name in names}


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_good_secret_stays_as_it_is_and_follows_again_soon_after(team, day):
    before = settled(team)
    team.put("db", "new")

    with team.aws.faults.during("*", BAD_DAYS[day]):
        team.force("now", "db")
        said = team.says(UNAVAILABLE.get(day, "BackendUnavailable"))
        assert team.secret() == before["db"]

    assert said.status == "False"
    team.holds("db", value=b"new", within=SOON)
    team.says("Synced")


@pytest.mark.parametrize("action", ["ListSecrets", "BatchGetSecretValue"])
@pytest.mark.parametrize("day", ["hanging", "garbage that is JSON", "an error", "throttling"])
def test_a_good_secret_stays_when_only_half_of_the_backend_works(team, day, action):
    before = settled(team)
    team.put("db", "new")

    with team.aws.faults.during(action, BAD_DAYS[day]):
        team.force("now", "db")
        team.says(UNAVAILABLE.get(day, "BackendUnavailable"))
        assert team.secret() == before["db"]

    team.holds("db", value=b"new", within=SOON)


def test_a_backend_that_is_down_is_named_and_its_return_is_noticed_within_seconds(team):
    names = [f"s{number}" for number in range(10)]
    before = settled(team, names)
    failures = {"kind": "ExternalSecret", "reason": "BackendUnavailable"}
    failed = team.world.metric("keyferry_syncs_total", **failures)

    team.aws.down()
    team.force("now")
    # So long that each waits some eight seconds until it tries again by itself: the store is what wakes them.
    team.world.eventually(lambda: team.world.metric("keyferry_syncs_total", **failures) >= failed + 4 * len(names))
    assert team.aws.host in team.says("BackendUnavailable", names[0]).message
    assert team.aws.host in team.store_says("BackendUnavailable").message
    assert {name: team.secret(name) for name in names} == before
    team.aws.up()

    for name in names:
        team.says("Synced", name, within=SOON)


def test_a_value_that_was_rotated_while_its_backend_was_down_arrives_soon_after(team):
    settled(team)
    team.aws.down()
    team.force("now", "db")
    team.says("BackendUnavailable")

    team.put("db", "new")
    team.aws.up()

    team.holds("db", value=b"new", within=SOON)


def test_an_external_secret_made_while_its_backend_is_down_is_served_soon_after(team):
    team.aws.down()
    team.force("now")
    team.store_says("BackendUnavailable")
    team.declare("db")
    team.says("BackendUnavailable")

    team.put("db", "value")
    team.aws.up()

    team.holds("db", value=b"value", within=SOON)


def test_a_secret_deleted_while_its_backend_is_down_returns_soon_after(team):
    settled(team)
    team.aws.down()
    team.force("now", "db")
    team.says("BackendUnavailable")

    team.world.delete("Secret", team.namespace, "db")
    team.aws.up()

    team.holds("db", value=b"good db", within=SOON)


def test_a_login_that_is_revoked_costs_no_secret_and_is_named(team):
    before = settled(team)
    team.aws.iam.revoke(team.aws.admin.id)
    team.force("now", "db")

    team.says("AuthFailed")

    assert team.store_says("AuthFailed").message
    assert team.secret() == before["db"]


def test_a_slow_backend_is_waited_for(team):
    with team.aws.faults.during("*", aws_faults.delay(1.0)):
        team.put("db", "value")
        team.declare("db")

        team.holds("db", value=b"value")


def test_all_or_nothing_when_one_of_several_values_is_left_out(team):
    keys = {key: key for key in ("a", "b", "c")}
    for key in keys:
        team.put(key, f"old {key}")
    team.declare("db", keys=keys)
    team.says("Synced")
    before = team.secret()

    for key in keys:
        team.put(key, f"new {key}")
    with team.aws.faults.during("BatchGetSecretValue", aws_faults.leaving_out(f"{team.namespace}/b")):
        team.force("now", "db")
        assert f"{team.namespace}/b" in team.says("BackendUnavailable").message
        assert team.secret() == before

    team.holds("db", a=b"new a", b=b"new b", c=b"new c", within=SOON)


def test_all_or_nothing_when_one_of_several_values_makes_no_sense(team):
    ref = {"secretKey": "b", "remoteRef": {"key": "b", "property": "password"}}
    plain = {"secretKey": "a", "remoteRef": {"key": "a"}}
    team.put("a", "old")
    team.put("b", '{"password": "old"}')
    team.declare("db", data=[plain, ref], every="1s")
    team.holds("db", a=b"old", b=b"old")
    before = team.secret()

    with team.aws.secrets.lock:  # a look between the two would rightly write the one with the old other
        team.put("a", "new")
        team.put("b", "no JSON any more")
    team.says("ValueInvalid")
    assert team.secret() == before
    team.put("b", '{"password": "new"}')

    team.holds("db", a=b"new", b=b"new")


def test_all_or_nothing_when_one_of_those_found_is_left_out(team):
    team.put("api-a", "a")
    team.put("api-b", "b")
    team.declare("db", every="1s", dataFrom=[{"find": {"name": {"regexp": "^api-"}}}])
    team.holds("db", **{"api-a": b"a", "api-b": b"b"})
    before = team.secret()

    with team.aws.faults.during("BatchGetSecretValue", aws_faults.leaving_out(f"{team.namespace}/api-a")):
        team.put("api-a", "newer a")
        team.put("api-b", "newer b")
        team.says("BackendUnavailable")
        assert team.secret() == before

    team.holds("db", **{"api-a": b"newer a", "api-b": b"newer b"}, within=SOON)


def test_a_stuck_store_delays_no_other(world, team):
    def waiting():
        return world.metric("keyferry_queue_running", kind="ExternalSecret") >= len(MANY)

    with AwsStandIn() as other:
        stuck = team_in(world, other, refresh=PATIENT)
        stuck.store_says("Ready")
        with other.faults.silence():
            for name in MANY:
                stuck.declare(name)
            world.eventually(waiting)

            settled(team, within=SOON)
            team.refreshes_pass(2)
            assert waiting()
        disband(stuck)


def test_a_store_that_hangs_at_its_very_login_delays_no_other(world, team):
    with AwsStandIn() as other, other.faults.silence():
        stuck = team_in(world, other)
        stuck.declare("db")

        settled(team)

        stuck.says("BackendUnavailable")
        disband(stuck)


@pytest.mark.parametrize("value", [b"plain", os.urandom(65536)], ids=["plain", "64 KiB of noise"])
def test_a_refresh_that_fails_leaves_no_trace_in_the_secret(team, value):
    team.put("db", value)
    team.declare("db", every="1s")
    team.holds("db", value=value)
    before = team.secret()

    with team.aws.faults.during("*", aws_faults.error("InternalServiceError", 500)):
        team.says("BackendUnavailable")

    team.says("Synced", within=SOON)
    assert team.secret() == before
