"""A MariaDB of this machine: its process, and what an administrator would do with it."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from tests.controlplane import credentials, free_port
from tests.controlplane.processes import ProcessGroup
from tests.servers.programs import MARIADB, hand_over, run_through, unprivileged
from tests.servers.shared import Shared
from tests.servers.vault_server import unique
from tests.servers.waiting import until_ready

ADMIN = "admin"
_SMALL = ("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M")
_QUICK = ("--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF")


@dataclass(frozen=True, slots=True)
class MariadbServer:
    """A running MariaDB, with TLS. Tests share it, so each has a database and users of its own."""

    port: int
    ca: Path
    password: str = field(repr=False)  # of the administrator
    scheme: str = "mysql"

    def connection(self, database: str | None = None, **more: Any) -> Any:
        """As the administrator, unless `more` says as whom; each statement for itself."""
        login = {"user": ADMIN, "password": self.password, **more}
        return pymysql.connect(host="127.0.0.1", port=self.port, database=database, autocommit=True, **login)

    def run(self, database: str | None, *statements: str) -> None:
        with contextlib.closing(self.connection(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def database(self) -> str:
        """A new database."""
        name = unique("db").replace("-", "_")
        self.run(None, f"CREATE DATABASE {name} CHARACTER SET latin1")  # whatever it is, ours is said by the tables
        return name

    def drop(self, database: str) -> None:
        # It waits for whoever has a transaction open there, and not for long.
        self.run(None, "SET SESSION lock_wait_timeout = 5", f"DROP DATABASE IF EXISTS {database}")

    def user(self, password: str = "") -> tuple[str, str]:
        """A new user who may do nothing yet, and the password."""
        name, password = unique("user").replace("-", "_"), password or secrets.token_hex(8)
        with contextlib.closing(self.connection(charset="utf8mb4")) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (name, password))
        return name, password

    def connections(self, database: str) -> int:
        """How many are open."""
        with contextlib.closing(self.connection()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM information_schema.processlist WHERE db = %s", (database,))
            return int(cursor.fetchone()[0])


def start(group: ProcessGroup, folder: Path) -> MariadbServer:
    """A new server that ends with the group. Raises ProgramMissing."""
    install, mariadbd = MARIADB.program("mariadb-install-db"), MARIADB.program("mariadbd")
    made, port, password = credentials.write(folder), free_port(), secrets.token_hex(8)
    data, first = folder / "data", folder / "first.sql"
    first.write_text(
        f"CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
    )
    hand_over(folder, made.key, first)
    apart = f"--tmpdir={folder}"  # several at once would take each other's temporary tables away
    words = ["--no-defaults", apart, f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    run_through(unprivileged([str(install), *words, *_SMALL]), folder)
    command = [str(mariadbd), "--no-defaults", apart, f"--datadir={data}", "--bind-address=127.0.0.1", f"--port={port}"]
    command += [f"--socket={folder}/socket", f"--init-file={first}", *_SMALL, *_QUICK]
    command += [f"--ssl-cert={made.certificate}", f"--ssl-key={made.key}"]
    process = group.start("mariadb", unprivileged(command), log=folder / "mariadb.log")
    server = MariadbServer(port, made.ca, password)

    def answers() -> bool:
        server.connection().close()
        return True

    until_ready(process, answers, pymysql.err.OperationalError)
    return server


SHARED = Shared("mariadb", start)


@contextlib.contextmanager
def a_database(server: MariadbServer) -> Iterator[str]:
    """A database for a while."""
    name = server.database()
    try:
        yield name
    finally:
        server.drop(name)
