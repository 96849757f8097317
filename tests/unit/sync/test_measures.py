"""What the metrics say of what goes on inside."""

import pytest
from prometheus_client import REGISTRY

from keyferry.settings import Settings
from tests.unit.sync.world import World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
STORE = {"store": "SecretStore team/store"}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels or STORE) or 0.0


async def test_what_the_cache_has_and_what_it_has_not_is_counted():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret("first", refreshInterval="0")
        await world.rest(5)
        before = [sample(f"keyferry_cache_{name}_total") for name in ("hits", "misses")]
        world.external_secret("second", refreshInterval="0")
        world.backend.put("k", b"v2")
        await world.rest(5)
        world.external_secret("third", refreshInterval="0")
        await world.rest(5)
        after = [sample(f"keyferry_cache_{name}_total") for name in ("hits", "misses")]
        assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1]


async def test_sweeps_are_counted_and_timed():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.backend.takes = 2.0
        world.store()
        world.external_secret(refreshInterval="0")
        name = "keyferry_store_sweep_seconds"
        before = sample(f"{name}_count"), sample(f"{name}_sum")
        await world.rest(10)
        after = sample(f"{name}_count"), sample(f"{name}_sum")
        assert after[0] - before[0] == 1
        assert after[1] - before[1] == pytest.approx(2.0, abs=0.1)


async def test_those_that_wait_beyond_their_stores_share_are_counted():
    def held_back() -> float:
        world.app.measure()
        return sample("keyferry_queue_held_back", kind="ExternalSecret")

    async with World(settings=Settings(workers_of_store=2)) as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(5)
        world.backend.takes = 9.0
        for number in range(6):
            world.external_secret(f"es{number}")
        await world.rest(3)
        assert held_back() == 4
        world.backend.takes = 0.0
        await world.rest(60)
        assert held_back() == 0
