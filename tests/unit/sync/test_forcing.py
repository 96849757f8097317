"""A refresh that somebody asks for, of one ExternalSecret or of all of a store: what it survives, and what is none."""

from typing import Any

import pytest

from keyferry.backends.base import Access
from keyferry.errors import Throttled
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
STORES: Any = {"of": "secretstores"}


async def several(world: World, number: int, **store: Any) -> None:
    """So many ExternalSecrets, in sync, that are refreshed every hour."""
    for n in range(number):
        world.backend.put(f"k{n}", b"v")
    world.store(**store)
    for n in range(number):
        world.external_secret(f"es{n}", data=[item("k", f"k{n}")], refreshInterval="1h")
    await world.rest(120)
    world.calls()
    world.writes()


def obeyed(world: World) -> str | None:
    """The annotation that the store's status tells of."""
    value: str | None = world.status("store", **STORES).get("refresh")
    return value


async def test_a_store_has_obeyed_when_its_last_external_secret_was_refreshed():
    async with World() as world:
        await several(world, 4)
        world.backend.takes = 3.0
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(7)  # the login was checked and the catalogue listed; values are on their way
        assert obeyed(world) is None
        await world.rest(10)
        assert obeyed(world) == "1"


async def test_a_store_that_was_killed_before_it_had_obeyed_does_it_after_that():
    async with World() as world:
        await several(world, 30)
        world.backend.takes = 5.0
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(8)
        await world.stop()
        world.backend.takes = 0.0
        world.calls()
        await world.start()
        await world.rest(10)
        assert world.calls()["fetch"] > 0
        assert obeyed(world) == "1"


async def test_what_was_obeyed_is_not_done_again_by_the_next_process():
    async with World() as world:
        await several(world, 4)
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(10)
        world.calls()
        world.writes()
        await world.restart()
        await world.rest(30)
        assert (world.calls()["fetch"], world.writes()) == (0, {})


async def test_who_cannot_be_refreshed_does_not_keep_a_store_from_having_obeyed():
    async with World() as world:
        await several(world, 2)
        world.external_secret("absent", data=[item("k", "absent")])
        world.external_secret("wrong", data=[item("k", "k0", property="p")])
        world.external_secret("suspended", data=[item("k", "k0")], suspend=True)
        await world.rest(10)
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(10)
        assert obeyed(world) == "1"


async def test_an_external_secret_that_goes_meanwhile_is_not_waited_for():
    async with World() as world:
        await several(world, 2)
        world.backend.takes = 3.0
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(7)
        world.kube.remove("externalsecrets", "es0", TEAM)
        await world.rest(70)
        assert obeyed(world) == "1"


async def test_taking_the_annotation_away_asks_for_nothing():
    async with World() as world:
        await several(world, 1)
        world.annotate("externalsecrets", "es0", refresh="1")
        await world.rest(10)
        world.calls()
        world.writes()
        world.kube.put("externalsecrets", "es0", TEAM, metadata={"annotations": {}})
        await world.rest(30)
        assert (world.calls(), world.writes()) == ({}, {})


async def test_a_store_that_is_asked_for_patience_stays_usable_for_those_who_rest():
    async with World() as world:
        world.backend.access = Access(listing=True, batching=False, lacking=("batching",))  # so it is checked often
        await several(world, 20)
        world.backend.down = Throttled("slow down", retry_after=5)
        await world.rest(120)
        assert world.writes() == {}
        assert {world.reason(f"es{n}") for n in range(20)} == {"Synced"}
