"""The Secret that is written: its form, whose it is, what becomes of it, and what it cannot hold."""

import json
import os

import pytest

from tests.cluster.manifests import data, secret

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0  # seconds, where the interval is an hour
KIB = 1024
LARGEST_OF_AWS = 64 * KIB


def theirs(team, name="theirs", **metadata):
    """A Secret of somebody else's."""
    team.world.apply(secret(team.namespace, name, {"own": "theirs"}, **metadata))
    return team.secret(name)


def declare_large(team, sizes):
    """An ExternalSecret of several keys with random values of these sizes; the values."""
    values = {f"k{index:02}": os.urandom(size) for index, size in enumerate(sizes)}
    for key, value in values.items():
        team.put(key, value)
    team.declare("db", keys={key: key for key in values})
    return values


def test_a_secret_has_the_name_type_labels_and_annotations_that_its_target_says(team):
    team.put("username", "me")
    target = {
        "name": "other",
        "type": "kubernetes.io/basic-auth",
        "labels": {"tier": "web"},
        "annotations": {"a/b": "c"},
    }
    team.declare("db", keys={"username": "username"}, target=target)

    team.holds("other", username=b"me")
    made = team.secret("other")
    assert made["type"] == target["type"]
    assert made["metadata"]["labels"] == {"tier": "web", "app.kubernetes.io/managed-by": "keyferry"}
    assert made["metadata"]["annotations"] == {"a/b": "c", "keyferry.dev/external-secret": "db"}


def test_labels_and_annotations_follow_their_target(team):
    team.put("db", "value")
    team.declare("db", target={"labels": {"old": "1"}, "annotations": {"old": "1"}})
    team.says("Synced")

    team.declare("db", target={"labels": {"new": "1"}, "annotations": {"new": "1"}})

    team.world.eventually(lambda: "new" in team.secret()["metadata"]["labels"], within=SOON)
    assert "old" not in team.secret()["metadata"]["labels"]
    assert "old" not in team.secret()["metadata"]["annotations"]


def test_a_secret_is_owned_by_its_external_secret_and_by_nobody_else(team):
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    (owner,) = team.secret()["metadata"]["ownerReferences"]
    uid = team.world.get("ExternalSecret", team.namespace, "db")["metadata"]["uid"]
    assert owner == {
        "apiVersion": "keyferry.dev/v1alpha1",
        "kind": "ExternalSecret",
        "name": "db",
        "uid": uid,
        "controller": True,
    }


def test_another_type_needs_the_secret_deleted_and_says_so(team):
    team.put("username", "me")
    team.declare("db", keys={"username": "username"})
    team.says("Synced")
    before = team.secret()

    team.declare("db", keys={"username": "username"}, target={"type": "kubernetes.io/basic-auth"})
    assert "delete the Secret" in team.says("TargetRejected").message
    assert team.secret() == before
    team.world.delete("Secret", team.namespace, "db")

    team.says("Synced", within=SOON)
    assert team.secret()["type"] == "kubernetes.io/basic-auth"


def test_an_immutable_secret_stays_until_it_is_deleted(team):
    team.put("db", "first")
    team.declare("db", every="1s", target={"immutable": True})
    team.says("Synced")
    before = team.secret()
    assert before["immutable"] is True

    team.put("db", "second")
    assert "delete the Secret" in team.says("TargetRejected").message
    assert team.secret() == before
    team.world.delete("Secret", team.namespace, "db")

    team.holds("db", value=b"second", within=SOON)


def test_an_orphan_stays_when_its_external_secret_goes(team):
    for name, policy in (("orphan", "Orphan"), ("owned", "Owner")):
        team.put(name, "value")
        team.declare(name, target={"creationPolicy": policy})
        team.says("Synced", name)

    for name in ("orphan", "owned"):
        team.world.delete("ExternalSecret", team.namespace, name)

    team.gone("owned")
    team.holds("orphan", value=b"value")


def test_an_orphan_is_taken_up_again_by_an_external_secret_of_the_same_name(team):
    team.put("db", "first")
    team.declare("db", target={"creationPolicy": "Orphan"})
    team.says("Synced")
    team.world.delete("ExternalSecret", team.namespace, "db")
    team.put("db", "second")

    team.refreshes_pass(1)
    team.declare("db", target={"creationPolicy": "Orphan"})

    team.holds("db", value=b"second", within=SOON)


def test_what_becomes_an_orphan_loses_its_owner(team):
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    team.declare("db", target={"creationPolicy": "Orphan"})

    team.world.eventually(lambda: "ownerReferences" not in team.secret()["metadata"], within=SOON)


def test_two_external_secrets_merge_into_one_secret_and_keep_each_others_keys(team):
    theirs(team)
    for name in ("a", "b"):
        team.put(name, f"first {name}")
        team.declare(name, keys={name: name}, every="1s", target={"name": "theirs", "creationPolicy": "Merge"})
    team.holds("theirs", own=b"theirs", a=b"first a", b=b"first b")

    team.put("a", "second a")

    team.holds("theirs", own=b"theirs", a=b"second a", b=b"first b")
    metadata = team.secret("theirs")["metadata"]
    assert not {"ownerReferences", "annotations", "labels"} & set(metadata)


def test_a_merged_key_that_is_no_longer_asked_for_leaves_the_secret(team):
    theirs(team)
    target = {"name": "theirs", "creationPolicy": "Merge"}
    for key in ("a", "b"):
        team.put(key, key)
    team.declare("db", keys={"a": "a", "b": "b"}, target=target)
    team.holds("theirs", own=b"theirs", a=b"a", b=b"b")

    team.declare("db", keys={"b": "b"}, target=target)

    team.holds("theirs", own=b"theirs", b=b"b", within=SOON)


def test_two_that_merge_the_same_key_do_not_overwrite_each_other(team):
    theirs(team)
    for name in ("a", "b"):
        team.put(name, name)
        target = {"name": "theirs", "creationPolicy": "Merge"}
        team.declare(name, keys={"same": name}, every="1s", target=target)
        team.world.eventually(lambda name=name: team.world.ready(team.namespace, name).status)
    before = team.secret("theirs")

    team.refreshes_pass(3)

    assert team.secret("theirs") == before
    assert sorted(team.world.ready(team.namespace, name).status for name in ("a", "b")) == ["False", "True"]


def test_a_secret_to_merge_into_is_waited_for(team):
    team.put("db", "value")
    team.declare("db", target={"name": "theirs", "creationPolicy": "Merge"})
    assert "there is no Secret" in team.says("TargetMissing").message
    assert team.world.secret(team.namespace, "theirs") is None

    theirs(team)

    team.holds("theirs", own=b"theirs", value=b"value", within=SOON)
    team.says("Synced")


def test_with_creation_policy_none_nothing_is_written_and_the_status_tells(team):
    team.declare("db", every="1s", target={"creationPolicy": "None"})
    team.says("RemoteSecretMissing")
    team.put("db", "value")

    team.says("Synced")
    team.refreshes_pass(1)

    assert team.world.secret(team.namespace, "db") is None
    assert "target" not in team.world.status("ExternalSecret", team.namespace, "db")


def test_a_strangers_secret_is_refused_and_left_as_it_is(team):
    before = theirs(team, "db")
    team.put("db", "ours")

    team.declare("db", every="1s")

    assert "keyferry.dev/adopt" in team.says("TargetNotOwned").message
    team.refreshes_pass(2)
    assert team.secret() == before


def test_a_strangers_secret_is_adopted_when_its_annotation_allows_it(team):
    theirs(team, "db")
    team.put("db", "ours")
    team.declare("db")
    team.says("TargetNotOwned")

    team.world.annotate("Secret", team.namespace, "db", {"keyferry.dev/adopt": "true"})

    team.holds("db", own=b"theirs", value=b"ours", within=SOON)
    assert team.secret()["metadata"]["ownerReferences"][0]["name"] == "db"


def test_another_external_secrets_secret_is_refused_and_the_other_is_named(team):
    for name in ("first", "second"):
        team.put(name, name)
    team.declare("first", target={"name": "shared"})
    team.says("Synced", "first")
    before = team.secret("shared")

    team.declare("second", target={"name": "shared"})

    assert "first" in team.says("TargetNotOwned", "second").message
    assert team.secret("shared") == before


def test_who_was_refused_a_secret_gets_it_when_its_owner_goes(team):
    for name in ("first", "second"):
        team.put(name, name)
    team.declare("first", target={"name": "shared"})
    team.says("Synced", "first")
    team.declare("second", target={"name": "shared"})
    team.says("TargetNotOwned", "second")

    team.world.delete("ExternalSecret", team.namespace, "first")

    team.holds("shared", value=b"second", within=SOON)


def test_a_changed_target_name_takes_the_former_secret_away(team):
    team.put("db", "value")
    team.declare("db", target={"name": "former"})
    team.says("Synced")

    team.declare("db", target={"name": "latter"})

    team.holds("latter", value=b"value", within=SOON)
    team.gone("former", within=SOON)


def test_a_changed_target_name_takes_merged_keys_away_and_nothing_else(team):
    for name in ("former", "latter"):
        theirs(team, name)
    team.put("db", "value")
    team.declare("db", target={"name": "former", "creationPolicy": "Merge"})
    team.holds("former", own=b"theirs", value=b"value")
    team.says("Synced")  # the status is what tells where keys were merged into

    team.declare("db", target={"name": "latter", "creationPolicy": "Merge"})

    team.holds("latter", own=b"theirs", value=b"value", within=SOON)
    team.holds("former", own=b"theirs", within=SOON)


def test_a_changed_target_name_leaves_an_orphan(team):
    team.put("db", "value")
    team.declare("db", target={"name": "former", "creationPolicy": "Orphan"})
    team.says("Synced")

    team.declare("db", target={"name": "latter", "creationPolicy": "Orphan"})

    team.holds("latter", value=b"value", within=SOON)
    team.says("Synced")  # what becomes of the former Secret is settled before that is said
    team.holds("former", value=b"value")


def test_the_former_secret_stays_until_the_latter_is_there(team):
    theirs(team, "latter")
    team.put("db", "value")
    team.declare("db", target={"name": "former"})
    team.says("Synced")
    before = team.secret("former")

    team.declare("db", target={"name": "latter"})
    team.says("TargetNotOwned")
    assert team.secret("former") == before
    team.world.delete("Secret", team.namespace, "latter")

    team.holds("latter", value=b"value", within=SOON)
    team.gone("former", within=SOON)


def test_a_key_that_is_no_longer_asked_for_leaves_the_secret(team):
    for key in ("a", "b"):
        team.put(key, key)
    team.declare("db", keys={"a": "a", "b": "b"})
    team.holds("db", a=b"a", b=b"b")

    team.declare("db", keys={"b": "b"})

    team.holds("db", b=b"b", within=SOON)


@pytest.mark.parametrize(
    "value",
    [bytes(range(256)), b"\0", os.urandom(LARGEST_OF_AWS), "ä".encode() * (LARGEST_OF_AWS // 2)],
    ids=["every byte", "a null byte", "64 KiB of noise", "64 KiB of text"],
)
def test_a_value_arrives_byte_for_byte(team, value):
    team.put("db", value)

    team.declare("db")

    team.holds("db", value=value)


def test_a_secret_of_just_one_mib_is_written(team):
    values = declare_large(team, [LARGEST_OF_AWS] * 16)

    team.holds("db", **values)


def test_a_secret_over_one_mib_is_a_clear_error_and_nothing_is_written(team):
    declare_large(team, [LARGEST_OF_AWS] * 16 + [1])

    message = team.says("SecretTooLarge").message

    assert str(16 * LARGEST_OF_AWS + 1) in message
    assert "split" in message
    assert team.world.secret(team.namespace, "db") is None


def test_a_secret_that_grows_over_one_mib_stays_as_it_was(team):
    values = declare_large(team, [LARGEST_OF_AWS] * 15 + [1])
    team.holds("db", **values)
    before = team.secret()

    team.put("k15", os.urandom(LARGEST_OF_AWS))
    team.declare("db", keys={key: key for key in values} | {"more": "k00"})

    team.says("SecretTooLarge")
    assert team.secret() == before


def test_a_key_that_no_secret_can_have_is_a_clear_error_and_nothing_is_written(team):
    team.put("db", json.dumps({"a b": "1", "fine": "2"}))

    team.declare("db", dataFrom=[{"extract": {"key": "db"}}])

    assert "cannot be a key of a Secret" in team.says("SecretKeyInvalid").message
    assert team.world.secret(team.namespace, "db") is None


def test_a_key_that_no_secret_can_have_is_converted_where_that_is_asked_for(team):
    team.put("db", json.dumps({"a b": "1", "fine": "2"}))

    team.declare("db", dataFrom=[{"extract": {"key": "db"}, "conversionStrategy": "Underscore"}])

    team.holds("db", a_b=b"1", fine=b"2")


def test_an_empty_value_is_a_value(team):
    team.put("db", json.dumps({"empty": ""}))

    team.declare("db", data=[{**data([("empty", "db")])[0], "remoteRef": {"key": "db", "property": "empty"}}])

    team.holds("db", empty=b"")
