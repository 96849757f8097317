"""SQL servers, and a database of the test's own on each."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from keyferry.backends.sql.backend import SqlBackend
from tests.contract.sql_stores import Server, Stores, store
from tests.servers.mariadb_server import MariadbServer
from tests.servers.postgresql_server import PostgresqlServer
from tests.servers.sql import SERVERS


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each of them."""
    running: Server = SERVERS[request.param].get()
    return running


@pytest.fixture
def postgresql() -> PostgresqlServer:
    running: PostgresqlServer = SERVERS["postgresql"].get()
    return running


@pytest.fixture
def mariadb() -> MariadbServer:
    running: MariadbServer = SERVERS["mariadb"].get()
    return running


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = server.database()
    yield name
    server.drop(name)


@pytest.fixture
def pg_database(postgresql: PostgresqlServer) -> Iterator[str]:
    name = postgresql.database()
    yield name
    postgresql.drop(name)


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    """Makes stores, as `store` does, which are closed in the end."""
    async with AsyncExitStack() as opened:

        def made(*place: Any, **surroundings: Any) -> SqlBackend:
            backend = store(*place, **surroundings)
            opened.push_async_callback(backend.aclose)
            return backend

        yield made


@pytest.fixture
def sql(stores: Stores, server: Server, database: str) -> SqlBackend:
    return stores(server, database, timeout=60)  # a busy machine is no reason to fail
