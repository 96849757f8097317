"""Elasticsearch, on a real node behind a proxy that can be taken away."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.backends.elasticsearch.documents import id_of
from keyferry.errors import AuthFailed, SyncError, ValueInvalid
from keyferry.values import Ref
from tests.contract.elasticsearch_stores import WRITES, holding, store
from tests.servers import elasticsearch_server
from tests.servers.elasticsearch_server import ElasticsearchFailed, ElasticsearchServer, allowing, unique
from tests.standins.tcp_proxy import TcpProxy, proxy_before


class ElasticsearchSubject:
    """An index that does not exist yet, and a key that may do everything there."""

    wrong_login: type[SyncError] = AuthFailed
    batches = True
    tags = True
    restores = False

    def __init__(self, server: ElasticsearchServer, proxy: TcpProxy) -> None:
        self._server, self._proxy = server, proxy
        self.index = unique("contract")
        self._key = server.key(allowing(self.index, *WRITES)).encoded
        self.made: list[ElasticsearchBackend] = []

    def as_read(self, data: bytes) -> bytes:
        return data

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> ElasticsearchBackend:
        key = "bm8tc3VjaC1pZDpuby1zdWNoLWtleQ==" if wrong_login else self._key
        return self._store(f"https://127.0.0.1:{self._proxy.port}", key, timeout)

    @cached_property
    def seeds(self) -> ElasticsearchBackend:
        return self._store(self._server.url, self._key, 60)  # past the proxy

    def _store(self, url: str, key: str, timeout: float) -> ElasticsearchBackend:
        cluster = holding(self._server, apiKey=key)
        self.made.append(store(self._server, self.index, url=url, cluster=cluster, timeout=timeout))
        return self.made[-1]

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        await self.seeds.put(name, data, tags)
        return Ref(name)

    async def delete(self, name: str) -> None:
        await self.seeds.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        await self._proxy.down()
        try:
            yield
        finally:
            await self._proxy.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self._proxy.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        at = f"{self.index}/_doc/{id_of(ref.id)}"
        good = self._server.request("GET", at)["_source"]
        self._server.request("PUT", f"{at}?refresh=true", {**good, "value": good["value"][:-8] + "AAAAAAA="})
        try:
            yield ValueInvalid
        finally:
            self._server.request("PUT", f"{at}?refresh=true", good)


@asynccontextmanager
async def open_subject(_: Path) -> AsyncIterator[ElasticsearchSubject]:
    server = elasticsearch_server.SHARED.get()
    async with proxy_before(server.port) as proxy:
        subject = ElasticsearchSubject(server, proxy)
        yield subject
        for backend in subject.made:
            await backend.aclose()
        with contextlib.suppress(ElasticsearchFailed):
            server.request("DELETE", subject.index)
