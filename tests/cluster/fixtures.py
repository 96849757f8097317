"""What cluster tests that run the operator ask for: a world, and in it a team with a backend and store of its own."""

from collections.abc import Iterator

import pytest

from tests.cluster.mode import Reach
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.aws import AwsStandIn


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """One running operator for all tests of a module, in each of the modes."""
    with world_of(plane, tmp_path_factory.mktemp("operator"), reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    """An AWS account of the test's own."""
    with AwsStandIn() as running:
        yield running


@pytest.fixture
def team(world: World, aws: AwsStandIn) -> Iterator[Team]:
    """A team with a ready store."""
    yield (made := team_in(world, aws))
    disband(made)
