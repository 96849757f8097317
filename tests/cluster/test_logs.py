"""The log has one line for each change of state, in text and in JSON, and never a value."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.cluster.canaries import Canaries
from tests.cluster.mode import Reach
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.aws import AwsStandIn

pytest_plugins = ["tests.cluster.fixtures"]

TEXT = re.compile(
    r"^\S+ \S+ (?P<level>[A-Z]+) +(?P<kind>\w+) (?:(?P<namespace>[^/ ]+)/)?(?P<object>[^/ ]+): (?P<reason>\w+)"
)
TRIES = 3


@pytest.fixture(scope="module", params=["text", "json"])
def world(
    request: pytest.FixtureRequest,
    plane: ControlPlane,
    crds: None,
    tmp_path_factory: pytest.TempPathFactory,
    reach: Reach,
) -> Iterator[World]:
    """An operator that logs in one of the two, and all that it ever logs."""
    values = {"log": {"format": request.param, "level": "debug"}}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def team(world: World, aws: AwsStandIn) -> Iterator[Team]:
    yield (made := team_in(world, aws))
    disband(made)


def told(world, **about):
    """The lines about one object: their level and reason, in their order."""
    lines = world.operator.log.splitlines()
    if lines[0].startswith("{"):
        found = [json.loads(line) for line in lines]
    else:
        found = [match.groupdict() for line in lines if (match := TEXT.match(line))]
    return [(each["level"], each["reason"]) for each in found if about.items() <= each.items()]


def test_each_change_of_state_is_one_line(world, team):
    canaries = Canaries()
    canaries.words["login"] = team.aws.admin.secret

    def says(reason):
        team.says(reason)
        tried = world.syncs(reason=reason)
        world.await_syncs(tried + TRIES, reason=reason)  # what stays as it is makes no line, however often it is tried

    team.store_says("Ready")
    team.put("db", canaries.word("first"))
    team.declare(every="1s")
    says("Synced")
    team.put("db", canaries.word("second"))
    team.holds(value=canaries.word("second").encode())
    team.remove("db")
    says("RemoteSecretMissing")
    team.put("db", canaries.word("third"))
    says("Synced")
    team.aws.down()
    says("BackendUnavailable")
    team.store_says("BackendUnavailable")
    team.aws.up()
    says("Synced")
    team.store_says("Ready")

    assert told(world, kind="ExternalSecret", namespace=team.namespace, object="db") == [
        ("INFO", "Synced"),
        ("WARNING", "RemoteSecretMissing"),
        ("INFO", "Synced"),
        ("WARNING", "BackendUnavailable"),
        ("INFO", "Synced"),
    ]
    assert told(world, kind=team.store.kind, object=team.store.name) == [
        ("INFO", "Ready"),
        ("WARNING", "BackendUnavailable"),
        ("INFO", "Ready"),
    ]
    assert canaries.found_in(world.operator.log) == []


def test_every_line_of_the_process_is_in_that_form(world, team):
    team.store_says("Ready")
    world.restart()
    lines = world.operator.log.splitlines()
    assert lines
    if lines[0].startswith("{"):
        assert all({"time", "level", "name", "message"} <= json.loads(line).keys() for line in lines)
    else:
        dated = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) ")
        assert [line for line in lines if not dated.match(line)] == []
