"""KV version 1, on a real Vault."""

from tests.contract.subjects._vault import opener
from tests.servers import vault_server

open_subject = opener(vault_server.shared, 1)
