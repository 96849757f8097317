"""Reading values at a store's counter: in batches, from the cache, and what is reported when that fails."""

import asyncio
from dataclasses import replace

import pytest

from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    CredentialsMissing,
    PermissionDenied,
    SecretMissing,
    StoreNotReady,
    SyncError,
    Throttled,
)
from keyferry.values import Search
from tests.unit.fakes import FakeBackend, PlainBackend
from tests.unit.fetch.counter import Counter, filled, now

pytestmark = pytest.mark.looptime(start=1000.0)
ALL = Search(regexp=".")


async def test_a_read_without_a_catalogue_brings_value_and_version_at_once():
    counter = Counter(filled(3, kind=PlainBackend))
    found = await counter.found("k0", "k1")
    assert await counter.read(found) == [b"value 0", b"value 1"]
    assert counter.backend.calls == {"fetch": 1}


async def test_a_secret_that_vanished_between_look_and_read_is_missing():
    counter = Counter(filled(1))
    found = await counter.found("k0")
    del counter.backend.secrets["k0"]
    assert [type(each) for each in (await counter.fetcher.values(found)).values()] == [SecretMissing]


async def test_whoever_looks_in_one_moment_without_a_catalogue_shares_the_read():
    counter = Counter(filled(3, kind=PlainBackend))
    at = now()
    await asyncio.gather(*(counter.look("k0", at=at) for _ in range(10)))
    await asyncio.sleep(1)
    await asyncio.gather(*(counter.look("k0", at=at) for _ in range(10)))
    assert counter.backend.calls == {"fetch": 1}


async def test_a_read_that_is_older_than_a_look_may_be_is_not_shared():
    counter = Counter(filled(3, kind=PlainBackend))
    await counter.look("k0")
    await counter.look("k0")
    assert counter.backend.calls == {"fetch": 2}
    await counter.look("k0", slack=5.0)
    assert counter.backend.calls == {"fetch": 2}


async def test_a_read_under_way_serves_who_may_have_it_and_no_other():
    counter = Counter(filled(1, kind=PlainBackend))
    counter.backend.gate = asyncio.Event()
    at = now()
    first = asyncio.create_task(counter.look("k0", at=at))
    await asyncio.sleep(1)
    same, later = (asyncio.create_task(counter.look("k0", at=each)) for each in (at, now()))
    await asyncio.sleep(1)
    counter.backend.gate.set()
    await asyncio.gather(first, same, later)
    assert counter.backend.calls == {"fetch": 2}


async def test_without_a_cache_only_reads_under_way_are_shared():
    counter = Counter(filled(1, kind=PlainBackend), cache=None)
    at = now()
    await counter.look("k0", at=at)
    await counter.look("k0", at=at)
    assert counter.backend.calls == {"fetch": 2}


async def test_a_catalogue_that_costs_a_call_for_each_secret_and_more_is_not_even_begun():
    counter = Counter(filled(50, kind=OneByOne), demand=10)
    await counter.look("k0")
    assert counter.backend.calls == {"fetch": 1}
    assert len(await counter.found(ALL)) == 50
    assert counter.backend.calls["list"] > 0


class OneByOne(FakeBackend):
    """Lists as Vault does: a call for the folder, and one for each secret in it."""

    def sweep_calls(self, entries: int) -> int:
        return entries + 1


async def test_values_come_in_batches_and_once():
    counter = Counter(filled(100), demand=100)
    found = await counter.found(*(f"k{n}" for n in range(100)))
    counter.forget_calls()
    await asyncio.gather(*(counter.read([each]) for each in found), *(counter.read(found) for _ in range(3)))
    assert counter.backend.calls == {"fetch": 5}


async def test_the_cache_serves_a_value_at_its_version_only():
    counter = Counter(filled(1))
    found = await counter.found("k0")
    assert await counter.read(found) == await counter.read(found) == [b"value 0"]
    counter.backend.put("k0", b"new")
    assert await counter.read(await counter.found("k0")) == [b"new"]
    assert counter.backend.calls["fetch"] == 2


async def test_without_a_cache_every_read_is_a_call():
    counter = Counter(filled(1), cache=None)
    found = await counter.found("k0")
    await counter.read(found)
    await counter.read(found)
    assert counter.backend.calls["fetch"] == 2


async def test_a_forced_read_goes_past_the_cache_and_renews_it():
    counter = Counter(filled(1))
    found = await counter.found("k0")
    await counter.read(found)
    counter.backend.secrets["k0"].versions["v1"] = b"changed in place"
    assert await counter.read(found) == [b"value 0"]
    assert await counter.read(found, fresh=True) == [b"changed in place"]
    assert await counter.read(found) == [b"changed in place"]


async def test_a_forced_read_does_not_read_twice_what_the_look_brought():
    counter = Counter(filled(1, kind=PlainBackend))
    assert await counter.read(await counter.found("k0"), fresh=True) == [b"value 0"]
    assert counter.backend.calls == {"fetch": 1}


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (BackendUnavailable("down"), True),
        (AuthFailed("no"), True),
        (CredentialsMissing("gone"), True),
        (Throttled("slow"), False),
        (PermissionDenied("this one"), False),
        (SecretMissing("none"), False),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_reads_report_what_may_concern_all(error: SyncError, *, reported: bool):
    counter = Counter(filled(1))
    found = await counter.found("k0")
    counter.backend.spoiled["k0"] = error
    assert list((await counter.fetcher.values(found)).values()) == [error]
    assert counter.troubles == ([error] if reported else [])


async def test_a_read_under_way_serves_whoever_wants_just_that_version():
    counter = Counter(filled(1), cache=None)
    found = await counter.found("k0")
    counter.backend.gate = asyncio.Event()
    first = asyncio.create_task(counter.read(found))
    await asyncio.sleep(1)
    second = asyncio.create_task(counter.read(found))
    await asyncio.sleep(1)
    counter.backend.gate.set()
    assert await first == await second == [b"value 0"]
    assert counter.backend.calls["fetch"] == 1


async def test_a_read_under_way_of_an_older_version_does_not_serve():
    counter = Counter(filled(1), cache=None)
    old = await counter.found("k0")
    counter.backend.gate = asyncio.Event()
    first = asyncio.create_task(counter.fetcher.values(old))
    await asyncio.sleep(1)
    counter.backend.gate.set()
    counter.backend.put("k0", b"new")
    new = [replace(each, version="v2") for each in old]
    assert await counter.read(new) == [b"new"]
    await first


async def test_a_forced_read_joins_none_that_is_under_way():
    counter = Counter(filled(1), cache=None)
    found = await counter.found("k0")
    counter.backend.gate = asyncio.Event()
    first = asyncio.create_task(counter.read(found))
    await asyncio.sleep(1)
    second = asyncio.create_task(counter.read(found, fresh=True))
    await asyncio.sleep(1)
    counter.backend.gate.set()
    assert await first == await second == [b"value 0"]
    assert counter.backend.calls["fetch"] == 2


async def test_closing_tells_whoever_waits_for_a_value():
    counter = Counter(filled(1))
    found = await counter.found("k0")
    counter.backend.gate = asyncio.Event()
    reading = asyncio.create_task(counter.fetcher.values(found))
    await asyncio.sleep(1)
    await counter.fetcher.aclose()
    answers = await asyncio.wait_for(reading, 1)
    assert {type(each) for each in answers.values()} == {StoreNotReady}
