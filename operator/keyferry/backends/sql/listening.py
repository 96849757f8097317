"""PostgreSQL's NOTIFY as a source of hints: a connection of its own that hears of each change when it is committed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import psycopg
from psycopg import sql

from keyferry.backends.base import Context, Heard
from keyferry.backends.sql import ddl, postgresql
from keyferry.backends.sql.login import Login, ServerPlace
from keyferry.backends.sql.postgresql import Connection
from keyferry.backends.sql.refusals import About, Need, told
from keyferry.errors import EventSourceMissing

T = TypeVar("T")

_WAIT_SECONDS = 30.0  # after so long with nothing heard the connection is asked whether it still listens

# The schema that holds the table, by the login's search_path, and whether what tells of changes is there and enabled.
_TABLE = """
SELECT n.nspname, EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
    WHERE t.tgrelid = c.oid AND t.tgname = %s AND t.tgenabled IN ('O', 'A'))
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass(%s)
"""
_LISTENS = "SELECT EXISTS (SELECT FROM pg_catalog.pg_listening_channels() AS c WHERE c = %s)"


async def heard(
    place: ServerPlace, context: Context, login: Callable[[], Awaitable[Login]]
) -> AsyncGenerator[Heard, None]:
    """What is heard from now on. `login` gives what logs in, once the tables are there. Raises SyncError."""

    async def begun() -> tuple[Connection, str, About]:
        return await _begun(About(place, await login(), Need.READ))

    connection, channel, about = await context.call.beside("Listen", begun, within=context.timeout)
    try:
        yield Heard.NOTHING
        while True:
            number = await context.call.beside(
                "Listen", lambda: _next(connection, channel, about), within=_WAIT_SECONDS + context.timeout
            )
            for _ in range(number):
                yield Heard.CHANGE
            if not number:
                yield Heard.NOTHING
    finally:
        connection.pgconn.finish()  # a farewell would have to be waited for


async def _begun(about: About) -> tuple[Connection, str, About]:
    connection = await postgresql.connect(about.place, about.login, Connection, autocommit=True)
    try:
        return connection, await _mapped(_channel(connection, about.place), about), about
    except BaseException:
        connection.pgconn.finish()
        raise


async def _channel(connection: Connection, place: ServerPlace) -> str:
    """The channel that is listened to from now on."""
    table = f'"{place.schema}".keyferry_secret' if place.schema else "keyferry_secret"
    found = await (await connection.execute(_TABLE, (ddl.TRIGGER, table))).fetchone()
    if found is None or not found[1]:
        raise EventSourceMissing(
            f"{place}: the table has no trigger that tells of changes: let its owner run what this prints: {place.ddl}"
        )
    channel = f"keyferry_{found[0]}"
    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    return channel


async def _next(connection: Connection, channel: str, about: About) -> int:
    """How many changes are told; 0 after a while without any. What they say is not looked at."""

    async def waited() -> int:
        told_of = [1 async for _ in connection.notifies(timeout=_WAIT_SECONDS, stop_after=1)]
        if not told_of:
            row = await (await connection.execute(_LISTENS, (channel,))).fetchone()
            if row is None or not row[0]:
                raise EventSourceMissing(
                    f"{about.place}: what was listened to is not listened to any more: a pooler such as PgBouncer must "
                    "be in session mode for that"
                )
        return len(told_of)

    return await _mapped(waited(), about)


async def _mapped(work: Awaitable[T], about: About) -> T:
    """What the work gives; failures in our words."""
    failure: psycopg.Error
    try:
        return await work
    except psycopg.Error as e:
        failure = e
    refusal, code = postgresql.refusal_of(failure)
    raise told(refusal, replace(about, code=code))
