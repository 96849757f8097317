"""What can be wrong with a login to a database, on real servers, and with a SQLite file."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from keyferry.api.providers.sql import Sql
from keyferry.backends.sql import create
from keyferry.backends.sql.backend import SqlBackend
from keyferry.errors import BackendUnavailable, SpecInvalid
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.context import SeededCluster, context
from tests.contract.sql_stores import A_KEY, CA, DB, GREETING, KEY, Server, holding, store
from tests.servers.h2_server import H2Server
from tests.servers.mariadb_server import MariadbServer
from tests.servers.sql import SERVERS

NOBODY, SLOW = "at {address}: cannot connect: nobody answers there", "at {address}: the server takes too long"
REFUSED = "the server does not accept user {user} of Secret payments/sql-login: "


@dataclass
class World:
    scene: Scene
    server: Server
    database: str
    ref = DB

    def store(self, way: Way | None = None, login: tuple[str, str] = ("", ""), database: str = "") -> SqlBackend:
        cluster, timeout = holding(self.server, *login), 10.0
        more: dict[str, Any] = {}
        if way is not None:
            host, _, port = way.address.partition(":")
            more, timeout = (
                {self.server.scheme: {"host": host, "port": int(port), "database": self.database}},
                way.timeout,
            )
            if way.authority:
                cluster.secrets = {**cluster.secrets, CA: {"ca.crt": way.authority}}
        return store(self.server, database or self.database, more=more, cluster=cluster, timeout=timeout)

    def expired(self) -> SqlBackend:
        """A store whose user's password was good until an hour ago."""
        assert not isinstance(self.server, H2Server)
        name, password = self.server.user()
        if isinstance(self.server, MariadbServer):
            self.server.run(None, f"GRANT ALL ON {self.database}.* TO {name}", f"ALTER USER {name} PASSWORD EXPIRE")
        else:
            until = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
            self.server.run("postgres", f"ALTER ROLE {name} VALID UNTIL '{until}'")
        return self.store(None, (name, password))

    def closing(self) -> Way:
        """A server that ends the connection instead of an answer, as H2 does where there is no such database."""
        listening = self.scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client:
                        client.recv(4096)

        thread = threading.Thread(target=serve, name="closes connections")
        thread.start()
        self.scene.stack.callback(thread.join)
        self.scene.stack.callback(listening.shutdown, socket.SHUT_RDWR)
        return Way(f"127.0.0.1:{listening.getsockname()[1]}")


@dataclass
class Files:
    """A folder of databases."""

    folder: Path
    ref = DB

    def store(self, folder: Path | None = None, key: bytes = A_KEY) -> SqlBackend:
        spec = {"database": "app", "encryption": {"keySecretRef": {"name": KEY, "key": "key"}}}
        around = context(cluster=SeededCluster({KEY: {"key": key}}), data_dir=folder or self.folder)
        return create(Sql.model_validate(spec), around)


def _server(name: str) -> Callable[[Scene], AbstractAsyncContextManager[World]]:
    @asynccontextmanager
    async def world(scene: Scene) -> AsyncIterator[World]:
        server = SERVERS[name].get()
        made = World(scene, server, server.database())
        scene.stack.callback(server.drop, made.database)
        async with aclosing(made.store()) as writer:
            await writer.put(DB.id, b"v", {})
        yield made

    return world


@asynccontextmanager
async def _files(scene: Scene) -> AsyncIterator[Files]:
    made = Files(scene.folder / "data")
    made.folder.mkdir()
    async with aclosing(made.store()) as writer:
        await writer.put(DB.id, b"v", {})
    yield made


def _as_postgresql(client: socket.socket) -> None:
    client.recv(8, socket.MSG_WAITALL)
    client.sendall(b"S")


def _as_mysql(client: socket.socket) -> None:
    packet = b"\x0a" + GREETING.replace(b"\xff\xf7", b"\xff\xff")  # it speaks TLS
    client.sendall(len(packet).to_bytes(3, "little") + b"\0" + packet)
    client.recv(36, socket.MSG_WAITALL)


def _wrong(words: str) -> Mapping[Case, list[Bad]]:
    """Users and passwords. `words`: what the server is told to say of them."""
    return {
        Case.SECRET: [
            Bad(lambda world: world.store(None, ("admin", "canary")), words.format(user="admin"), name="password"),
            Bad(lambda world: world.store(None, ("nobody", "canary")), words.format(user="nobody"), name="user"),
        ]
    }


NO_DATABASE = [
    Bad(lambda world: world.store(database="nowhere"), "there is no such database, or user admin of", SpecInvalid)
]
CLOSES = (
    "the server closes the connection when user {user} of Secret payments/sql-login logs in. H2 says no more where "
    "user or password is wrong, or where there is no such database"
)
NO_TLS = "H2's PostgreSQL port knows no TLS"
FILE = "SQLite has no login, only the key of its values"
POSTGRESQL = "there is no such user, or the password is another or not valid any more"

TABLES: Mapping[str, Table] = {
    "postgresql": Table(
        _server("postgresql"),
        frozenset({"postgresql"}),
        {
            "postgresql": Login(
                {
                    **_wrong(REFUSED + POSTGRESQL),
                    Case.EXPIRED: [Bad(World.expired, POSTGRESQL)],
                    Case.TENANT: NO_DATABASE,
                },
                World.store,
                _as_postgresql,
            )
        },
        nobody=NOBODY,
        silence=SLOW,
        server="postgresql",
    ),
    "mysql": Table(
        _server("mariadb"),
        frozenset({"mysql"}),
        {
            "mysql": Login(
                {
                    **_wrong(REFUSED + "there is no such user, or the password is another"),
                    Case.EXPIRED: [Bad(World.expired, "the password has expired: give the user another")],
                    Case.TENANT: NO_DATABASE,
                },
                World.store,
                _as_mysql,
            )
        },
        nobody=NOBODY,
        silence=SLOW,
        server="mariadb",
    ),
    "h2": Table(
        _server("h2"),
        frozenset({"h2"}),
        {
            "h2": Login(
                {
                    **_wrong(CLOSES),
                    Case.EXPIRED: "a user's password has no end in H2",
                    Case.TENANT: [Bad(lambda world: world.store(world.closing()), CLOSES.format(user="admin"))],
                    Case.AUTHORITY: NO_TLS,
                    Case.CLOCK: NO_TLS,
                },
                World.store,
                None,
            )
        },
        nobody=NOBODY,
        silence=SLOW,
        server="h2",
    ),
    "database": Table(
        _files,
        frozenset({"database"}),
        {
            "database": Login(
                {
                    Case.SECRET: [
                        Bad(
                            lambda files: files.store(key=b"canary" * 8),
                            "does not hold the key that the database was made with",
                        )
                    ],
                    Case.EXPIRED: FILE,
                    Case.TENANT: "a database that is not there is made",
                    Case.ADDRESS: [
                        Bad(
                            lambda files: files.store(files.folder / "nowhere"),
                            "data/nowhere is not there; see the chart's value persistence",
                            BackendUnavailable,
                        )
                    ],
                    Case.AUTHORITY: FILE,
                    Case.CLOCK: FILE,
                }
            )
        },
    ),
}
