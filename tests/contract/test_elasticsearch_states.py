"""States of a real index and cluster in which nothing can be read or written, and what is told of them."""

import json
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.backends.elasticsearch.documents import Fields
from keyferry.errors import BackendUnavailable, SyncError, Throttled
from keyferry.values import Value
from tests.contract.elasticsearch_stores import DB, listed, one, store
from tests.servers.elasticsearch_server import ElasticsearchServer

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
SETTINGS = dict[str, Any]


async def data(backend: ElasticsearchBackend) -> bytes:
    value = await one(backend)
    assert isinstance(value, Value), value
    return value.data


async def said(backend: ElasticsearchBackend, kind: type[SyncError] = BackendUnavailable) -> str:
    """What check, list and read say alike."""
    told = []
    for attempt in (backend.check(), listed(backend)):
        with pytest.raises(kind) as failure:
            await attempt
        told.append(str(failure.value))
    answer = await one(backend)
    assert isinstance(answer, kind)
    assert {*told, str(answer)} == {told[0]}
    return told[0]


async def test_a_red_index_is_told_and_nothing_is_missing(elastic: ElasticsearchServer, index: str):
    nowhere = {"index.routing.allocation.require._name": "nowhere"}
    made = {"settings": nowhere, "mappings": Fields().mapping()}
    elastic.request("PUT", f"{index}?wait_for_active_shards=0", made)
    async with aclosing(store(elastic, index, timeout=3)) as backend:
        assert f"shards of the index {index} are not available" in await said(backend)


async def test_a_closed_index_is_told(elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend):
    await writer.put(DB.id, b"v", {})
    elastic.request("POST", f"{index}/_close")
    assert f"the index {index} is closed: open it" in await said(writer)
    elastic.request("POST", f"{index}/_open")
    assert await data(writer) == b"v"


@contextmanager
def set_to(elastic: ElasticsearchServer, path: str, settings: SETTINGS) -> Iterator[None]:
    elastic.request("PUT", path, settings)
    try:
        yield
    finally:
        elastic.request("PUT", path, json.loads(json.dumps(settings).replace("true", "null").replace('"1kb"', "null")))


@pytest.mark.parametrize(
    ("block", "telling"),
    [
        ("write", "is blocked for writing: take index.blocks.write away"),
        ("read_only", "is read-only: take index.blocks.read_only away"),
        ("read_only_allow_delete", "is read-only, because a disk of Elasticsearch's is full"),
    ],
)
async def test_an_index_that_is_blocked_is_read_and_a_write_tells_by_what(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend, block: str, telling: str
):
    await writer.put(DB.id, b"v", {})
    with set_to(elastic, f"{index}/_settings", {f"index.blocks.{block}": True}):
        assert await data(writer) == b"v"
        with pytest.raises(BackendUnavailable, match=telling):
            await writer.put(DB.id, b"canary", {})
    await writer.put(DB.id, b"w", {})


async def test_an_index_that_is_blocked_for_reading_is_told(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"v", {})
    with set_to(elastic, f"{index}/_settings", {"index.blocks.read": True}):
        assert "is blocked for reading" in await said(writer)


async def test_a_circuit_breaker_asks_for_patience(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await writer.put(DB.id, b"v", {})
    with set_to(elastic, "_cluster/settings", {"transient": {"indices.breaker.total.limit": "1kb"}}):
        assert "has no memory for more (status 429)" in await said(writer, Throttled)
    assert await data(writer) == b"v"


@pytest.mark.parametrize(
    "properties",
    [{}, {"name": {"type": "text"}}, {"name": {"type": "keyword", "doc_values": False}}],
    ids=["none", "text", "not sortable"],
)
async def test_an_index_with_another_mapping_is_told(
    elastic: ElasticsearchServer, index: str, properties: dict[str, Any]
):
    elastic.request("PUT", index, {"mappings": {"properties": properties}})
    async with aclosing(store(elastic, index)) as backend:
        for attempt in (backend.check(), listed(backend)):
            with pytest.raises(BackendUnavailable, match=f"the index {index} has another mapping than Keyferry needs"):
                await attempt
