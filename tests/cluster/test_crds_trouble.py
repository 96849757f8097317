"""CRDs that are missing, taken away, older or newer than the operator: it says so, waits where it must, and goes on."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.replicas import health
from tests.cluster.team import Team, team_in
from tests.cluster.world import Manifest, World, world_of
from tests.controlplane import ControlPlane, install, render_chart
from tests.controlplane.chart import of_kind
from tests.standins.aws import AwsStandIn

pytest_plugins = ["tests.cluster.fixtures"]

OURS = ("externalsecrets.keyferry.dev", "secretstores.keyferry.dev", "clustersecretstores.keyferry.dev")
MEND = "kubectl apply --server-side -f crds/"
AT_ALL = 60.0
ORPHAN = {"creationPolicy": "Orphan"}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of this module's own, at first without CRDs."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="module")
def current(plane) -> list[Manifest]:
    """The CRDs of this version."""
    return of_kind(render_chart(plane.binaries, {}), "CustomResourceDefinition")


def newer(crds: list[Manifest]) -> list[Manifest]:
    """These CRDs as a later version might have them, with fields that nobody here has heard of."""
    later: list[Manifest] = json.loads(json.dumps(crds))
    for crd in later:
        for part in ("spec", "status"):
            schema_at(crd, part)["properties"]["later"] = {"type": "string", "default": "unheard of"}
    return later


@pytest.fixture
def world(plane, tmp_path) -> Iterator[World]:
    """An operator that is not started. It leaves no CRD behind."""
    with world_of(plane, tmp_path) as made:
        yield made
        made.operator.close()
        made.namespaces.clear()  # all that was made there goes with the CRDs
        made.cluster_stores.clear()
        delete_crds(plane)


def delete_crds(plane: ControlPlane) -> None:
    plane.kubectl("delete", "crd", "--ignore-not-found", *OURS)


def unready(world: World) -> str:
    """What the readiness probe answers with while it fails, empty when it does not."""
    try:
        with urllib.request.urlopen(f"{world.operator.address}/readyz", timeout=5):  # noqa: S310 - our own
            return ""
    except urllib.error.HTTPError as refused:
        return refused.read().decode()


def waits(world: World, *words: str) -> None:
    """Return when the operator is not ready for a reason of these words, and lives."""

    def so() -> bool:
        assert world.operator.running
        try:
            return health(world.operator) == "ok" and all(word in unready(world) for word in words)
        except OSError:  # it does not listen yet
            return False

    world.eventually(so, what=f"the operator to wait for {words}")


def lines(world: World, words: str) -> list[str]:
    """What its log has with these words."""
    return [line for line in world.operator.log.splitlines() if words in line]


def synced(world: World, aws: AwsStandIn) -> Team:
    """A team whose ExternalSecret `db` is in sync and asks every second."""
    team = team_in(world, aws, refresh={"timeout": "10s"})
    team.put("db", "first")
    team.declare(every="1s")
    team.holds(value=b"first")
    return team


def follows(team: Team) -> None:
    """Return when edits of resources and of the backend have been followed."""
    team.put("db", "second")
    team.declare(every="1s", keys={"renamed": "db"})
    team.holds(renamed=b"second")


def schema_at(crd: Manifest, *path: str) -> Any:
    """The schema of a field."""
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        schema = schema["properties"][name]
    return schema


def without(crds: list[Manifest], *fields: str) -> list[Manifest]:
    """These CRDs as an older version might have had them. A field is KIND:path.to.it."""
    older: list[Manifest] = json.loads(json.dumps(crds))
    for field in fields:
        kind, _, path = field.partition(":")
        *above, last = path.split(".")
        for crd in older:
            if crd["spec"]["names"]["kind"].endswith(kind):
                del schema_at(crd, *above)["properties"][last]
                rules = json.dumps(crd).replace(f"has(self.{last})", "false")
                crd.clear()
                crd.update(json.loads(rules))
    return older


def test_while_one_is_missing_it_says_which_and_goes_on_when_it_is_there(plane, world, current, aws):
    world.operator.start()
    waits(world, *OURS, MEND)
    install(plane, [crd for crd in current if crd["metadata"]["name"] != OURS[0]])
    waits(world, f"there is no CRD {OURS[0]} in version v1alpha1")
    started = world.operator.pid

    install(plane, current)
    world.operator.wait_ready()

    follows(synced(world, aws))
    assert world.operator.pid == started
    assert len(lines(world, "there is no CRD")) == 2  # not at each look


def test_what_goes_with_deleted_crds_comes_back_with_them(plane, world, current, aws):
    install(plane, current)
    world.start()
    team = synced(world, aws)
    team.declare("kept", keys={"value": "db"}, target=ORPHAN)
    team.holds("kept", value=b"first")
    world.calm()

    delete_crds(plane)
    waits(world, *OURS, MEND)
    team.gone("db")  # Kubernetes collects what is owned by what is no more
    kept = team.secret("kept")
    install(plane, current)
    world.operator.wait_ready()
    team.configure()
    team.declare(every="1s")
    team.declare("kept", keys={"value": "db"}, target=ORPHAN)

    team.holds(value=b"first")
    team.says("Synced", "kept")
    assert team.secret("kept") == kept
    follows(team)
    assert not lines(world, "please report it")


def test_fields_that_an_older_crd_drops_from_specs_are_told_and_a_newer_one_is_as_good_as_its_own(
    plane, world, current, aws
):
    install(plane, without(current, "Store:spec.provider.hcp", "ExternalSecret:spec.refreshPolicy"))
    world.start()

    team = synced(world, aws)

    for crd, field in zip(OURS, ("spec.refreshPolicy", "spec.provider.hcp", "spec.provider.hcp"), strict=True):
        (line,) = lines(world, f"CRD {crd} is older than this operator")
        assert f"the API server drops without a word {field}; " in line
        assert MEND in line
    assert world.metric("keyferry_crd_unknown_fields", crd=OURS[0]) == 1
    install(plane, newer(current))
    world.eventually(lambda: len(lines(world, "is as this operator needs it")) == len(OURS), within=AT_ALL)
    assert world.metric("keyferry_crd_unknown_fields") == 0
    follows(team)
    written = team.written()
    team.refreshes_pass()
    assert team.written() - written == {"secrets": 2, "externalsecrets/status": 2}  # as often as `clock` was put


def test_with_a_crd_that_cannot_keep_its_status_it_does_not_begin(plane, world, current, aws):
    install(plane, without(current, "ExternalSecret:status.sources"))
    world.operator.start()
    waits(world, f"CRD {OURS[0]} is too old to keep a status of this version", MEND)
    assert world.writes() == {}

    install(plane, current)

    world.operator.wait_ready(AT_ALL)
    follows(synced(world, aws))
