"""A database on a server: its pool of connections, its transactions, and how its tables come about."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import exc, insert, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from keyferry.backends.cipher import Vault
from keyferry.backends.sql import ddl, h2, mysql, postgresql, quiet, schema
from keyferry.backends.sql.database import Key, Work, cipher_of, meta_row
from keyferry.backends.sql.login import Login, ServerPlace
from keyferry.backends.sql.refusals import About, Need, Raced, Refusal, TablesMissing, told
from keyferry.backends.sql.table import Table
from keyferry.errors import BackendUnavailable, SyncError

T = TypeVar("T")

_PATIENCE = 0.9  # of the store's timeout: so that an error that names the address comes before the budget's
_OF_POOL = 0.8  # likewise, before that: a pool that is used up is another matter
_IDLE = 2  # connections that stay open, at most
_OLDEST = 1800  # seconds, of a connection that is used again
_MAKING = 7_236_108_435  # PostgreSQL's lock for whoever makes tables; any number will do


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of server has of its own."""

    url: str
    connect: Callable[[ServerPlace, Login], Awaitable[Any]]
    close: Callable[[Any], Awaitable[None]]
    refusal_of: Callable[[Any], tuple[Refusal, str]]
    waits: Callable[[float], str]  # the statement that bounds how long, in seconds, a transaction waits for locks
    options: Mapping[str, Any]


_OF_PSYCOPG = {"use_native_hstore": False}
KINDS: Mapping[str, Kind] = {
    "postgresql": Kind(
        "postgresql+psycopg",
        partial(postgresql.connect, kind=postgresql.Connection),
        postgresql.Connection.close,
        postgresql.refusal_of,
        postgresql.waits,
        _OF_PSYCOPG,
    ),
    "h2": Kind(
        "h2+psycopg",
        partial(postgresql.connect, kind=h2.Connection),
        h2.Connection.close,
        h2.refusal_of,
        h2.waits,
        _OF_PSYCOPG,
    ),
    "mysql": Kind("mysql+aiomysql", mysql.connect, mysql.Connection.ensure_closed, mysql.refusal_of, mysql.waits, {}),
}


class ServerDatabase:
    """The tables in one database of a server, under one key and one login. One event loop owns it."""

    def __init__(self, place: ServerPlace, login: Login, key: Key, *, timeout: float, connections: int) -> None:
        """`timeout`: seconds of a whole call. `connections`: at once, at most."""
        self.place, self.login, self._key = place, login, key
        self._kind = KINDS[place.scheme]
        self._timeout = timeout
        self._working = 0
        self._closing = False
        self._making = asyncio.Lock()
        quiet.hold("psycopg", "aiomysql", "sqlalchemy.engine.Engine", "sqlalchemy.dialects.postgresql")
        registry.register("h2.psycopg", h2.__name__, h2.H2Dialect.__name__)
        kept = min(_IDLE, connections)
        self._engine = create_async_engine(
            URL.create(self._kind.url),
            async_creator=lambda: self._kind.connect(place, login),
            execution_options={"schema_translate_map": {None: place.schema}} if place.schema else {},
            hide_parameters=True,
            pool_size=kept,
            max_overflow=connections - kept,
            pool_timeout=timeout * _OF_POOL,
            pool_pre_ping=True,
            pool_recycle=_OLDEST,
            pool_use_lifo=True,
            **self._kind.options,
        )

    def same(self, login: Login | None, key: Key) -> bool:
        """Whether this is the database under just these."""
        return (self.login, self._key) == (login, key)

    async def run(self, work: Work[T], *, write: bool = False) -> T:
        """Work in one transaction. Where the tables are not there, they are made first. Raises SyncError."""
        try:
            return await self._once(work, write=write)
        except TablesMissing:
            async with self._making:
                await self._make()
        try:
            return await self._once(work, write=write)
        except TablesMissing as e:
            lost = f"{self.place}: the tables were made and are not found: {self.place.remedy}"
            raise BackendUnavailable(lost) from e

    async def knock(self) -> None:
        """Log in as if for the first time. Raises SyncError."""
        try:
            async with asyncio.timeout(self._timeout * _PATIENCE):
                connection = await self._kind.connect(self.place, self.login)
                await self._kind.close(connection)
        except TimeoutError as e:
            failure = self._told(e, Need.READ)
        else:
            return
        raise failure

    async def aclose(self) -> None:
        self._closing = True
        await self._rest()

    async def _once(self, work: Work[T], *, write: bool) -> T:
        async def done(connection: AsyncConnection) -> T:
            if write:
                await connection.execute(text(self._kind.waits(self._timeout / 2)))
            row = await meta_row(connection)
            if row is None and await _empty(connection):
                raise TablesMissing("nothing is told about the tables yet")
            return await work(Table(connection, cipher_of(row, self._key, self.place)))

        return await self._within(Need.WRITE if write else Need.READ, done)

    async def _make(self) -> None:
        """Make what is missing, and whoever else does that meanwhile makes the same."""
        vault = Vault.new(schema.SCHEME, self._key.material)
        with suppress(Raced):  # another process makes the same, and what it wrote counts
            try:
                await self._within(Need.BEGIN, lambda connection: _begin(connection, vault))
            except TablesMissing:
                await self._within(Need.MAKE, self._create)
                await self._within(Need.BEGIN, lambda connection: _begin(connection, vault))

    async def _create(self, connection: AsyncConnection) -> None:
        if self.place.scheme == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MAKING})"))
        statements = list(ddl.statements(self.place.scheme, self.place.schema))
        if self.place.schema and await _there(connection, self.place.schema):
            statements = statements[1:]  # whoever may not make schemas may not do so IF NOT EXISTS, either
        for statement in statements:
            await connection.exec_driver_sql(statement)

    async def _within(self, need: Need, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Work in one transaction, whose failures are told in our words."""
        if self._closing:
            raise BackendUnavailable("the store changed in the meantime; the next try uses the new one")
        self._working += 1
        failure: Exception
        try:
            async with asyncio.timeout(self._timeout * _PATIENCE), self._engine.begin() as connection:
                return await work(connection)
        except (exc.DBAPIError, exc.TimeoutError, OSError, EOFError) as e:
            failure = e
        finally:
            self._working -= 1
            await self._rest()
        raise self._told(failure, need)

    def _told(self, failure: Exception, need: Need) -> SyncError:
        if isinstance(failure, exc.TimeoutError):
            return BackendUnavailable(f"{self.place}: all connections are in use: raise refresh.concurrency")
        if isinstance(failure, TimeoutError):
            return told(Refusal.SLOW, About(self.place, self.login, need))
        refusal, code = self._kind.refusal_of(failure.orig if isinstance(failure, exc.DBAPIError) else failure)
        return told(refusal, About(self.place, self.login, need, code))

    async def _rest(self) -> None:
        """When it is to be closed, the last that works closes it: what is under way ends in peace."""
        if self._closing and not self._working:
            await self._engine.dispose()


async def _there(connection: AsyncConnection, schema_: str) -> bool:
    query = text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name")
    return (await connection.execute(query, {"name": schema_})).first() is not None


async def _begin(connection: AsyncConnection, vault: Vault) -> None:
    """Write what tells of the tables, unless that is there, or secrets are whose key it could not tell."""
    if await meta_row(connection) is None and await _empty(connection):
        row = {"database_id": vault.database_id, "salt": vault.salt, "key_check": vault.key_check}
        made = insert(schema.meta).values(id=1, schema_version=schema.VERSION, **row)
        await connection.execute(made)


async def _empty(connection: AsyncConnection) -> bool:
    return (await connection.execute(select(schema.secret.c.version).limit(1))).first() is None
