"""PostgreSQL tells of every change when it is committed, whoever makes it; what it says is not looked at."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from keyferry.backends.base import Heard, Hints
from keyferry.backends.sql import listening
from keyferry.backends.sql.backend import SqlBackend
from keyferry.errors import BackendUnavailable, EventSourceMissing, PermissionDenied
from keyferry.values import Value
from tests.contract.context import counts
from tests.contract.sql_stores import Server, Stores, asked, one
from tests.servers.postgresql_server import PostgresqlServer
from tests.standins.tcp_proxy import proxy_before

pytest_plugins = ["tests.contract.sql_fixtures"]

SOON = 1.0  # seconds, within which a change is heard


def heard(backend: SqlBackend) -> "aclosing[AsyncGenerator[Heard, None]]":
    assert isinstance(backend, Hints)
    source = backend.hints()
    assert source is not None
    return aclosing(source)


async def change(source: AsyncGenerator[Heard, None]) -> None:
    async with asyncio.timeout(SOON):
        assert await anext(source) is Heard.CHANGE


@pytest.fixture
def listener(stores: Stores, postgresql: PostgresqlServer, pg_database: str) -> SqlBackend:
    return stores(postgresql, pg_database, concurrency=1)


async def test_what_another_store_writes_is_heard_within_a_second(
    listener: SqlBackend, stores: Stores, postgresql: PostgresqlServer, pg_database: str
):
    writer = stores(postgresql, pg_database)
    async with heard(listener) as source:
        assert await anext(source) is Heard.NOTHING
        await writer.put("db", b"v", {})
        await change(source)
        await writer.put("db", b"w", {})
        await change(source)
        await writer.delete("db")
        await change(source)
    assert set(counts(listener._context)) == {"Listen"}


@pytest.mark.parametrize("statement", ["DELETE FROM keyferry_secret", "TRUNCATE keyferry_secret"])
async def test_what_is_done_by_hand_is_heard_too(
    listener: SqlBackend, postgresql: PostgresqlServer, pg_database: str, statement: str
):
    await listener.put("db", b"v", {})
    async with heard(listener) as source:
        assert await anext(source) is Heard.NOTHING
        await asyncio.to_thread(postgresql.run, pg_database, statement)
        await change(source)


async def test_what_is_rolled_back_is_not_heard_and_nothing_is_told_but_that_something_changed(
    listener: SqlBackend, postgresql: PostgresqlServer, pg_database: str
):
    await listener.put("db", b"canary", {"tag": "canary"})
    with contextlib.closing(postgresql.connection(pg_database)) as other:
        other.execute("LISTEN keyferry_public")
        async with heard(listener) as source:
            assert await anext(source) is Heard.NOTHING
            with contextlib.closing(postgresql.connection(pg_database)) as rolled:
                rolled.execute("BEGIN")
                rolled.execute("DELETE FROM keyferry_secret")
                rolled.execute("ROLLBACK")
            await listener.put("db", b"canary", {"tag": "canary"})
            await change(source)
            word = asyncio.ensure_future(anext(source))
            _, waiting = await asyncio.wait({word}, timeout=0.3)
            assert waiting
            word.cancel()
            await asyncio.gather(word, return_exceptions=True)
        (told,) = other.notifies(timeout=5, stop_after=1)
    assert (told.channel, told.payload) == ("keyferry_public", "")


async def test_two_schemas_of_a_database_are_heard_apart(
    stores: Stores, postgresql: PostgresqlServer, pg_database: str
):
    mine = stores(postgresql, pg_database, more={"schema": "mine"})
    theirs = stores(postgresql, pg_database, more={"schema": "theirs"})
    async with heard(mine) as source, heard(theirs) as others:
        assert [await anext(source), await anext(others)] == [Heard.NOTHING] * 2
        await theirs.put("db", b"v", {})
        await change(others)
        await mine.put("db", b"v", {})
        await change(source)
    async with heard(mine) as source:
        assert await anext(source) is Heard.NOTHING


async def test_a_connection_that_is_lost_ends_it_and_another_hears_again(
    listener: SqlBackend, stores: Stores, postgresql: PostgresqlServer, pg_database: str
):
    writer = stores(postgresql, pg_database)
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'"
    async with heard(listener) as source:
        assert await anext(source) is Heard.NOTHING
        word = asyncio.ensure_future(anext(source))
        await asyncio.sleep(0)
        assert asked(postgresql, "postgres", query, pg_database) == [(True,)]
        with pytest.raises(BackendUnavailable, match=r"the server is starting or stopping|breaks off"):
            await word
    async with heard(listener) as source:
        assert await anext(source) is Heard.NOTHING
        await writer.put("db", b"v", {})
        await change(source)


async def test_a_server_that_falls_silent_is_noticed(
    stores: Stores, postgresql: PostgresqlServer, pg_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listening, "_WAIT_SECONDS", 0.3)
    async with proxy_before(postgresql.port) as proxy:
        backend = stores(postgresql, pg_database, more={"port": proxy.port}, timeout=2.0)
        async with heard(backend) as source:
            assert [await anext(source), await anext(source)] == [Heard.NOTHING] * 2  # it was asked, and listens
            with proxy.silence(), pytest.raises(BackendUnavailable, match="Listen took longer"):
                _ = [word async for word in source]


async def test_a_pooler_that_passes_no_listening_on_is_told(
    listener: SqlBackend, postgresql: PostgresqlServer, pg_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listening, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(listening, "_LISTENS", "SELECT false AND %s <> ''")  # as another of its connections answers
    async with heard(listener) as source:
        assert await anext(source) is Heard.NOTHING
        with pytest.raises(EventSourceMissing, match="PgBouncer must be in session mode"):
            await anext(source)


async def test_tables_without_the_trigger_are_told_with_the_remedy(
    listener: SqlBackend, postgresql: PostgresqlServer, pg_database: str
):
    await listener.check()
    postgresql.run(pg_database, "ALTER TABLE keyferry_secret DISABLE TRIGGER keyferry_told")
    async with heard(listener) as source:
        with pytest.raises(EventSourceMissing, match=r"no trigger that tells.*keyferry sql ddl --dialect postgresql"):
            await anext(source)


async def test_a_server_that_is_read_only_can_be_read_and_says_why_it_cannot_be_written_to(
    stores: Stores, postgresql: PostgresqlServer, pg_database: str
):
    await stores(postgresql, pg_database).put("db", b"v", {})
    postgresql.run("postgres", f"ALTER DATABASE {pg_database} SET default_transaction_read_only = on")
    other = stores(postgresql, pg_database)
    assert isinstance(await one(other), Value)
    with pytest.raises(PermissionDenied, match="read-only: is it a standby"):
        await other.put("db", b"w", {})


async def test_no_other_database_is_heard(stores: Stores, server: Server, database: str):
    assert (stores(server, database).hints() is None) == (server.scheme != "postgresql")
