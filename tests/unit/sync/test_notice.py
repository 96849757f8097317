"""What is to be known of a backend though nothing lacks."""

import pytest

from keyferry.backends.base import Access
from tests.unit.sync.test_stores import STORES, made
from tests.unit.sync.world import World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


async def test_what_is_to_be_known_is_in_the_condition_of_a_store_that_is_ready():
    async with World() as world:
        world.backend.access = Access(notice="the service has ended")
        await made(world)
        assert world.reason("store", **STORES) == "Ready"
        assert world.condition(name="store", **STORES)["message"] == "the service has ended"
        await world.rest(300)
        assert world.writes()["secretstores/status"] == 0, "it was said, and is no news"
