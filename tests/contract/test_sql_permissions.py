"""The rights of the documentation, on the real servers: they suffice, and less does not. And the printed tables."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keyferry.backends.sql.backend import SqlBackend
from keyferry.cli import commands
from keyferry.errors import PermissionDenied, SyncError
from keyferry.values import Value
from tests.contract.sql_stores import Server, Stores, asked, listed, one
from tests.servers.h2_server import H2Server
from tests.servers.postgresql_server import PostgresqlServer
from tests.unit.cli.conftest import apart

pytest_plugins = ["tests.contract.sql_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "sql.md"
SCHEMA = "keyferry"
Grants = list[str]


def blocks(server: Server) -> dict[str, Grants]:
    """The statements that the page has for this kind of server, by who gets the rights."""
    text = PAGE.read_text()
    titles = {"postgresql": "PostgreSQL, for a login", "mysql": "MySQL and MariaDB, in the", "h2": "H2, for a login"}
    starts = sorted(text.index(title) for title in titles.values())
    begins = text.index(titles[server.scheme])
    ends = next((each for each in starts if each > begins), text.index("Only an H2 user"))
    found = [block.split(";\n") for block in re.findall(r"```sql\n(.*?)```", text[begins:ends], re.DOTALL)]
    return {re.findall(r"TO (\w+)", block[0])[0]: [line for line in block if line.strip()] for block in found}


def login(server: Server, database: str, grants: Grants) -> tuple[str, str]:
    """A new user with these rights."""
    name, password = server.user(database) if isinstance(server, H2Server) else server.user()
    for grant in grants:
        said = re.sub(r"TO \w+", f"TO {name}", grant).replace("secrets.", f"{database}.")
        server.run(database, said)
    return name, password


def without(grants: Grants, right: str, table: str) -> Grants:
    """The same but for one right on one table."""
    less = []
    for grant in grants:
        head, _, tail = grant.partition(" ON ")
        kept = [each for each in head.removeprefix("GRANT ").split(", ") if each != right]
        if table not in tail or len(kept) == len(head.split(", ")):
            less.append(grant)
            continue
        others = [each for each in re.split(r", | TO ", tail)[:-1] if table not in each]
        if others:
            less.append(f"{head} ON {', '.join(others)} TO somebody")
        if kept:
            on = next(each for each in re.split(r", | TO ", tail) if table in each)
            less.append(f"GRANT {', '.join(kept)} ON {on} TO somebody")
    assert less != grants
    return less


def schema(server: Server) -> dict[str, str]:
    return {"schema": SCHEMA} if isinstance(server, PostgresqlServer) else {}


def printed(server: Server) -> list[str]:
    """The statements that the command prints."""
    words = ["sql", "ddl", "--dialect", server.scheme]
    words += ["--schema", SCHEMA] if isinstance(server, PostgresqlServer) else []
    result = apart(lambda: CliRunner().invoke(commands(), words))
    assert result.exit_code == 0, result.output
    return [each for each in result.stdout.split(";\n\n") if each.strip()]


@pytest.fixture
async def tables(server: Server, database: str) -> None:
    """The printed tables, made by an administrator; nobody has used them yet."""
    for statement in printed(server):
        server.run(database, statement.strip().rstrip(";"))


@pytest.fixture
async def used(stores: Stores, server: Server, database: str, tables: None) -> SqlBackend:
    """The same after the administrator has put a secret there."""
    admin = stores(server, database, more=schema(server))
    await admin.put("db", b"v", {})
    return admin


async def writes(backend: SqlBackend) -> None:
    """All that can be done, one after the other."""
    await backend.check()
    await backend.put("new", b"1", {"a": "b"})
    await backend.put("new", b"2", {})
    await backend.delete("new")
    assert await listed(backend) is not None


async def test_who_may_read_can_read_and_not_write(stores: Stores, server: Server, database: str, used: SqlBackend):
    reader = stores(server, database, more=schema(server), login=login(server, database, blocks(server)["reader"]))
    await reader.check()
    assert isinstance(await one(reader), Value)
    assert set(await listed(reader)) == {"db"}
    with pytest.raises(PermissionDenied, match="GRANT SELECT on keyferry_meta, and SELECT, INSERT and UPDATE"):
        await reader.put("db", b"w", {})
    with pytest.raises(PermissionDenied):
        await reader.delete("db")
    assert await one(used) == await one(reader)


async def test_what_reads_can_listen_too(stores: Stores, server: Server, database: str, used: SqlBackend):
    reader = stores(server, database, more=schema(server), login=login(server, database, blocks(server)["reader"]))
    source = reader.hints()
    if source is None:
        pytest.skip("only PostgreSQL tells")
    await anext(source)
    await source.aclose()


@pytest.mark.parametrize("table", ["keyferry_meta", "keyferry_secret"])
async def test_without_a_part_of_it_nothing_is_read(
    stores: Stores, server: Server, database: str, used: SqlBackend, table: str
):
    less = without(blocks(server)["reader"], "SELECT", table)
    reader = stores(server, database, more=schema(server), login=login(server, database, less))
    with pytest.raises(
        PermissionDenied, match=r"user user_\d+ of Secret payments/sql-login lacks a right: GRANT SELECT"
    ):
        await reader.check()
    assert isinstance(await one(reader), PermissionDenied)


async def test_who_may_write_can_use_the_printed_tables_from_the_first_on(
    stores: Stores, server: Server, database: str, tables: None
):
    await writes(stores(server, database, more=schema(server), login=login(server, database, blocks(server)["writer"])))


@pytest.mark.parametrize("right", ["INSERT", "UPDATE"])
async def test_without_a_part_of_it_something_cannot_be_written(
    stores: Stores, server: Server, database: str, used: SqlBackend, right: str
):
    less = without(blocks(server)["writer"], right, "keyferry_secret")
    writer = stores(server, database, more=schema(server), login=login(server, database, less))
    with pytest.raises(PermissionDenied, match="SELECT, INSERT and UPDATE on keyferry_secret"):
        await writes(writer)


async def test_who_may_only_read_cannot_begin_and_says_what_is_missing(
    stores: Stores, server: Server, database: str, tables: None
):
    reader = stores(server, database, more=schema(server), login=login(server, database, blocks(server)["reader"]))
    with pytest.raises(PermissionDenied, match="GRANT INSERT on keyferry_meta, until it holds"):
        await reader.check()
    await stores(server, database, more=schema(server)).put("db", b"v", {})
    await reader.check()


async def test_who_may_make_tables_needs_no_administrator(stores: Stores, server: Server, database: str):
    grants = blocks(server).get("maker")
    if grants is None:
        pytest.skip("in H2 that is an administrator")
    if isinstance(server, PostgresqlServer):
        server.run(database, f"CREATE SCHEMA {SCHEMA}")
    await writes(stores(server, database, more=schema(server), login=login(server, database, grants)))


async def test_who_may_not_make_them_is_told_the_command(stores: Stores, server: Server, database: str):
    grants = [f"GRANT CONNECT ON DATABASE {database} TO x"] if isinstance(server, PostgresqlServer) else []
    if server.scheme == "mysql":
        grants = ["GRANT SELECT ON secrets.* TO x"]
    nobody = stores(server, database, more=schema(server), login=login(server, database, grants))
    with pytest.raises(PermissionDenied) as failure:
        await nobody.check()
    assert f"keyferry sql ddl --dialect {server.scheme}" in str(failure.value)


def columns(server: Server, database: str) -> list[tuple[object, ...]]:
    """What the tables of a database are made of."""
    query = (
        "SELECT table_name, column_name, data_type, is_nullable, character_maximum_length "
        "FROM information_schema.columns WHERE table_name LIKE 'keyferry%%' "
    )
    here = f"AND table_schema = '{database}' " if server.scheme == "mysql" else ""  # a database is a schema there
    return asked(server, database, f"{query}{here}ORDER BY table_name, column_name")


async def test_tables_that_keyferry_makes_are_those_that_it_prints(stores: Stores, server: Server, database: str):
    await stores(server, database, more=schema(server)).check()
    by_hand = server.database()
    for statement in printed(server):
        server.run(by_hand, statement.strip().rstrip(";"))
    made = columns(server, by_hand)
    server.drop(by_hand)
    assert len(made) == 11
    assert made == columns(server, database)


async def test_tables_whose_first_row_was_lost_are_not_given_another_key(
    stores: Stores, server: Server, database: str, used: SqlBackend
):
    table = f"{SCHEMA}.keyferry_meta" if isinstance(server, PostgresqlServer) else "keyferry_meta"
    server.run(database, f"DELETE FROM {table}")  # noqa: S608 - one of two
    with pytest.raises(SyncError, match="has no schema"):
        await used.check()
    with pytest.raises(SyncError, match="has no schema"):
        await used.put("other", b"v", {})


async def test_a_schema_of_another_version_stays_as_it_is(
    stores: Stores, server: Server, database: str, used: SqlBackend
):
    table = f"{SCHEMA}.keyferry_meta" if isinstance(server, PostgresqlServer) else "keyferry_meta"
    server.run(database, f"UPDATE {table} SET schema_version = 2")  # noqa: S608 - one of two
    with pytest.raises(SyncError, match="unknown version 2 of the schema"):
        await used.put("db", b"v", {})


async def test_a_table_that_is_none_of_ours_stays_as_it_is(stores: Stores, server: Server, database: str):
    server.run(database, "CREATE TABLE keyferry_meta (id INTEGER)", "INSERT INTO keyferry_meta VALUES (7)")
    with pytest.raises(SyncError):
        await stores(server, database).check()
    assert asked(server, database, "SELECT * FROM keyferry_meta") == [(7,)]
