"""What stores ask of their backends when they are made anew, and when all of them begin."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from keyferry.errors import Throttled
from tests.unit.fakes import FakeBackend
from tests.unit.sync import backends
from tests.unit.sync.world import World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


class Dated(FakeBackend):
    """A backend that knows when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def _ask(self, operation: str) -> None:
        self.times.append(asyncio.get_running_loop().time())
        await super()._ask(operation)


@pytest.mark.parametrize(
    ("edit", "waits"),
    [({"cache": {"maximumSize": 5}}, True), ({"database": "other"}, False)],
    ids=["the same backend", "another backend"],
)
async def test_a_store_that_is_made_anew_keeps_the_pause_that_its_backend_asked_for(edit: dict[str, Any], waits: bool):  # noqa: FBT001
    async with World() as world:
        backends.FAR["other"] = FakeBackend()
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(62)
        world.backend.down = Throttled("slow down", retry_after=100)
        world.backend.put("k", b"v2")
        await world.rest(70)
        world.backend.down = None
        world.calls()
        world.store(**edit)
        await world.rest(20)
        asked = world.calls() + Counter(backends.FAR["other"].calls)
        assert (asked == {}) is waits


@pytest.mark.parametrize(("stores", "first", "last"), [(1, 0.0, 0.0), (5, 0.0, 0.0), (50, 0.0, 2.25), (400, 0.0, 4.9)])
async def test_many_stores_begin_one_after_another_and_few_at_once(stores: int, first: float, last: float):
    async with World(backend=Dated()) as world:
        for n in range(stores):
            world.store(f"s{n}")
        await world.rest(20)
        world.backend.calls.clear()
        times = cast("Dated", world.backend).times
        times.clear()
        await world.restart()
        await world.rest(10)
        assert world.calls() == {"check": stores}
        began = world.app.picture._began
        assert [times[0] - began, times[-1] - began] == [pytest.approx(each, abs=0.1) for each in (first, last)]


async def test_no_value_is_kept_for_longer_than_its_store_says_though_nothing_else_is_read():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store(cache={"expireAfterWrite": "10s"})
        world.external_secret(refreshInterval="1h")
        await world.rest(5)
        assert world.app.room.used > 0
        await world.rest(10)
        assert world.app.room.used == 0
