"""A source of hints of the backend's own: heard while its store lives, told of when it is not, and started again."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied, SyncError, Throttled
from keyferry.settings import Settings
from tests.unit.sync.sources import FakeSource
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
DENIED = PermissionDenied("not allowed queue:Receive on the-queue")


async def made(world: World, source: FakeSource, **store: Any) -> None:
    """A store with that source and an ExternalSecret that is refreshed every 10 minutes, in sync."""
    world.backend.source = source
    world.backend.put("k", b"v1")
    world.store(**store)
    world.external_secret(refreshInterval="10m", data=[item()])
    await world.rest(62)
    world.writes()
    world.calls()


def listening(world: World) -> tuple[str, str] | None:
    """Status and reason of the store's Listening condition; None where it has none."""
    conditions = world.status("store", of="secretstores")["conditions"]
    return next(((each["status"], each["reason"]) for each in conditions if each["type"] == "Listening"), None)


async def test_a_change_that_is_told_arrives_within_two_seconds_and_costs_what_it_changes():
    async with World() as world:
        await made(world, source := FakeSource())
        world.backend.put("k", b"v2")
        source.tell()
        await world.rest(2)
        assert world.held() == {"k": b"v2"}
        assert world.calls() == {"list": 1, "fetch": 1}
        assert world.writes() == {"secrets": 1, "externalsecrets/status": 1}
        assert source.taken == 1


async def test_that_it_is_heard_is_told_and_has_no_part_in_ready():
    async with World() as world:
        await made(world, FakeSource())
        assert listening(world) == ("True", "Listening")
        assert world.reason("store", of="secretstores") == "Ready"


@pytest.mark.parametrize("error", [DENIED, BackendUnavailable("x"), AuthFailed("x")], ids=lambda e: e.reason)
async def test_a_source_that_fails_is_told_by_listening_and_never_by_ready(error: SyncError):
    async with World() as world:
        await made(world, source := FakeSource())
        source.breaks(error)
        await world.rest(2)
        assert listening(world) == ("False", error.reason)
        await world.rest(100)
        assert world.condition("Listening", "store", of="secretstores")["message"] == str(error)
        assert REGISTRY.get_sample_value("keyferry_store_listening", {"store": f"SecretStore {TEAM}/store"}) == 0
        assert world.reason("store", of="secretstores") == "Ready"
        assert world.writes() == {"secretstores/status": 1}


async def test_within_seconds_of_its_recovery_it_is_heard_again_and_what_was_missed_arrives():
    async with World() as world:
        await made(world, source := FakeSource())
        source.breaks(DENIED)
        await world.rest(300)
        world.backend.put("k", b"v2")
        source.down = None
        await world.rest(8)
        assert listening(world) == ("True", "Listening")
        assert world.held() == {"k": b"v2"}


async def test_a_first_start_is_no_hint():
    async with World() as world:
        await made(world, FakeSource())
        world.calls()
        await world.rest(120)
        assert world.calls()["list"] == 0


async def test_a_store_without_a_source_says_nothing_of_listening():
    async with World() as world:
        await made(world, FakeSource())
        world.backend.source = None
        world.store(refresh={"callsPerSecond": 7})
        await world.rest(3)
        assert listening(world) is None


async def test_a_restart_of_the_operator_is_no_news():
    async with World() as world:
        await made(world, source := FakeSource(slow=3))
        await world.restart()
        await world.rest(30)
        assert (source.open, world.writes()) == (1, {})


async def test_a_restart_while_it_cannot_be_heard_is_no_news_either():
    async with World() as world:
        await made(world, FakeSource(down=DENIED, slow=3))
        await world.restart()
        await world.rest(30)
        assert (listening(world), world.writes()) == (("False", "PermissionDenied"), {})


async def test_a_suspended_store_does_not_listen():
    async with World() as world:
        await made(world, source := FakeSource())
        world.store(suspend=True)
        await world.rest(3)
        assert source.open == 0
        assert listening(world) is None
        source.tell()
        await world.rest(40)
        assert (source.taken, world.calls()) == (0, {})
        world.store()
        await world.rest(3)
        assert (source.open, source.taken) == (1, 1)


async def test_of_a_store_that_is_deleted_nothing_is_left_that_listens():
    async with World() as world:
        await made(world, source := FakeSource())
        tasks = len(asyncio.all_tasks())
        world.kube.remove("secretstores", "store", TEAM)
        await world.rest(3)
        assert source.open == 0
        assert len(asyncio.all_tasks()) == tasks - 1


async def test_a_store_that_is_edited_is_listened_for_once():
    async with World() as world:
        await made(world, source := FakeSource())
        for calls in range(10, 15):
            world.store(refresh={"callsPerSecond": calls})
            await world.rest(1)
        assert (source.open, source.begun) == (1, 6)


async def test_a_store_that_makes_no_sense_any_more_does_not_listen():
    async with World() as world:
        await made(world, source := FakeSource())
        world.store(refresh={"callsPerSecond": -1})
        await world.rest(3)
        assert source.open == 0


async def test_only_the_replica_that_works_on_the_store_listens():
    async with World(settings=Settings(identity="a")) as world:
        await made(world, source := FakeSource())
        await world.replica(identity="b")
        await world.rest(60)
        assert (source.open, source.begun) == (1, 1)


async def test_a_replica_that_loses_the_store_takes_no_other_hint():
    async with World() as world:
        await made(world, source := FakeSource())
        world.app.lost(0)
        source.tell()
        await world.rest(3)
        assert (source.open, source.taken) == (0, 0)


async def test_a_source_that_says_nothing_for_minutes_is_broken():
    async with World() as world:
        await made(world, source := FakeSource(silent=True))
        assert listening(world) is None
        await world.rest(70)
        assert (listening(world), source.open) == (("False", "BackendUnavailable"), 1)


async def test_a_source_that_works_for_a_moment_each_time_is_given_ever_more_rest():
    async with World() as world:
        await made(world, source := FakeSource())
        for _ in range(3600):
            source.breaks(DENIED)
            await world.rest(0.5)
            source.down = None
            await world.rest(0.5)
        assert world.writes()["secretstores/status"] < 2 * (3600 / 48 + 7)
        assert world.calls()["list"] < 5 * (3600 / 48 + 7)


async def test_a_login_that_is_refused_is_not_hammered():
    async with World() as world:
        await made(world, source := FakeSource(down=AuthFailed("x")))
        source.begun = 0
        await world.rest(600)
        assert source.begun <= 600 / 12


async def test_a_source_that_asks_for_patience_has_it():
    async with World() as world:
        await made(world, source := FakeSource(down=Throttled("slow", retry_after=40)))
        source.begun = 0
        await world.rest(400)
        assert source.begun <= 10


async def test_a_bug_in_a_source_is_told_without_its_words_and_ends_nothing(caplog: pytest.LogCaptureFixture):
    async with World() as world:
        await made(world, source := FakeSource(bug=ValueError("canary")))
        assert listening(world) == ("False", "InternalError")
        assert "canary" not in caplog.text + str(world.status("store", of="secretstores"))
        source.bug = None
        await world.rest(8)
        assert listening(world) == ("True", "Listening")


async def test_a_flood_leads_to_a_look_a_second():
    async with World() as world:
        await made(world, source := FakeSource())
        source.tell(1000)
        for _ in range(10):
            source.tell(100)
            await world.rest(1)
        assert source.taken == 2000
        assert world.calls()["list"] <= 11


async def test_where_two_are_named_the_one_that_does_not_work_is_told():
    async with World() as world:
        await made(world, FakeSource(), webhook={"secretRef": {"name": "hints", "key": "key"}})
        assert listening(world) == ("False", "SpecInvalid")  # this operator serves no webhooks


async def test_a_source_that_nobody_listens_to_any_more_is_not_called_unheard():
    def measured() -> float | None:
        return REGISTRY.get_sample_value("keyferry_store_listening", {"store": "SecretStore team/store"})

    async with World() as world:
        await made(world, source := FakeSource())
        source.breaks(DENIED)
        await world.rest(2)
        assert measured() == 0.0
        world.store(suspend=True)
        await world.rest(5)
        assert measured() is None
