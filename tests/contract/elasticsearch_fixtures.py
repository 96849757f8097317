"""What tests over a real Elasticsearch share."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import pytest

from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from tests.contract.elasticsearch_stores import store
from tests.servers import elasticsearch_server
from tests.servers.elasticsearch_server import ElasticsearchFailed, ElasticsearchServer, unique
from tests.standins.tcp_proxy import TcpProxy, proxy_before


@pytest.fixture
def elastic() -> ElasticsearchServer:
    """A real node."""
    return elasticsearch_server.SHARED.get()


@pytest.fixture
def index(elastic: ElasticsearchServer) -> Iterator[str]:
    """The name of an index of the test's own, which does not exist yet."""
    name = unique("secrets")
    yield name
    with suppress(ElasticsearchFailed):
        elastic.request("DELETE", name)


@pytest.fixture
async def writer(elastic: ElasticsearchServer, index: str) -> AsyncIterator[ElasticsearchBackend]:
    """A store on that index which may do everything there."""
    async with aclosing(store(elastic, index)) as made:
        yield made


@pytest.fixture
async def proxy(elastic: ElasticsearchServer) -> AsyncIterator[TcpProxy]:
    async with proxy_before(elastic.port) as running:
        yield running
