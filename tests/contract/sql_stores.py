"""SQL stores on real servers, as tests write them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from keyferry.api.providers.sql import Sql
from keyferry.backends.sql import create
from keyferry.backends.sql.backend import SqlBackend
from keyferry.values import Entry, Fetched, Ref, Scope
from tests.contract.context import SeededCluster, context
from tests.servers.h2_server import H2Server
from tests.servers.mariadb_server import MariadbServer
from tests.servers.postgresql_server import PostgresqlServer

Server = PostgresqlServer | MariadbServer | H2Server
Stores = Callable[..., SqlBackend]  # as `store`
LOGIN, KEY, CA = "sql-login", "sql-key", "sql-ca"  # Secrets
A_KEY = b"a key of at least 32 characters, this"
DB = Ref("db")
# What a MariaDB server says first; bit 11 of the capabilities is TLS.
GREETING = b"5.5.5-10.11.0-MariaDB\0" + b"\1\0\0\0" + b"saltsalt" + b"\0" + b"\xff\xf7" + b"\x21\2\0" + b"\xff\x81\x15"
GREETING += b"\0" * 10 + b"saltsaltsalt\0" + b"mysql_native_password\0"


def spec(server: Server, database: str, *, port: int = 0, **more: Any) -> dict[str, Any]:
    """`spec.provider.sql` of a store that trusts the server's authority, where there is TLS."""
    place = {"host": "127.0.0.1", "port": port or server.port, "database": database}
    if "schema" in more:
        place["schema"] = more.pop("schema")
    trust: dict[str, Any] = {"caProvider": {"type": "Secret", "name": CA, "key": "ca.crt"}}
    return {
        server.scheme: place,
        "auth": {"secretRef": {"name": LOGIN, "key": "password"}},
        **({"tls": "Disabled"} if isinstance(server, H2Server) else trust),
        "encryption": {"keySecretRef": {"name": KEY, "key": "key"}},
        **more,
    }


def holding(server: Server, user: str = "", password: str = "", key: bytes = A_KEY) -> SeededCluster:
    """A cluster whose Secrets hold a login, by default the administrator's, the key, and the server's authority."""
    login = {"username": (user or "admin").encode(), "password": (password if user else server.password).encode()}
    ca = b"" if isinstance(server, H2Server) else server.ca.read_bytes()
    return SeededCluster({LOGIN: login, KEY: {"key": key}, CA: {"ca.crt": ca}})


def store(
    server: Server,
    database: str,
    *,
    login: tuple[str, str] = ("", ""),
    more: dict[str, Any] | None = None,
    **surroundings: Any,
) -> SqlBackend:
    """A store whose user is the administrator unless told otherwise. `surroundings`: as for `context`."""
    surroundings.setdefault("cluster", holding(server, *login))
    return create(Sql.model_validate(spec(server, database, **(more or {}))), context(**surroundings))


async def one(backend: SqlBackend, ref: Ref = DB) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def listed(backend: SqlBackend, scope: Scope | None = None) -> dict[str, Entry]:
    return {entry.name: entry async for entry in backend.entries(scope or Scope())}


def asked(server: Server, database: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What the database answers to its administrator."""
    opened = contextlib.closing(server.connection(database))
    with opened as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


async def until(so: Callable[[], bool], *, within: float = 10.0) -> None:
    """Return when it is so. `so` may block."""
    async with asyncio.timeout(within):
        while not await asyncio.to_thread(so):  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)
