"""The operator stops and starts again: nothing is lost, and what happened meanwhile is made good at once."""

import resource
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.cluster.manifests import secret

pytest_plugins = ["tests.cluster.fixtures"]

CHECK = Counter({"ListSecrets": 1, "BatchGetSecretValue": 1})  # what it costs to find out what a login may do


@pytest.fixture
def stopped(team):
    """A team whose ExternalSecret `db` is synced, and an operator that is not running, until the test starts it."""
    team.put("db", "before")
    team.declare("db")
    team.says("Synced")
    team.world.calm(team.calls)  # the store's status, too, is written
    team.world.operator.kill()
    yield team
    if not team.world.operator.running:
        team.world.start()


def start_and_settle(team):
    """Start the operator; return when it has looked at everything."""
    team.world.start()
    team.world.await_syncs(len(team.world.listed("ExternalSecret", team.namespace)))
    team.world.calm(team.calls)


def test_a_start_with_nothing_changed_writes_nothing_and_reads_no_value(stopped):
    before, written = stopped.calls(), stopped.world.writes()

    start_and_settle(stopped)

    assert stopped.world.writes() - written == {}
    assert stopped.calls() - before == CHECK + Counter({"ListSecrets": 1})


def test_a_polite_stop_is_quick_and_ends_well(team):
    team.put("db", "value")
    team.declare("db")
    team.says("Synced")

    asked = time.monotonic()
    code = team.world.operator.stop()
    stopped = time.monotonic()
    team.world.start()

    assert code == 0
    assert stopped - asked < 2.0 + (
        time.monotonic() - stopped
    )  # a start is all work, and tells how busy the machine is


def test_a_start_takes_less_than_three_seconds_on_a_machine_that_is_not_busy(stopped):
    busy = slowness()
    began = time.monotonic()

    stopped.world.start()  # ready: everything was listed

    assert time.monotonic() - began < 3.0 * busy


def slowness() -> float:
    """How many times longer than their CPU time programs take now: one that is all work tells."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-c", "import keyferry.cli.run, keyferry.app"], check=True, timeout=120)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return max(1.0, took / (after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime))


def test_a_value_rotated_meanwhile_arrives(stopped):
    stopped.put("db", "after")

    stopped.world.start()

    stopped.holds("db", value=b"after")


@pytest.mark.parametrize(
    "policy", [{"every": "0"}, {"refreshPolicy": "OnChange"}, {"refreshPolicy": "CreatedOnce"}], ids=str
)
def test_a_restart_is_no_change_for_what_has_no_rhythm(stopped, policy):
    stopped.world.start()
    stopped.put("once", "first")
    stopped.declare("once", **policy)
    stopped.says("Synced", "once")
    stopped.world.operator.kill()
    stopped.put("once", "second")

    start_and_settle(stopped)

    stopped.holds("once", value=b"first")


def test_a_secret_edited_by_hand_meanwhile_is_mended(stopped):
    stopped.tamper("db", value=b"wrong")

    stopped.world.start()

    stopped.holds("db", value=b"before")


def test_a_secret_deleted_meanwhile_returns(stopped):
    stopped.world.delete("Secret", stopped.namespace, "db")

    stopped.world.start()

    stopped.holds("db", value=b"before")


def test_a_spec_edited_meanwhile_is_followed(stopped):
    stopped.declare("db", keys={"renamed": "db"})

    stopped.world.start()

    stopped.holds("db", renamed=b"before")


def test_a_target_renamed_meanwhile_takes_the_former_secret_away(stopped):
    stopped.declare("db", target={"name": "latter"})

    stopped.world.start()

    stopped.holds("latter", value=b"before")
    stopped.gone("db")


def test_a_target_renamed_again_before_its_status_was_written_leaves_nothing_behind(stopped):
    stopped.declare("db", target={"name": "second"})
    status = stopped.world.status("ExternalSecret", stopped.namespace, "db")
    stopped.world.start()
    stopped.holds("second", value=b"before")
    stopped.gone("db")
    stopped.world.operator.kill()
    forget_status_since(stopped, status)  # as if it had been killed between the two writes

    stopped.declare("db", target={"name": "third"})
    stopped.world.start()

    stopped.holds("third", value=b"before")
    stopped.gone("second")


def test_a_status_that_was_not_written_is_made_good(stopped):
    stopped.put("db", "after")
    status = stopped.world.status("ExternalSecret", stopped.namespace, "db")
    stopped.world.start()
    stopped.holds("db", value=b"after")
    stopped.says("Synced")
    stopped.world.operator.kill()
    forget_status_since(stopped, status)

    stopped.world.start()

    version = stopped.aws.version(f"{stopped.namespace}/db")
    stopped.world.eventually(
        lambda: stopped.world.status("ExternalSecret", stopped.namespace, "db")["sources"][0]["version"] == version
    )
    stopped.holds("db", value=b"after")


def test_an_external_secret_made_meanwhile_is_served(stopped):
    stopped.put("new", "value")
    stopped.declare("new")

    stopped.world.start()

    stopped.holds("new", value=b"value")


def test_an_external_secret_deleted_meanwhile_stays_gone(stopped):
    stopped.world.delete("ExternalSecret", stopped.namespace, "db")
    stopped.gone("db")

    start_and_settle(stopped)

    assert stopped.world.secret(stopped.namespace, "db") is None


def test_a_store_changed_meanwhile_is_followed(stopped):
    stopped.aws.put("new", "by the new tag", {"namespace": stopped.namespace, "name": "db"})
    stopped.configure(mapping={"by": "Tags", "tags": {"key": "name"}})

    stopped.world.start()

    stopped.holds("db", value=b"by the new tag")


def test_a_namespace_annotated_meanwhile_is_followed(stopped):
    stopped.aws.put("acme", "of acme", {"namespace": "acme", "key": "db"})
    stopped.world.annotate("Namespace", "", stopped.namespace, {"keyferry.dev/namespace": "acme"})

    stopped.world.start()

    stopped.holds("db", value=b"of acme")


def test_a_forced_refresh_asked_for_meanwhile_is_done_and_one_that_was_done_is_not_repeated(stopped):
    stopped.force("now", "db")
    before = stopped.calls()["BatchGetSecretValue"]
    start_and_settle(stopped)
    assert stopped.calls()["BatchGetSecretValue"] == before + 2  # one of them finds out what the login may do

    before = stopped.calls()["BatchGetSecretValue"]
    stopped.world.operator.kill()
    start_and_settle(stopped)

    assert stopped.calls()["BatchGetSecretValue"] == before + 1


def test_a_store_that_was_forced_does_not_read_everything_anew_at_the_next_start(stopped):
    stopped.force("now")
    start_and_settle(stopped)
    before, written = stopped.calls(), stopped.world.writes()
    stopped.world.operator.kill()

    start_and_settle(stopped)

    assert stopped.calls() - before == CHECK + Counter({"ListSecrets": 1})
    assert stopped.world.writes() - written == {}


def test_a_start_without_its_backend_keeps_every_secret_and_recovers(stopped):
    before = stopped.secret()
    stopped.aws.down()

    stopped.world.start()
    stopped.says("BackendUnavailable")
    assert stopped.secret() == before
    stopped.aws.up()

    stopped.says("Synced")
    assert stopped.secret() == before


def test_a_strangers_secret_that_came_meanwhile_is_not_taken(stopped):
    stopped.world.delete("Secret", stopped.namespace, "db")
    stopped.world.apply(secret(stopped.namespace, "db", {"own": "theirs"}))
    before = stopped.secret()

    stopped.world.start()

    stopped.says("TargetNotOwned")
    assert stopped.secret() == before


def forget_status_since(team, status):
    """Put an earlier status back."""
    at = f"/apis/keyferry.dev/v1alpha1/namespaces/{team.namespace}/externalsecrets/db/status"
    team.world.plane.request("PATCH", at, {"status": status}, "application/merge-patch+json")
