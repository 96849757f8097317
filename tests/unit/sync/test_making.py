"""A target Secret's making: races, lost answers and failures of the API server cost nothing that was good."""

from collections.abc import Callable

import pytest

from keyferry.errors import KubeUnavailable
from tests.unit.fakes import Request
from tests.unit.sync.targets import made, metadata, ready
from tests.unit.sync.world import TEAM, World, failing

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


def raced(world: World) -> Callable[[Request], None]:
    """Somebody makes the Secret between our look at it and our making it."""
    left = ["once"]

    def make(request: Request) -> None:
        if request.resource == "secrets" and request.method == "PATCH" and left:
            left.clear()
            world.secret("es", {"theirs": b"t"}, labels={"app": "x"})

    return make


async def test_a_secret_that_a_stranger_just_made_is_left_exactly_as_it_was():
    async with World() as world:
        await ready(world)
        world.kube.before = raced(world)
        world.external_secret()
        await world.rest(10)
        assert world.held() == {"theirs": b"t"}
        assert metadata(world)["labels"] == {"app": "x"}
        assert not metadata(world).get("annotations")
        assert "ownerReferences" not in metadata(world)
        assert world.reason() == "TargetNotOwned"


async def test_a_secret_that_we_made_is_ours_though_the_answer_was_lost():
    async with World() as world:
        await ready(world)
        world.kube.after = failing("secrets", KubeUnavailable("answer lost"))
        world.external_secret()
        await world.rest(10)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "Synced")
        assert world.owner() == "es"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_api_server_that_fails_for_a_while_costs_nothing(when: str):
    async with World() as world:
        await made(world)
        setattr(world.kube, when, failing("secrets", KubeUnavailable("down"), times=3))
        world.backend.put("k", b"v2")
        await world.rest(90)
        assert (world.held(), world.reason()) == ({"k": b"v2"}, "Synced")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_status_that_could_not_be_written_is_written_later(when: str):
    async with World() as world:
        await ready(world)
        setattr(world.kube, when, failing("externalsecrets/status", KubeUnavailable("down"), times=3))
        world.external_secret()
        await world.rest(20)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "Synced")


async def test_a_first_secret_costs_one_request_where_the_watch_is_fresh():
    async with World() as world:
        await ready(world)
        world.kube.requests.clear()
        world.external_secret()
        await world.rest(5)
        assert [each.method for each in world.kube.requests if each.resource == "secrets"] == ["PATCH"]


async def test_our_own_secret_whose_making_nobody_told_of_is_not_taken_for_a_strangers():
    async with World() as world:
        await ready(world)
        world.kube.after = failing("secrets", KubeUnavailable("answer lost"))
        world.app.secret_watch.parts[0].seen = lambda _: None
        world.app.secret_watch.parts[0].known = {}
        world.external_secret()
        await world.rest(10)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "Synced")


async def test_our_own_secret_that_was_lost_from_sight_is_not_taken_for_a_strangers():
    async with World() as world:
        await made(world)
        del world.app.watched.secrets[world.key()]
        world.app.waking.secret(world.key())
        await world.rest(5)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "Synced")


async def test_a_secret_that_is_replaced_while_we_write_is_not_overwritten():
    async with World() as world:
        await made(world)
        world.backend.put("k", b"v2")

        def replace(request: Request) -> None:
            if request.resource == "secrets" and request.method == "PATCH":
                world.kube.before = lambda _: None
                world.kube.remove("secrets", "es", TEAM)
                world.secret("es", {"theirs": b"t"})

        world.kube.before = replace
        await world.rest(90)
        assert world.held() == {"theirs": b"t"}
        assert world.reason() == "TargetNotOwned"
