"""A hint that something changed: what arrives by it, when, and that nothing else is read or written."""

import asyncio
from typing import Any

import pytest

from keyferry.backends.base import Access
from keyferry.errors import BackendUnavailable, PermissionDenied
from keyferry.values import StoreKey
from tests.unit.fakes import FakeBackend
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
STORE = StoreKey(TEAM, "store")
TAGS = {"by": "Tags"}
SHARED = StoreKey("", "shared")


def hint(world: World, key: StoreKey = STORE) -> None:
    world.app.hinted(key, "test")


async def made(world: World, count: int = 3, *, store: dict[str, Any] | None = None, **spec: Any) -> None:
    """A store and some ExternalSecrets es0, es1, …, in sync, that are refreshed every 10 minutes."""
    world.store(**(store or {}))
    for n in range(count):
        world.backend.put(f"k{n}", b"v1")
        world.external_secret(f"es{n}", **{"refreshInterval": "10m", "data": [item(key=f"k{n}")], **spec})
    await world.rest(62)
    world.writes()
    world.calls()


async def test_a_rotated_value_arrives_within_two_seconds():
    async with World() as world:
        await made(world)
        world.backend.put("k1", b"v2")
        hint(world)
        await world.rest(1)
        assert world.held("es1") == {"k": b"v2"}


async def test_nothing_is_read_or_written_but_what_changed():
    async with World() as world:
        await made(world, 50)
        world.backend.put("k1", b"v2")
        world.backend.reads.clear()
        hint(world)
        await world.rest(60)
        assert world.calls() == {"list": 1, "fetch": 1}
        assert [{ref.id for ref in refs} for refs in world.backend.reads] == [{"k1"}]
        assert world.writes() == {"secrets": 1, "externalsecrets/status": 1}


async def test_where_the_catalogue_tells_no_versions_a_hint_wakes_everybody_and_all_is_read_once():
    async with World() as world:
        world.backend.blind = True
        await made(world, 5)
        for value in (b"v2", b"v3"):  # at the first hint everybody is woken in any case
            world.backend.put("k1", value)
            hint(world)
            await world.rest(20)
            assert world.held("es1") == {"k": value}
            assert world.writes() == {"secrets": 1, "externalsecrets/status": 1}


async def test_a_hint_with_nothing_behind_it_costs_four_looks():
    async with World() as world:
        await made(world)
        hint(world)
        await world.rest(100)
        assert world.calls() == {"list": 4}
        assert world.writes() == {}


def tagged(world: World, key: str, data: bytes, namespace: str = TEAM) -> None:
    world.backend.put(f"{namespace}-{key}", data, {"namespace": namespace, "key": key})


@pytest.mark.parametrize("seconds", [1, 9, 29])
async def test_what_the_catalogue_shows_late_arrives_by_a_later_look(seconds: int):
    async with World() as world:
        tagged(world, "k", b"v1")
        await made(world, 1, store={"mapping": TAGS}, data=[item(), item("new", "new", optional=True)])
        world.backend.hidden.add(f"{TEAM}-new")
        tagged(world, "new", b"late")
        hint(world)
        await world.rest(seconds)
        assert world.held("es0") == {"k": b"v1"}
        world.backend.hidden.clear()
        await world.rest(30 - seconds + 1)
        assert world.held("es0") == {"k": b"v1", "new": b"late"}


async def test_two_hundred_hints_cost_a_look_a_second():
    async with World() as world:
        await made(world)
        for n in range(200):
            world.backend.put("k1", b"v%d" % n)
            hint(world)
            await world.rest(0.05)
        await world.rest(1)
        assert world.held("es1") == {"k": b"v199"}
        assert world.calls()["list"] <= 11


async def test_hints_that_come_during_a_look_lead_to_one_more():
    async with World() as world:
        await made(world)
        world.backend.takes = 0.5
        hint(world)
        await world.rest(0.1)
        world.backend.put("k1", b"v2")
        for _ in range(100):
            hint(world)
        await world.rest(1.8)
        assert world.calls()["list"] == 2
        assert world.held("es1") == {"k": b"v2"}


async def test_a_costly_catalogue_takes_a_quarter_of_the_budget_at_most():
    async with World(backend=FakeBackend(page=1)) as world:
        await made(world, 20, store={"refresh": {"callsPerSecond": 20}})
        for _ in range(40):
            hint(world)
            await world.rest(0.5)
        assert world.calls()["list"] <= 6 * 20


async def test_where_the_catalogue_cannot_be_listed_the_external_secrets_look_themselves():
    backend = FakeBackend(access=Access(listing=False, lacking=("List",)))
    async with World(backend=backend) as world:
        await made(world, 30)
        world.backend.put("k1", b"v2")
        hint(world)
        await world.rest(2)
        assert world.held("es1") == {"k": b"v2"}
        assert world.calls()["fetch"] <= 3
        assert world.writes()["secrets"] == 1


async def test_where_the_catalogue_cannot_be_listed_a_storm_is_bounded_too():
    backend = FakeBackend(batch=1, access=Access(listing=False, lacking=("List",)))
    async with World(backend=backend) as world:
        await made(world, 10)
        for _ in range(100):
            hint(world)
            await world.rest(0.1)
        assert world.calls()["fetch"] <= 7 * 10


async def test_only_namespaces_that_see_what_changed_are_woken():
    async with World() as world:
        world.namespace("other")
        world.store("shared", cluster=True, mapping=TAGS)
        for namespace in (TEAM, "other"):
            tagged(world, "k", b"v1", namespace)
            ref = {"kind": "ClusterSecretStore", "name": "shared"}
            world.external_secret("es", namespace=namespace, secretStoreRef=ref, refreshInterval="10m")
        await world.rest(62)
        hint(world, SHARED)  # the first wakes all: it is not known what each of them has seen
        await world.rest(40)
        woken: list[str] = []
        world.app.waking.nudge = lambda key, _: woken.append(key.namespace)
        tagged(world, "k", b"v2", "other")
        hint(world, SHARED)
        await world.rest(2)
        assert set(woken) == {"other"}


async def test_who_inherits_what_changed_is_woken():
    async with World() as world:
        world.namespace(TEAM, namespace="acme.payments")
        tagged(world, "k", b"v1", "acme")
        await made(world, 1, store={"mapping": TAGS}, data=[item()])
        tagged(world, "k", b"v2", "acme")
        hint(world)
        await world.rest(1)
        assert world.held("es0") == {"k": b"v2"}


async def test_what_anothers_refresh_has_seen_already_arrives_as_well():
    async with World() as world:
        await made(world, 2)
        hint(world)
        await world.rest(60)
        world.external_secret("es0", refreshInterval="10s", data=[item(key="k0")])
        world.backend.put("k1", b"v2")
        await world.rest(15)
        assert world.held("es1") == {"k": b"v1"}
        hint(world)
        await world.rest(1)
        assert world.held("es1") == {"k": b"v2"}


@pytest.mark.parametrize(
    "policy",
    [{"refreshPolicy": "OnChange"}, {"refreshPolicy": "CreatedOnce"}, {"refreshInterval": "0"}, {"suspend": True}],
    ids=["OnChange", "CreatedOnce", "interval 0", "suspended"],
)
async def test_who_is_not_to_be_refreshed_is_left_alone(policy: dict[str, Any]):
    async with World() as world:
        await made(world)
        world.external_secret("es1", **{"refreshInterval": "10m", "data": [item(key="k1")], **policy})
        await world.rest(5)
        world.backend.put("k1", b"v2")
        hint(world)
        await world.rest(40)
        assert world.held("es1") == {"k": b"v1"}


async def test_without_a_rhythm_what_was_missing_arrives_by_a_hint():
    async with World() as world:
        await made(world, 1, store={"mapping": TAGS}, data=[item()], refreshPolicy="OnChange")
        await world.rest(600)  # the pauses between its own attempts have grown
        tagged(world, "k", b"v1")
        hint(world)
        await world.rest(1)
        assert world.held("es0") == {"k": b"v1"}


async def test_a_suspended_store_is_not_asked():
    async with World() as world:
        await made(world)
        world.store(suspend=True)
        await world.rest(3)
        world.calls()
        hint(world)
        await world.rest(40)
        assert world.calls() == {}


async def test_a_hint_for_no_store_leads_to_nothing():
    async with World() as world:
        await made(world)
        hint(world, StoreKey("other", "store"))
        await world.rest(40)
        assert world.calls() == {}
        assert len(world.app.shards[0].hint_queue) == 0


async def test_a_hint_while_the_backend_is_down_is_not_forgotten():
    async with World() as world:
        await made(world)
        world.backend.down = BackendUnavailable("down")
        hint(world)
        await world.rest(120)
        world.backend.put("k1", b"v2")
        world.backend.down = None
        await world.rest(30)
        assert world.held("es1") == {"k": b"v2"}


async def test_a_hint_while_its_store_is_made_anew_is_not_forgotten():
    async with World() as world:
        await made(world)
        world.backend.takes = 0.4
        world.backend.put("k1", b"v2")
        hint(world)
        await world.rest(0.2)
        world.store(refresh={"callsPerSecond": 30})
        await world.rest(10)
        assert world.held("es1") == {"k": b"v2"}


async def test_listing_that_is_denied_meanwhile_is_told_and_done_without():
    async with World() as world:
        await made(world)
        world.backend.lost[0] = PermissionDenied("ListSecrets")
        world.backend.put("k1", b"v2")
        hint(world)
        await world.rest(2)
        assert world.held("es1") == {"k": b"v2"}


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
async def test_what_a_hint_shows_to_be_gone_is_looked_at_twice_before_it_is_believed(policy: str):
    async with World() as world:
        await made(world, 1, data=[item(key="k0")], target={"deletionPolicy": policy})
        del world.backend.secrets["k0"]
        hint(world)
        await world.rest(3)
        assert world.held("es0") == {"k": b"v1"}
        await world.rest(15)  # five seconds, and the longest pause that the fourth attempt may follow
        assert world.held("es0") in (None, {})


async def test_what_was_gone_for_one_look_only_costs_no_secret():
    async with World() as world:
        await made(world, 1, data=[item(key="k0")], target={"deletionPolicy": "Delete"})
        gone = world.backend.secrets.pop("k0")
        hint(world)
        await world.rest(1)
        world.backend.secrets["k0"] = gone
        await world.rest(700)
        assert (world.held("es0"), world.reason("es0")) == ({"k": b"v1"}, "Synced")
        assert world.writes()["secrets"] == 0


async def test_a_key_that_vanishes_from_a_find_is_looked_at_again_soon_whatever_the_interval():
    async with World() as world:
        await made(world, 1, data=[], dataFrom=[{"find": {"name": {"regexp": "^k"}}}])
        world.backend.put("k8", b"x")
        hint(world)
        await world.rest(3)
        assert world.held("es0") == {"k0": b"v1", "k8": b"x"}
        del world.backend.secrets["k8"]
        hint(world)
        await world.rest(8)
        assert world.held("es0") == {"k0": b"v1"}


async def test_a_hint_reads_nothing_anew_where_a_refresh_came_first():
    async with World() as world:
        await made(world)
        world.backend.put("k1", b"v2")
        await world.rest(600)
        world.calls()
        hint(world)
        await asyncio.sleep(60)
        assert world.calls().keys() == {"list"}
