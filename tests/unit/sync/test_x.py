import pytest
from tests.unit.sync.world import World
pytestmark = pytest.mark.looptime(start=1000.0)
async def test_a():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(5)
        print(world.held(), world.status(), world.status("store", of="secretstores"))
        print(world.writes(), world.calls())
        await world.rest(600)
        print(world.writes(), world.calls())
        await world.restart()
        print(world.writes(), world.calls())
