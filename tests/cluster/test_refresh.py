"""When a backend is asked and when not: policies, suspension, force; and that what changes here arrives at once."""

import pytest

from tests.cluster.manifests import aws_login, aws_provider, shared_store
from tests.cluster.mode import Lacks, cluster_mode_only
from tests.cluster.world import REFRESH
from tests.standins.aws import AwsStandIn
from tests.standins.aws_faults import delay

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0  # seconds, where the interval is an hour

ONCE = [{"every": "0"}, {"every": "1s", "refreshPolicy": "OnChange"}, {"every": "1s", "refreshPolicy": "CreatedOnce"}]
UNLESS_CHANGED = ONCE[:2]
NAMED = ["interval 0", "OnChange", "CreatedOnce"]


@pytest.mark.parametrize("policy", ONCE, ids=NAMED)
def test_without_a_rhythm_a_rotated_value_is_not_read(team, policy):
    team.put("db", "first")
    team.declare("db", **policy)
    team.says("Synced")

    team.put("db", "second")
    team.refreshes_pass(2)

    team.holds("db", value=b"first")


@pytest.mark.parametrize("policy", ONCE, ids=NAMED)
def test_without_a_rhythm_a_missing_secret_is_waited_for(team, policy):
    team.declare("db", **policy)
    team.says("RemoteSecretMissing")

    team.put("db", "late")

    team.holds("db", value=b"late")


@pytest.mark.parametrize("policy", UNLESS_CHANGED, ids=NAMED[:2])
def test_without_a_rhythm_an_edit_reads_what_is_new(team, policy):
    team.put("db", "first")
    team.declare("db", **policy)
    team.says("Synced")

    team.put("db", "second")
    team.declare("db", keys={"renamed": "db"}, **policy)

    team.holds("db", renamed=b"second", within=SOON)


@pytest.mark.parametrize("policy", UNLESS_CHANGED, ids=NAMED[:2])
def test_without_a_rhythm_a_hand_edited_secret_is_mended(team, policy):
    team.put("db", "right")
    team.declare("db", **policy)
    team.says("Synced")

    team.tamper("db", value=b"wrong")

    team.holds("db", value=b"right", within=SOON)


def test_what_is_created_once_is_never_written_again(team):
    team.put("db", "first")
    team.declare("db", refreshPolicy="CreatedOnce")
    team.says("Synced")

    team.tamper("db", value=b"changed on purpose")
    team.declare("db", refreshPolicy="CreatedOnce", keys={"renamed": "db"})
    team.says("Synced")
    team.refreshes_pass(2)

    team.holds("db", value=b"changed on purpose")


def test_what_is_created_once_is_made_anew_when_it_is_deleted(team):
    team.put("db", "first")
    team.declare("db", refreshPolicy="CreatedOnce")
    team.says("Synced")

    team.put("db", "second")
    team.world.delete("Secret", team.namespace, "db")

    team.holds("db", value=b"second", within=SOON)


def test_a_suspended_external_secret_leaves_its_secret_as_it_is(team):
    team.put("db", "first")
    team.declare("db", every="1s")
    team.says("Synced")
    team.declare("db", every="1s", suspend=True)
    assert team.says("Suspended").status == "True"

    team.put("db", "second")
    team.tamper("db", value=b"edited by hand")
    team.refreshes_pass(2)

    team.holds("db", value=b"edited by hand")


def test_a_suspended_external_secret_does_not_make_a_deleted_secret_anew(team):
    team.put("db", "first")
    team.declare("db", every="1s", suspend=True)
    team.says("Suspended")

    team.refreshes_pass(2)

    team.gone("db")


def test_what_is_no_longer_suspended_catches_up_at_once(team):
    team.put("db", "first")
    team.declare("db")
    team.says("Synced")
    team.declare("db", suspend=True)
    team.says("Suspended")
    team.put("db", "second")
    team.refreshes_pass(1)

    team.declare("db", suspend=False)

    team.holds("db", value=b"second", within=SOON)
    team.says("Synced")


def test_a_suspended_store_is_not_asked_and_its_secrets_stay(team):
    team.put("db", "first")
    team.declare("db", every="1s")
    team.says("Synced")
    team.configure(suspend=True)
    team.store_says("Suspended")
    team.says("Suspended")
    before, synced = team.calls(), team.world.syncs()

    team.put("db", "second")
    team.tamper("db", value=b"edited by hand")
    team.force("now")
    team.force("now", "db")
    team.world.await_syncs(synced + 1)

    assert team.calls() == before
    team.holds("db", value=b"edited by hand")


def test_a_store_that_is_no_longer_suspended_serves_at_once(team):
    team.put("db", "first")
    team.declare("db")
    team.says("Synced")
    team.configure(suspend=True)
    team.says("Suspended")
    team.put("db", "second")

    team.configure(suspend=False)

    team.holds("db", value=b"second", within=SOON)


@pytest.mark.parametrize("policy", [{}, *UNLESS_CHANGED], ids=["interval 1h", *NAMED[:2]])
def test_the_annotation_forces_one_external_secret(team, policy):
    for name in ("db", "other"):
        team.put(name, "first")
        team.declare(name, **policy)
        team.says("Synced", name)
        team.put(name, "second")

    team.force("now", "db")

    team.holds("db", value=b"second", within=SOON)
    team.holds("other", value=b"first")
    team.world.eventually(lambda: team.world.status("ExternalSecret", team.namespace, "db").get("refresh") == "now")


def test_a_forced_refresh_reads_the_value_even_where_nothing_seems_to_have_changed(team):
    team.put("db", "first")
    team.declare("db")
    team.says("Synced")
    before = team.calls()["BatchGetSecretValue"]

    team.force("now", "db")

    team.world.eventually(lambda: team.world.status("ExternalSecret", team.namespace, "db").get("refresh") == "now")
    assert team.calls()["BatchGetSecretValue"] == before + 1


def test_the_annotation_of_a_store_forces_all_of_its_external_secrets(team):
    names = ["a", "b", "c"]
    for name in names:
        team.put(name, "first")
        team.declare(name)
        team.says("Synced", name)
        team.put(name, "second")

    team.force("now")

    for name in names:
        team.holds(name, value=b"second", within=SOON)
    team.world.eventually(lambda: team.store_status().get("refresh") == "now")


def test_an_annotation_that_stays_forces_only_once(team):
    team.put("db", "first")
    team.declare("db")
    team.says("Synced")
    team.force("now", "db")
    team.world.eventually(lambda: team.world.status("ExternalSecret", team.namespace, "db").get("refresh") == "now")
    before = team.written()

    team.put("db", "second")
    team.world.annotate("ExternalSecret", team.namespace, "db", {"somebody/elses": "note"})
    team.refreshes_pass(2)

    team.holds("db", value=b"first")
    assert (team.written() - before)["secrets"] == 2  # the clock's


def test_a_changed_store_reaches_its_external_secrets_at_once(team):
    team.aws.put("one", "by the old tag", {"namespace": team.namespace, "key": "db"})
    team.aws.put("two", "by the new tag", {"namespace": team.namespace, "name": "db"})
    team.declare("db")
    team.holds("db", value=b"by the old tag")

    team.configure(mapping={"by": "Tags", "tags": {"key": "name"}})

    team.holds("db", value=b"by the new tag", within=SOON)


def test_a_store_that_moves_to_another_account_brings_that_accounts_values(team):
    team.put("db", "of the first account")
    team.declare("db")
    team.says("Synced")

    with AwsStandIn() as second:
        second.put("db", "of the second account", {"namespace": team.namespace, "key": "db"})
        team.world.apply(aws_login(team.namespace, second.admin))
        team.world.apply(shared_store(team.store, aws_provider(second, team.namespace), **team.spec))

        team.holds("db", value=b"of the second account", within=SOON)


def test_a_store_that_comes_after_its_external_secrets_serves_them_at_once(team):
    team.put("db", "value")
    team.world.delete(*team.store.place)
    team.declare("db")
    team.says("StoreNotFound")

    team.configure()

    team.holds("db", value=b"value", within=SOON)


def test_a_deleted_store_costs_no_secret(team):
    team.put("db", "value")
    team.declare("db", every="1s")
    team.says("Synced")

    team.world.delete(*team.store.place)

    team.says("StoreNotFound", within=SOON)
    team.holds("db", value=b"value")


def test_a_renewed_credential_is_used_at_once(team):
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")
    renewed = team.aws.iam.user("renewed")

    team.world.apply(aws_login(team.namespace, renewed))

    team.world.eventually(lambda: team.asked_by(renewed), within=SOON)


def test_a_credential_renewed_while_its_store_is_checked_is_used(team):
    team.store_says("Ready")
    first, second = team.aws.iam.user("first"), team.aws.iam.user("second")
    with team.aws.faults.during("BatchGetSecretValue", delay(1.0)):
        team.world.apply(aws_login(team.namespace, first))
        team.world.eventually(lambda: team.asked_by(first, "BatchGetSecretValue"))

        team.world.apply(aws_login(team.namespace, second))

    team.world.eventually(lambda: team.asked_by(second), within=SOON)


def test_a_credential_that_is_put_right_mends_its_store_and_its_external_secrets_at_once(team):
    team.world.delete("Secret", team.namespace, "aws-login")
    team.store_says("CredentialsMissing")
    team.put("db", "value")
    team.declare("db")
    team.says("CredentialsMissing")

    team.world.apply(aws_login(team.namespace, team.aws.admin))

    team.holds("db", value=b"value", within=SOON)
    team.store_says("Ready", within=SOON)


@cluster_mode_only(Lacks.CALLED_AT_ONCE)
def test_a_namespaces_annotation_reaches_its_external_secrets_at_once(team):
    team.aws.put("one", "of the namespace", {"namespace": team.namespace, "key": "db"})
    team.aws.put("two", "of acme", {"namespace": f"acme-{team.namespace}", "key": "db"})
    team.declare("db")
    team.holds("db", value=b"of the namespace")

    annotation = {"keyferry.dev/namespace": f"acme-{team.namespace}.payments"}
    team.world.annotate("Namespace", "", team.namespace, annotation)

    team.holds("db", value=b"of acme", within=SOON)


@cluster_mode_only(Lacks.CLUSTER_STORES)
def test_a_namespace_that_loses_its_label_is_denied_at_once_and_keeps_its_secrets(team):
    team.world.patch("Namespace", "", team.namespace, {"metadata": {"labels": {"tier": "web"}}})
    team.configure(namespaces={"selector": {"matchLabels": {"tier": "web"}}})
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    team.world.patch("Namespace", "", team.namespace, {"metadata": {"labels": {"tier": None}}})

    team.says("NamespaceDenied", within=SOON)
    team.holds("db", value=b"value")


def test_a_secret_that_changes_its_tags_changes_hands_by_the_next_interval(team):
    other = team.world.namespace()
    team.put("db", "value")
    team.declare("db", every="1s")
    team.says("Synced")

    team.aws.tag(f"{team.namespace}/db", {"namespace": other, "key": "db"})

    assert team.says("RemoteSecretMissing").message
    team.holds("db", value=b"value")


def test_removing_the_annotation_forces_nothing(team):
    team.put("db", "first")
    team.declare("db")
    team.force("now", "db")
    team.world.eventually(lambda: team.world.status("ExternalSecret", team.namespace, "db").get("refresh") == "now")
    team.told("db")
    read, written = reads_of(team, "db"), team.written()

    team.put("db", "second")
    team.world.annotate("ExternalSecret", team.namespace, "db", {REFRESH: None})
    team.refreshes_pass(2)

    team.holds("db", value=b"first")
    assert reads_of(team, "db") == read
    assert team.written() - written == {"secrets": 2, "externalsecrets/status": 2}  # the clock's


def reads_of(team, name):
    """How often the value of a key was read."""
    arn = team.aws.arn(f"{team.namespace}/{name}")
    return sum(call.ids.count(arn) for call in team.aws.calls.all())
