"""The counter of a store: versions first, at the least cost, and no more belief than an answer deserves."""

import asyncio

import pytest

from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    CatalogueTooLarge,
    DeletionHeld,
    PermissionDenied,
    SecretAmbiguous,
    SecretMissing,
    SpecInvalid,
    StoreNotReady,
    SyncError,
    Throttled,
)
from keyferry.values import Lookup, Ref, Search, Value
from tests.unit.fakes import FakeBackend, PlainBackend
from tests.unit.fetch.counter import NO_LISTING, PATHS, TAGS, Counter, filled, now

pytestmark = pytest.mark.looptime(start=1000.0)
ALL = Search(regexp=".")


async def test_many_who_look_in_one_moment_cost_one_look_at_the_catalogue():
    counter = Counter(filled(250), demand=500)
    await asyncio.gather(*(counter.look(f"k{n % 250}") for n in range(500)))
    assert counter.backend.calls == {"list": 3}


async def test_looking_tells_versions_and_reads_no_value():
    counter = Counter(filled(2))
    assert [found.version for found in await counter.found("k0", "k1")] == ["v1", "v2"]
    assert counter.backend.reads == []


async def test_a_look_is_as_fresh_as_it_is_asked_to_be():
    counter = Counter(filled(1))
    await counter.look("k0")
    counter.backend.put("k0", b"new")
    await asyncio.sleep(3)
    assert [each.version for each in await counter.found("k0", slack=5)] == ["v1"]
    assert [each.version for each in await counter.found("k0")] == ["v2"]


async def test_what_is_missing_in_an_older_look_is_looked_for_anew():
    counter = Counter(filled(1))
    await counter.look("k0")
    await asyncio.sleep(1)
    counter.backend.put("late", b"v")
    assert [each.key for each in await counter.found("late", slack=5)] == ["late"]


async def test_what_is_missing_by_name_is_asked_for_directly():
    counter = Counter(filled(1))
    counter.backend.secrets["hidden"] = counter.backend.secrets["k0"]
    counter.backend.hidden.add("hidden")
    (found,) = await counter.found("hidden")
    assert (found.version, found.value) == ("v1", Value(b"value 0", "v1"))
    assert counter.backend.reads == [{Ref("hidden")}]


async def test_what_is_missing_by_name_for_the_backend_too_is_missing():
    counter = Counter(filled(1))
    assert isinstance(await counter.seen("nobody"), SecretMissing)
    assert counter.backend.calls == {"list": 1, "fetch": 1}


async def test_what_was_expected_to_be_missing_is_not_asked_for_again():
    counter = Counter(filled(1))
    await counter.look("k0", "k9", expected=lambda looked: isinstance(looked[Lookup("k9")], SecretMissing))
    assert counter.backend.calls == {"list": 1}


async def test_whoever_asks_how_often_sweeps_take_half_of_the_budget():
    counter = Counter(filled(250), mapping=TAGS)
    counter.fetcher.budget.rate = 20.0
    before = now()
    for _ in range(100):
        await counter.look("k0")
    assert counter.backend.calls["list"] / (now() - before) == pytest.approx(10, rel=0.1)


async def test_by_tags_what_the_catalogue_lacks_is_missing_and_nothing_is_guessed():
    counter = Counter(filled(1), mapping=TAGS)
    assert isinstance(await counter.seen("k0"), SecretMissing)
    assert counter.backend.reads == []


@pytest.mark.parametrize(("demand", "pages", "lists"), [(1, 5, True), (1, 6, False), (100, 9, True), (100, 10, False)])
async def test_the_cheaper_way_is_found_by_counting_calls(demand: int, pages: int, *, lists: bool):
    counter = Counter(filled(pages * 10, page=10), demand=demand)
    await counter.look("k0")
    counter.forget_calls()
    await counter.look("k0")
    assert (counter.backend.calls["list"] > 0) is lists
    assert (counter.backend.calls["fetch"] > 0) is not lists


async def test_finding_out_what_a_sweep_costs_costs_little():
    counter = Counter(filled(10_000, page=100), demand=1)
    assert [each.version for each in await counter.found("k7")] == ["v8"]
    assert counter.backend.calls == {"list": 6, "fetch": 1}


async def test_a_store_that_is_asked_more_comes_to_be_swept():
    counter = Counter(filled(100, page=10), demand=1)
    await counter.look("k0")
    counter.demand = 200
    counter.forget_calls()
    await counter.look("k0")
    assert counter.backend.calls == {"list": 10}


async def test_find_needs_the_catalogue_whatever_it_costs():
    counter = Counter(filled(1000, page=10), demand=1)
    assert len(await counter.found(ALL)) == 1000
    assert counter.backend.calls == {"list": 100}


async def test_a_find_that_joins_a_look_makes_it_go_to_the_end():
    counter = Counter(filled(1000, page=10), demand=1)
    counter.backend.gate = asyncio.Event()
    lookup = asyncio.create_task(counter.look("k0"))
    await asyncio.sleep(0.1)
    search = asyncio.create_task(counter.found(ALL, at=1000.0))
    await asyncio.sleep(0.1)
    counter.backend.gate.set()
    assert len(await search) == 1000
    assert not isinstance((await lookup)[Lookup("k0")], SyncError)


async def test_a_find_of_long_ago_does_not_make_everybody_pay():
    counter = Counter(filled(1000, page=10), demand=1)
    await counter.look(ALL)
    counter.forget_calls()
    await asyncio.sleep(601)
    await counter.look("k0")
    assert counter.backend.calls == {"fetch": 1}


async def test_where_listing_is_not_granted_names_are_read_directly():
    counter = Counter(filled(3, access=NO_LISTING))
    assert [each.version for each in await counter.found("k1")] == ["v2"]
    assert counter.backend.calls == {"fetch": 1}
    assert counter.troubles == []


@pytest.mark.parametrize(
    "backend", [filled(1, access=NO_LISTING), filled(1, kind=PlainBackend)], ids=["denied", "none"]
)
async def test_without_a_catalogue_find_says_what_is_lacking_and_spoils_nothing_else(backend: PlainBackend):
    counter = Counter(backend)
    looked = await counter.look(ALL, "k0")
    assert isinstance(refused := looked[ALL], PermissionDenied)
    assert "may not list secrets" in str(refused)
    assert not isinstance(looked[Lookup("k0")], SyncError)
    assert not isinstance(await counter.seen("k0"), SyncError)


async def test_without_a_catalogue_tags_are_refused_with_the_remedy_and_nobody_is_asked():
    counter = Counter(filled(1, access=NO_LISTING), mapping=TAGS)
    answer = await counter.seen("k0")
    assert isinstance(answer, PermissionDenied)
    assert "map by Names or Paths" in str(answer)
    assert counter.backend.calls == {}
    assert counter.troubles == []


async def test_a_grant_that_was_taken_away_is_reported_and_names_are_read_directly():
    counter = Counter(filled(1))
    counter.backend.lost[0] = PermissionDenied("ListSecrets")
    assert [each.version for each in await counter.found("k0")] == ["v1"]
    assert [type(each) for each in counter.troubles] == [PermissionDenied]


async def test_the_nearest_place_answers_a_direct_read():
    backend = filled(0, kind=PlainBackend)
    backend.put("acme/db", b"far")
    counter = Counter(backend, mapping=PATHS)
    assert await counter.read(await counter.found("db", lineage=("acme.pay", "acme"))) == [b"far"]
    backend.put("acme.pay/db", b"near")
    assert await counter.read(await counter.found("db", lineage=("acme.pay", "acme"))) == [b"near"]


async def test_a_nearer_place_that_cannot_be_read_is_not_passed_over():
    backend = filled(0, kind=PlainBackend)
    backend.put("acme/db", b"far")
    backend.spoiled["acme.pay/db"] = PermissionDenied("no")
    answer = await Counter(backend, mapping=PATHS).seen("db", lineage=("acme.pay", "acme"))
    assert isinstance(answer, PermissionDenied)


@pytest.mark.parametrize("kind", [PlainBackend, FakeBackend])
async def test_a_version_that_the_nearest_lacks_is_not_taken_from_a_farther(kind: type[PlainBackend]):
    backend = filled(0, kind=kind)
    version = backend.put("acme/db", b"far")
    backend.put("acme.pay/db", b"near")
    answer = await Counter(backend, mapping=PATHS).seen(Lookup("db", version), lineage=("acme.pay", "acme"))
    assert isinstance(answer, SecretMissing)


async def test_a_version_that_the_catalogue_does_not_know_is_read():
    backend = filled(1)
    backend.put("k0", b"new")
    counter = Counter(backend)
    (found,) = await counter.found(Lookup("k0", "v1"))
    assert (found.version, found.ref) == ("v1", Ref("k0", "v1"))
    assert await counter.read([found]) == [b"value 0"]
    assert backend.calls == {"list": 1, "fetch": 1}


async def test_a_version_in_a_view_of_one_place_is_one_read():
    counter = Counter(filled(1, kind=PlainBackend))
    await counter.found(Lookup("k0", "v1"))
    assert counter.backend.reads == [{Ref("k0", "v1")}]


async def test_by_tags_a_version_that_the_catalogue_does_not_know_is_read_by_id():
    backend = FakeBackend()
    backend.put("any", b"old", {"namespace": "team", "key": "db"})
    backend.put("any", b"new")
    counter = Counter(backend, mapping=TAGS)
    assert await counter.read(await counter.found(Lookup("db", "v1"))) == [b"old"]
    assert backend.reads == [{Ref("id:any", "v1")}]


async def test_a_key_that_climbs_is_refused_and_nobody_is_asked():
    counter = Counter(filled(1, kind=PlainBackend))
    assert isinstance(await counter.seen("../k0"), SpecInvalid)
    assert counter.backend.calls == {}


async def test_two_claims_are_an_error_and_no_reason_to_ask_again():
    backend = FakeBackend()
    for name in ("one", "two"):
        backend.put(name, b"v", {"namespace": "team", "key": "db"})
    assert isinstance(await Counter(backend, mapping=TAGS).seen("db"), SecretAmbiguous)


@pytest.mark.parametrize(
    ("error", "reported"),
    [(BackendUnavailable("down"), True), (AuthFailed("no"), True), (Throttled("slow"), False)],
    ids=lambda each: type(each).__name__,
)
async def test_a_catalogue_that_fails_is_the_answer_to_all_questions(error: SyncError, *, reported: bool):
    counter = Counter(filled(1))
    counter.backend.down = error
    assert await counter.look("k0", ALL) == {Lookup("k0"): error, ALL: error}
    assert counter.troubles == ([error] if reported else [])


async def test_half_a_catalogue_is_no_catalogue():
    counter = Counter(filled(250), demand=100)
    await counter.look("k0")
    whole = counter.fetcher.last_sweep
    counter.backend.lost[1] = BackendUnavailable("lost")
    assert isinstance(await counter.seen("k0"), BackendUnavailable)
    assert counter.fetcher.last_sweep is whole


async def test_a_catalogue_that_is_suddenly_empty_makes_nothing_missing():
    counter = Counter(filled(10))
    await counter.look("k0")
    counter.backend.secrets.clear()
    looked = await counter.look("k0", ALL)
    assert {type(each) for each in looked.values()} == {DeletionHeld}
    assert counter.fetcher.offered is None


async def test_what_is_left_while_much_vanished_can_be_had():
    counter = Counter(filled(10))
    await counter.look("k0")
    for n in range(1, 10):
        del counter.backend.secrets[f"k{n}"]
    looked = await counter.look("k0", "k1")
    assert not isinstance(looked[Lookup("k0")], SyncError)
    assert isinstance(looked[Lookup("k1")], DeletionHeld)


async def test_what_is_confirmed_gone_is_missing():
    counter = Counter(filled(10))
    await counter.look("k0")
    counter.backend.secrets.clear()
    await counter.look("k0")
    counter.fetcher.guard.confirm()
    assert isinstance(await counter.seen("k0"), SecretMissing)
    assert counter.fetcher.offered == 0


@pytest.mark.parametrize(
    "backend", [filled(10, access=NO_LISTING), filled(10, kind=PlainBackend)], ids=["denied", "none"]
)
async def test_without_a_catalogue_all_that_is_suddenly_gone_is_not_missing_either(backend: PlainBackend):
    counter = Counter(backend)
    keys = [f"k{n}" for n in range(10)]
    await counter.look(*keys)
    backend.secrets.clear()
    await asyncio.sleep(60)
    assert {type(each) for each in (await counter.look(*keys)).values()} == {DeletionHeld}


async def test_where_the_catalogue_is_swept_a_few_that_are_read_in_vain_are_just_missing():
    counter = Counter(filled(100))
    await counter.read(await counter.found(*(f"k{n}" for n in range(4))))
    for n in range(4):
        del counter.backend.secrets[f"k{n}"]
    looked = await counter.look(*(f"k{n}" for n in range(4)))
    assert {type(each) for each in looked.values()} == {SecretMissing}


async def test_every_look_at_the_catalogue_is_told_with_what_it_offers():
    counter = Counter(filled(3))
    await counter.look("k0")
    assert (counter.sweeps, counter.fetcher.offered) == (1, 3)


async def test_it_is_told_whether_values_can_be_read_and_one_refusal_among_many_changes_nothing():
    counter = Counter(filled(1))
    assert counter.fetcher.readable is None
    found = await counter.found("k0")
    await counter.read(found)
    counter.backend.spoiled["k0"] = PermissionDenied("no")
    await counter.read(found, fresh=True)
    assert counter.fetcher.readable is True


async def test_where_every_value_was_refused_none_can_be_read():
    counter = Counter(filled(1))
    counter.backend.spoiled["k0"] = PermissionDenied("no")
    await counter.read(await counter.found("k0"))
    assert counter.fetcher.readable is False


async def test_closing_closes_the_backend_and_tells_whoever_waits():
    counter = Counter(filled(1))
    counter.backend.gate = asyncio.Event()
    looking = asyncio.create_task(counter.seen("k0"))
    await asyncio.sleep(1)
    await counter.fetcher.aclose()
    assert isinstance(await looking, StoreNotReady)
    assert isinstance(await counter.seen("k0"), StoreNotReady)
    assert counter.backend.closed


async def test_find_never_lists_what_the_mapping_hides():
    backend = FakeBackend()
    for namespace in ("team", "other", "team2", "te"):
        backend.put(f"of {namespace}", b"v", {"namespace": namespace, "key": f"key of {namespace}", "tier": "web"})
    counter = Counter(backend, mapping=TAGS)
    for search in (
        Search(regexp=".*"),
        Search(tags=(("tier", "web"),)),
        Search(path="/"),
        Search(tags=(("namespace", "other"),)),
    ):
        assert {each.key for each in await counter.found(search)} <= {"key of team"}


async def test_a_catalogue_that_is_too_large_is_given_up_before_it_takes_the_memory():
    counter = Counter(filled(1000), mapping=TAGS, largest=250)
    answer = await counter.seen("k1")
    assert isinstance(answer, CatalogueTooLarge)
    assert "lists more than 250 secrets" in str(answer)
    assert "raise --largest-catalogue" in str(answer)
    assert counter.backend.calls == {"list": 3}
    assert counter.troubles == []


async def test_a_catalogue_that_is_too_large_is_not_listed_again_and_again():
    counter = Counter(filled(1000), mapping=TAGS, largest=250)
    await counter.seen("k1")
    counter.forget_calls()
    await asyncio.sleep(500)
    assert isinstance(await counter.seen("k1"), CatalogueTooLarge)
    assert counter.backend.calls == {}
    await asyncio.sleep(200)
    await counter.seen("k1")
    assert counter.backend.calls == {"list": 3}


async def test_where_a_catalogue_is_too_large_what_is_named_is_read_directly():
    counter = Counter(filled(1000), demand=100_000, largest=250)
    (found,) = await counter.found("k1")
    assert await counter.read([found]) == [b"value 1"]
    assert isinstance(await counter.seen(ALL), CatalogueTooLarge)
