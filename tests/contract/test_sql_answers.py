"""Aspects: names; versions; values; writers at once; rows changed from outside; the pool; logs. On each server."""

import asyncio
import contextlib
import logging

import pytest

from keyferry.backends.sql.backend import LARGEST_VALUE, SqlBackend
from keyferry.errors import BackendUnavailable, SecretMissing, SpecInvalid, ValueInvalid
from keyferry.values import Ref, Scope, Value
from tests.contract.context import counts
from tests.contract.sql_stores import Server, Stores, asked, listed, one, until

pytest_plugins = ["tests.contract.sql_fixtures"]


@pytest.mark.parametrize(
    "names",
    [
        ["db", "DB", "Db"],
        ["a", "a ", "a  "],
        ["cafe", "café", "cafe\u0301"],
        ["ss", "ß"],
        ["n" * 1024, "ž" * 1024],
        ["a%b_c'd\"e\\", "acme/payments/db", "𝒳😀"],
    ],
    ids=["case", "trailing blanks", "accents", "sharp s", "as long as can be", "odd ones"],
)
async def test_names_that_differ_in_anything_are_different_secrets(sql: SqlBackend, names: list[str]):
    for number, name in enumerate(names):
        await sql.put(name, b"%d" % number, {"n": name})
    got = await sql.fetch([Ref(name) for name in names])
    assert [value.data for value in got.values() if isinstance(value, Value)] == [b"%d" % n for n in range(len(names))]
    assert {name: dict(entry.tags) for name, entry in (await listed(sql)).items()} == {n: {"n": n} for n in names}
    for name in names:
        assert set(await listed(sql, Scope(name_prefix=name))) == {n for n in names if n.startswith(name)}


@pytest.mark.parametrize("name", ["", "a\nb", "\0", "\ud800", "n" * 1025, "😀" * 513], ids=ascii)
async def test_a_name_that_cannot_be_is_refused_and_missing(sql: SqlBackend, name: str):
    with pytest.raises(SpecInvalid, match="1 to 1024 printable characters, in at most 2048 bytes"):
        await sql.put(name, b"v", {})
    assert isinstance(await one(sql, Ref(name)), SecretMissing)
    with pytest.raises(SecretMissing):
        await sql.delete(name)


@pytest.mark.parametrize("prefix", ["a%", "a_", "a'", "ž", "𝒳", "A"])
async def test_a_prefix_is_no_pattern_and_pages_are_whole(sql: SqlBackend, prefix: str):
    inside = {f"{prefix}{end}" for end in ("", "1", "2", "-", "Z", "ž", "😀")}
    for name in (*inside, "ab1", "zz", "0"):
        await sql.put(name, b"v", {})
    sql.page = 2
    assert set(await listed(sql, Scope(name_prefix=prefix))) == inside
    assert len(await listed(sql)) == len(inside) + 3


async def test_a_value_as_large_as_can_be_comes_back(sql: SqlBackend):
    data = bytes(range(256)) * (LARGEST_VALUE // 256)
    version = await sql.put("db", data, {})
    assert await one(sql) == Value(data, version)
    await sql.check()
    assert 0 < sql.batch < 500


async def test_no_version_returns(sql: SqlBackend):
    first = await sql.put("db", b"v", {})
    assert int(first) > 1_700_000_000  # the time
    await sql.delete("db")
    assert await listed(sql) == {}
    assert int(await sql.put("db", b"v", {})) == int(first) + 1


async def test_of_many_who_write_one_secret_at_once_none_is_lost(stores: Stores, server: Server, database: str):
    backends = [stores(server, database, timeout=60) for _ in range(2)]
    first = int(await backends[0].put("db", b"v", {}))
    async with asyncio.TaskGroup() as group:
        puts = [group.create_task(backends[n % 2].put("db", b"%d" % n, {"n": str(n)})) for n in range(16)]
    versions = sorted(int(put.result()) for put in puts)
    assert versions == list(range(first + 1, first + 17))
    last = next(n for n, put in enumerate(puts) if int(put.result()) == versions[-1])
    assert await one(backends[0]) == Value(b"%d" % last, str(versions[-1]))


async def test_of_many_who_make_one_secret_at_once_none_fails(stores: Stores, server: Server, database: str):
    backends = [stores(server, database, timeout=60) for _ in range(2)]
    await asyncio.gather(*[backend.put("first", b"v", {}) for backend in backends for _ in range(2)])
    for name in (f"db{number}" for number in range(12)):  # connections are open now, so that they do meet
        made = await asyncio.gather(*[backend.put(name, b"v", {}) for backend in backends for _ in range(2)])
        versions = sorted(map(int, made))
        assert versions == list(range(versions[0], versions[0] + 4))


async def test_a_writer_that_waits_too_long_for_another_says_so(stores: Stores, server: Server, database: str):
    hasty = stores(server, database, timeout=3.0)
    version = await hasty.put("db", b"v", {})
    lock = "SELECT name FROM keyferry_secret WHERE name = %s FOR UPDATE"
    opened = contextlib.closing(server.connection(database))
    with opened as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(lock, ("db",))
        with pytest.raises(BackendUnavailable, match="locked by another writer for too long"):
            await hasty.put("db", b"w", {})
        assert await one(hasty) == Value(b"v", version)  # who reads does not wait
        cursor.execute("ROLLBACK")
    await hasty.put("db", b"w", {})


TAMPERING = {
    "a tag edited": """UPDATE keyferry_secret SET tags = '{"namespace": "shop"}'""",
    "tags are no JSON": "UPDATE keyferry_secret SET tags = '{'",
    "a version edited": "UPDATE keyferry_secret SET version = version + 1",
    "ciphertext gone": "UPDATE keyferry_secret SET ciphertext = NULL",
    "another row's": (
        "UPDATE keyferry_secret SET ciphertext = (SELECT c FROM was WHERE was.name <> keyferry_secret.name)"
    ),
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING)
async def test_a_row_changed_from_outside_is_refused(sql: SqlBackend, server: Server, database: str, statement: str):
    await sql.put("a", b"of a", {"namespace": "payments"})
    await sql.put("b", b"of b", {"namespace": "payments"})
    copy = "CREATE TABLE was AS SELECT name, ciphertext AS c FROM keyferry_secret"
    server.run(database, copy, statement)
    for name in ("a", "b"):
        assert isinstance(await one(sql, Ref(name)), ValueInvalid)
    version = await sql.put("a", b"mended", {})
    assert await one(sql, Ref("a")) == Value(b"mended", version)


async def test_the_server_gets_no_value_in_clear(sql: SqlBackend, server: Server, database: str):
    await sql.put("db", b"canary-value", {"tag": "t"})
    ((sealed, tags),) = asked(server, database, "SELECT ciphertext, tags FROM keyferry_secret")
    assert b"canary" not in sealed
    assert tags == '{"tag": "t"}'


async def test_nothing_that_is_written_or_read_is_logged(sql: SqlBackend, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        for loud in ("psycopg", "aiomysql", "sqlalchemy", "sqlalchemy.engine.Engine", "sqlalchemy.pool"):
            caplog.set_level(logging.DEBUG, loud)
        await sql.put("db", b"canary-value", {"tag": "canary-tag"})
        await one(sql)
        await listed(sql)
        await sql.delete("db")
    assert "canary" not in caplog.text
    assert "keyferry_secret" not in caplog.text


async def test_a_store_holds_no_more_connections_than_it_may_make_calls(stores: Stores, server: Server, database: str):
    backend = stores(server, database, concurrency=3, timeout=60)
    await backend.check()
    most = 0
    async with asyncio.TaskGroup() as group:
        work = [group.create_task(listed(backend)) for _ in range(30)]
        while not all(task.done() for task in work):
            most = max(most, await asyncio.to_thread(server.connections, database))
    assert 0 < most <= 3
    await until(lambda: 0 < server.connections(database) <= 2)


async def test_a_closed_store_leaves_no_connection(stores: Stores, server: Server, database: str):
    backend = stores(server, database)
    await asyncio.gather(*[listed(backend) for _ in range(8)])
    under_way = asyncio.create_task(backend.put("db", b"v", {}))
    await asyncio.sleep(0)
    await backend.aclose()
    with contextlib.suppress(BackendUnavailable):
        await under_way
    await until(lambda: not server.connections(database))


async def test_a_call_that_is_given_up_leaves_no_lock_and_no_connection(stores: Stores, server: Server, database: str):
    backend = stores(server, database, concurrency=2, timeout=60)
    await backend.put("db", b"v", {})
    for ticks in range(0, 60, 3):
        task = asyncio.create_task(backend.put("db", b"v", {}))
        for _ in range(ticks):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await backend.put("db", b"v", {})
    await until(lambda: server.connections(database) <= 2)


async def test_a_pool_whose_connections_were_cut_serves_the_next_call(sql: SqlBackend, server: Server, database: str):
    version = await sql.put("db", b"v", {})
    if server.scheme == "postgresql":
        asked(server, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database)
    elif server.scheme == "mysql":
        for (number,) in asked(
            server, database, "SELECT id FROM information_schema.processlist WHERE db = %s", database
        ):
            with contextlib.suppress(Exception):
                asked(server, database, f"KILL {number}")
    else:
        pytest.skip("H2 has no way to cut a connection")
    assert await one(sql) == Value(b"v", version)


async def test_a_call_is_one_of_the_budgets(stores: Stores, server: Server, database: str):
    backend = stores(server, database, timeout=60)
    await backend.check()
    await backend.fetch([Ref(f"n{number}") for number in range(1001)])
    await listed(backend)
    await backend.put("db", b"v", {})
    await backend.delete("db")
    assert counts(backend._context) == {"Check": 1, "Select": 3, "List": 1, "Put": 1, "Delete": 1}
