"""The dashboard and the alerts over metrics of a real run, in a real Prometheus: no panel is empty in vain."""

import math
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.cluster.manifests import HOUR, external_secret
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World
from tests.monitoring.expressions import asked
from tests.monitoring.rules import programs
from tests.monitoring.watcher import Watcher, watching
from tests.standins.aws import AwsStandIn

pytest_plugins = ["tests.cluster.fixtures"]

WITHIN = 60.0
QUIET_WHEN_ALL_IS_WELL = {"Requests to the API server that fail"}


@pytest.fixture(scope="module")
def watcher(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    programs()
    with watching(world.operator.address.removeprefix("http://"), tmp_path_factory.mktemp("prometheus")) as made:
        yield made


@pytest.fixture(scope="module")
def busy(world: World, watcher: Watcher) -> Iterator[Team]:
    """A team on whose store some things go well and some do not, and a store that cannot be used."""
    with AwsStandIn() as aws, AwsStandIn() as broken:
        team = team_in(world, aws)
        for name in ("db", "api", "shared"):
            team.put(name, f"value of {name}")
            team.declare(name, every="1s", keys={"value": name, "twice": name})
        team.declare("gone", every="1s")
        team.declare("slow", every="24h", keys={"value": "db"}, target={"deletionPolicy": "Delete"})
        world.apply(external_secret(team.namespace, "lost", store="nowhere", every=HOUR))
        other = team_in(world, broken)
        other.store_says("Ready")
        broken.iam.revoke(broken.admin.id)
        other.force("now")
        other.store_says("AuthFailed")
        team.says("Synced")
        team.says("RemoteSecretMissing", "gone")
        yield team
        disband(other)
        disband(team)


def until(check, what):
    """What is scraped is a second old, and a rate needs two of it."""
    end = time.monotonic() + WITHIN
    while not (answer := check()):
        assert time.monotonic() < end, f"not within {WITHIN:g} s: {what}"
        time.sleep(0.2)
    return answer


@pytest.mark.parametrize(("panel", "expression"), list(asked()), ids=lambda text: text[:60])
def test_a_query_of_the_dashboard_has_an_answer(busy, watcher, panel, expression):
    if panel in QUIET_WHEN_ALL_IS_WELL:
        assert watcher.value(expression) == {}
    else:
        busy.put("db", uuid.uuid4().hex)  # that something is new
        until(lambda: [each for each in watcher.value(expression).values() if not math.isnan(each)], panel)


def test_what_the_dashboard_says_is_what_kubectl_says(busy, watcher):
    store = busy.store.label
    counts = until(
        lambda: watcher.value(f'sum by (reason) (keyferry_external_secrets{{store="{store}"}})'), "counts by reason"
    )

    said: dict[tuple[str, ...], float] = {}
    for each in busy.world.listed("ExternalSecret", busy.namespace):
        if each["spec"]["secretStoreRef"]["name"] == busy.store.name:
            reason = next(c["reason"] for c in each["status"]["conditions"] if c["type"] == "Ready")
            said[(reason,)] = said.get((reason,), 0) + 1
    assert counts == said
    assert watcher.value('keyferry_external_secrets{store="",reason="StoreNotFound"}')


def test_an_alert_begins_where_a_store_cannot_be_used_and_names_the_reason(busy, watcher):
    def pending():
        return [each for each in watcher.alerts() if each["labels"]["alertname"] == "KeyferryStoreNotReady"]

    (alert,) = until(pending, "an alert about the store")

    assert "It says AuthFailed." in alert["annotations"]["description"]
    concerns_many = busy.store.kind == "ClusterSecretStore"
    assert alert["labels"]["severity"] == ("critical" if concerns_many else "warning")
    assert alert["labels"]["store"] != busy.store.label


def test_no_rule_fails_and_no_annotation_does(busy, watcher):
    until(watcher.alerts, "some alert")

    assert watcher.sick_rules() == {}
    assert "error" not in str([each["annotations"] for each in watcher.alerts()])
