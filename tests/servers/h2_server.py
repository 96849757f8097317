"""An H2 of this machine, which speaks at its PostgreSQL port, and what an administrator would do with it."""

import contextlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.controlplane import free_port
from tests.controlplane.processes import ProcessGroup
from tests.servers import maven
from tests.servers.programs import JAVA
from tests.servers.shared import Shared
from tests.servers.vault_server import unique
from tests.servers.waiting import until_ready

JAR = ("com.h2database", "h2", "2.5.252")
ADMIN = "admin"
_SMALL = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class H2Server:
    """A running H2, which makes each database for whoever names it first. Tests share it."""

    port: int
    password: str = field(repr=False)  # of the administrator of each database
    scheme: str = "h2"

    def connection(self, database: str, **more: Any) -> psycopg.Connection[Any]:
        """As the administrator, unless `more` says as whom; each statement for itself."""
        login = {"user": ADMIN, "password": self.password, "sslmode": "disable", "prepare_threshold": None, **more}
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=database, autocommit=True, **login)

    def run(self, database: str, *statements: str) -> None:
        with contextlib.closing(self.connection(database)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def database(self) -> str:
        """A new database."""
        name = unique("db").replace("-", "_")
        self.run(name, "SELECT 1")
        return name

    def drop(self, database: str) -> None:
        """Nothing: it ends with the server."""

    def user(self, database: str, password: str = "") -> tuple[str, str]:
        """A new user of that database who may do nothing yet, and the password."""
        name, password = unique("user").replace("-", "_"), password or secrets.token_hex(8)
        self.run(database, f"CREATE USER {name} PASSWORD '{password}'")
        return name, password

    def connections(self, database: str) -> int:
        """How many are open."""
        with contextlib.closing(self.connection(database)) as connection:
            (number,) = connection.execute("SELECT count(*) FROM information_schema.sessions").fetchone() or (0,)
        return int(number) - 1  # without this one


def start(group: ProcessGroup, folder: Path) -> H2Server:
    """A new server that ends with the group. Raises ProgramMissing or MavenFailed."""
    jar = maven.find(*JAR)
    if jar is None:
        raise maven.MavenFailed("There is no H2, so tests on it are left out: run `make servers` once.")
    port = free_port()
    words = ["-cp", jar, "org.h2.tools.Server", "-pg", "-pgPort", port, "-ifNotExists", "-baseDir", folder]
    process = group.start("h2", [JAVA.program("java"), *_SMALL, *map(str, words)], log=folder / "h2.log")
    server = H2Server(port, secrets.token_hex(8))

    def answers() -> bool:
        server.connection("first").close()
        return True

    until_ready(process, answers, psycopg.OperationalError)
    return server


SHARED = Shared("h2", start)
