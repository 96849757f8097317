"""KV version 2, on a real Vault."""

from tests.contract.subjects._vault import opener
from tests.servers.vault_server import SHARED

open_subject = opener(SHARED.get, 2)
