"""What a real Elasticsearch can hold and refuse, and what becomes of it."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from keyferry.backends.elasticsearch.backend import LARGEST_VALUE, ElasticsearchBackend
from keyferry.backends.elasticsearch.documents import META_ID, Fields, id_of
from keyferry.errors import (
    BackendUnavailable,
    SecretMissing,
    SecretTooLarge,
    SpecInvalid,
    ValueInvalid,
)
from keyferry.values import Ref, Scope, Value
from tests.contract.context import counts
from tests.contract.elasticsearch_stores import DB, listed, one, store
from tests.servers.elasticsearch_server import ElasticsearchServer

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
OTHER = Ref("app/other")


async def data(backend: ElasticsearchBackend, ref: Ref = DB) -> bytes:
    value = await one(backend, ref)
    assert isinstance(value, Value), value
    return value.data


def document(elastic: ElasticsearchServer, index: str, ref: Ref = DB) -> dict[str, Any]:
    source: dict[str, Any] = elastic.request("GET", f"{index}/_doc/{id_of(ref.id)}")["_source"]
    return source


def overwritten(elastic: ElasticsearchServer, index: str, source: Mapping[str, Any], ref: Ref = DB) -> None:
    """As somebody writes who may write to the index."""
    elastic.request("PUT", f"{index}/_doc/{id_of(ref.id)}?refresh=true", source)


def unlike(source: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {key: value for key, value in {**source, **change}.items() if value is not None}


@pytest.mark.parametrize(
    "change",
    [
        {"value": "AAAA"},
        {"value": None},
        {"version": 7},
        {"version": None},
        {"tags": {"tier": "db"}},
        {"tags": {}},
        {"tags": {"tier": 1}},
        {"tags": ["tier"]},
        {"tags": None},
        {"name": "app/another"},
        {"name": None},
    ],
    ids=str,
)
async def test_a_document_that_was_changed_is_the_failure_of_its_own_ref(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend, change: dict[str, Any]
):
    await writer.put(DB.id, b"canary", {"tier": "web"})
    await writer.put(OTHER.id, b"good", {})
    overwritten(elastic, index, unlike(document(elastic, index), **change))
    got = await writer.fetch([DB, OTHER])
    assert isinstance(got[DB], ValueInvalid)
    assert f"secret {DB.id!r}: the document is not as Keyferry wrote it" in str(got[DB])
    assert isinstance(got[OTHER], Value)
    await writer.put(DB.id, b"mended", {})
    assert await data(writer) == b"mended"
    assert set(await listed(writer)) == {DB.id, OTHER.id}


@pytest.mark.parametrize("change", [{"version": None}, {"tags": None}, {"tags": {"tier": 1}}, {"name": "x"}], ids=str)
async def test_a_document_that_cannot_be_listed_is_not_left_out_silently(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend, change: dict[str, Any]
):
    await writer.put(DB.id, b"v", {"tier": "web"})
    overwritten(elastic, index, unlike(document(elastic, index), **change))
    with pytest.raises(ValueInvalid, match="the document is not as Keyferry wrote it") as failure:
        await listed(writer)
    assert DB.id not in str(failure.value)  # everybody who uses the store is told


async def test_an_older_ciphertext_and_another_secrets_do_not_open(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"old", {})
    before = document(elastic, index)
    await writer.put(DB.id, b"new", {})
    await writer.put(OTHER.id, b"other", {})
    overwritten(elastic, index, {**document(elastic, index), "value": before["value"]})
    assert isinstance(await one(writer), ValueInvalid)
    overwritten(elastic, index, document(elastic, index, OTHER))
    assert isinstance(await one(writer), ValueInvalid)
    overwritten(elastic, index, {**document(elastic, index, OTHER), "name": DB.id})
    assert isinstance(await one(writer), ValueInvalid)


async def test_a_document_of_another_index_does_not_open(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    async with aclosing(store(elastic, f"{index}-other")) as other:
        await other.put(DB.id, b"canary", {})
    await writer.put(DB.id, b"v", {})
    overwritten(elastic, index, document(elastic, f"{index}-other"))
    elastic.request("DELETE", f"{index}-other")
    assert isinstance(await one(writer), ValueInvalid)


async def test_a_whole_document_that_is_put_back_is_read_anew_and_opens(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    """As the page says: this cannot be noticed."""
    first = await writer.put(DB.id, b"old", {})
    before = document(elastic, index)
    await writer.put(DB.id, b"new", {})
    overwritten(elastic, index, before)
    value = await one(writer)
    assert isinstance(value, Value)
    assert (value.data, value.version == first) == (b"old", False)


@pytest.mark.parametrize(
    "meta", [{}, {"meta": {"scheme": "another"}}, {"meta": {"scheme": "keyferry/elasticsearch/1"}}]
)
async def test_an_index_whose_encryption_is_unknown_is_told_and_left_alone(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend, meta: dict[str, Any]
):
    await writer.put(DB.id, b"v", {})
    elastic.request("PUT", f"{index}/_doc/{META_ID}?refresh=true", meta)
    for attempt in (writer.check(), listed(writer), writer.put(DB.id, b"v", {}), writer.delete(DB.id)):
        with pytest.raises(BackendUnavailable, match="does not say how values are encrypted"):
            await attempt
    assert isinstance(await one(writer), BackendUnavailable)


async def test_an_index_that_vanishes_is_told_and_not_made_again(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    first = await writer.put(DB.id, b"v", {})
    elastic.request("DELETE", index)
    for attempt in (writer.check(), listed(writer), writer.put(DB.id, b"v", {}), writer.delete(DB.id)):
        with pytest.raises(BackendUnavailable, match=f"has no index {index}"):
            await attempt
    assert isinstance(await one(writer), BackendUnavailable)
    async with aclosing(store(elastic, index)) as anew:
        assert await anew.put(DB.id, b"w", {}) != first


async def test_an_index_that_was_emptied_is_not_believed(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"v", {})
    for each in (id_of(DB.id), META_ID):
        elastic.request("DELETE", f"{index}/_doc/{each}?refresh=true")
    with pytest.raises(BackendUnavailable, match="holds no secrets of Keyferry's"):
        await listed(writer)
    assert isinstance(await one(writer), BackendUnavailable)


async def put_at_last(backend: ElasticsearchBackend, name: str) -> None:
    """Put a secret, again where somebody else's new index has, for a moment, no shard yet to be read from."""
    for _ in range(100):
        try:
            await backend.put(name, b"v", {})
        except BackendUnavailable as e:
            if "shards of the index" not in str(e):
                raise
        else:
            return
    raise AssertionError(f"{name} was refused a hundred times")


async def test_two_that_begin_at_once_share_one_encryption(elastic: ElasticsearchServer, index: str):
    async with AsyncExitStack() as closing:
        stores = [await closing.enter_async_context(aclosing(store(elastic, index))) for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            for number, each in enumerate(stores):
                group.create_task(put_at_last(each, f"n{number}"))
        for each in stores:
            got = await each.fetch([Ref(f"n{number}") for number in range(4)])
            assert [type(value) for value in got.values()] == [Value] * 4


@pytest.mark.parametrize("before", ["old", ""], ids=["there", "new"])
async def test_of_two_that_write_at_once_one_is_told_so(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend, before: str
):
    if before:
        await writer.put(DB.id, before.encode(), {})
    async with aclosing(store(elastic, index)) as other:
        await other.check()
        mine = await writer._on(lambda index: index.find(DB.id))
        await other.put(DB.id, b"theirs", {})
        with pytest.raises(BackendUnavailable, match="somebody else writes to the index"):
            await writer._on(lambda index: index.write(mine, index.identity(DB.id, {}, mine, 1), b"mine"))
        assert await data(writer) == b"theirs"


async def test_no_version_returns_when_a_secret_is_made_again_or_a_clock_goes_back(
    elastic: ElasticsearchServer, index: str
):
    backend = store(elastic, index)
    now = 1000.0
    backend._clock = lambda: now
    seen = [await backend.put(DB.id, b"v", {}), await backend.put(DB.id, b"w", {})]
    await backend.delete(DB.id)
    seen.append(await backend.put(DB.id, b"v", {}))
    now = 10.0
    seen.append(await backend.put(DB.id, b"v", {}))
    assert len(set(seen)) == 4
    numbers = [[int(part) for part in version.split("@")] for version in seen]
    assert [first for first, _ in numbers] == sorted(first for first, _ in numbers)
    assert [second for _, second in numbers] == [1_000_000, 1_000_001, 1_000_000, 1_000_001]
    await backend.aclose()


async def test_a_number_that_nobody_could_have_reached_is_not_counted_on_from(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"v", {})
    overwritten(elastic, index, {**document(elastic, index), "version": 2**63 - 1})
    await writer.put(DB.id, b"w", {})
    assert await data(writer) == b"w"


async def test_a_write_is_seen_by_the_next_list_whatever_the_index_refreshes(elastic: ElasticsearchServer, index: str):
    settings = {"index": {"refresh_interval": "-1"}}
    elastic.request("PUT", index, {"settings": settings, "mappings": Fields().mapping()})
    async with aclosing(store(elastic, index)) as backend:
        await backend.put(DB.id, b"v", {})
        assert set(await listed(backend)) == {DB.id}
        await backend.delete(DB.id)
        assert await listed(backend) == {}


async def test_what_others_wrote_is_read_before_a_list_shows_it(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"old", {})
    before = document(elastic, index)
    await writer.put(DB.id, b"new", {})
    elastic.request("PUT", f"{index}/_settings", {"index": {"refresh_interval": "-1"}})
    elastic.request("PUT", f"{index}/_doc/{id_of(DB.id)}", before)
    assert await data(writer) == b"old"
    shown = (await listed(writer))[DB.id].versions[""]
    elastic.request("POST", f"{index}/_refresh")
    assert (await listed(writer))[DB.id].versions[""] != shown


async def test_large_values_come_in_answers_that_can_be_held(index: str, writer: ElasticsearchBackend):
    refs = [Ref(f"n{number:02}") for number in range(26)]
    for ref in refs:
        await writer.put(ref.id, b"x" * LARGEST_VALUE, {})
    await writer.check()  # forgets what it learnt
    counts(writer._context).clear()
    got = await writer.fetch(refs)
    assert {type(value) for value in got.values()} == {Value}
    assert counts(writer._context)["Read"] == 3  # of 26, which is too much, and twice of 13
    assert writer.batch == 13


async def test_a_list_takes_smaller_pages_where_the_index_gives_no_larger_ones(
    elastic: ElasticsearchServer, index: str
):
    settings = {"index": {"max_result_window": 20}}
    elastic.request("PUT", index, {"settings": settings, "mappings": Fields().mapping()})
    async with aclosing(store(elastic, index)) as backend:
        for number in range(50):
            await backend.put(f"n{number:02}", b"v", {})
        assert set(await listed(backend)) == {f"n{number:02}" for number in range(50)}
        counts(backend._context).clear()
        assert len(await listed(backend)) == 50
        assert counts(backend._context)["List"] == backend.sweep_calls(50) == 3


@pytest.mark.parametrize("prefix", ["app/", "app", "a*", "žluť/", ""])
async def test_a_prefix_is_no_pattern(index: str, writer: ElasticsearchBackend, prefix: str):
    names = {"app/db", "app", "a*b", "ab", "žluť/db"}
    for name in names:
        await writer.put(name, b"v", {})
    assert set(await listed(writer, Scope(name_prefix=prefix))) == {name for name in names if name.startswith(prefix)}


async def test_names_and_values_have_limits_that_are_told(index: str, writer: ElasticsearchBackend):
    longest = "𝔎" * 1024
    await writer.put(longest, b"v", {})
    assert await data(writer, Ref(longest)) == b"v"
    assert set(await listed(writer)) == {longest}
    for name in ("", "𝔎" * 1025, "two\nlines"):
        with pytest.raises(SpecInvalid, match="1 to 1024 printable characters"):
            await writer.put(name, b"v", {})
        with pytest.raises(SecretMissing):
            await writer.delete(name)
        assert isinstance(await one(writer, Ref(name)), SecretMissing)
    with pytest.raises(SecretTooLarge):
        await writer.put("large", b"x" * (LARGEST_VALUE + 1), {})


async def test_only_the_current_version_can_be_pinned(index: str, writer: ElasticsearchBackend):
    await writer.put(DB.id, b"old", {})
    number = (await writer.put(DB.id, b"new", {})).partition("@")[0]
    assert await data(writer, Ref(DB.id, number)) == b"new"
    gone = await one(writer, Ref(DB.id, str(int(number) - 1)))
    assert isinstance(gone, SecretMissing)
    assert f"keeps only the current version of {DB.id!r}, which is {number}" in str(gone)


async def test_fields_have_the_names_that_the_store_gives_them(elastic: ElasticsearchServer, index: str):
    named = {"name": "key", "version": "revision", "tags": "labels", "value": "secret", "meta": "keyferry"}
    async with aclosing(store(elastic, index, spec={"fields": named})) as backend:
        await backend.put(DB.id, b"v", {"tier": "web"})
        assert await data(backend) == b"v"
        assert (await listed(backend))[DB.id].tags == {"tier": "web"}
    source = document(elastic, index)
    assert (source["key"], source["labels"]) == (DB.id, {"tier": "web"})
    assert set(source) == {"key", "revision", "labels", "secret"}


async def test_an_alias_and_a_copy_are_as_good_as_the_index(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"v", {"tier": "web"})
    elastic.request("POST", "_aliases", {"actions": [{"add": {"index": index, "alias": f"{index}-alias"}}]})
    async with aclosing(store(elastic, f"{index}-alias")) as backend:
        assert await data(backend) == b"v"
        await backend.put(DB.id, b"w", {"tier": "web"})
        assert set(await listed(backend)) == {DB.id}
