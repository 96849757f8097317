"""What a thousand ExternalSecrets over a thousand secrets cost a real Elasticsearch, as it counts its calls itself."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from pathlib import Path

import pytest

from keyferry.api.store import MappingTags
from keyferry.backends.cipher import Identity
from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.backends.elasticsearch.documents import id_of
from keyferry.policy.mapping import ByPaths, ByTags, Mapping
from tests.contract.elasticsearch_stores import DB, listed, store
from tests.contract.fleet import PLACES, Fleet, fleet_of
from tests.servers.elasticsearch_server import ElasticsearchServer

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
PAGE = Path(__file__).parents[2] / "docs" / "providers" / "elasticsearch.md"
MAPPINGS: dict[str, Mapping] = {
    "Paths": ByPaths("acme", "/", inherit=True),
    "Tags": ByTags("acme", MappingTags(), inherit=True),
}
SEARCH, READ, WRITE = "/{index}/_search", "/{index}/_mget", "/{index}/_doc/{id}"


def fleet(
    elastic: ElasticsearchServer, index: str, mapping: Mapping, places: Sequence[tuple[str, str]] = PLACES
) -> AbstractAsyncContextManager[Fleet]:
    return fleet_of("elasticsearch", partial(store, elastic, index, scope=mapping.scope()), mapping, places)


async def write(
    elastic: ElasticsearchServer, writer: ElasticsearchBackend, places: Sequence[tuple[str, str]], text: str
) -> None:
    """Many at once, as `put` writes each."""
    index = await writer._index.get()
    found = await writer._on(lambda index: index.find(DB.id))
    documents = {}
    for namespace, key in places:
        tags = {"prefix": "acme", "namespace": namespace, "key": key}
        identity = Identity(f"acme/{namespace}/{key}", 1, tags)
        documents[id_of(identity.name)] = index.fields.body(identity, found.cipher.seal(identity, text.encode()))
    elastic.fill(index.name, documents)


class Meter:
    """The calls since the last time."""

    def __init__(self, elastic: ElasticsearchServer) -> None:
        self._elastic, self._before = elastic, elastic.calls()

    def spent(self) -> Counter[str]:
        now = self._elastic.calls()
        spent = Counter({route: now[route] - self._before[route] for route in (SEARCH, READ, WRITE)})
        self._before = now
        return +spent


def documented(how: str) -> list[int]:
    """The figures that the page gives for a mapping: first sync, nothing changed, ten rotations."""
    (row,) = re.findall(rf"^\| .*`{how}`.* \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    return [int(each) for each in row]


@pytest.mark.parametrize("how", MAPPINGS)
async def test_a_refresh_is_one_search_and_values_are_read_when_they_changed(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend, how: str
):
    await write(elastic, writer, PLACES, "first")
    costs, meter = [], Meter(elastic)
    async with fleet(elastic, index, MAPPINGS[how]) as all_of_them:
        await all_of_them.refresh()
        assert set(all_of_them.values.values()) == {b"first"}
        costs.append(meter.spent())
        await all_of_them.refresh()
        costs.append(meter.spent())
        await write(elastic, writer, PLACES[:10], "second")
        meter.spent()
        await all_of_them.refresh()
        costs.append(meter.spent())
        assert [all_of_them.values[n] for n in range(11)] == [*[b"second"] * 10, b"first"]
    assert costs == [Counter({SEARCH: 1, READ: 2}), Counter({SEARCH: 1}), Counter({SEARCH: 1, READ: 1})]
    assert [each.total() for each in costs] == documented(how)


async def test_ten_times_as_many_external_secrets_cost_the_same(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    await write(elastic, writer, PLACES[:10], "first")
    meter = Meter(elastic)
    places = [PLACES[number % 10] for number in range(1000)]
    async with fleet(elastic, index, MAPPINGS["Paths"], places) as all_of_them:
        await all_of_them.refresh()
        assert meter.spent() == {SEARCH: 1, READ: 1}
        await all_of_them.refresh()
        assert meter.spent() == {SEARCH: 1}


async def test_a_check_and_a_write_are_two_calls_each(elastic: ElasticsearchServer, index: str):
    async with aclosing(store(elastic, index)) as backend:
        await backend.put(DB.id, b"v", {})
        meter = Meter(elastic)
        await backend.check()
        assert meter.spent() == {SEARCH: 1, READ: 1}
        await backend.put(DB.id, b"w", {})
        assert meter.spent() == {READ: 1, WRITE: 1}
        await backend.delete(DB.id)
        assert meter.spent() == {READ: 1, WRITE: 1}
        assert await listed(backend) == {}
