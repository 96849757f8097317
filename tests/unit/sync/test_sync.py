"""An ExternalSecret from the first look on: what it costs, and when it is looked at again."""

from typing import Any

import pytest

from keyferry.errors import BackendUnavailable
from keyferry.settings import Settings
from tests.unit.fakes import FakeBackend
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)


async def made(world: World, **spec: Any) -> None:
    """A store and an ExternalSecret of it, in sync and at rest; nothing is counted yet."""
    world.backend.put("k", b"v1")
    world.store()
    world.external_secret(**spec)
    await world.rest(70)  # then the store has also told that its secrets can be read
    world.writes()
    world.calls()


async def test_a_secret_appears_with_its_value():
    async with World() as world:
        await made(world)
        assert world.held() == {"k": b"v1"}
        assert world.reason() == "Synced"
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"])
        assert_follows_conventions(world.kube.objects["secretstores", TEAM, "store"])


async def test_a_first_sync_costs_one_look_one_read_and_two_writes():
    async with World() as world:
        world.backend.put("k", b"v1")
        world.store()
        await world.rest(3)
        world.writes()
        world.calls()
        world.external_secret()
        await world.rest(3)
        assert world.calls() == {"list": 1, "fetch": 1}
        writes = world.writes()
        assert (writes["secrets"], writes["externalsecrets/status"]) == (1, 1)


async def test_the_status_tells_what_the_secret_was_made_of():
    async with World() as world:
        await made(world)
        status = world.status()
        assert status["sources"] == [{"key": "k", "id": "k", "version": "v1"}]
        written = world.kube.objects["secrets", TEAM, "es"]["metadata"]["resourceVersion"]
        assert status["target"] == {"name": "es", "resourceVersion": written}


async def test_no_value_is_in_any_status_event_or_metadata():
    async with World() as world:
        world.backend.put("k", b"canary-9f3b")
        await made(world, data=[item(), item("broken", property="a")])
        world.external_secret("good")
        await world.rest(3)
        assert world.held("good") == {"k": b"v1"}
        told = str([{**each, "data": None} for each in world.kube.objects.values()])
        asked = str([each.body for each in world.kube.requests if each.resource != "secrets"])
        assert "canary" not in told + asked


async def test_while_nothing_changes_nothing_is_read_or_written():
    async with World() as world:
        await made(world)
        await world.rest(200)
        assert world.calls().keys() == {"list"}
        assert world.writes() == {}


async def test_an_optional_key_that_is_not_there_is_not_asked_for_again_and_again():
    async with World() as world:
        await made(world, data=[item(), item("absent", "absent", optional=True)])
        await world.restart()
        await world.rest(200)
        assert world.calls().keys() == {"check", "list"}
        assert world.writes() == {}


async def test_an_optional_key_arrives_when_it_is_there():
    async with World() as world:
        await made(world, data=[item(), item("absent", "absent", optional=True)])
        world.backend.put("absent", b"there")
        await world.rest(70)
        assert world.held() == {"k": b"v1", "absent": b"there"}


async def test_those_who_come_after_one_another_are_read_together_all_the_same():
    async with World(settings=Settings(workers_of_store=30)) as world:
        world.kube.takes = 0.02
        for n in range(200):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")], refreshInterval="1h")
        world.store()
        await world.rest(60)
        assert {world.reason(f"es{n}") for n in range(200)} == {"Synced"}
        assert world.calls()["fetch"] <= 12


async def test_a_few_that_changed_among_more_than_have_a_place_are_read_with_one_call():
    async with World(settings=Settings(workers_of_store=30)) as world:
        for n in range(200):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")])
        world.store()
        await world.rest(130)
        world.calls()
        for n in range(0, 200, 20):
            world.backend.put(f"k{n}", b"v2")
        await world.rest(61)
        assert world.calls() == {"list": 2, "fetch": 1}


async def test_where_one_call_could_answer_more_than_have_a_place_nobody_is_waited_for():
    async with World(settings=Settings(workers_of_store=30)) as world:
        world.backend.batch = 500
        for n in range(200):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")], refreshInterval="1h")
        world.store()
        await world.rest(5)
        assert {world.reason(f"es{n}") for n in range(200)} == {"Synced"}
        assert world.calls()["fetch"] == 7


async def test_a_restart_reads_no_value_and_writes_nothing():
    async with World() as world:
        for n in range(50):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")])
        await made(world)
        await world.restart()
        assert world.calls() == {"check": 1, "list": 1}
        assert world.writes() == {}


async def test_a_rotated_value_arrives_at_the_next_refresh():
    async with World() as world:
        await made(world)
        world.backend.put("k", b"v2")
        await world.rest(61)
        assert world.held() == {"k": b"v2"}
        assert world.calls()["fetch"] == 1
        assert world.writes() == {"secrets": 1, "externalsecrets/status": 1}


async def test_ten_rotated_secrets_of_a_hundred_cost_one_batch_and_ten_writes_each():
    async with World() as world:
        for n in range(100):
            world.backend.put(f"k{n}", b"v1")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")])
        await made(world)
        for n in range(10):
            world.backend.put(f"k{n}", b"v2")
        await world.rest(60)
        assert world.calls() == {"list": 2, "fetch": 1}
        assert world.writes() == {"secrets": 10, "externalsecrets/status": 10}


async def test_many_of_one_store_share_a_look_however_long_each_waits():
    async with World() as world:
        await made(world)
        for n in range(30):
            world.external_secret(f"es{n}", refreshInterval="1m" if n % 2 else "2m")
        await world.rest(5)
        world.calls()
        await world.rest(240)
        assert world.calls() == {"list": 4}


@pytest.mark.parametrize("interval", ["10s", "1m", "5m"])
async def test_it_is_looked_at_as_often_as_it_says(interval: str):
    async with World() as world:
        await made(world, refreshInterval=interval)
        await world.rest(600)
        assert world.calls()["list"] == {"10s": 60, "1m": 10, "5m": 2}[interval]


async def test_an_edit_is_worked_at_once():
    async with World() as world:
        await made(world)
        world.external_secret(data=[item(), item("copy")])
        await world.rest(1)
        assert world.held() == {"k": b"v1", "copy": b"v1"}
        assert world.status()["observedGeneration"] == 2


async def test_another_label_of_the_external_secret_costs_nothing():
    async with World() as world:
        await made(world)
        world.kube.put("externalsecrets", "es", TEAM, metadata={"labels": {"a": "1"}})
        await world.rest(1)
        assert (world.calls(), world.writes()) == ({}, {})


@pytest.mark.parametrize("policy", [{"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=["OnChange", "0"])
async def test_what_is_not_refreshed_is_read_once(policy: dict[str, str]):
    async with World() as world:
        await made(world, **policy)
        world.backend.put("k", b"v2")
        await world.rest(300)
        assert world.held() == {"k": b"v1"}
        assert world.calls() == {}
        await world.restart()
        assert world.held() == {"k": b"v1"}
        assert world.calls() == {"check": 1}


@pytest.mark.parametrize("policy", [{"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=["OnChange", "0"])
async def test_what_is_not_refreshed_is_read_again_when_something_here_changes(policy: dict[str, str]):
    async with World() as world:
        await made(world, **policy)
        world.backend.put("k", b"v2")
        await world.rest(10)
        world.external_secret(data=[item("other")], **policy)
        await world.rest(2)
        assert world.held() == {"other": b"v2"}


@pytest.mark.parametrize("policy", [{"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=["OnChange", "0"])
async def test_what_is_not_refreshed_is_mended_all_the_same(policy: dict[str, str]):
    async with World() as world:
        await made(world, **policy)
        world.kube.remove("secrets", "es", TEAM)
        await world.rest(2)
        assert world.held() == {"k": b"v1"}


async def test_what_is_created_once_is_never_touched_again():
    async with World() as world:
        await made(world, refreshPolicy="CreatedOnce")
        world.backend.put("k", b"v2")
        world.secret("es", {"k": b"by hand"}, annotations={"keyferry.dev/external-secret": "es"})
        world.external_secret(refreshPolicy="CreatedOnce", data=[item("other")])
        world.annotate("secretstores", "store", refresh="1")
        await world.rest(300)
        assert world.held() == {"k": b"by hand"}
        assert world.reason() == "Synced"


async def test_what_is_created_once_is_created_again_under_another_name():
    async with World() as world:
        await made(world, refreshPolicy="CreatedOnce")
        world.external_secret(refreshPolicy="CreatedOnce", target={"name": "renamed"})
        await world.rest(2)
        assert world.held("renamed") == {"k": b"v1"}


async def test_what_is_created_once_is_tried_until_it_is_there():
    async with World() as world:
        world.store()
        world.external_secret(refreshPolicy="CreatedOnce")
        await world.rest(20)
        world.backend.put("k", b"v1")
        await world.rest(130)
        assert world.held() == {"k": b"v1"}


async def test_a_refresh_annotation_forces_one():
    async with World() as world:
        await made(world)
        world.external_secret("other")
        await world.rest(3)
        world.calls()
        world.backend.secrets["k"].versions["v1"] = b"changed in place"
        world.annotate("externalsecrets", "es", refresh="now")
        await world.rest(2)
        assert world.held() == {"k": b"changed in place"}
        assert world.held("other") == {"k": b"v1"}
        assert world.status()["refresh"] == "now"
        assert world.calls() == {"list": 1, "fetch": 1}


async def test_a_refresh_annotation_is_obeyed_once():
    async with World() as world:
        await made(world)
        world.annotate("externalsecrets", "es", refresh="now")
        await world.rest(2)
        world.calls()
        await world.restart()
        await world.rest(100)
        assert world.calls()["fetch"] == 0


@pytest.mark.parametrize("policy", [{}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=str)
async def test_a_refresh_annotation_of_the_store_forces_all(policy: dict[str, str]):
    async with World() as world:
        await made(world, **policy)
        world.external_secret("other")
        await world.rest(3)
        world.backend.secrets["k"].versions["v1"] = b"changed in place"
        world.annotate("secretstores", "store", refresh="now")
        await world.rest(2)
        assert (world.held(), world.held("other")) == ({"k": b"changed in place"}, {"k": b"changed in place"})


async def test_a_forced_refresh_that_fails_is_not_forgotten():
    async with World() as world:
        await made(world)
        world.backend.secrets["k"].versions["v1"] = b"changed in place"
        world.backend.spoiled["k"] = BackendUnavailable("down")
        world.annotate("secretstores", "store", refresh="now")
        await world.rest(2)
        world.backend.spoiled.clear()
        await world.rest(20)
        assert world.held() == {"k": b"changed in place"}


async def test_what_is_suspended_is_left_alone_and_says_so():
    async with World() as world:
        await made(world)
        world.external_secret(suspend=True, data=[item("other")])
        world.backend.put("k", b"v2")
        await world.rest(100)
        assert world.held() == {"k": b"v1"}
        assert (world.condition()["status"], world.reason()) == ("True", "Suspended")
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"])
        assert world.calls() == {}


async def test_what_was_changed_while_suspended_is_done_afterwards():
    async with World() as world:
        await made(world)
        world.external_secret(suspend=True, data=[item("other")])
        await world.rest(3)
        world.external_secret(data=[item("other")])
        await world.rest(3)
        assert world.held() == {"other": b"v1"}
        assert world.reason() == "Synced"


async def test_many_sources_are_kept_as_a_digest_and_a_change_of_one_is_seen():
    async with World() as world:
        for n in range(30):
            world.backend.put(f"x{n}", b"v1")
        await made(world, dataFrom=[{"find": {"name": {"regexp": "^x"}}}])
        assert "sourcesDigest" in world.status()
        assert world.status()["sources"] == []
        world.backend.put("x7", b"v2")
        await world.rest(61)
        assert (world.held() or {})["x7"] == b"v2"


async def test_what_is_deleted_is_forgotten():
    async with World() as world:
        await made(world)
        world.kube.remove("externalsecrets", "es", TEAM)
        await world.rest(2)
        world.calls()
        await world.rest(200)
        assert world.calls() == {}
        assert len(world.shard.queue) == 0


async def test_nothing_is_remembered_of_what_is_deleted():
    async with World() as world:
        await made(world)
        reconciler = world.shard.reconciler
        doubt, targets = reconciler.doubt, reconciler.targets
        memories = (reconciler._memories, targets._applied, doubt._had)
        assert [len(memory) for memory in memories] == [1, 1, 1]
        world.kube.remove("externalsecrets", "es", TEAM)
        await world.rest(2)
        assert [len(memory) for memory in memories] == [0, 0, 0]


async def test_those_who_wait_for_a_worker_share_the_look_of_those_before_them():
    async with World(settings=Settings(workers=5)) as world:
        for n in range(20):
            world.external_secret(f"es{n}")
        await made(world)
        world.backend.takes = 1.0
        await world.rest(60)
        assert world.calls() == {"list": 1}


async def test_large_catalogues_cost_as_many_calls_as_they_have_pages():
    async with World(backend=FakeBackend(page=10)) as world:
        for n in range(35):
            world.backend.put(f"k{n}", b"v")
            world.external_secret(f"es{n}", data=[item(key=f"k{n}")])
        await made(world)
        await world.rest(60)
        assert world.calls() == {"list": 4}
