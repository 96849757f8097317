"""Bad input for each login: the condition says what is wrong, within the timeout, and nothing of the password."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from keyferry.backends.sql.backend import SqlBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError, Throttled
from keyferry.values import Value
from tests.contract.context import SeededCluster
from tests.contract.sql_stores import A_KEY, CA, GREETING, KEY, LOGIN, Server, Stores, holding, one
from tests.servers import certificates
from tests.servers.h2_server import H2Server
from tests.servers.mariadb_server import MariadbServer
from tests.servers.postgresql_server import PostgresqlServer

pytest_plugins = ["tests.contract.sql_fixtures"]

TIMEOUT = 5.0
PASSWORD = "canary-password"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def refused(backend: SqlBackend, kind: type[SyncError], words: str) -> str:
    """The check says this, in time and without the password."""
    began = time.monotonic()
    with pytest.raises(SyncError) as failure:
        await backend.check()
    assert time.monotonic() - began < TIMEOUT + 1
    assert type(failure.value) is kind, failure.value
    assert words in str(failure.value)
    assert PASSWORD not in f"{failure.value!r} {failure.value.__cause__!r} {failure.value.__context__!r}"
    return str(failure.value)


async def test_a_user_without_rights_on_the_database_is_told(
    stores: Stores, mariadb: MariadbServer, postgresql: PostgresqlServer, pg_database: str
):
    login = mariadb.user()
    database = mariadb.database()
    await refused(stores(mariadb, database, login=login), SpecInvalid, "or user")
    mariadb.drop(database)
    postgresql.run("postgres", f"REVOKE CONNECT ON DATABASE {pg_database} FROM PUBLIC")
    await refused(stores(postgresql, pg_database, login=postgresql.user()), SpecInvalid, "may not use it")


@pytest.mark.parametrize("password", ["žluťoučký kůň", 'it\'s \\ "odd" %s', "a" * 200], ids=["accents", "odd", "long"])
async def test_a_password_of_any_characters_will_do(stores: Stores, server: Server, database: str, password: str):
    if isinstance(server, H2Server):
        login = server.user(database, password.replace("'", "''"))
        server.run(database, f"ALTER USER {login[0]} ADMIN TRUE")
    else:
        login = server.user(password)
        server.run(database, *_everything(server, database, login[0]))
    backend = stores(server, database, login=(login[0], password))
    version = await backend.put("db", b"v", {})
    assert await one(backend) == Value(b"v", version)


def _everything(server: Server, database: str, user: str) -> list[str]:
    if isinstance(server, MariadbServer):
        return [f"GRANT ALL ON {database}.* TO '{user}'"]
    return [f"GRANT ALL ON SCHEMA public TO {user}"]


async def test_a_host_that_has_no_address_is_told(stores: Stores, server: Server, database: str):
    place = {server.scheme: {"host": "no-such-host.invalid", "port": server.port, "database": database}}
    await refused(stores(server, database, more=place, timeout=TIMEOUT), BackendUnavailable, "host's name is not known")


async def test_an_authority_that_is_not_trusted_is_told(stores: Stores, server: Server, database: str, tmp_path: Path):
    if isinstance(server, H2Server):
        pytest.skip("H2 has no TLS")
    other = certificates.write(tmp_path)
    await refused(_trusting(stores, server, database, other), BackendUnavailable, "an authority that is not trusted")
    await refused(
        stores(server, database, more={"caProvider": None}, timeout=TIMEOUT),  # the operator's own
        BackendUnavailable,
        "an authority that is not trusted: name the right one in caProvider",
    )


async def test_a_certificate_for_another_name_is_told(stores: Stores, server: Server, database: str):
    if isinstance(server, H2Server):
        pytest.skip("H2 has no TLS")
    host = "127.0.0.2" if isinstance(server, PostgresqlServer) else "127.1"  # the certificate names neither
    place = {server.scheme: {"host": host, "port": server.port, "database": database}}
    await refused(stores(server, database, more=place, timeout=TIMEOUT), BackendUnavailable, "for another name")


async def test_an_authority_that_is_none_is_told(stores: Stores, server: Server, database: str):
    if isinstance(server, H2Server):
        pytest.skip("H2 has no TLS")
    await refused(_trusting(stores, server, database, b"no certificate"), CredentialsMissing, "no certificates in PEM")


def _trusting(stores: Stores, server: Server, database: str, authority: bytes) -> SqlBackend:
    held = {**holding(server).secrets, CA: {"ca.crt": authority}}
    return stores(server, database, cluster=SeededCluster(held), timeout=TIMEOUT)


async def test_a_store_may_ask_for_a_connection_in_clear_and_is_told_what_that_means(
    stores: Stores, server: Server, database: str
):
    backend = stores(server, database, more={"tls": "Disabled", "caProvider": None}, timeout=TIMEOUT)
    assert [each.partition(":")[0] for each in (await backend.check()).lacking] == ["TLS"]
    assert await backend.put("db", b"v", {})


async def test_a_server_without_tls_is_sent_nothing(
    stores: Stores, postgresql: PostgresqlServer, mariadb: MariadbServer
):
    sent = bytearray()

    async def no_to_postgresql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.extend((await reader.readexactly(8))[8:])
        writer.write(b"N")
        sent.extend(await reader.read())

    async def no_to_mysql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packet = b"\x0a" + GREETING
        writer.write(len(packet).to_bytes(3, "little") + b"\0" + packet)
        sent.extend(await reader.read())

    for server, talk in ((postgresql, no_to_postgresql), (mariadb, no_to_mysql)):
        async with _talking(talk) as port:
            backend = stores(server, "db", more={"port": port}, timeout=TIMEOUT)
            await refused(backend, BackendUnavailable, "the server has no TLS, so nothing was sent to it")
    assert sent == b""


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"mysql_old_password"])
@pytest.mark.parametrize("switched", [True, False], ids=["asked later", "asked at once"])
async def test_a_password_is_never_sent_in_clear_to_whom_asks_for_it(
    stores: Stores, mariadb: MariadbServer, plugin: bytes, *, switched: bool
):
    sent = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packet = b"\x0a" + (GREETING if switched else GREETING.replace(b"mysql_native_password", plugin))
        writer.write(len(packet).to_bytes(3, "little") + b"\0" + packet)
        if switched:
            sent.extend(await reader.read(4096))
            asked = b"\xfe" + plugin + b"\0"
            writer.write(len(asked).to_bytes(3, "little") + b"\2" + asked)
        sent.extend(await reader.read())

    async with _talking(talk) as port:
        more = {"port": port, "tls": "Disabled", "caProvider": None}
        backend = stores(mariadb, "db", login=("admin", PASSWORD), more=more, timeout=TIMEOUT)
        await refused(backend, AuthFailed, "in a way that Keyferry does not")
    assert PASSWORD.encode() not in sent


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\0" * 64, b"\xff" * 4096], ids=ascii)
async def test_what_is_no_database_is_told(stores: Stores, server: Server, answer: bytes):
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with _talking(talk) as port:
        backend = stores(server, "db", more={"port": port}, timeout=TIMEOUT)
        with pytest.raises((BackendUnavailable, AuthFailed)):
            await backend.check()


async def test_a_server_that_wants_tls_is_told(stores: Stores, postgresql: PostgresqlServer, mariadb: MariadbServer):
    name, password = mariadb.user()
    database = mariadb.database()
    mariadb.run(None, f"ALTER USER {name} REQUIRE SSL", f"GRANT ALL ON {database}.* TO {name}")
    more = {"tls": "Disabled", "caProvider": None}
    await refused(
        stores(mariadb, database, login=(name, password), more=more, timeout=TIMEOUT), AuthFailed, "does not accept"
    )
    assert await stores(mariadb, database, login=(name, password)).put("db", b"v", {})
    mariadb.drop(database)


async def test_a_server_with_no_connection_left_asks_for_patience(
    stores: Stores, postgresql: PostgresqlServer, pg_database: str, mariadb: MariadbServer
):
    name, password = postgresql.user()
    postgresql.run(pg_database, f"ALTER ROLE {name} CONNECTION LIMIT 0")
    await refused(stores(postgresql, pg_database, login=(name, password)), Throttled, "no connection left")
    name, password = mariadb.user()
    mariadb.run(None, f"ALTER USER {name} WITH MAX_USER_CONNECTIONS 1")
    with contextlib.closing(mariadb.connection(user=name, password=password)):
        await refused(stores(mariadb, "mysql", login=(name, password)), Throttled, "no connection left")


async def test_a_password_that_changes_is_used_by_the_next_call(stores: Stores, server: Server, database: str):
    if isinstance(server, H2Server):
        name, password = server.user(database)
        server.run(database, f"ALTER USER {name} ADMIN TRUE")
        change = f"ALTER USER {name} SET PASSWORD 'another'"
    else:
        name, password = server.user()
        server.run(database, *_everything(server, database, name))
        change = f"ALTER USER {name} {'IDENTIFIED BY' if isinstance(server, MariadbServer) else 'PASSWORD'} 'another'"
    login: dict[str, bytes] = {"username": name.encode(), "password": password.encode()}
    cluster = SeededCluster({**holding(server).secrets, LOGIN: login, KEY: {"key": A_KEY}})
    backend = stores(server, database, cluster=cluster)
    version = await backend.put("db", b"v", {})
    server.run(database, change)
    login["password"] = b"another"
    await backend.check()
    assert await one(backend) == Value(b"v", version)
    login["password"] = b"yet another"
    with pytest.raises(AuthFailed):
        await backend.check()


@pytest.mark.parametrize("held", [b"", b"\n", b"\xff\xfe"], ids=ascii)
async def test_a_secret_that_holds_no_password_is_told(stores: Stores, server: Server, database: str, held: bytes):
    login = {"username": b"admin", "password": held}
    cluster = SeededCluster({**holding(server).secrets, LOGIN: login})
    backend = stores(server, database, cluster=cluster)
    await refused(backend, CredentialsMissing, "Secret payments/sql-login, key password, holds nothing")


async def test_an_address_that_was_not_allowed_is_not_asked(stores: Stores, server: Server, database: str):
    asked: list[str] = []

    def allowed(url: str) -> bool:
        asked.append(url)
        return False

    with pytest.raises(SpecInvalid, match=f"may not send requests to {server.scheme}://127.0.0.1:{server.port}"):
        stores(server, database, endpoint_allowed=allowed)
    assert asked == [f"{server.scheme}://127.0.0.1:{server.port}"]


@asynccontextmanager
async def _talking(talk: Talk) -> AsyncIterator[int]:
    """Somebody who listens and says this; the port."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await talk(reader, writer)
        writer.transport.abort()

    listening = await asyncio.start_server(served, "127.0.0.1", 0)
    async with listening:
        yield int(listening.sockets[0].getsockname()[1])


async def test_a_postgresql_that_asks_for_the_password_in_clear_does_not_get_it(
    stores: Stores, postgresql: PostgresqlServer
):
    sent = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.extend(await reader.read(4096))
        writer.write(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))  # AuthenticationCleartextPassword
        sent.extend(await reader.read())

    async with _talking(talk) as port:
        more = {"port": port, "tls": "Disabled", "caProvider": None}
        backend = stores(postgresql, "db", login=("admin", PASSWORD), more=more, timeout=TIMEOUT)
        await refused(backend, AuthFailed, "in a way that Keyferry does not")
    assert b"admin" in sent
    assert PASSWORD.encode() not in sent


async def test_a_user_that_is_locked_is_told(stores: Stores, mariadb: MariadbServer):
    name, password = mariadb.user()
    mariadb.run(None, f"ALTER USER {name} ACCOUNT LOCK")
    await refused(stores(mariadb, "mysql", login=(name, password)), AuthFailed, "the user is locked (code ")
