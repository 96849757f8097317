"""A PostgreSQL of this machine: its process, and what an administrator would do with it."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.controlplane import credentials, free_port
from tests.controlplane.processes import ProcessGroup
from tests.servers.programs import POSTGRESQL, hand_over, run_through, unprivileged
from tests.servers.shared import Shared
from tests.servers.vault_server import unique
from tests.servers.waiting import until_ready

ADMIN = "admin"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60")


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A running PostgreSQL, with TLS. Tests share it, so each has a database and users of its own."""

    port: int
    ca: Path
    password: str = field(repr=False)  # of the administrator
    scheme: str = "postgresql"

    def connection(self, database: str = "postgres", **more: Any) -> psycopg.Connection[Any]:
        """As the administrator, unless `more` says as whom; each statement for itself."""
        login = {"user": ADMIN, "password": self.password, **more}
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=database, autocommit=True, **login)

    def run(self, database: str, *statements: str) -> None:
        with contextlib.closing(self.connection(database)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def database(self, owner: str = "") -> str:
        """A new database, and whose it is."""
        name = unique("db").replace("-", "_")
        self.run("postgres", f"CREATE DATABASE {name}" + (f" OWNER {owner}" if owner else ""))
        return name

    def drop(self, database: str) -> None:
        self.run("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def user(self, password: str = "") -> tuple[str, str]:
        """A new user who may do nothing yet, and the password."""
        name, password = unique("user").replace("-", "_"), password or secrets.token_hex(8)
        with contextlib.closing(self.connection()) as connection:
            query = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
            connection.execute(query)
        return name, password

    def connections(self, database: str) -> int:
        """How many are open."""
        with contextlib.closing(self.connection()) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            (number,) = connection.execute(query, (database,)).fetchone() or (0,)
        return int(number)


def start(group: ProcessGroup, folder: Path) -> PostgresqlServer:
    """A new server that ends with the group. Raises ProgramMissing."""
    initdb, postgres = POSTGRESQL.program("initdb"), POSTGRESQL.program("postgres")
    made, port, password = credentials.write(folder), free_port(), secrets.token_hex(8)
    data, given = folder / "data", folder / "password"
    given.write_text(password)
    made.key.chmod(0o600)
    hand_over(folder, made.key, given)
    _initialise(initdb, data, given)
    options = [*_QUICK, "ssl=on", f"ssl_cert_file={made.certificate}", f"ssl_key_file={made.key}"]
    command = [str(postgres), "-D", str(data), "-p", str(port), "-h", "127.0.0.1,127.0.0.2", "-k", str(folder)]
    command += [word for option in options for word in ("-c", option)]
    process = group.start("postgresql", unprivileged(command), log=folder / "postgresql.log")
    server = PostgresqlServer(port, made.ca, password)

    def answers() -> bool:
        server.connection().close()
        return True

    until_ready(process, answers, psycopg.OperationalError)
    return server


def _initialise(initdb: Path, data: Path, password: Path) -> None:
    words = ["-D", str(data), "-U", ADMIN, f"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8"]
    words += ["--no-sync", "--no-instructions", "--locale=C.UTF-8"]
    run_through(unprivileged([str(initdb), *words]), data.parent)


# Killed it would leave a segment of shared memory behind. It waits for its clients, which are of this process.
SHARED = Shared("postgresql", start, grace=5)


@contextlib.contextmanager
def a_database(server: PostgresqlServer) -> Iterator[str]:
    """A database for a while."""
    name = server.database()
    try:
        yield name
    finally:
        server.drop(name)
