"""The main job: a value appears, follows its backend, and stays as it should whatever is done to its Secret."""

import pytest

from tests.cluster.manifests import external_secret
from tests.cluster.sqlite import STORE, put_into_sqlite, sqlite_store

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0  # seconds, where the interval is an hour


def test_a_value_appears_and_its_status_says_from_where(team):
    team.put("db", "first")

    team.declare("db")

    team.holds("db", value=b"first")
    assert team.says("Synced").status == "True"
    status = team.world.status("ExternalSecret", team.namespace, "db")
    source = {"key": "db", "id": f"{team.namespace}/db", "version": team.aws.version(f"{team.namespace}/db")}
    assert [{**each, "id": each["id"].rpartition(":secret:")[2][:-7]} for each in status["sources"]] == [source]
    assert status["target"] == {"name": "db", "resourceVersion": team.secret()["metadata"]["resourceVersion"]}


def test_a_value_appears_for_a_secret_that_comes_after_its_external_secret(team):
    team.declare("db", every="1s")
    team.says("RemoteSecretMissing")

    team.put("db", "late")

    team.holds("db", value=b"late")


def test_a_rotated_value_arrives_by_the_next_interval(team):
    team.put("db", "old")
    team.declare("db", every="2s")
    team.holds("db", value=b"old")

    team.put("db", "new")

    team.holds("db", value=b"new")


def test_a_secret_that_begins_to_match_is_found_by_the_next_interval(team):
    team.put("api-a", "1")
    team.declare("db", every="1s", dataFrom=[{"find": {"name": {"regexp": "^api-"}}}])
    team.holds("db", **{"api-a": b"1"})

    team.put("api-b", "2")

    team.holds("db", **{"api-a": b"1", "api-b": b"2"})


def test_another_teams_secret_is_neither_read_nor_found(team):
    other = team.world.namespace()
    team.aws.put(f"{other}/db", "theirs", {"namespace": other, "key": "db"})
    team.put("mine", "mine")

    team.declare("db")
    team.declare("all", dataFrom=[{"find": {"name": {"regexp": ".*"}}}])

    team.holds("all", mine=b"mine")
    assert other not in team.says("RemoteSecretMissing").message


@pytest.mark.parametrize("change", [{"value": b"mine"}, {"value": None}], ids=["changed", "removed"])
def test_a_hand_edited_secret_is_mended_within_seconds(team, change):
    team.put("db", "right")
    team.declare("db")
    team.says("Synced")

    team.tamper("db", **change)

    team.holds("db", value=b"right", within=SOON)


def test_a_label_taken_away_by_hand_is_mended_within_seconds(team):
    team.put("db", "right")
    team.declare("db", target={"labels": {"tier": "web"}})
    team.says("Synced")

    team.world.patch("Secret", team.namespace, "db", {"metadata": {"labels": {"tier": None}}})

    team.world.eventually(lambda: team.secret()["metadata"]["labels"].get("tier") == "web", within=SOON)


def test_a_key_added_by_hand_is_its_writers_and_stays(team):
    team.put("db", "right")
    team.declare("db")
    team.says("Synced")

    team.tamper("db", value=b"wrong", extra=b"theirs")

    team.holds("db", value=b"right", extra=b"theirs", within=SOON)


def test_a_deleted_secret_returns_within_seconds(team):
    team.put("db", "right")
    team.declare("db")
    team.says("Synced")

    team.world.delete("Secret", team.namespace, "db")

    team.holds("db", value=b"right", within=SOON)


def test_mending_costs_one_write_of_the_secret_and_one_of_the_status(team):
    team.put("db", "right")
    team.declare("db")
    team.says("Synced")
    before = team.written()

    team.tamper("db", value=b"wrong")
    team.holds("db", value=b"right", within=SOON)
    team.told("db")
    team.refreshes_pass(1)

    clocks = {"secrets": 1, "externalsecrets/status": 1}
    assert team.written() - before == {key: 1 + clocks[key] for key in clocks}


def test_a_secret_goes_with_its_external_secret(team):
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    team.world.delete("ExternalSecret", team.namespace, "db")

    team.gone("db")


def test_an_external_secret_made_again_has_its_secret_again(team):
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    team.world.delete("ExternalSecret", team.namespace, "db")
    team.declare("db")

    second = team.world.get("ExternalSecret", team.namespace, "db")["metadata"]["uid"]
    team.says("Synced")
    team.world.eventually(lambda: owners(team) == [second], what="the Secret to be the second one's")
    team.holds("db", value=b"value")


def owners(team):
    """Whose the Secret is, by uid; the first one's goes while this is asked."""
    found = team.world.get("Secret", team.namespace, "db") or {"metadata": {}}
    return [each["uid"] for each in found["metadata"].get("ownerReferences", ())]


def test_no_finalizer_or_annotation_is_put_on_what_users_write(team):
    team.put("db", "value")
    team.declare("db", every="1s")
    team.says("Synced")
    team.store_says("Ready")
    team.refreshes_pass(2)

    for kind, namespace, name in (("ExternalSecret", team.namespace, "db"), team.store.place):
        metadata = team.world.get(kind, namespace, name)["metadata"]
        assert "finalizers" not in metadata
        assert "annotations" not in metadata
        writers = {(each["manager"], each.get("subresource")) for each in metadata["managedFields"]}
        assert writers == {("pipeline", None), ("keyferry", "status")}


def test_a_namespace_is_left_as_it_is(team):
    before = team.world.get("Namespace", "", team.namespace)["metadata"]
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    assert team.world.get("Namespace", "", team.namespace)["metadata"] == before


def test_an_event_tells_of_a_failure_and_of_its_end_and_of_nothing_else(team):
    team.put("db", "value")
    team.declare("db", every="1s")
    team.says("Synced")
    team.refreshes_pass(2)
    assert team.world.listed("Event", team.namespace) == []

    team.remove("db")
    team.says("RemoteSecretMissing")
    team.refreshes_pass(2)
    team.put("db", "again")
    team.holds("db", value=b"again")
    team.says("Synced")

    team.world.eventually(lambda: len(team.world.listed("Event", team.namespace)) >= 2)
    told = sorted((each["type"], each["reason"]) for each in team.world.listed("Event", team.namespace))
    assert told == [("Normal", "Synced"), ("Warning", "RemoteSecretMissing")]


def test_a_value_travels_from_sqlite_too_and_its_rotation_follows(world):
    namespace = world.namespace()
    world.apply(*sqlite_store(namespace))
    world.await_ready(namespace, STORE, "Ready", kind="SecretStore")
    world.apply(external_secret(namespace, store=STORE, kind="SecretStore", every="1s"))

    for value in (b"first", b"second"):
        put_into_sqlite(world, namespace, "db", value)

        world.await_secret(namespace, "db", {"value": value})
