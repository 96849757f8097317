"""What tells a change in Azure, and what it costs: nothing is missed for ever, and nothing is read for nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from keyferry.api.store import MappingTags
from keyferry.backends.azure import AzureBackend
from keyferry.errors import SecretMissing, SecretUnusable, SyncError
from keyferry.fetch.fetcher import Fetcher
from keyferry.policy.mapping import ByNames, ByPaths, ByTags, Mapping
from keyferry.values import Found, Lookup, Search, Value
from tests.contract.azure_stores import listed, one, store
from tests.contract.counter import counter
from tests.standins.azure import AzureStandIn
from tests.standins.azure_faults import changing

pytest_plugins = ["tests.contract.azure_fixtures"]

NOON = 1_790_000_000


@asynccontextmanager
async def looking(azure: AzureStandIn, mapping: Mapping) -> AsyncIterator[Fetcher]:
    """A store's counter over the vault."""
    fetcher = counter(store(azure), mapping)
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


async def seen(fetcher: Fetcher, asked: Lookup | Search, *lineage: str) -> tuple[Found, ...] | SyncError:
    """What a look that begins now finds."""
    await fetcher.sweep()
    at = fetcher.last_sweep.started if fetcher.last_sweep else 0.0
    return (await fetcher.look([asked], lineage or ("team",), at=at))[asked]


async def found(fetcher: Fetcher, key: str, *lineage: str, version: str = "") -> Found:
    answer = await seen(fetcher, Lookup(key, version), *lineage)
    assert not isinstance(answer, SyncError), answer
    return answer[0]


async def value(fetcher: Fetcher, what: Found) -> Value:
    got = (await fetcher.values([what]))[what]
    assert isinstance(got, Value), got
    return got


async def test_a_rotation_within_the_same_second_as_the_last_one_is_found_once_that_second_is_over(
    azure: AzureStandIn,
):
    azure.vaults.clock.at = NOON
    async with looking(azure, ByNames("")) as fetcher:
        azure.put("db", "one")
        first = await value(fetcher, await found(fetcher, "db"))
        azure.put("db", "two")
        azure.vaults.clock.advance(60)
        now = await found(fetcher, "db")
        assert now.version != first.version, "it is read once more"
        second = await value(fetcher, now)
        azure.vaults.clock.advance(3600)
        assert (await found(fetcher, "db")).version == second.version, "and then never again"
    assert (first.data, second.data) == (b"one", b"two")


async def test_a_rotation_that_is_seen_at_once_costs_one_more_read_when_it_has_settled(azure: AzureStandIn):
    azure.vaults.clock.at = NOON
    async with looking(azure, ByNames("")) as fetcher:
        azure.put("db", "one")
        marks = []
        for _ in range(4):
            what = await found(fetcher, "db")
            marks.append((await value(fetcher, what)).version)
            azure.vaults.clock.advance(2)
    assert marks == ["2026-09-21T14:13:20Z?"] * 3 + ["2026-09-21T14:13:20Z"]
    assert azure.counts()["GetSecret"] == 2


async def test_a_rotation_while_the_last_one_settles_is_seen_at_once(azure: AzureStandIn):
    azure.vaults.clock.at = NOON
    async with looking(azure, ByNames("")) as fetcher:
        azure.put("db", "one")
        await value(fetcher, await found(fetcher, "db"))
        azure.vaults.clock.advance(1)
        azure.put("db", "two")
        assert (await value(fetcher, await found(fetcher, "db"))).data == b"two"


async def test_a_pinned_version_stays_what_it_is_and_costs_one_read(azure: AzureStandIn):
    pinned = azure.put("db", "old")
    async with looking(azure, ByNames("")) as fetcher:
        for _ in range(3):
            what = await found(fetcher, "db", version=pinned)
            assert (await value(fetcher, what)) == Value(b"old", pinned)
            azure.put("db", "new")
            azure.vaults.clock.advance(60)
    assert azure.counts()["GetSecret"] == 1


async def test_a_pinned_version_of_a_secret_that_is_gone_is_missing(azure: AzureStandIn):
    pinned = azure.put("db", "old")
    for n in range(3):
        azure.put(f"other-{n}", "v")
    async with looking(azure, ByNames("")) as fetcher:
        await found(fetcher, "db", version=pinned)
        azure.delete("db")
        assert isinstance(await seen(fetcher, Lookup("db", pinned)), SecretMissing)


async def test_a_secret_that_expires_is_refused_though_nobody_changed_it_and_heals_likewise(azure: AzureStandIn):
    azure.vaults.clock.at = NOON
    azure.put("db", "v", exp=NOON + 600)
    azure.put("soon", "v", nbf=NOON + 600)
    azure.vaults.clock.advance(60)
    async with looking(azure, ByNames("")) as fetcher:
        before = await found(fetcher, "db")
        early = await found(fetcher, "soon")
        assert isinstance((await fetcher.values([early]))[early], SecretUnusable)
        azure.vaults.clock.advance(600)
        after, valid = await found(fetcher, "db"), await found(fetcher, "soon")
        assert after.version != before.version
        assert isinstance((await fetcher.values([after]))[after], SecretUnusable)
        assert (await value(fetcher, valid)).data == b"v"


async def test_list_and_read_agree_on_a_version_whatever_the_operators_clock_says(azure: AzureStandIn):
    azure.vaults.clock.at = NOON - 10**8  # the vault's clock is years behind
    azure.put("db", "v")
    async with looking(azure, ByNames("")) as fetcher:
        assert (await found(fetcher, "db")).version.endswith("?")
        azure.vaults.clock.advance(60)
        what = await found(fetcher, "db")
        assert (await value(fetcher, what)).version == what.version
        assert not what.version.endswith("?")


async def test_by_names_two_spellings_never_lead_to_one_secret(azure: AzureStandIn):
    azure.put("App--DB", "v")
    async with looking(azure, ByNames("")) as fetcher:
        assert (await value(fetcher, await found(fetcher, "app/db"))).data == b"v"
        for spelling in ("App/DB", "app--db", "APP/db"):
            answer = await seen(fetcher, Lookup(spelling))
            assert "Write 'app/db' if that is meant" in str(answer)


@pytest.mark.parametrize("listing", [True, False], ids=["by the list", "by reading"])
async def test_by_paths_a_namespace_reaches_no_others_secret_by_a_dash(azure: AzureStandIn, *, listing: bool):
    azure.put("acme--team--a--db", "of team, key a/db")
    azure.put("acme--team-a--db", "of team-a, key db")
    if not listing:
        azure.grant(azure.reader.client_id, {"Microsoft.KeyVault/vaults/secrets/getSecret/action"})
    async with looking(azure, ByPaths("acme", "/", inherit=True)) as fetcher:
        assert (await value(fetcher, await found(fetcher, "a/db", "team"))).data == b"of team, key a/db"
        assert (await value(fetcher, await found(fetcher, "db", "team-a"))).data == b"of team-a, key db"
        for namespace, key in (("team--a", "db"), ("team", "a--db"), ("team-a", "DB"), ("team", "-a/db")):
            assert isinstance(await seen(fetcher, Lookup(key), namespace), SyncError), (namespace, key)


async def test_find_by_name_path_and_tags_stays_within_the_mapping(azure: AzureStandIn):
    azure.put("x1", "v", {"namespace": "team", "key": "app/api", "tier": "web"})
    azure.put("x2", "v", {"namespace": "team", "key": "app/db", "tier": "data"})
    azure.put("x3", "v", {"namespace": "other", "key": "app/theirs", "tier": "web"})
    tags = ByTags("", MappingTags(), inherit=True)
    searches = {
        Search(regexp="api$"): ["app/api"],
        Search(path="app"): ["app/api", "app/db"],
        Search(tags=(("tier", "web"),)): ["app/api"],
        Search(regexp="theirs"): [],
    }
    async with looking(azure, tags) as fetcher:
        for search, keys in searches.items():
            answer = await seen(fetcher, search)
            assert not isinstance(answer, SyncError)
            assert [each.key for each in answer] == keys


async def test_find_by_path_goes_by_the_names_of_the_vault_too(azure: AzureStandIn):
    azure.put("App--Api", "v")
    azure.put("Application", "v")
    async with looking(azure, ByNames("")) as fetcher:
        answer = await seen(fetcher, Search(path="app"))
        assert not isinstance(answer, SyncError)
        assert [each.key for each in answer] == ["app/api"]


async def test_a_list_with_empty_pages_goes_on(azure: AzureStandIn):
    for n in range(30):
        azure.put(f"s{n:02}", "v")
    backend: AzureBackend = store(azure)
    azure.faults.add("ListSecrets", changing(lambda got: got.update(value=[])), times=1)
    try:
        assert set(await listed(backend)) == {f"s{n}" for n in range(25, 30)}
        assert isinstance(await one(backend, "s00"), Value)
    finally:
        await backend.aclose()
