"""What watches fail to tell of is learnt from lists, and when they fail for long, liveness says so."""

import pytest

from tests.unit.fakes import Request
from tests.unit.sync.world import TEAM, World

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
RELIST = 310.0  # seconds: five minutes, and time to look at what was found
DEAD = "for a quarter of an hour no watch has told of what is new among externalsecrets"


async def settled(world: World) -> None:
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret()
    await world.rest(5)
    assert world.held() == {"k": b"v1"}


async def test_what_is_new_and_no_watch_told_of_is_served_all_the_same():
    async with World() as world:
        await settled(world)
        world.deafen()
        world.namespace("other")
        world.external_secret("new")
        await world.rest(RELIST)
        assert world.held("new") == {"k": b"v1"}
        assert "other" in world.app.watched.namespaces


async def test_an_edit_that_no_watch_told_of_is_followed_all_the_same():
    async with World() as world:
        await settled(world)
        world.deafen()
        world.external_secret(target={"name": "renamed"})
        await world.rest(RELIST)
        assert (world.held("renamed"), world.held()) == ({"k": b"v1"}, None)


async def test_a_store_that_no_watch_told_of_is_used_all_the_same():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.external_secret()
        await world.rest(5)
        world.deafen()
        world.store()
        await world.rest(RELIST)
        assert world.held() == {"k": b"v1"}


async def test_what_watches_have_told_of_is_not_read_again():
    async with World() as world:
        await settled(world)
        world.kube.requests.clear()
        await world.rest(RELIST)
        assert [each for each in world.kube.requests if each.method == "GET" and each.name] == []


async def test_it_has_stopped_when_watches_have_missed_what_is_new_for_a_quarter_of_an_hour():
    async with World() as world:
        await settled(world)
        world.deafen()
        for interval in range(3):
            assert world.app.stopped() is None
            world.external_secret(refreshInterval=f"{interval + 1}h")
            await world.rest(RELIST)
        assert world.app.stopped() == DEAD


async def test_dead_watches_are_noticed_however_seldom_something_changes():
    async with World() as world:
        await settled(world)
        world.deafen()
        for interval in range(3):
            world.external_secret(refreshInterval=f"{interval + 1}h")
            await world.rest(10 * RELIST)
        assert world.app.stopped() == DEAD


async def test_watches_that_had_nothing_to_tell_have_not_stopped():
    async with World() as world:
        await settled(world)
        world.deafen()
        await world.rest(10 * RELIST)
        assert world.app.stopped() is None


async def test_watches_that_tell_again_have_not_stopped():
    async with World() as world:
        await settled(world)
        world.deafen()
        for interval in range(5):
            world.external_secret(refreshInterval=f"{interval + 1}h")
            await world.rest(RELIST)
            body = world.kube.objects["externalsecrets", TEAM, "es"]
            world.app.picture.told("externalsecrets", body, deleted=False)
        assert world.app.stopped() is None


async def test_changes_that_watches_tell_of_are_none_that_they_missed():
    async with World() as world:
        await settled(world)
        for interval in range(5 * int(RELIST)):
            world.external_secret(refreshInterval=f"{interval + 1}s")
            await world.rest(1)
        assert world.app.picture._untold == {}


async def test_what_somebody_keeps_from_going_is_not_found_anew_at_every_list():
    async with World() as world:
        await settled(world)
        world.kube.put("externalsecrets", "es", TEAM, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
        await world.rest(5)
        world.deafen()
        await world.rest(5 * RELIST)
        assert world.app.stopped() is None


async def test_what_goes_while_it_is_listed_is_nothing_that_was_missed():
    async with World() as world:
        await settled(world)
        world.deafen()
        world.external_secret("brief")

        def gone(request: Request) -> None:
            if request.resource == "externalsecrets" and not request.name:
                world.kube.after = lambda _: None
                world.kube.remove("externalsecrets", "brief", TEAM)

        world.kube.after = gone
        await world.rest(RELIST)
        assert world.key("brief") not in world.app.watched.external_secrets
        assert world.app.picture._untold == {}
