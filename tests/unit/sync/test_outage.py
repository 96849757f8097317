"""Promise 2: a backend that fails, half answers or answers with nothing costs no good Secret."""

import asyncio
from typing import Any

import pytest

from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied, SecretMissing, SyncError, Throttled
from keyferry.kube.errors import Forbidden
from tests.unit.fakes import FakeBackend
from tests.unit.sync.backends import FAR
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.world import TEAM, World, failing, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
DOWN = BackendUnavailable("cannot be reached")


async def made(world: World, **spec: Any) -> None:
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret(**spec)
    await world.rest(62)
    world.writes()
    world.calls()


async def next_look(world: World) -> None:
    """Wait until the catalogue has just been looked at."""
    world.calls()
    while not world.calls()["list"]:
        await world.rest(0.25)


@pytest.mark.parametrize(
    "error",
    [DOWN, AuthFailed("not accepted"), PermissionDenied("not allowed"), Throttled("slow")],
    ids=lambda e: e.reason,
)
async def test_a_secret_outlives_its_backend(error: SyncError):
    async with World() as world:
        await made(world)
        written = world.kube.objects["secrets", TEAM, "es"]["metadata"]["resourceVersion"]
        world.backend.down = error
        await world.rest(200)
        assert world.held() == {"k": b"v1"}
        assert world.kube.objects["secrets", TEAM, "es"]["metadata"]["resourceVersion"] == written


async def test_an_outage_is_told_with_its_reason_and_without_a_stream_of_writes():
    async with World() as world:
        await made(world)
        before = world.status()["conditions"]
        world.backend.down = DOWN
        await world.rest(300)
        assert (world.condition()["status"], world.reason()) == ("False", "BackendUnavailable")
        assert "cannot be reached" in world.condition()["message"]
        assert world.reason("store", of="secretstores") == "BackendUnavailable"
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"], conditions=before)
        assert world.writes() == {"externalsecrets/status": 1, "secretstores/status": 1}


async def test_a_backend_that_is_down_is_not_hammered():
    async with World() as world:
        for n in range(50):
            world.external_secret(f"es{n}")
        await made(world)
        world.backend.down = DOWN
        await world.rest(70)
        world.calls()
        await world.rest(60)
        assert world.calls().total() < 40


async def test_after_an_outage_all_is_well_within_seconds_and_only_statuses_are_written():
    async with World() as world:
        await made(world)
        world.backend.down = DOWN
        await world.rest(400)
        world.writes()
        world.backend.down = None
        world.calls()
        await world.rest(6)
        assert world.reason() == "Synced"
        assert world.writes() == {"externalsecrets/status": 1, "secretstores/status": 1}
        assert world.calls()["fetch"] == 0


async def test_a_failure_keeps_what_the_secret_was_made_of():
    async with World() as world:
        await made(world)
        before = {part: world.status()[part] for part in ("sources", "target", "sourceRevision")}
        world.backend.down = DOWN
        await world.rest(120)
        assert {part: world.status()[part] for part in ("sources", "target", "sourceRevision")} == before


async def test_what_was_edited_during_an_outage_is_done_after_it():
    async with World() as world:
        await made(world)
        world.backend.down = DOWN
        await world.rest(70)
        world.external_secret(data=[item("other")])
        await world.rest(10)
        assert world.status()["observedGeneration"] == 2
        assert world.held() == {"k": b"v1"}
        world.backend.down = None
        await world.rest(6)
        assert world.held() == {"other": b"v1"}
        assert world.reason() == "Synced"


async def test_what_was_edited_during_an_outage_is_done_after_a_restart_too():
    async with World() as world:
        await made(world)
        world.backend.down = DOWN
        await world.rest(70)
        world.external_secret(data=[item("other")])
        await world.rest(10)
        await world.restart()
        world.backend.down = None
        await world.rest(6)
        assert world.held() == {"other": b"v1"}


async def test_a_value_that_rotated_during_an_outage_arrives_after_it():
    async with World() as world:
        await made(world)
        world.backend.down = DOWN
        await world.rest(70)
        world.backend.put("k", b"v2")
        world.backend.down = None
        await world.rest(6)
        assert world.held() == {"k": b"v2"}


async def test_a_restart_during_an_outage_writes_nothing_that_was_said_before():
    async with World() as world:
        await made(world)
        world.backend.down = DOWN
        await world.rest(90)
        world.writes()
        await world.restart()
        await world.rest(10)
        assert world.writes() == {}
        assert world.held() == {"k": b"v1"}


async def test_one_secret_that_cannot_be_read_costs_its_external_secret_and_no_other():
    async with World() as world:
        world.backend.put("bad", b"v1")
        world.external_secret("other")
        await made(world, data=[item(), item("b", "bad")])
        world.backend.put("k", b"v2")
        world.backend.put("bad", b"v2")
        world.backend.spoiled["bad"] = PermissionDenied("not this one")
        await world.rest(62)
        assert world.held() == {"k": b"v1", "b": b"v1"}
        assert world.reason() == "PermissionDenied"
        assert world.held("other") == {"k": b"v2"}
        assert world.reason("store", of="secretstores") == "Ready"


async def test_a_slow_backend_is_given_up_in_time_and_delays_no_other_store():
    async with World() as world:
        await made(world)
        slow = FAR["slow"] = FakeBackend()
        slow.put("k", b"slow")
        world.store("other", database="slow")
        world.external_secret("slow", secretStoreRef={"kind": "SecretStore", "name": "other"})
        await world.rest(30)
        slow.gate = asyncio.Event()
        world.backend.put("k", b"v2")
        await world.rest(75)
        assert world.held() == {"k": b"v2"}
        assert world.held("slow") == {"k": b"slow"}
        assert world.reason("slow") == "BackendUnavailable"
        assert "took longer than 10 s" in world.condition(name="slow")["message"]


async def test_a_missing_key_is_told_and_looked_for_again():
    async with World() as world:
        world.store()
        world.external_secret()
        await world.rest(5)
        assert (world.held(), world.reason()) == (None, "RemoteSecretMissing")
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"])
        world.backend.put("k", b"v1")
        await world.rest(60)
        assert world.held() == {"k": b"v1"}


async def test_what_is_gone_is_kept_in_the_secret():
    async with World() as world:
        await made(world)
        del world.backend.secrets["k"]
        await world.rest(300)
        assert world.held() == {"k": b"v1"}
        assert world.reason() == "RemoteSecretMissing"


async def test_what_is_gone_and_comes_back_as_it_was_costs_no_write_of_the_secret():
    async with World() as world:
        await made(world)
        gone = world.backend.secrets.pop("k")
        await world.rest(90)
        world.writes()
        world.backend.secrets["k"] = gone
        await world.rest(130)
        assert world.reason() == "Synced"
        assert world.writes()["secrets"] == 0


@pytest.mark.parametrize("more", [{"optional": True}, {"default": "d"}], ids=["optional", "default"])
async def test_an_optional_key_is_not_dropped_at_the_first_look_that_lacks_it(more: dict[str, Any]):
    async with World() as world:
        world.backend.put("o", b"good")
        await made(world, data=[item(), item("o", "o", **more)])
        world.backend.hidden.add("o")
        world.backend.spoiled["o"] = SecretMissing("not now")
        await next_look(world)
        await world.rest(4)
        assert (world.held() or {})["o"] == b"good"


@pytest.mark.parametrize(
    ("more", "left"), [({"optional": True}, None), ({"default": "d"}, b"d")], ids=["optional", "default"]
)
async def test_an_optional_key_that_stays_away_is_let_go(more: dict[str, Any], left: bytes | None):
    async with World() as world:
        world.backend.put("o", b"good")
        await made(world, data=[item(), item("o", "o", **more)])
        del world.backend.secrets["o"]
        await world.rest(90)
        assert (world.held() or {}).get("o") == left
        assert world.reason() == "Synced"


@pytest.mark.parametrize("count", [10, 30], ids=["listed", "kept as a digest"])
async def test_a_find_that_suddenly_finds_less_is_not_believed_at_once_and_then_is(count: int):
    async with World() as world:
        for n in range(count):
            world.backend.put(f"x{n}", b"v")
        await made(world, dataFrom=[{"find": {"name": {"regexp": "^x"}}}])
        del world.backend.secrets["x3"]
        await next_look(world)
        await world.rest(4)
        assert len(world.held() or {}) == count
        await world.rest(20)
        assert len(world.held() or {}) == count - 1


async def test_a_find_that_blinks_loses_nothing():
    async with World() as world:
        for n in range(10):
            world.backend.put(f"x{n}", b"v")
        await made(world, dataFrom=[{"find": {"name": {"regexp": "^x"}}}])
        world.backend.hidden = {"x1", "x2"}
        await next_look(world)
        world.backend.hidden = set()
        await world.rest(60)
        assert len(world.held() or {}) == 10


async def test_all_that_vanishes_at_once_is_not_believed():
    async with World() as world:
        for n in range(10):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")], target={"deletionPolicy": "Delete"})
        await made(world)
        world.backend.secrets.clear()
        await world.rest(300)
        assert [world.held(f"es{n}") for n in range(10)] == [{"k": b"v"}] * 10
        assert {world.reason(f"es{n}") for n in range(10)} == {"DeletionHeld"}
        assert world.status("store", of="secretstores")["offered"] == 11


async def test_all_that_vanishes_at_once_is_not_believed_after_a_restart_either():
    async with World() as world:
        for n in range(10):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")], target={"deletionPolicy": "Delete"})
        await made(world)
        world.backend.secrets.clear()
        await world.rest(100)
        await world.restart()
        await world.rest(100)
        assert [world.held(f"es{n}") for n in range(10)] == [{"k": b"v"}] * 10


async def test_the_store_tells_of_what_it_holds_back():
    async with World() as world:
        for n in range(10):
            world.backend.put(f"k{n}", b"v")
        await made(world)
        world.backend.secrets.clear()
        await world.rest(130)
        assert world.reason("store", of="secretstores") == "DeletionHeld"
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])


async def test_what_is_confirmed_gone_is_done():
    async with World() as world:
        for n in range(10):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")], target={"deletionPolicy": "Delete"})
        await made(world)
        world.backend.secrets.clear()
        await world.rest(100)
        world.annotate("secretstores", "store", refresh="yes, all of it")
        await world.rest(60)
        assert [world.held(f"es{n}") for n in range(10)] == [None] * 10


async def test_a_status_that_cannot_be_written_is_in_the_log_now_and_then(caplog: pytest.LogCaptureFixture):
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.kube.before = failing("externalsecrets/status", Forbidden("no right"), times=10**6)
        for number in range(50):
            world.external_secret(f"es-{number}")
        await world.rest(50)
        told = [line for line in caplog.messages if line.endswith(": its status cannot be written: no right")]
        assert len(told) == 1
        await world.rest(120)
        assert len([line for line in caplog.messages if "cannot be written" in line]) in (2, 3)
