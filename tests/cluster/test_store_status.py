"""What a store's status says: what its login may do, what it offers, what is wrong with it, and when it is over."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.manifests import aws_login

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 15.0  # seconds, where the interval is an hour; a login that was refused is tried again within 15 s


def denying(*actions):
    """A policy that allows everything but these."""
    named = [f"secretsmanager:{action}" for action in actions]
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"Statement": [allowed, {"Effect": "Deny", "Action": named, "Resource": "*"}]}


def status(team):
    return team.store_status()


def access(team, **wanted):
    """Return when the status says so."""
    team.world.eventually(lambda: wanted.items() <= status(team).get("access", {}).items(), what=f"access {wanted}")


def by_names(team):
    return {"mapping": {"by": "Names"}, "prefix": f"{team.namespace}/", "namespaces": {"names": [team.namespace]}}


def test_a_store_that_may_do_all_says_what_it_may_what_it_offers_and_when_it_looked(team):
    for key in ("db", "api", "other"):
        team.put(key, "value")
    team.aws.put("no part of this store", "value")

    team.declare()
    team.says("Synced")

    access(team, login="Granted", listing="Granted", batching="Granted", reading="Granted")
    team.world.eventually(lambda: status(team).get("offered") == 3, what="three secrets to be offered")
    swept = datetime.fromisoformat(status(team)["lastSweepTime"])
    assert timedelta(minutes=-1) < datetime.now(UTC) - swept < timedelta(minutes=2)
    assert "lacking" not in status(team) or status(team)["lacking"] == []


@pytest.mark.parametrize(("action", "part"), [("ListSecrets", "listing"), ("BatchGetSecretValue", "batching")])
def test_a_permission_that_is_not_granted_is_told_and_by_names_the_store_works_without_it(team, action, part):
    team.put("db", "value")
    team.aws.iam.allow(team.aws.admin.id, denying(action))
    team.configure(**by_names(team))

    team.declare()

    team.holds(value=b"value")
    access(team, login="Granted", **{part: "Denied"})
    assert team.store_says("Ready").status == "True"
    (lacking,) = status(team)["lacking"]
    assert f"secretsmanager:{action} on *" in lacking


def test_without_a_list_a_value_that_is_rotated_still_arrives(team):
    team.put("db", "old")
    team.aws.iam.allow(team.aws.admin.id, denying("ListSecrets"))
    team.configure(**by_names(team))
    team.declare(every="1s")
    team.holds(value=b"old")

    team.put("db", "new")

    team.holds(value=b"new")


def test_a_permission_that_is_granted_later_is_used_after_a_refresh_of_the_store(team):
    team.put("db", "value")
    team.aws.iam.allow(team.aws.admin.id, denying("ListSecrets"))
    team.configure(**by_names(team))
    access(team, listing="Denied")

    team.aws.iam.allow(team.aws.admin.id, denying("CreateSecret"))
    team.force("now")

    access(team, listing="Granted")
    team.world.eventually(lambda: not status(team).get("lacking"), what="nothing to be lacking")


def test_values_that_may_not_be_read_are_told_by_action_and_arn(team):
    team.put("db", "value")
    arn = team.aws.put(f"{team.namespace}/db", "value")
    team.aws.iam.allow(team.aws.admin.id, denying("GetSecretValue"))

    team.declare()

    text = team.says("PermissionDenied").message
    assert "secretsmanager:GetSecretValue" in text
    assert arn in text
    access(team, login="Granted", reading="Denied")


def test_a_login_that_is_revoked_is_told_and_its_renewal_heals_store_and_external_secrets_within_seconds(team):
    team.put("db", "old")
    team.declare()
    team.holds(value=b"old")
    team.aws.iam.revoke(team.aws.admin.id)
    team.force("now")
    told = team.store_says("AuthFailed").message
    assert f"Secret {team.namespace}/aws-login" in told
    access(team, login="Denied")
    team.says("AuthFailed")
    team.put("db", "new")

    team.world.apply(aws_login(team.namespace, team.aws.iam.user("renewed")))

    team.store_says("Ready", within=SOON)
    team.holds(value=b"new", within=SOON)


def test_a_backend_that_is_back_heals_external_secrets_within_seconds(team):
    team.put("db", "old")
    team.declare()
    team.holds(value=b"old")
    team.aws.down()
    team.force("now")
    assert team.aws.host in team.store_says("BackendUnavailable").message
    team.says("BackendUnavailable")
    team.put("db", "new")

    team.aws.up()

    team.holds(value=b"new", within=SOON)
    team.store_says("Ready", within=SOON)


def test_a_store_has_an_event_when_it_breaks_and_one_when_it_heals_and_none_between(team):
    team.store_says("Ready")
    team.aws.down()
    team.force("now")
    team.store_says("BackendUnavailable")
    checks = team.world.metric("keyferry_backend_calls_total", store=team.store.label)
    team.world.eventually(
        lambda: team.world.metric("keyferry_backend_calls_total", store=team.store.label) >= checks + 2,
        what="two more checks that fail",
    )

    team.aws.up()
    team.store_says("Ready", within=SOON)

    team.world.eventually(lambda: len(events(team)) >= 2, what="two events")
    assert sorted(events(team)) == [("Normal", "Ready"), ("Warning", "BackendUnavailable")]


def events(team):
    """Type and reason of each event about the store."""
    listed = [each for each in team.world.listed("Event") if each["involvedObject"]["name"] == team.store.name]
    return [(each["type"], each["reason"]) for each in listed for _ in range(each.get("count") or 1)]


def test_a_list_that_is_granted_heals_a_store_by_tags_within_seconds(team):
    team.put("db", "value")
    team.aws.iam.allow(team.aws.admin.id, denying("ListSecrets"))
    team.force("now")
    access(team, listing="Denied")
    team.declare()
    team.says("PermissionDenied")

    team.aws.iam.allow(team.aws.admin.id, denying("CreateSecret"))

    team.holds(value=b"value", within=SOON)
