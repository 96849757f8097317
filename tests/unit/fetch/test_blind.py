"""A catalogue that tells no versions: only reading tells what is there, and that is done once for everybody."""

import asyncio

import pytest

from keyferry.errors import BackendUnavailable, SecretAmbiguous, SecretMissing
from keyferry.fetch.cache import Cache
from keyferry.values import Entry, Lookup, Ref, Search, Value
from tests.unit.fakes import FakeBackend
from tests.unit.fetch.counter import NAMES, TAGS, Counter, filled, now

pytestmark = pytest.mark.looptime(start=1000.0)


def tagged(count: int) -> FakeBackend:
    backend = FakeBackend(blind=True, batch=1)
    for n in range(count):
        backend.put(f"s{n}", b"value %d" % n, {"namespace": "team", "key": f"k{n}"})
    return backend


@pytest.mark.parametrize("mapping", [NAMES, TAGS], ids=["names", "tags"])
async def test_a_look_brings_the_version_by_reading_and_the_value_with_it(mapping):
    backend = tagged(1)
    counter = Counter(backend, mapping=mapping)
    (found,) = await counter.found("s0" if mapping is NAMES else "k0")
    assert found.version == "v1"
    assert await counter.read([found]) == [b"value 0"]
    assert backend.calls == {"list": 1, "fetch": 1}


async def test_many_who_look_at_one_secret_cost_one_read_whenever_they_come():
    backend = tagged(1)
    backend.takes = 0.1
    counter = Counter(backend, mapping=TAGS)
    due = now()

    async def late(seconds: float) -> None:
        await asyncio.sleep(seconds)
        await counter.found("k0", at=due)

    async with asyncio.TaskGroup() as group:
        for n in range(500):
            group.create_task(late(n / 500))
    assert backend.calls == {"list": 1, "fetch": 1}


async def test_without_a_cache_those_who_come_while_it_is_read_share_it():
    backend = tagged(1)
    backend.takes = 0.1
    counter = Counter(backend, mapping=TAGS, cache=None)
    due = now()
    first = asyncio.create_task(counter.found("k0", at=due))
    await asyncio.sleep(0.15)
    await counter.found("k0", at=due)
    await first
    assert backend.calls == {"list": 1, "fetch": 1}


async def test_the_next_refresh_reads_anew():
    backend = tagged(1)
    counter = Counter(backend, mapping=TAGS)
    await counter.found("k0")
    backend.put("s0", b"new")
    (found,) = await counter.found("k0")
    assert await counter.read([found]) == [b"new"]
    assert backend.calls == {"list": 2, "fetch": 2}


async def test_a_read_that_began_too_early_serves_nobody_who_asks_for_later():
    backend = tagged(1)
    backend.takes = 0.1
    counter = Counter(backend, mapping=TAGS)
    early = asyncio.create_task(counter.found("k0"))
    await asyncio.sleep(0.15)
    await asyncio.gather(early, counter.found("k0", at=now()))
    assert backend.calls["fetch"] == 2


async def test_a_search_finds_with_versions_and_leaves_out_what_has_no_value():
    backend = tagged(3)
    backend.secrets["s1"].versions.clear()
    counter = Counter(backend, mapping=TAGS)
    found = await counter.found(Search(regexp="^k"))
    assert {each.key: each.version for each in found} == {"k0": "v1", "k2": "v3"}
    assert await counter.read(found) == [b"value 0", b"value 2"]
    assert backend.calls["fetch"] == 3


async def test_a_search_fails_where_something_that_it_found_cannot_be_read():
    backend = tagged(2)
    backend.spoiled["id:s1"] = BackendUnavailable("down")
    assert isinstance(await Counter(backend, mapping=TAGS).seen(Search(regexp="^k")), BackendUnavailable)


async def test_what_has_no_value_is_missing():
    backend = tagged(1)
    backend.secrets["s0"].versions.clear()
    assert isinstance(await Counter(backend, mapping=TAGS).seen("k0"), SecretMissing)


async def test_a_hint_is_told_that_only_reading_tells():
    assert await Counter(tagged(1), mapping=TAGS).fetcher.sweep() is None
    assert await Counter(filled(1)).fetcher.sweep() is not None


async def test_a_secret_whose_tags_are_unclear_is_ambiguous_for_whoever_asks():
    class Unclear(FakeBackend):
        async def entries(self, scope):  # noqa: ARG002 - as the base has it
            tags = {"namespace": "team", "key": "a"}
            yield Entry("s", "s", {"": ""}, tags, "its tags contradict each other")
            yield Entry("s", "s", {"": ""}, tags | {"key": "b"}, "its tags contradict each other")

    counter = Counter(Unclear(), mapping=TAGS)
    for asked in (Lookup("a"), Lookup("b"), Search(regexp=".")):
        answer = await counter.seen(asked)
        assert isinstance(answer, SecretAmbiguous)
        assert "s: its tags contradict each other" in str(answer)
    assert counter.backend.calls == {}


def test_the_cache_gives_what_was_read_since():
    cache = Cache(10, 60)
    cache.put(Ref("a"), Value(b"v", "1"), 100.0)
    assert cache.since(Ref("a"), 100.0, 101.0) == Value(b"v", "1")
    assert cache.since(Ref("a"), 100.1, 101.0) is None
    assert cache.since(Ref("b"), 0.0, 101.0) is None
