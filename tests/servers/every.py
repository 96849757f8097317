"""Every server that tests can ask for, by the name that their fixtures and parameters have."""

from typing import Any

from tests.servers import elasticsearch_server, openbao, sql, vault_server
from tests.servers.shared import Shared

SERVERS: dict[str, Shared[Any]] = {
    **sql.SERVERS,
    "elastic": elasticsearch_server.SHARED,
    "openbao": openbao.SHARED,
    "vault": vault_server.SHARED,
}
