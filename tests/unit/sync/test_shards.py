"""The work of one cluster, shared by replicas. What they hold of it is told by tests of the election."""

import asyncio
import math
from collections import Counter

import pytest
from prometheus_client import generate_latest

from keyferry.app import App
from keyferry.errors import KubeUnavailable
from keyferry.kube.client import Gate, Json, Message
from keyferry.kube.fence import Fence, Hold
from keyferry.kube.secrets import meta_of
from keyferry.schedule.shares import shard_of
from keyferry.settings import Settings
from tests.unit.fakes import FakeBackend, Request
from tests.unit.sync import backends
from tests.unit.sync.backends import Session
from tests.unit.sync.world import TEAM, World, failing, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)

TWO = Settings(shards=2, identity="a")
NAMES = ("s0", "s1", "s2", "s3")
SHARD = {name: shard_of(f"SecretStore {TEAM}/{name}", 2) for name in NAMES}


def backend_of(name: str) -> FakeBackend:
    """A store's own backend, with a secret k that tells whose it is."""
    made = backends.FAR[name] = FakeBackend()
    made.put("k", name.encode())
    return made


async def filled(world: World) -> dict[str, FakeBackend]:
    """Some stores with a backend and an ExternalSecret each."""
    made = {name: backend_of(name) for name in NAMES}
    for name in NAMES:
        world.store(name, database=name)
        world.external_secret(name, secretStoreRef={"kind": "SecretStore", "name": name}, refreshInterval="20h")
    await world.rest(5)
    return made


def asked(made: dict[str, FakeBackend]) -> dict[str, Counter[str]]:
    calls = {name: Counter(backend.calls) for name, backend in made.items()}
    for backend in made.values():
        backend.calls.clear()
    return calls


def test_the_stores_of_these_tests_are_in_both_shards():
    assert set(SHARD.values()) == {0, 1}


async def test_each_replica_works_on_its_shards_and_on_nothing_else():
    async with World(settings=TWO) as world:
        other = await world.replica(identity="b")
        await world.rest(10)
        made = await filled(world)
        shards = {number: app.shards[number] for app in (world.app, other) for number in app.shards}
        assert sorted(shards) == [0, 1]
        for number, shard in shards.items():
            assert {key.name for key in shard.stores.running} == {name for name in NAMES if SHARD[name] == number}
        assert {name: world.held(name) for name in NAMES} == {name: {"k": name.encode()} for name in NAMES}
        assert asked(made) == {name: {"check": 1, "list": 1, "fetch": 1} for name in NAMES}


async def test_a_change_of_hands_reads_no_value_and_writes_nothing():
    async with World(settings=TWO) as world:
        made = await filled(world)
        world.writes()
        asked(made)
        other = await world.replica(identity="b")
        await world.rest(10)
        (moved,) = other.shards
        assert world.writes() == {}
        again = {name: Counter({"check": 1, "list": 1}) for name in NAMES if SHARD[name] == moved}
        assert {name: calls for name, calls in asked(made).items() if calls} == again


async def test_who_takes_over_goes_by_what_is_and_not_by_what_its_watches_have_told():
    async with World(settings=TWO) as world:
        made = await filled(world)
        blind = await world.replica(identity="b", sees=False)
        await world.rest(10)
        (moved,) = blind.shards
        name = next(name for name in NAMES if SHARD[name] != moved)
        world.external_secret(name, secretStoreRef={"kind": "SecretStore", "name": name}, data=[item("new")])
        world.kube.remove(
            "externalsecrets", next(each for each in NAMES if each != name and SHARD[each] != moved), TEAM
        )
        await world.rest(5)
        world.writes()
        asked(made)
        await world.app.leave()
        await world.rest(5)
        assert sorted(blind.shards) == [0, 1]
        assert world.writes() == {}
        assert world.held(name) == {"new": name.encode()}
        assert {each.name for each in blind.watched.external_secrets} == {
            where[2] for where in world.kube.objects if where[0] == "externalsecrets"
        }


async def test_an_external_secret_that_is_edited_to_another_store_moves_from_shard_to_shard():
    async with World(settings=TWO) as world:
        await filled(world)
        first, last = (next(name for name in NAMES if SHARD[name] == shard) for shard in (0, 1))
        world.external_secret(first, secretStoreRef={"kind": "SecretStore", "name": last})
        await world.rest(3)
        former = world.app.shards[0]
        assert world.held(first) == {"k": last.encode()}
        memories = (former.reconciler._memories, former.reconciler.targets._applied)
        assert [world.key(first) in memory for memory in memories] == [False, False]
        assert len(world.app.shards[1].queue) + len(former.queue) == len(NAMES)


async def test_an_external_secret_that_makes_no_sense_is_told_so_by_one_replica():
    async with World(settings=TWO) as world:
        await world.replica(identity="b")
        await world.rest(10)
        world.writes()
        world.external_secret("odd", data=[{"secretKey": "k"}])
        await world.rest(5)
        assert world.reason("odd") == "SpecInvalid"
        assert world.writes() == {"externalsecrets/status": 1}


async def test_an_external_secret_of_no_store_is_told_so_by_one_replica():
    async with World(settings=TWO) as world:
        await world.replica(identity="b")
        await world.rest(10)
        world.writes()
        world.external_secret()
        await world.rest(5)
        assert world.reason() == "StoreNotFound"
        assert world.writes() == {"externalsecrets/status": 1}


async def test_the_stores_of_a_shard_that_is_given_up_are_closed_and_in_no_metric():
    async with World() as world:
        await filled(world)
        stores = dict(world.shard.stores.running)
        assert 'store="SecretStore team/s0"' in generate_latest().decode()
        await world.app.leave()
        await world.rest(1)
        sessions = [store.fetcher.backend for store in stores.values() if store.fetcher]
        assert [session.closed for session in sessions if isinstance(session, Session)] == [True] * len(NAMES)
        assert 'store="SecretStore team/s0"' not in generate_latest().decode()
        assert "keyferry_shards_held 0.0" in generate_latest().decode()


async def test_a_shard_that_is_lost_and_taken_again_begins_when_its_stores_are_closed():
    async with World() as world:
        made = await filled(world)
        made["s0"].closing = 5.0
        world.app.lost(0)
        world.app.gained(0, Hold(Fence(world.app.clock, until=math.inf), since=world.app.clock()))
        await world.rest(10)
        assert 'keyferry_store_ready{store="SecretStore team/s0"} 1.0' in generate_latest().decode()


def slow(world: World, resource: str, seconds: float) -> list[str]:
    """From now on the answers to writes of this resource take so long; the list tells of those that have begun."""
    begun: list[str] = []
    deliver = world.kube.deliver

    async def slowly(message: Message, gate: Gate | None = None) -> tuple[int, Json]:
        answer = await deliver(message, gate)
        if (message.method, message.at.resource) == ("PATCH", resource):
            begun.append(message.at.url)
            await asyncio.sleep(seconds)
        return answer

    world.kube.deliver = slowly  # type: ignore[method-assign] # an API server that takes its time
    return begun


async def left_while_writing(world: World, seconds: float) -> App:
    """It leaves when it has begun to write a Secret, which takes so long; the replica that stands by."""
    other = await world.replica(identity="b")
    world.backend.put("k", b"v1")
    world.store()
    await world.rest(3)
    begun = slow(world, "secrets", seconds)
    world.external_secret()
    while not begun:
        await world.rest(0.01)
    await world.app.leave()
    return other


async def test_what_is_being_written_is_finished_before_others_take_over():
    async with World() as world:
        other = await left_while_writing(world, 2.0)
        assert world.reason() == "Synced"
        await world.rest(5)
        assert list(other.shards) == [0]
        assert (world.writes()["secrets"], world.calls()["fetch"]) == (1, 1)


async def test_a_write_that_does_not_end_holds_up_nobody_for_long():
    async with World() as world:
        other = await left_while_writing(world, 25.0)
        await world.rest(3)
        assert list(other.shards) == [0]


async def test_who_lost_its_shard_writes_no_more_and_says_nothing():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)
        world.backend.gate = asyncio.Event()
        world.external_secret()
        await world.rest(1)
        world.kube.before = failing("leases", KubeUnavailable("down"), times=1000)
        world.app.election.fence.until = 0.0
        world.writes()
        world.backend.gate.set()
        await world.rest(20)
        assert world.held() is None
        assert world.writes() == {}


async def test_where_the_api_server_is_away_for_long_work_goes_on_after_it():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        world.external_secret()
        await world.rest(3)
        world.kube.before = failing("leases", KubeUnavailable("down"), times=300)
        world.backend.put("k", b"v2")
        await world.rest(60)
        assert world.app.shards == {}
        world.kube.before = lambda _: None
        await world.rest(5)
        assert world.held() == {"k": b"v2"}


async def test_an_object_that_is_deleted_while_it_is_listed_is_not_there_any_more():
    async with World() as world:
        world.store()
        world.external_secret()
        await world.rest(3)
        body = world.kube.objects["externalsecrets", TEAM, "es"]

        def deleted(request: Request) -> None:
            if request.resource == "externalsecrets" and request.method == "GET":
                world.kube.after = lambda _: None
                world.app.waking.external_secret(body, deleted=True)

        world.kube.after = deleted
        await world.app.picture.learn_since(world.app.clock())
        assert world.key() not in world.app.watched.external_secrets


async def test_a_secret_that_is_deleted_while_it_is_listed_is_not_there_any_more():
    async with World() as world:
        world.secret("db", {"k": b"v"})
        await world.rest(3)

        def deleted(request: Request) -> None:
            if request.resource == "secrets" and request.method == "GET":
                world.kube.after = lambda _: None
                world.kube.remove("secrets", "db", TEAM)
                _, event = world.kube.history.pop()  # the watch has told of it already
                world.app.secret_watch.parts[0]._deleted(world.key("db"), meta_of(event["object"]["metadata"]))

        world.kube.after = deleted
        await world.app.picture.learn_since(world.app.clock())
        await world.rest(1)
        assert world.key("db") not in world.app.watched.secrets


def lists(world: World) -> int:
    """How often ExternalSecrets were listed since the last time this was asked."""
    count = sum(each.resource == "externalsecrets" and each.method == "GET" for each in world.kube.requests)
    world.kube.requests.clear()
    return count


async def test_who_is_alone_lists_everything_once_at_its_start():
    async with World(settings=Settings(shards=4)) as world:
        assert sorted(world.app.shards) == [0, 1, 2, 3]
        assert lists(world) == 1


async def test_however_many_shards_are_taken_at_once_everything_is_listed_once():
    async with World(settings=Settings(shards=8, identity="a")) as world:
        other = await world.replica(identity="b")
        await world.rest(20)
        lists(world)
        await world.app.leave()
        await world.rest(5)
        assert len(other.shards) == 8
        assert lists(world) == 1
