"""What the subjects on SQL servers share: a real server, behind a proxy that can be taken away."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property

from keyferry.backends.sql.backend import SqlBackend
from keyferry.errors import AuthFailed, SyncError, ValueInvalid
from keyferry.values import Ref
from tests.contract.sql_stores import A_KEY, Server, asked, holding, store
from tests.servers.sql import SERVERS
from tests.standins.tcp_proxy import TcpProxy, proxy_before


class SqlSubject:
    """A database of its own."""

    wrong_login: type[SyncError] = AuthFailed
    batches = True
    tags = True
    restores = False

    def __init__(self, server: Server, proxy: TcpProxy) -> None:
        self.server, self.proxy, self.database = server, proxy, server.database()
        self.lacking = 1 if server.scheme == "h2" else 0  # TLS
        self._made: list[SqlBackend] = []

    def as_read(self, data: bytes) -> bytes:
        return data

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> SqlBackend:
        key = b"another key of at least 32 characters" if wrong_login else A_KEY
        cluster = holding(self.server, key=key)
        made = store(self.server, self.database, more={"port": self.proxy.port}, cluster=cluster, timeout=timeout)
        self._made.append(made)
        return made

    @cached_property
    def seeds(self) -> SqlBackend:
        self._made.append(made := store(self.server, self.database, timeout=60))
        return made

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        await self.seeds.put(name, data, tags)
        return Ref(name)

    async def delete(self, name: str) -> None:
        await self.seeds.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        await self.proxy.down()
        try:
            yield
        finally:
            await self.proxy.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self.proxy.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        ((good,),) = asked(self.server, self.database, "SELECT ciphertext FROM keyferry_secret WHERE name = %s", ref.id)
        update = "UPDATE keyferry_secret SET ciphertext = %s WHERE name = %s"
        asked(self.server, self.database, update, good[:-1] + bytes([good[-1] ^ 1]), ref.id)
        try:
            yield ValueInvalid
        finally:
            asked(self.server, self.database, update, good, ref.id)

    async def close(self) -> None:
        for made in self._made:
            await made.aclose()
        self.server.drop(self.database)


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[SqlSubject]:
    """A subject on the server that all tests of this process share."""
    server = SERVERS[name].get()
    async with proxy_before(server.port) as proxy:
        subject = SqlSubject(server, proxy)
        yield subject
        await subject.close()
