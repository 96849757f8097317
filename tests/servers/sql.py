"""The SQL servers that tests can ask for, by name."""

from typing import Any

from tests.servers import h2_server, mariadb_server, postgresql_server
from tests.servers.shared import Shared

SERVERS: dict[str, Shared[Any]] = {
    "postgresql": postgresql_server.SHARED,
    "mariadb": mariadb_server.SHARED,
    "h2": h2_server.SHARED,
}
