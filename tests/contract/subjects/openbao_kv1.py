"""KV version 1, on a real OpenBao."""

from tests.contract.subjects._vault import opener
from tests.servers.openbao import SHARED

open_subject = opener(SHARED.get, 1)
