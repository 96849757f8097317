"""What is gone from the backend: what the deletionPolicy says is done, and what is hard to believe is not."""

import pytest

from tests.standins import aws_faults

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0
MANY = [f"s{number}" for number in range(8)]


def settled(team, names=("db",), **spec):
    """ExternalSecrets that are synced; their Secrets as they are."""
    for name in names:
        team.put(name, f"good {name}")
        team.declare(name, every="1s", **spec)
    for name in names:
        team.says("Synced", name)
    return {name: team.secret(name) for name in names}


def believed(team):
    """Return when what vanished before is believed to be gone: something that vanished later is."""
    settled(team, ["doomed"], target={"deletionPolicy": "Delete"})
    team.remove("doomed")
    team.gone("doomed")


def is_look(request):
    """Whether a call of ListSecrets is a look, and not the check whether the login may list."""
    return request.params.get("MaxResults") != 1


def emptied(content):
    """An answer of ListSecrets that knows of nothing."""
    content["SecretList"] = []
    content.pop("NextToken", None)


def test_retain_keeps_what_is_gone_from_the_backend(team):
    before = settled(team, target={"deletionPolicy": "Retain"})

    team.remove("db")
    team.says("RemoteSecretMissing")
    believed(team)

    assert team.secret() == before["db"]


def test_retain_keeps_all_keys_when_one_is_gone(team):
    for key in ("a", "b"):
        team.put(key, f"old {key}")
    team.declare("db", every="1s", keys={"a": "a", "b": "b"})
    team.says("Synced")
    before = team.secret()

    team.remove("a")
    team.put("b", "new b")
    assert "'a'" in team.says("RemoteSecretMissing").message
    believed(team)

    assert team.secret() == before


def test_delete_deletes_what_is_gone_from_the_backend(team):
    settled(team, target={"deletionPolicy": "Delete"})

    team.remove("db")

    team.gone("db")
    team.says("RemoteSecretMissing", telling="deletionPolicy: Delete")  # the first look said less, with this reason


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
def test_one_look_that_misses_a_secret_costs_nothing(team, policy):
    before = settled(team, target={"deletionPolicy": policy})

    missing = aws_faults.first(aws_faults.leaving_out(f"{team.namespace}/db"), is_look)
    team.aws.faults.add("ListSecrets", missing)
    team.says("RemoteSecretMissing")
    team.says("Synced")

    assert team.secret() == before["db"]


def test_delete_keeps_a_secret_as_it_is_while_some_of_it_is_left(team):
    for key in ("a", "b"):
        team.put(key, key)
    team.declare("db", every="1s", keys={"a": "a", "b": "b"}, target={"deletionPolicy": "Delete"})
    team.says("Synced")
    before = team.secret()

    team.remove("a")
    team.says("RemoteSecretMissing")
    believed(team)
    assert team.secret() == before
    team.remove("b")

    team.gone("db")


def test_what_was_deleted_is_made_anew_when_it_is_back(team):
    settled(team, target={"deletionPolicy": "Delete"})
    team.remove("db")
    team.gone("db")

    team.put("db", "again")

    team.holds("db", value=b"again")
    team.says("Synced")


def test_merge_drops_only_the_keys_that_are_gone(team):
    for key in ("a", "b"):
        team.put(key, key)
    team.declare("db", every="1s", keys={"a": "a", "b": "b"}, target={"deletionPolicy": "Merge"})
    team.holds("db", a=b"a", b=b"b")

    team.remove("a")

    team.holds("db", b=b"b")
    assert "'a'" in team.says("RemoteSecretMissing").message


def test_a_key_that_was_dropped_returns_with_its_secret(team):
    for key in ("a", "b"):
        team.put(key, key)
    team.declare("db", every="1s", keys={"a": "a", "b": "b"}, target={"deletionPolicy": "Merge"})
    team.says("Synced")
    team.remove("a")
    team.holds("db", b=b"b")

    team.put("a", "again")

    team.holds("db", a=b"again", b=b"b")
    team.says("Synced")


def test_merge_follows_what_is_left(team):
    for key in ("a", "b"):
        team.put(key, key)
    team.declare("db", every="1s", keys={"a": "a", "b": "b"}, target={"deletionPolicy": "Merge"})
    team.says("Synced")
    team.remove("a")
    team.holds("db", b=b"b")

    team.put("b", "new")

    team.holds("db", b=b"new")


def test_a_missing_key_that_is_optional_or_has_a_default_is_no_failure(team):
    team.put("a", "a")
    team.put("b", "b")
    team.put("c", "c")
    optional = {"secretKey": "a", "remoteRef": {"key": "a"}, "optional": True}
    with_default = {"secretKey": "b", "remoteRef": {"key": "b"}, "default": "nothing"}
    needed = {"secretKey": "c", "remoteRef": {"key": "c"}}
    team.declare("db", every="1s", data=[optional, with_default, needed])
    team.holds("db", a=b"a", b=b"b", c=b"c")

    team.remove("a", "b")

    team.holds("db", b=b"nothing", c=b"c")
    team.says("Synced")


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
def test_a_backend_that_answers_with_nothing_at_all_costs_no_secret(team, policy):
    before = settled(team, MANY, target={"deletionPolicy": policy})

    with team.aws.faults.during("ListSecrets", aws_faults.changing(emptied)):
        for name in MANY:
            assert team.store.name in team.says("DeletionHeld", name).message
        held = team.world.metric("keyferry_syncs_total", reason="DeletionHeld")
        team.world.eventually(lambda: team.world.metric("keyferry_syncs_total", reason="DeletionHeld") > held + 8)
        assert {name: team.secret(name) for name in MANY} == before

    for name in MANY:
        team.says("Synced", name, within=SOON)
    assert {name: team.secret(name) for name in MANY} == before


def test_a_backend_that_forgets_most_of_its_secrets_is_not_believed_until_its_store_says_so(team):
    before = settled(team, MANY, target={"deletionPolicy": "Delete"})

    team.remove(*MANY[1:])
    for name in MANY[1:]:
        team.says("DeletionHeld", name)
    assert {name: team.secret(name) for name in MANY} == before
    team.force("yes, they are gone")

    for name in MANY[1:]:
        team.gone(name)
    assert team.secret(MANY[0]) == before[MANY[0]]


def test_what_is_left_is_served_while_the_rest_is_held(team):
    settled(team, MANY, target={"deletionPolicy": "Delete"})
    team.remove(*MANY[1:])
    team.says("DeletionHeld", MANY[1])

    team.put(MANY[0], "new")

    team.holds(MANY[0], value=b"new")


def test_a_confirmation_that_came_before_does_not_hold_for_what_vanishes_later(team):
    before = settled(team, MANY, target={"deletionPolicy": "Delete"})
    team.force("yes, early")
    team.world.eventually(lambda: team.store_status().get("refresh"))
    team.refreshes_pass(2)

    team.remove(*MANY)

    for name in MANY:
        team.says("DeletionHeld", name)
    assert {name: team.secret(name) for name in MANY} == before


def test_an_empty_answer_after_a_restart_is_not_believed_either(team):
    before = settled(team, MANY, target={"deletionPolicy": "Delete"})
    team.world.eventually(lambda: team.store_status().get("offered") == len(MANY))

    with team.aws.faults.during("ListSecrets", aws_faults.changing(emptied)):
        team.world.restart()
        for name in MANY:
            team.says("DeletionHeld", name)
        assert {name: team.secret(name) for name in MANY} == before

    team.says("Synced", MANY[0])


def test_a_catalogue_that_breaks_off_after_its_first_page_is_not_believed(team):
    for number in range(150):
        team.put(f"other{number:03}", "x")
    before = settled(team, ["zz"], target={"deletionPolicy": "Delete"})
    second_page = aws_faults.error("InternalServiceError", 500)

    with team.aws.faults.during(
        "ListSecrets",
        lambda request, proceed: (second_page if "NextToken" in request.params else lambda _, __: proceed())(
            request, proceed
        ),
    ):
        team.says("BackendUnavailable", "zz")
        assert team.secret("zz") == before["zz"]

    team.says("Synced", "zz", within=SOON)
