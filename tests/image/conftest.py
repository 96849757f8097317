"""What tests of the image ask for: the image, a Kubernetes API, and the operator in its container."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane, install, render_chart
from tests.controlplane.chart import CHART
from tests.image import building
from tests.image.contained import ContainedOperator
from tests.image.podman import Podman
from tests.servers import apt
from tests.servers.programs import required
from tests.standins.aws import AwsStandIn


@pytest.fixture(scope="session")
def podman() -> Podman:
    """Whose storage has the operator's image, built of what is checked out (in a moment, where it is built already)."""
    try:
        return building.ensure()
    except apt.Missing as missing:
        if required():
            pytest.fail(f"the tests of the image must not be left out here: {missing}")
        pytest.skip(f"the tests of the image are left out: {missing}")


@pytest.fixture(scope="session")
def root(podman: Podman) -> Iterator[Path]:
    """The image's files, as this machine sees them."""
    yield Path(podman.ask("image", "mount", building.IMAGE).strip())
    podman.ask("image", "unmount", building.IMAGE)


@pytest.fixture(scope="module")
def world(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One operator in its container, with the chart's own values but for the image's name and a free port."""
    data_dir = yaml.safe_load((CHART / "values.yaml").read_text())["dataDir"]
    values = {"image": {"repository": building.REPOSITORY, "tag": building.TAG}, "dataDir": data_dir}
    with ControlPlane() as plane:
        install(plane, [m for m in render_chart(plane.binaries, {}) if m["kind"] == "CustomResourceDefinition"])
        run = functools.partial(ContainedOperator, podman)
        with world_of(plane, tmp_path_factory.mktemp("operator"), values, run) as made:
            made.start()
            yield made


@pytest.fixture(scope="module")
def operator(world: World) -> ContainedOperator:
    """The operator of that world."""
    assert isinstance(world.operator, ContainedOperator)
    return world.operator


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    """An AWS account of the test's own."""
    with AwsStandIn() as running:
        yield running


@pytest.fixture
def team(world: World, aws: AwsStandIn) -> Iterator[Team]:
    """A team with a store of its own."""
    yield (made := team_in(world, aws))
    disband(made)
